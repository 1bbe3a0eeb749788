// Finds places in stored chains by their heads: the newest snapshot, and the runs that there were.
//
// - What is found here is where to look, and nothing is believed of it that was not checked.

import { headLength } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import { rangeOf } from "../store/layout.ts";
import type { ChainReader } from "../store/store.ts";
import { Damage } from "./damage.ts";

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
