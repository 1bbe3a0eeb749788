// The blocks of a chain as stored, in order: from `.blocks` objects, and where these were deleted
// from the `headers/` objects that outlive them.

import { headLength } from "../core/block.ts";
import { concat } from "../core/bytes.ts";
import type { StoredObject } from "./source.ts";
import { type StoredBlock, splitBlocks, splitHeads } from "./splitter.ts";
import type { NoPayload } from "./walk.ts";

/** Blocks in one complete `headers/` object. */
export const headsPerObject = 1024;

export interface FoundBlock {
  readonly stored: StoredBlock;
  readonly payload: Uint8Array | NoPayload;
  readonly object: string;
  /** The stretch ends its object; `newest` if that is the chain's last one. */
  readonly ends: "object" | "newest" | undefined;
  /** First block of the object behind this one. */
  readonly nextObject: number | undefined;
}

export interface StoredChain {
  readonly blocks: readonly StoredObject[];
  readonly headers: readonly StoredObject[];
}

/** `position` tells which block number comes next; `headersOnly` prefers headers objects. */
export async function* storedBlocks(
  chain: StoredChain,
  position: () => number,
  headersOnly: boolean,
): AsyncGenerator<FoundBlock, void, undefined> {
  const { blocks, headers } = chain;
  const why: NoPayload = headersOnly ? "not-read" : "missing";
  for (const [index, object] of blocks.entries()) {
    const next = blocks[index + 1]?.firstBlock;
    if (headersOnly) yield* headsBetween(headers, position(), Number.POSITIVE_INFINITY, why);
    else yield* headsBetween(headers, position(), object.firstBlock, why);
    if (headersOnly && next !== undefined && next <= position()) continue;
    yield* blocksOf(object, next, headersOnly ? position() : 0, headersOnly);
  }
  yield* headsBetween(headers, position(), Number.POSITIVE_INFINITY, why);
}

async function* blocksOf(
  object: StoredObject,
  nextObject: number | undefined,
  from: number,
  headersOnly: boolean,
): AsyncGenerator<FoundBlock, void, undefined> {
  let held: StoredBlock | undefined;
  let number = object.firstBlock;
  const found = (stored: StoredBlock, last: boolean): FoundBlock => ({
    stored,
    payload: headersOnly ? "not-read" : stored.payload,
    object: object.name,
    ends: last ? (nextObject === undefined ? "newest" : "object") : undefined,
    nextObject,
  });
  for await (const stored of splitBlocks(object.open())) {
    if (held !== undefined && number++ >= from) yield found(held, false);
    held = stored;
  }
  if (held !== undefined && number >= from) yield found(held, true);
}

async function* headsBetween(
  headers: readonly StoredObject[],
  from: number,
  to: number,
  why: NoPayload,
): AsyncGenerator<FoundBlock, void, undefined> {
  for (const object of headers) {
    const end = object.firstBlock + headsPerObject;
    if (end <= from || object.firstBlock >= to) continue;
    let number = object.firstBlock;
    for await (const stored of splitHeads(object.open())) {
      if (number >= from && number < to) {
        yield { stored, payload: why, object: object.name, ends: undefined, nextObject: undefined };
      }
      number += 1;
    }
  }
}

/** The second copies of heads, in `headers/` objects: one object is held at a time. */
export class HeadCopies {
  readonly #objects: readonly StoredObject[];
  readonly #report: (object: string, message: string) => void;
  #held: { object: StoredObject; bytes: Uint8Array } | undefined;

  constructor(objects: readonly StoredObject[], report: (object: string, message: string) => void) {
    this.#objects = objects;
    this.#report = report;
  }

  /** The copy of block `number`'s head, if there is one. */
  async at(
    number: number,
  ): Promise<{ head: Uint8Array; object: string; byte: number } | undefined> {
    const start = number - (number % headsPerObject);
    if (this.#held?.object.firstBlock !== start) {
      const object = this.#objects.find(({ firstBlock }) => firstBlock === start);
      if (object === undefined) return undefined;
      this.#held = { object, bytes: await this.#read(object) };
    }
    const byte = (number - start) * headLength;
    const head = this.#held.bytes.subarray(byte, byte + headLength);
    if (head.length < headLength) return undefined;
    return { head, object: this.#held.object.name, byte };
  }

  async #read(object: StoredObject): Promise<Uint8Array> {
    const want = headsPerObject * headLength;
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of object.open()) {
      pieces.push(piece);
      length += piece.length;
      if (length > want) break;
    }
    if (length !== want) {
      this.#report(object.name, `headers object is not ${headsPerObject} heads long`);
    }
    return concat(...pieces).subarray(0, want);
  }
}
