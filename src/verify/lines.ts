// The one reader of lines: takes the blocks of a chain in order, once each was judged, and derives
// the envelopes that are wanted.
//
// - At most 1,024 envelopes are held: whoever prints them may wait between two batches for as long
//   as it likes, in the middle of a block, too.
// - Nothing is judged here. A block whose lines may not be shown is passed over by whoever judged
//   it; what it would have said of sources is then unknown.
//
// Spec: docs/spec/envelope.md.

import { derivation } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { firstPrev, hashLength } from "../core/envelope.ts";
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

/** One envelope. Its bytes last until the next batch is asked for. */
export interface FoundLine {
  readonly block: number;
  /** The preimage. */
  readonly envelope: Uint8Array;
  /** Undefined behind a block that was lost: then `prev` in the preimage means nothing, too. */
  readonly hash: Uint8Array | undefined;
  /** Undefined for records. Without name and path where the source's declaration was lost. */
  readonly source: SourceName | undefined;
}

/** A block whose lines may be shown, and its opened payload. */
export interface ShownBlock {
  readonly header: Header;
  readonly raw: Uint8Array;
}

/** Up to so many the suite's own, faster hash makes all salts of a block: 256 KB. */
const saltsAtOnce = 16_384;

export class LineReader {
  readonly #suite: Suite;
  readonly #filter: LineFilter;
  readonly #sources: SourceTable;
  readonly #held = new Batch();
  /** The hash before the next block, and that block's number, as far as they are known. */
  #prev: Uint8Array | undefined;
  #next: number | undefined;

  /** `before`: the header before the first block that will be read, if that is no genesis. */
  constructor(suite: Suite, filter: LineFilter, before?: Header) {
    this.#suite = suite;
    this.#filter = filter;
    this.#sources = new SourceTable(suite);
    this.#sources.loosen();
    this.#prev = before?.lastHash;
    this.#next = before === undefined ? 0 : before.blockNo + 1;
  }

  /** The wanted lines of the next block, 1,024 at most at a time. All must be taken. */
  *read({ header, raw }: ShownBlock): Generator<Iterable<FoundLine>, void, undefined> {
    const { blockNo, firstSeq, count, lastHash } = header;
    if (blockNo !== this.#next) this.#sources.loosen();
    const prev = this.#prevOf(header);
    this.#prev = lastHash;
    this.#next = blockNo + 1;
    if (!mayWant(this.#filter, header, raw)) return this.#pass(raw);
    const held = this.#held;
    let current: PayloadItem | undefined;
    let source: SourceName | undefined;
    let isWanted = false;
    const steps = derivation(this.#suite, {
      ...{ raw, firstSeq, count, prev: prev ?? new Uint8Array(hashLength) },
      ...(count > saltsAtOnce ? { salts: saltStream(raw.subarray(0, seedLength)) } : {}),
      onItem: (item) => this.#take(item, raw),
      onEnvelope: (preimage, hash, item) => {
        if (item !== current) {
          current = item;
          source = this.#nameOf(item);
          isWanted = wantsItem(this.#filter, item, source);
        }
        if (!isWanted || !wantsEnvelope(this.#filter, preimage)) return;
        held.add(preimage, prev && hash, source);
      },
    });
    for (let step = steps.next(); ; step = steps.next()) {
      if (held.length > 0) yield held.lines(blockNo);
      held.clear();
      if (step.done === true) return;
    }
  }

  #prevOf({ blockNo, receiptHash, runId }: Header): Uint8Array | undefined {
    if (blockNo === 0) return firstPrev(this.#suite, receiptHash, runId);
    return blockNo === this.#next ? this.#prev : undefined;
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

const firstBytes = 64 * 1024;

interface Row {
  readonly start: number;
  readonly hashAt: number;
  readonly end: number;
  readonly source: SourceName | undefined;
}

// One buffer for all of them: a buffer for each line costs the collector more than all the rest.
class Batch {
  #bytes: Uint8Array = new Uint8Array(firstBytes);
  #end = 0;
  #rows: Row[] = [];

  get length(): number {
    return this.#rows.length;
  }

  add(envelope: Uint8Array, hash: Uint8Array | undefined, source: Row["source"]): void {
    const start = this.#end;
    const hashAt = start + envelope.length;
    const end = hashAt + (hash?.length ?? 0);
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(envelope, start);
    if (hash !== undefined) this.#bytes.set(hash, hashAt);
    this.#end = end;
    this.#rows.push({ start, hashAt, end, source });
  }

  *lines(block: number): Generator<FoundLine, void, undefined> {
    for (const { start, hashAt, end, source } of this.#rows) {
      yield {
        block,
        envelope: this.#bytes.subarray(start, hashAt),
        hash: hashAt === end ? undefined : this.#bytes.subarray(hashAt, end),
        source,
      };
    }
  }

  /** Memory that one long batch needed is not kept for the next. */
  clear(): void {
    this.#end = 0;
    this.#rows = [];
    if (this.#bytes.length > 4 * firstBytes) this.#bytes = new Uint8Array(firstBytes);
  }

  #grow(least: number): void {
    const grown = new Uint8Array(Math.max(least, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#end));
    this.#bytes = grown;
  }
}
