// Reads the blocks of a request: which of them are stored, and which are to be judged.
//
// - A body is read as far as its blocks follow one another; what comes behind is passed over, and
//   judged once it comes first. So whoever sends stored blocks costs what they send: heads are
//   read from the store by the page, and each page once.
// - Of a block that is stored only its head is looked at. Of what is new the first head is judged
//   before its payload is read.

import { headLength } from "../core/block.ts";
import { equalBytes } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import type { Header } from "../core/header.ts";
import type { BlockReader, FoundHead, WholeBlock } from "../core/whole-blocks.ts";
import { judgeEarly } from "./admit.ts";
import type { ChainHead } from "./bring-back.ts";
import { Damage } from "./damage.ts";

export interface RequestBlocks {
  readonly blocks: WholeBlock[];
  /** Of those that are stored. */
  readonly passed: Header[];
}

/** `known`: the chain as it is stored, if it is. Throws Problem, Damage, and as the reader does. */
export async function readBlocks(
  suite: Suite,
  reader: BlockReader,
  known: ChainHead | undefined,
): Promise<RequestBlocks> {
  const blocks: WholeBlock[] = [];
  const passed: Header[] = [];
  const stored = known && new StoredHeads(known);
  let next = (await reader.head())?.header.blockNo;
  for (let found = await reader.head(); found !== undefined; found = await reader.head()) {
    if (found.header.blockNo !== next) {
      // Once: what comes behind it does not follow either.
      next = undefined;
      await reader.skip();
      continue;
    }
    next += 1;
    if (await stored?.holds(found)) {
      passed.push(found.header);
      await reader.skip();
      continue;
    }
    if (known !== undefined && blocks.length === 0) {
      const early = await judgeEarly(suite, known, found);
      if (early.kind === "refused") throw early.problem;
      // Two heads prove it: the payload says nothing more.
      if (early.kind === "fork")
        return { blocks: [{ ...found, payload: new Uint8Array(0) }], passed };
    }
    blocks.push((await reader.next()) as WholeBlock);
  }
  return { blocks, passed };
}

const pageHeads = 128;

class StoredHeads {
  readonly #chain: ChainHead;
  #first = 0;
  #page: Uint8Array = new Uint8Array(0);

  constructor(chain: ChainHead) {
    this.#chain = chain;
  }

  /** Whether the very same head is stored. */
  async holds({ head, header }: FoundHead): Promise<boolean> {
    const { blockNo } = header;
    const { reader, writer } = this.#chain;
    if (blockNo >= writer.size) return false;
    if (blockNo >= this.#first + this.#page.length / headLength) {
      this.#page = await reader.heads(blockNo, Math.min(pageHeads, writer.size - blockNo));
      this.#first = blockNo;
    }
    const at = (blockNo - this.#first) * headLength;
    const own = this.#page.subarray(at, at + headLength);
    if (own.length < headLength) throw new Damage(`head of stored block ${blockNo} is missing`);
    return equalBytes(own, head);
  }
}
