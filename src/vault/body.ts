// A request's body as whole blocks: what is wrong with it, in the words of HTTP.

import type { Pieces } from "../core/chain-source.ts";
import { BlockReader, FramingError, type WholeBlock } from "../core/whole-blocks.ts";
import { Problem } from "./problem.ts";

export const bodyBytesMax: number = 9 * 1024 * 1024;

/** Throws Fault for bytes that are no header, Problem body-too-large or body-cut-short. */
export class BodyReader {
  readonly #blocks: BlockReader;

  /** `hold` is told of memory before it is taken, and may throw instead. */
  constructor(pieces: Pieces, limit: number, hold: (bytes: number) => void) {
    this.#blocks = new BlockReader(pieces, limit, hold);
  }

  /** The next block's head; undefined at the end of the body. Asking twice gives the same. */
  head(): ReturnType<BlockReader["head"]> {
    return asProblem(this.#blocks.head());
  }

  next(): Promise<WholeBlock | undefined> {
    return asProblem(this.#blocks.next());
  }

  /** Passes the next block's payload over, and holds nothing of it. */
  skip(): Promise<void> {
    return asProblem(this.#blocks.skip());
  }

  /** Lets go of the pieces that were not asked for. */
  close(): Promise<void> {
    return this.#blocks.close();
  }
}

async function asProblem<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof FramingError)) throw error;
    const code = error.why === "too-large" ? "body-too-large" : "body-cut-short";
    throw new Problem(code, error.message);
  }
}

export function tooLarge(limit: number): Problem {
  return new Problem("body-too-large", `body is larger than ${limit} bytes`);
}
