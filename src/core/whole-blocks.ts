// The strict reader of blocks: takes bytes in pieces apart into whole blocks.
//
// - A block begins where the one before ended, and the bytes end where a block does. Damaged
//   objects are for verify/splitter.ts.
// - Memory is bounded by one block and by the limit of all bytes; what a header claims beyond the
//   limit is refused before it is read.
// - Where memory is counted, it grows with the bytes that arrive, not with what a header claims.

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

export type FoundHead = Pick<WholeBlock, "head" | "header">;

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

/** What is held of a block at first, where memory is counted. */
const firstBytes = 65_536;
/** What a block takes beside its payload. */
const blockOverhead = 1024;

/** Reads block by block; the first head can be looked at before its payload is read. */
export class BlockReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #limit: number;
  readonly #hold: ((bytes: number) => void) | undefined;
  #piece: Uint8Array = new Uint8Array(0);
  #taken = 0;
  #head: FoundHead | undefined;

  /**
   * `limit` counts all bytes. `hold` is told of memory for blocks before it is taken, and may throw
   * instead.
   */
  constructor(
    pieces: Pieces,
    limit: number = Number.POSITIVE_INFINITY,
    hold?: (bytes: number) => void,
  ) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#limit = limit;
    this.#hold = hold;
  }

  /** The next block's head; undefined at the end of the bytes. Asking twice gives the same. */
  async head(): Promise<FoundHead | undefined> {
    if (this.#head !== undefined) return this.#head;
    if (!(await this.#more())) return undefined;
    const head = new Uint8Array(headLength);
    await this.#pass(headLength, (part, done) => head.set(part, done));
    this.#head = { head, header: decodeHeader(head) };
    return this.#head;
  }

  async next(): Promise<WholeBlock | undefined> {
    const found = await this.head();
    if (found === undefined) return undefined;
    this.#hold?.(blockOverhead);
    const payload = await this.#payload(found.header.storedLength);
    this.#head = undefined;
    return { ...found, payload };
  }

  /** Passes the next block's payload over, and holds nothing of it. */
  async skip(): Promise<void> {
    const found = await this.head();
    if (found !== undefined) await this.#pass(found.header.storedLength, () => {});
    this.#head = undefined;
  }

  /** Lets go of the pieces that were not asked for. */
  async close(): Promise<void> {
    await this.#pieces.return?.();
  }

  async #payload(length: number): Promise<Uint8Array> {
    const least = this.#hold === undefined ? length : firstBytes;
    let bytes = new Uint8Array(0);
    await this.#pass(length, (part, done) => {
      const need = done + part.length;
      if (need > bytes.length) {
        const size = Math.min(length, Math.max(least, 2 * bytes.length, need));
        this.#hold?.(size - bytes.length);
        const larger = new Uint8Array(size);
        larger.set(bytes.subarray(0, done));
        bytes = larger;
      }
      bytes.set(part, done);
    });
    return bytes;
  }

  /** Hands the next `length` bytes on as they arrive. */
  async #pass(length: number, take: (part: Uint8Array, done: number) => void): Promise<void> {
    if (this.#taken + length > this.#limit) throw tooLarge(this.#limit);
    for (let done = 0; done < length; ) {
      if (!(await this.#more())) {
        throw new FramingError("cut-short", `bytes end ${length - done} bytes too early`);
      }
      const part = this.#piece.subarray(0, length - done);
      take(part, done);
      done += part.length;
      this.#taken += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
  }

  /** Whether there are bytes to read, once some arrived or the pieces ended. */
  async #more(): Promise<boolean> {
    while (this.#piece.length === 0) {
      const next = await this.#pieces.next();
      if (next.done === true) return false;
      this.#piece = next.value;
    }
    return true;
  }
}

function tooLarge(limit: number): FramingError {
  return new FramingError("too-large", `blocks are more than ${limit} bytes`);
}
