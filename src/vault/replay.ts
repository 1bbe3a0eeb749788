// Brings a chain's state back from the store: from its newest snapshot to its newest block.
//
// - At most 1,023 blocks are read, and none before the snapshot. Signatures, links, payload hashes
//   and records are judged again; envelopes are not derived again, as they were before storing.
// - Whatever is wrong with what we stored ourselves is damage: nobody may build on it.

import { headLength } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import { rangeOf } from "../store/layout.ts";
import type { ChainReader } from "../store/store.ts";
import { type Finding, isRefusal } from "../verify/finding.ts";
import { isRestored, resumeWalk } from "../verify/resume.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";

/** The blocks cannot be what was stored; the message says why. */
export class Damage extends Error {
  override readonly name: string = "Damage";
}

/**
 * Receipts in stored blocks fail by our keys. They held when the blocks were stored, and the blocks
 * are what was stored: it is the keys that are not the same.
 */
export class OtherKeys extends Damage {
  override readonly name = "OtherKeys";
}

/** The newest block below `size` that is known to hold a snapshot, and the head before it. */
export async function newestSnapshot(
  chain: ChainReader,
  size: number,
): Promise<{ block: number; before: Uint8Array | undefined }> {
  const base = rangeOf(size - 1);
  const heads = await chain.heads(base, size - base);
  if (heads.length !== (size - base) * headLength) throw new Damage("stored heads are missing");
  const headAt = (block: number): Uint8Array =>
    heads.subarray((block - base) * headLength, (block - base + 1) * headLength);
  for (let block = size - 1; block > base; block -= 1) {
    const run = readHead(headAt(block)).runId;
    if (!equalBytes(run, readHead(headAt(block - 1)).runId)) {
      return { block, before: headAt(block - 1) };
    }
  }
  if (base === 0) return { block: 0, before: undefined };
  const before = await chain.heads(base - 1, 1);
  if (before.length !== headLength) throw new Damage("stored heads are missing");
  return { block: base, before };
}

function readHead(head: Uint8Array): Header {
  try {
    return decodeHeader(head);
  } catch (caught) {
    if (caught instanceof Fault) throw new Damage(`stored head can't be read: ${caught.code}`);
    throw caught;
  }
}

export interface Replayed {
  readonly walk: ChainWalk;
  /** header ‖ signature of the newest block. */
  readonly head: Uint8Array;
  /** First block that was read. */
  readonly from: number;
}

/**
 * Walks a chain's newest blocks, `size` at least 1. Throws Damage. Findings of the blocks read here
 * are not reported again; those of blocks that the walk is given afterwards are.
 */
export async function replay(
  chain: ChainReader,
  size: number,
  options: WalkOptions,
): Promise<Replayed> {
  const { block: from, before } = await newestSnapshot(chain, size);
  let replaying = true;
  let refusal: Finding | undefined;
  const walkOptions: WalkOptions = {
    ...options,
    get itemsOnly() {
      return replaying;
    },
    report: (finding) => {
      if (!replaying) options.report(finding);
      else if (isRefusal(finding.code)) refusal ??= finding;
    },
  };
  const walk = before === undefined ? new ChainWalk(walkOptions) : resumeWalk(walkOptions, before);
  let head: Uint8Array | undefined;
  for await (const block of wholeBlocks(chain.wholeBlocks(from, size))) {
    head = block.head;
    walk.block(block.head, block.payload);
    if (refusal?.code === "RECEIPT_BAD_SIGNATURE") {
      const block = walk.thread.blockNo - 1;
      throw new OtherKeys(`stored block ${block} records a receipt that other keys signed`);
    }
    if (refusal !== undefined) {
      throw new Damage(`stored block ${walk.thread.blockNo - 1} fails: ${refusal.code}`);
    }
  }
  if (head === undefined || walk.thread.blockNo !== size || !isRestored(walk)) {
    throw new Damage("stored blocks do not lead to the chain's state");
  }
  replaying = false;
  return { walk, head, from };
}

/** The runs of a chain's blocks below `to`, in hex. Reads every head: once, and only when asked. */
export async function runsBelow(chain: ChainReader, to: number): Promise<Set<string>> {
  const runs = new Set<string>();
  for (let from = 0; from < to; ) {
    const heads = await chain.heads(from, to - from);
    for (let at = 0; at < heads.length; at += headLength) {
      runs.add(hex(readHead(heads.subarray(at, at + headLength)).runId));
    }
    if (heads.length === 0) throw new Damage(`head of stored block ${from} is missing`);
    from += heads.length / headLength;
  }
  return runs;
}
