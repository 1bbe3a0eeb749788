// Single blocks out of stored objects, once a walk has said which they are.
//
// - Framing is believed as far as it goes: what comes out is compared with hashes that were signed.

import { headLength } from "../core/block.ts";
import { concat } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import type { OpenedChain } from "./chains-source.ts";

export interface ReadBlock {
  readonly head: Uint8Array;
  readonly header: Header;
  /** The stored payload. */
  readonly payload: Uint8Array;
}

/** The blocks [from, to) as far as they can be made out, in order. One is held at a time. */
export async function* readBlocks(
  chain: OpenedChain,
  from: number,
  to: number,
): AsyncGenerator<ReadBlock, void, undefined> {
  const objects = await chain.blocks();
  const first = Math.max(
    0,
    objects.findLastIndex(({ firstBlock }) => firstBlock <= from),
  );
  for (const object of objects.slice(first)) {
    if (object.firstBlock >= to) return;
    for await (const block of blocksOf(object.open())) {
      if (block.header.blockNo >= to) return;
      if (block.header.blockNo >= from) yield block;
    }
  }
}

async function* blocksOf(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<ReadBlock, void, undefined> {
  let held: Uint8Array[] = [];
  let length = 0;
  let want = headLength;
  for await (const piece of pieces) {
    held.push(piece);
    length += piece.length;
    while (length >= want) {
      const bytes = held.length === 1 ? (held[0] as Uint8Array) : concat(...held);
      held = [bytes];
      const header = headerOf(bytes);
      if (header === undefined) return;
      want = headLength + header.storedLength;
      if (length < want) break;
      const [head, payload] = [bytes.slice(0, headLength), bytes.slice(headLength, want)];
      held = [bytes.subarray(want)];
      length -= want;
      want = headLength;
      yield { head, header, payload };
    }
  }
}

function headerOf(bytes: Uint8Array): Header | undefined {
  try {
    return decodeHeader(bytes);
  } catch (caught) {
    if (caught instanceof Fault) return undefined;
    throw caught;
  }
}
