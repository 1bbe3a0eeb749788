// The blocks of a chain as stored, in order: from `.blocks` objects, and where these were deleted
// from the `headers/` objects that outlive them. And those objects as the copies of heads that they
// are where the blocks are there.

import { headLength } from "../core/block.ts";
import type { StoredObject } from "../core/chain-source.ts";
import { firstBytes } from "./piece-reader.ts";
import { type HeadSense, type StoredBlock, splitBlocks, splitHeads } from "./splitter.ts";
import type { NoPayload } from "./walk-options.ts";

/** Blocks in one complete `headers/` object. */
const headsPerObject = 1024;

export interface FoundBlock {
  readonly stored: StoredBlock;
  readonly payload: Uint8Array | NoPayload;
  readonly object: string;
  /** The number in the object's name, for the first stretch of it. */
  readonly named: number | undefined;
  /** First block of the object behind this one. */
  readonly nextObject: number | undefined;
}

export interface StoredChain {
  readonly blocks: readonly StoredObject[];
  readonly headers: readonly StoredObject[];
}

/** What the reading of a chain must know of its walk. */
export interface WalkSoFar extends HeadSense {
  /** Number of the block that comes next. */
  readonly position: () => number;
}

/** What is taken of a chain: whole blocks, their heads, or copies of these wherever there are some. */
export type Taken = "blocks" | "heads" | "copies";

/** Reads a chain. Throws Unreadable. */
export async function* storedBlocks(
  chain: StoredChain,
  walk: WalkSoFar,
  taken: Taken,
): AsyncGenerator<FoundBlock, void, undefined> {
  const heads = new Heads(chain.headers, taken === "blocks" ? "missing" : "not-read");
  for (const [index, object] of chain.blocks.entries()) {
    const next = chain.blocks[index + 1]?.firstBlock;
    const to = taken === "copies" ? Number.POSITIVE_INFINITY : object.firstBlock;
    yield* heads.between(walk.position, to);
    // Only what copies showed is passed over: names say nothing of what an object holds.
    if (next !== undefined && next <= heads.shown) continue;
    let number = object.firstBlock;
    for await (const stored of splitBlocks(object, walk)) {
      const named = stored.at === 0 ? object.firstBlock : undefined;
      const payload = taken === "blocks" ? stored.payload : "not-read";
      const found = { stored, payload, object: object.name, named, nextObject: next } as const;
      if (number >= heads.shown) yield found;
      number += 1;
    }
  }
  yield* heads.between(walk.position, Number.POSITIVE_INFINITY);
}

// Headers objects are asked for in rising order, so each is passed once.
class Heads {
  readonly #objects: readonly StoredObject[];
  readonly #why: NoPayload;
  #index = 0;
  /** Number behind the newest one that was handed out. */
  shown = 0;

  constructor(objects: readonly StoredObject[], why: NoPayload) {
    this.#objects = objects;
    this.#why = why;
  }

  /** Heads of the blocks from where the walk stands up to `to`. */
  async *between(position: () => number, to: number): AsyncGenerator<FoundBlock, void, undefined> {
    for (; position() < to; this.#index += 1) {
      const object = this.#objects[this.#index];
      if (object === undefined || object.firstBlock >= to) return;
      const end = object.firstBlock + headsPerObject;
      if (end <= position()) continue;
      yield* this.#headsOf(object, position(), to);
      // The rest of it may be wanted later.
      if (end > to) return;
    }
  }

  async *#headsOf(
    object: StoredObject,
    from: number,
    to: number,
  ): AsyncGenerator<FoundBlock, void, undefined> {
    const end = object.firstBlock + headsPerObject;
    let number = object.firstBlock;
    for await (const stored of splitHeads(object)) {
      const found = { payload: this.#why, object: object.name, named: undefined, nextObject: end };
      if (number === end) {
        yield { ...found, stored: { ...stored, shape: "junk" } };
        return;
      }
      number += 1;
      if (number <= from || number > to) continue;
      this.shown = number;
      yield { ...found, stored };
    }
  }
}

interface HeadCopy {
  readonly head: Uint8Array;
  readonly object: string;
  readonly byte: number;
}

/** The second copies of heads: each must be what was walked. One object is held at a time. */
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
    const bytes = await firstBytes(object, want + 1);
    if (bytes.length !== want) {
      this.#report(object.name, `headers object does not hold ${headsPerObject} heads`);
    }
    return bytes.subarray(0, want);
  }
}
