// Takes bytes apart into whole blocks: request bodies, and stretches of stored ones.
//
// - Strict: a block begins where the one before ended, and the bytes end where a block does.
// - Memory is bounded by the limit of the body; what a header claims beyond it is refused at once.

import { headLength } from "../core/block.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import type { BlockBytes, Pieces } from "../store/store.ts";
import { Problem } from "./problem.ts";

export const bodyBytesMax: number = 9 * 1024 * 1024;

export interface SplitBlock extends BlockBytes {
  readonly header: Header;
}

/**
 * The blocks of a body in order. Throws Fault for bytes that are no header, Problem body-too-large
 * or body-cut-short. `limit` counts all bytes.
 */
export async function* splitBody(
  pieces: Pieces,
  limit: number = Number.POSITIVE_INFINITY,
): AsyncGenerator<SplitBlock, void, undefined> {
  const reader = new BodyReader(pieces, limit);
  try {
    for (let block = await reader.next(); block !== undefined; block = await reader.next()) {
      yield block;
    }
  } finally {
    await reader.close();
  }
}

/** Reads a body block by block; the first head can be looked at before its payload is read. */
export class BodyReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #limit: number;
  #piece: Uint8Array = new Uint8Array(0);
  #taken = 0;
  #head: { head: Uint8Array; header: Header } | undefined;

  constructor(pieces: Pieces, limit: number) {
    this.#pieces = pieces[Symbol.asyncIterator]();
    this.#limit = limit;
  }

  /** The next block's head; undefined at the end of the body. Asking twice gives the same. */
  async head(): Promise<{ head: Uint8Array; header: Header } | undefined> {
    if (this.#head !== undefined) return this.#head;
    const head = await this.#take(headLength, true);
    if (head === undefined) return undefined;
    this.#head = { head, header: decodeHeader(head) };
    return this.#head;
  }

  async next(): Promise<SplitBlock | undefined> {
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
          throw new Problem("body-cut-short", `body ends ${length - done} bytes too early`);
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

export function tooLarge(limit: number): Problem {
  return new Problem("body-too-large", `body is larger than ${limit} bytes`);
}
