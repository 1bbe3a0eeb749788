// Single blocks out of stored objects, once a walk has said which they are.
//
// - Framing is believed as far as it goes: what comes out is compared with hashes that were signed.

import type { Pieces } from "../core/chain-source.ts";
import { Fault } from "../core/fault.ts";
import { FramingError, type WholeBlock, wholeBlocks } from "../core/whole-blocks.ts";
import type { OpenedChain } from "./chains-source.ts";

/** The blocks [from, to) as far as they can be made out, in order. One is held at a time. */
export async function* readBlocks(
  chain: OpenedChain,
  from: number,
  to: number,
): AsyncGenerator<WholeBlock, void, undefined> {
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

// Where the framing is damaged, the blocks end.
async function* blocksOf(pieces: Pieces): AsyncGenerator<WholeBlock, void, undefined> {
  try {
    yield* wholeBlocks(pieces);
  } catch (caught) {
    if (!(caught instanceof Fault || caught instanceof FramingError)) throw caught;
  }
}
