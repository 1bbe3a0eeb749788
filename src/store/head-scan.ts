// The heads of one `.blocks` object: where its blocks begin and end, without their payloads.
//
// - A block counts only when it is whole, and when it says that it is the one that belongs here.
// - Where a chain ends: a power cut may leave a file with its new size and without some of its
//   content. So a block counts there only with the payload that its header names, unless whoever
//   asks knows that it was durable: by a receipt, whose signatures nobody here can judge. Whoever
//   counts by heads alone counts blocks that recovery cuts off, and calls them damage.
// - Small blocks share a read: a chain of heartbeats must not cost a call each.

import { headLength } from "../core/block.ts";
import { hex } from "../core/bytes.ts";
import { type Header, headerOf } from "../core/header.ts";
import { RunningHash } from "../host/running-hash.ts";
import { readAll, type ShelfObject } from "./shelf.ts";

export interface FramedHead {
  readonly number: number;
  readonly header: Header;
  /** header ‖ signature, in memory of its own. */
  readonly head: Uint8Array;
  /** Where the block begins and ends in its object. */
  readonly start: number;
  readonly end: number;
}

const windowBytes = 16_384;

/** The whole blocks of an object, in order, up to the first place where none stands. */
export async function* framedHeads(
  object: Pick<ShelfObject, "read" | "size">,
  firstBlock: number,
): AsyncGenerator<FramedHead, void, undefined> {
  const window = new Window(object);
  let start = 0;
  for (let number = firstBlock; ; number += 1) {
    const head = await window.at(start);
    const header = head && headerOf(head);
    if (head === undefined || header === undefined || header.blockNo !== number) return;
    const end = start + headLength + header.storedLength;
    if (end > object.size) return;
    yield { number, header, head, start, end };
    start = end;
  }
}

class Window {
  readonly #object: Pick<ShelfObject, "read">;
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;

  constructor(object: Pick<ShelfObject, "read">) {
    this.#object = object;
  }

  /** The head at `start`; undefined where the object ends before it does. */
  async at(start: number): Promise<Uint8Array | undefined> {
    if (start < this.#start || start + headLength > this.#start + this.#bytes.length) {
      const bytes = new Uint8Array(windowBytes);
      const got = await readAll(this.#object, bytes, start);
      this.#start = start;
      this.#bytes = bytes.subarray(0, got);
    }
    const at = start - this.#start;
    const head = this.#bytes.slice(at, at + headLength);
    return head.length === headLength ? head : undefined;
  }
}

/** The whole blocks of an object; the payloads of those below `durable` are not read. */
export async function* wholeHeads(
  object: Pick<ShelfObject, "read" | "size">,
  firstBlock: number,
  durable: number,
): AsyncGenerator<FramedHead, void, undefined> {
  for await (const found of framedHeads(object, firstBlock)) {
    if (found.number >= durable && !(await hasItsPayload(object, found))) return;
    yield found;
  }
}

async function hasItsPayload(
  object: Pick<ShelfObject, "read">,
  { header, start }: FramedHead,
): Promise<boolean> {
  const stored = new Uint8Array(header.storedLength);
  if ((await readAll(object, stored, start + headLength)) < stored.length) return false;
  const hash = new RunningHash();
  hash.add(stored);
  return hash.digest() === hex(header.storedHash);
}
