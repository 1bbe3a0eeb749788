// The strict reader of blocks: takes bytes in pieces apart into whole blocks.
//
// - A block begins where the one before ended, and the bytes end where a block does. Damaged
//   objects are for verify/splitter.ts.
// - Memory is bounded by one block and by the limit of all bytes; what a header claims beyond the
//   limit is refused before it is read.

import { headLength } from "./block.ts";
import type { Pieces } from "./chain-source.ts";
import { decodeHeader, type Header } from "./header.ts";

export interface WholeBlock {
  /** header ‖ signature. */
  readonly head: Uint8Array;
  readonly header: Header;
  /** The stored payload. */
  readonly payload: Uint8Array;
}

/** Bytes that do not end where a block does, or are more than they may be. */
export class FramingError extends Error {
  override readonly name = "FramingError";
  readonly why: "cut-short" | "too-large";

  constructor(why: FramingError["why"], message: string) {
    super(message);
    this.why = why;
  }
}

/** The blocks of `pieces` in order. Throws Fault for bytes that are no header, and FramingError. */
export async function* wholeBlocks(
  pieces: Pieces,
  limit: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<WholeBlock, void, undefined> {
  const reader = new BlockReader(pieces, limit);
  try {
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      yield block;
    }
  } finally {
    await reader.close();
  }
}

/** Reads block by block; the first head can be looked at before its payload is read. */
export class BlockReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #limit: number;
  #piece: Uint8Array = new Uint8Array(0);
  #taken = 0;
  #head: { head: Uint8Array; header: Header } | undefined;

  /** `limit` counts all bytes. */
  constructor(pieces: Pieces, limit: number = Number.POSITIVE_INFINITY) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#limit = limit;
  }

  /** The next block's head; undefined at the end of the bytes. Asking twice gives the same. */
  async head(): Promise<{ head: Uint8Array; header: Header } | undefined> {
    if (this.#head !== undefined) return this.#head;
    const head = await this.#take(headLength, true);
    if (head === undefined) return undefined;
    this.#head = { head, header: decodeHeader(head) };
    return this.#head;
  }

  async next(): Promise<WholeBlock | undefined> {
    const found = await this.head();
    if (found === undefined) return undefined;
    const payload = (await this.#take(found.header.storedLength, false)) as Uint8Array;
    this.#head = undefined;
    return { ...found, payload };
  }

  /** Lets go of the pieces that were not asked for. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #take(length: number, mayEnd: boolean): Promise<Uint8Array | undefined> {
    if (this.#taken + length > this.#limit && !mayEnd) throw tooLarge(this.#limit);
    let bytes: Uint8Array | undefined;
    for (let done = 0; done < length; ) {
      if (this.#piece.length === 0) {
        const next = await this.#pieces.next();
        if (next.done === true) {
          if (mayEnd && done === 0) return undefined;
          throw new FramingError("cut-short", `bytes end ${length - done} bytes too early`);
        }
        this.#piece = next.value;
        continue;
      }
      bytes ??= new Uint8Array(length);
      const part = this.#piece.subarray(0, length - done);
      bytes.set(part, done);
      done += part.length;
      this.#piece = this.#piece.subarray(part.length);
      this.#taken += part.length;
      if (this.#taken > this.#limit) throw tooLarge(this.#limit);
    }
    return bytes;
  }
}

function tooLarge(limit: number): FramingError {
  return new FramingError("too-large", `blocks are more than ${limit} bytes`);
}
