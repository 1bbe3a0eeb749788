// Finds blocks of a chain by seq, through heads alone.
//
// - Binary search: over the ranges by one head each, then within one range. Seqs never fall, so
//   that is exact. Times may, so nothing is searched by time.

import { headLength } from "../core/block.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import { blocksPerRange } from "../store/layout.ts";
import type { ChainReader } from "../store/store.ts";
import { Damage } from "./damage.ts";

/** The first of `size` blocks whose header passes; `size` if none does. Once one passes, all do. */
async function firstBlock(
  chain: ChainReader,
  size: number,
  passes: (header: Header) => boolean,
): Promise<number> {
  let [low, high] = [0, Math.ceil(size / blocksPerRange)];
  while (low < high) {
    const middle = (low + high) >>> 1;
    const [header] = await headersOf(chain, middle * blocksPerRange, 1);
    if (passes(header as Header)) high = middle;
    else low = middle + 1;
  }
  if (low === 0) return 0;
  // The range before the first that passes as a whole.
  const base = (low - 1) * blocksPerRange;
  const headers = await headersOf(chain, base, Math.min(blocksPerRange, size - base));
  const index = headers.findIndex(passes);
  return index === -1 ? Math.min(base + headers.length, size) : base + index;
}

/** The block that holds envelope `seq`; `size` if none does. */
export async function blockOfSeq(chain: ChainReader, size: number, seq: number): Promise<number> {
  return await firstBlock(chain, size, ({ firstSeq, count }) => firstSeq + count > seq);
}

async function headersOf(chain: ChainReader, from: number, count: number): Promise<Header[]> {
  const heads = await chain.heads(from, count);
  if (heads.length !== count * headLength) throw new Damage(`heads from ${from} on are missing`);
  return Array.from({ length: count }, (_, index) =>
    decodeHeader(heads.subarray(index * headLength, (index + 1) * headLength)),
  );
}
