// Begins a walk in the middle of a chain: at a block that holds a snapshot.
//
// - The head before it supplies key, links, seq, run, config and receipt; the snapshot supplies
//   tree and sources. Earlier blocks are unchecked.
// - That head is believed as it is: it must come from a place that checked it before, or its
//   chain's end must be confirmed by a receipt.
//
// Spec: docs/spec/verification.md, "Beginning at a snapshot".

import { hex } from "../core/bytes.ts";
import { blockHash, decodeHeader } from "../core/header.ts";
import { ChainWalk, type WalkOptions } from "./walk.ts";

/**
 * A walk whose next block is the one behind `before`, a header ‖ signature. Until that block's
 * snapshot is read, tree and sources are unknown. Throws Fault for what is no header.
 */
export function resumeWalk(options: WalkOptions, before: Uint8Array): ChainWalk {
  const header = decodeHeader(before);
  const walk = new ChainWalk(options);
  const { thread } = walk;
  thread.frontier = undefined;
  thread.seqs = [];
  thread.advance(header, blockHash(options.suite, before));
  thread.lastHashes = [header.lastHash];
  // The header does not say whether its block ended in a `stop`.
  thread.stopped = undefined;
  thread.receiptSize = header.receiptSize;
  walk.sources.loosen();
  walk.knowRuns([hex(header.runId)]);
  walk.unchecked.add(`blocks before ${header.blockNo + 1}: the walk began there`);
  return walk;
}

/** Whether the walk knows all that a snapshot tells: false where none was met since it began. */
export function isRestored(walk: ChainWalk): boolean {
  return walk.thread.frontier !== undefined && !walk.sources.loose;
}
