// Begins a walk in the middle of a chain: at a block that holds a snapshot.
//
// - The head before it supplies key, links, seq, run, config and receipt; the snapshot supplies
//   tree and sources. Earlier blocks are unchecked.
// - That head is believed as it is: it must come from a place that checked it before, or its
//   chain's end must be confirmed by a receipt.
//
// Spec: docs/spec/verification.md, "Beginning at a snapshot".

import { hex } from "../core/bytes.ts";
import { decodeHeader } from "../core/header.ts";
import { ChainWalk, type WalkOptions } from "./walk.ts";

/**
 * A walk whose next block is the one behind `before`, a header ‖ signature. Until that block's
 * snapshot is read, tree and sources are unknown. Throws Fault for what is no header.
 */
export function resumeWalk(options: WalkOptions, before: Uint8Array): ChainWalk {
  const walk = new ChainWalk(options);
  walk.beginBehind(before);
  walk.runs.know([hex(decodeHeader(before).runId)]);
  return walk;
}

/** Whether the walk knows all that a snapshot tells: false where none was met since it began. */
export function isRestored(walk: ChainWalk): boolean {
  return walk.thread.frontier !== undefined && !walk.sources.loose;
}
