// The second copies of heads, in `headers/` objects: each must be what was walked.
//
// - One object is held at a time.

import { headLength } from "../core/block.ts";
import type { StoredObject } from "../core/chain-source.ts";
import { PieceReader } from "./piece-reader.ts";
import { headsPerObject } from "./stored-blocks.ts";

export interface HeadCopy {
  readonly head: Uint8Array;
  readonly object: string;
  readonly byte: number;
}

export class HeadCopies {
  readonly #objects: ReadonlyMap<number, StoredObject>;
  readonly #report: (object: string, message: string) => void;
  #held: { name: string; firstBlock: number; bytes: Uint8Array } | undefined;

  /** `report` is told of objects that don't hold 1,024 heads: MALFORMED. */
  constructor(objects: readonly StoredObject[], report: (object: string, message: string) => void) {
    this.#objects = new Map(objects.map((object) => [object.firstBlock, object]));
    this.#report = report;
  }

  /** The copy of a block's head, if there is one. Blocks are asked for in rising order. */
  async at(number: number): Promise<HeadCopy | undefined> {
    const start = number - (number % headsPerObject);
    if (this.#held?.firstBlock !== start) {
      const object = this.#objects.get(start);
      this.#held = undefined;
      if (object === undefined) return undefined;
      this.#held = { name: object.name, firstBlock: start, bytes: await this.#read(object) };
    }
    const byte = (number - start) * headLength;
    const head = this.#held.bytes.subarray(byte, byte + headLength);
    if (head.length < headLength) return undefined;
    return { head, object: this.#held.name, byte };
  }

  async #read(object: StoredObject): Promise<Uint8Array> {
    const want = headsPerObject * headLength;
    const reader = new PieceReader(object);
    try {
      const longer = await reader.has(want + 1);
      if (longer || reader.held < want) {
        this.#report(object.name, `headers object does not hold ${headsPerObject} heads`);
      }
      return reader.take(want);
    } finally {
      await reader.close();
    }
  }
}
