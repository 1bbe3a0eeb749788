// The heads of one `.blocks` object: where its blocks begin and end, without their payloads.
//
// - A block counts only when it is whole, and when it says that it is the one that belongs here.
// - Small blocks share a read: a chain of heartbeats must not cost a call each.

import { headLength } from "../core/block.ts";
import { type Header, headerOf } from "../core/header.ts";
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
