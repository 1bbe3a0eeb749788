// The one reader of lines: takes the blocks of a chain in order, once each was judged, and derives
// the envelopes that are wanted.
//
// - One envelope is held: whoever prints them may wait between two for as long as it likes, in the
//   middle of a block, too.
// - Nothing is judged here, and nothing hashed that was hashed when it was judged. A block whose
//   lines may not be shown is passed over by whoever judged it; what it would have said of sources
//   is then unknown.
//
// Spec: docs/spec/envelope.md.

import { readEnvelopes } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { hashLength } from "../core/envelope.ts";
import { Fault } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import { type PayloadItem, payloadItems, seedLength } from "../core/payload.ts";
import { saltStream } from "../core/salts.ts";
import { SourceTable } from "../core/sources.ts";
import {
  type LineFilter,
  mayWant,
  type SourceName,
  wantsEnvelope,
  wantsItem,
} from "./line-filter.ts";
import type { JudgedPayload } from "./payload.ts";

/** One envelope. Its bytes last until the next line is asked for. */
export interface FoundLine {
  readonly block: number;
  /** The preimage. */
  readonly envelope: Uint8Array;
  /** Undefined behind a block that was lost: then `prev` in the preimage means nothing, too. */
  readonly hash: Uint8Array | undefined;
  /** Undefined for records. Without name and path where the source's declaration was lost. */
  readonly source: SourceName | undefined;
}

/** A block whose lines may be shown. */
export interface ShownBlock extends JudgedPayload {
  readonly header: Header;
}

/** Up to so many the suite's own, faster hash makes all salts of a block: 256 KB. */
const saltsAtOnce = 16_384;

export class LineReader {
  readonly #suite: Suite;
  readonly #filter: LineFilter;
  readonly #sources: SourceTable;
  /** Number of the next block, if none is left out. */
  #next = 0;

  constructor(suite: Suite, filter: LineFilter) {
    this.#suite = suite;
    this.#filter = filter;
    this.#sources = new SourceTable(suite);
    this.#sources.loosen();
  }

  /** The wanted lines of the next block. All must be taken. */
  *read(block: ShownBlock): Generator<FoundLine, void, undefined> {
    const { header, raw, prev, hashes } = block;
    const { blockNo, firstSeq, count } = header;
    if (blockNo !== this.#next) this.#sources.loosen();
    this.#next = blockNo + 1;
    if (!mayWant(this.#filter, header, raw)) return this.#pass(raw);
    let found: FoundLine | undefined;
    let current: PayloadItem | undefined;
    let source: SourceName | undefined;
    let isWanted = false;
    const steps = readEnvelopes(this.#suite, {
      ...{ raw, firstSeq, count, hashes, prev: prev ?? new Uint8Array(hashLength) },
      ...(count > saltsAtOnce ? { salts: saltStream(raw.subarray(0, seedLength)) } : {}),
      onItem: (item) => this.#take(item, raw),
      onEnvelope: (preimage, hash, item) => {
        if (item !== current) {
          current = item;
          source = this.#nameOf(item);
          isWanted = wantsItem(this.#filter, item, source);
        }
        if (!isWanted || !wantsEnvelope(this.#filter, preimage)) return;
        found = { block: blockNo, envelope: preimage, hash: prev && hash, source };
      },
    });
    while (steps.next().done !== true) {
      if (found !== undefined) yield found;
      found = undefined;
    }
  }

  #pass(raw: Uint8Array): void {
    for (const item of payloadItems(raw)) if (item.kind === "record") this.#take(item, raw);
  }

  // What is wrong with an item was said by whoever judged the block.
  #take(item: PayloadItem, raw: Uint8Array): void {
    try {
      this.#sources.take(item, raw);
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
    }
  }

  #nameOf(item: PayloadItem): SourceName | undefined {
    if (item.kind === "record") return undefined;
    const { name, path } = this.#sources.get(item.source)?.record ?? {};
    const isNamed = typeof name === "string" && typeof path === "string";
    return { id: item.source, ...(isNamed ? { name, path } : { name: "", path: "" }) };
  }
}
