// The blocks of a chain as stored, in order: from `.blocks` objects, and where these were deleted
// from the `headers/` objects that outlive them.

import type { StoredObject } from "../core/chain-source.ts";
import { type HeadSense, type StoredBlock, splitBlocks, splitHeads } from "./splitter.ts";
import type { NoPayload } from "./walk-options.ts";

/** Blocks in one complete `headers/` object. */
export const headsPerObject = 1024;

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

/** Reads a chain; `headersOnly` prefers headers objects. Throws Unreadable. */
export async function* storedBlocks(
  chain: StoredChain,
  walk: WalkSoFar,
  headersOnly: boolean,
): AsyncGenerator<FoundBlock, void, undefined> {
  const heads = new Heads(chain.headers, headersOnly ? "not-read" : "missing");
  for (const [index, object] of chain.blocks.entries()) {
    const next = chain.blocks[index + 1]?.firstBlock;
    const to = headersOnly ? Number.POSITIVE_INFINITY : object.firstBlock;
    yield* heads.between(walk.position, to);
    if (headersOnly && next !== undefined && next <= walk.position()) continue;
    yield* blocksOf(object, next, walk, headersOnly);
  }
  yield* heads.between(walk.position, Number.POSITIVE_INFINITY);
}

async function* blocksOf(
  object: StoredObject,
  nextObject: number | undefined,
  walk: WalkSoFar,
  headersOnly: boolean,
): AsyncGenerator<FoundBlock, void, undefined> {
  const from = headersOnly ? walk.position() : 0;
  let number = object.firstBlock;
  for await (const stored of splitBlocks(object, walk)) {
    const named = stored.at === 0 ? object.firstBlock : undefined;
    const payload = headersOnly ? "not-read" : stored.payload;
    if (number >= from) yield { stored, payload, object: object.name, named, nextObject };
    number += 1;
  }
}

// Headers objects are asked for in rising order, so each is passed once.
class Heads {
  readonly #objects: readonly StoredObject[];
  readonly #why: NoPayload;
  #index = 0;

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
      if (number >= from && number < to) yield { ...found, stored };
      number += 1;
    }
  }
}
