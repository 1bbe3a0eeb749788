// Finds places in stored chains by their heads: a line's block, the newest snapshot, the runs.
//
// - What is found here is where to look, and nothing is believed of it that was not checked.
// - Seqs never fall, so a line is searched by halves: over the ranges by one head each, then within
//   one range. Times may fall: nothing is searched by time.

import { headLength } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import { blocksPerRange, rangeOf } from "../store/layout.ts";
import type { ChainReader } from "../store/store.ts";
import { Damage } from "./damage.ts";

/** Header ‖ signature of a stored block. Throws Damage where it is missing. */
export async function headAt(chain: ChainReader, block: number): Promise<Uint8Array> {
  const head = await chain.heads(block, 1);
  if (head.length !== headLength) throw missing(block);
  return head;
}

/** The heads of blocks 0 … `to` - 1, many at a time. Throws Damage where one is missing. */
export async function* headPages(
  chain: ChainReader,
  to: number,
): AsyncGenerator<Uint8Array[], void, undefined> {
  for (let from = 0; from < to; ) {
    const page = splitHeads(await chain.heads(from, to - from));
    if (page.length === 0) throw missing(from);
    yield page;
    from += page.length;
  }
}

/** The block that holds envelope `seq`; `size` if none does. */
export async function blockOfSeq(chain: ChainReader, size: number, seq: number): Promise<number> {
  const reaches = ({ firstSeq, count }: Header): boolean => firstSeq + count > seq;
  let [low, high] = [0, Math.ceil(size / blocksPerRange)];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const [header] = await headersOf(chain, middle * blocksPerRange, 1);
    if (reaches(header as Header)) high = middle;
    else low = middle + 1;
  }
  if (low === 0) return 0;
  // The range before the first of which every block reaches it.
  const base = (low - 1) * blocksPerRange;
  const headers = await headersOf(chain, base, Math.min(blocksPerRange, size - base));
  const index = headers.findIndex(reaches);
  return base + (index === -1 ? headers.length : index);
}

async function headersOf(chain: ChainReader, from: number, count: number): Promise<Header[]> {
  const heads = splitHeads(await chain.heads(from, count));
  if (heads.length !== count) throw new Damage(`heads from ${from} on are missing`);
  return heads.map(decodeHeader);
}

/** The newest block below `size` that is known to hold a snapshot, and the head before it. */
export async function newestSnapshot(
  chain: ChainReader,
  size: number,
): Promise<{ block: number; before: Uint8Array | undefined }> {
  const base = rangeOf(size - 1);
  const heads = splitHeads(await chain.heads(base, size - base));
  if (heads.length !== size - base) throw new Damage("stored heads are missing");
  for (let at = heads.length - 1; at > 0; at -= 1) {
    const [before, head] = [heads[at - 1] as Uint8Array, heads[at] as Uint8Array];
    if (!equalBytes(runOf(head), runOf(before))) return { block: base + at, before };
  }
  return { block: base, before: base === 0 ? undefined : await headAt(chain, base - 1) };
}

/** The runs of a chain's blocks below `to`, in hex. Reads every head: once, and only when asked. */
export async function runsBelow(chain: ChainReader, to: number): Promise<Set<string>> {
  const runs = new Set<string>();
  for await (const page of headPages(chain, to))
    for (const head of page) runs.add(hex(runOf(head)));
  return runs;
}

function runOf(head: Uint8Array): Uint8Array {
  try {
    return decodeHeader(head).runId;
  } catch (caught) {
    if (caught instanceof Fault) throw new Damage(`stored head can't be read: ${caught.code}`);
    throw caught;
  }
}

function splitHeads(heads: Uint8Array): Uint8Array[] {
  const count = Math.floor(heads.length / headLength);
  return Array.from({ length: count }, (_, at) =>
    heads.subarray(at * headLength, (at + 1) * headLength),
  );
}

function missing(block: number): Damage {
  return new Damage(`head of stored block ${block} is missing`);
}
