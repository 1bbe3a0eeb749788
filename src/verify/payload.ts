// Judges a block's payload (step E): opens it, derives its envelopes, and has its items judged.
//
// - In this order: length, hash, opening, items, count, last_hash, envelope_root, first_time.
// - Items are judged only once the whole payload is known to be well formed.
// - A block that was refused by its header never gets here.
//
// Spec: docs/spec/verification.md, "E: payload".

import { openPayload } from "../core/block.ts";
import { equalBytes, maxInteger } from "../core/bytes.ts";
import { countLines, type Derived, type DeriveInput, deriveEnvelopes } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { hashLength } from "../core/envelope.ts";
import { Fault } from "../core/fault.ts";
import type { Grant } from "../core/grant.ts";
import { type Header, limits } from "../core/header.ts";
import { type PayloadItem, payloadItems } from "../core/payload.ts";
import type { PredecessorRecord } from "../core/record.ts";
import type { SourceTable } from "../core/sources.ts";
import type { ClosedSources } from "./closed-sources.ts";
import { ItemJudge } from "./items.ts";
import type { ReceiptContext } from "./receipts.ts";
import type { RunPlace } from "./run-log.ts";
import type { Thread } from "./thread.ts";
import type { ItemTimes } from "./times.ts";

export interface PayloadContext {
  readonly suite: Suite;
  readonly thread: Thread;
  readonly sources: SourceTable;
  /** Its globs are judged, and a genesis must name it; undefined where it is bad and said to be. */
  readonly grant: Grant | undefined;
  readonly receipts: ReceiptContext;
  /** Envelopes were judged before: only what items and records change is carried over. */
  readonly itemsOnly: boolean;
  /** What is wrong, and in which envelope. */
  readonly report: (fault: Fault, seq?: number) => void;
  readonly unchecked: (what: string) => void;
  /** What sources were closed, and at which offset. */
  readonly closed: ClosedSources;
  readonly onPredecessor: (record: PredecessorRecord, seq: number) => void;
  /** For readers: every item with its first seq, after it was judged. */
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number) => void;
  /** For readers: the payload, after it was judged and is known to hold what its header says. */
  readonly onPayload?: (payload: JudgedPayload) => void;
}

/** What there is of a payload after it was judged. */
export interface JudgedPayload {
  readonly raw: Uint8Array;
  /** Hash of the envelope before the first; undefined behind a lost block: no hash is known then. */
  readonly prev: Uint8Array | undefined;
  /** Of its envelopes, as core/derive.ts keeps them; undefined where only items were judged. */
  readonly hashes: Uint8Array | undefined;
}

/** What a judged payload tells the walk. */
export interface PayloadOutcome {
  /** Envelopes that it really holds; undefined where it could not be read. */
  readonly count: number | undefined;
  /** Candidates for the hash of its last envelope. */
  readonly lastHashes: Uint8Array[];
  /** The block ended its run; undefined where it could not be read. */
  readonly stopped: boolean | undefined;
  /** The newest config and receipt record, from the header where it could not be read. */
  readonly configHash: Uint8Array;
  readonly receiptHash: Uint8Array;
  readonly receiptSize: number;
  /** A clock record explains a step of the block's time. */
  readonly clockStepped: boolean;
  /** Files that began anew, as far as it could be read. */
  readonly restarts: number;
  /** Undefined where it could not be read. */
  readonly times: ItemTimes | undefined;
}

/** A payload that is not there, or cannot be read: only the header speaks. */
export function unread(context: PayloadContext, header: Header): PayloadOutcome {
  context.sources.loosen();
  return {
    count: undefined,
    lastHashes: [header.lastHash],
    stopped: undefined,
    configHash: header.configHash,
    // A genesis names its grant there.
    receiptHash: header.blockNo === 0 ? new Uint8Array(32) : header.receiptHash,
    receiptSize: header.receiptSize,
    clockStepped: true,
    restarts: 0,
    times: undefined,
  };
}

/** Judges a stored payload. Never throws on bad data. */
export function judgePayload(
  context: PayloadContext,
  header: Header,
  stored: Uint8Array,
  run: RunPlace,
): PayloadOutcome {
  return new PayloadJudge(context, header, run).judge(stored);
}

interface Attempt {
  readonly input: DeriveInput;
  readonly derived: Derived;
  /** How many envelopes each item holds. */
  readonly held: readonly number[];
}

class PayloadJudge {
  readonly #context: PayloadContext;
  readonly #header: Header;
  readonly #run: RunPlace;

  constructor(context: PayloadContext, header: Header, run: RunPlace) {
    this.#context = context;
    this.#header = header;
    this.#run = run;
  }

  judge(stored: Uint8Array): PayloadOutcome {
    const { suite, itemsOnly, report } = this.#context;
    const header = this.#header;
    let { count } = header;
    let raw: Uint8Array;
    let stated: Attempt | undefined;
    try {
      raw = openPayload(suite, header, stored);
      if (itemsOnly) return this.#told(this.#outcome(this.#items(raw), count), { raw });
      // Nearly every payload holds what its header says: then its lines are not counted beforehand.
      stated = this.#derived(raw, count);
      if (stated === undefined) count = countEnvelopes(raw);
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
      report(caught);
      return unread(this.#context, header);
    }
    if (count !== header.count) {
      const message = `payload holds ${count} envelopes, want ${header.count}`;
      report(new Fault("COUNT_MISMATCH", message, 64));
      const seqs = header.firstSeq + count;
      if (count > limits.count || seqs > maxInteger) return unread(this.#context, header);
    }
    const first = stated ?? (this.#derived(raw, count) as Attempt);
    const items = this.#items(raw, first.held);
    const { input, derived, linked } = this.#linked(first);
    this.#judge(derived, linked && count === header.count);
    const same = !linked || equalBytes(derived.lastHash, header.lastHash);
    return this.#told(this.#outcome(items, count, same ? undefined : derived.lastHash), input);
  }

  /** Undefined where the payload does not hold so many envelopes. */
  #derived(raw: Uint8Array, count: number): Attempt | undefined {
    const held: number[] = [];
    const input = this.#input(raw, count);
    const onItem = (_item: PayloadItem, _seq: number, envelopes: number): void => {
      held.push(envelopes);
    };
    try {
      const derived = deriveEnvelopes(this.#context.suite, { ...input, onItem });
      return { input, derived, held };
    } catch (caught) {
      if (caught instanceof Fault && caught.code === "COUNT_MISMATCH") return undefined;
      throw caught;
    }
  }

  #input(raw: Uint8Array, count: number): DeriveInput {
    const { thread, onPayload } = this.#context;
    const prev = thread.lastHashes[0] ?? new Uint8Array(32);
    const kept = onPayload === undefined ? {} : { keepHashes: new Uint8Array(hashLength * count) };
    return { raw, prev, firstSeq: this.#header.firstSeq, count, ...kept };
  }

  /** `held`: as derived; without it all items are at the first seq. */
  #items(raw: Uint8Array, held: readonly number[] = []): ItemJudge {
    const items = new ItemJudge(this.#context, this.#header, raw, this.#run);
    let [at, seq] = [0, this.#header.firstSeq];
    for (const item of payloadItems(raw)) {
      items.judge(item, seq);
      seq += held[at++] ?? 0;
    }
    return items;
  }

  // Without the hash of the envelope before, items can be judged but no links.
  #linked(attempt: Attempt): Omit<Attempt, "held"> & { readonly linked: boolean } {
    const { raw, count } = attempt.input;
    const { lastHash } = this.#header;
    const { suite, thread, unchecked } = this.#context;
    const [first, ...others] = thread.lastHashes;
    if (first === undefined) {
      unchecked("links of the first envelopes behind a lost block");
      return { ...attempt, linked: false };
    }
    for (const prev of equalBytes(attempt.derived.lastHash, lastHash) ? [] : others) {
      const input = { ...this.#input(raw, count), prev };
      const derived = deriveEnvelopes(suite, input);
      if (equalBytes(derived.lastHash, lastHash)) return { input, derived, linked: true };
    }
    return { ...attempt, linked: true };
  }

  #judge({ lastHash, envelopeRoot, firstTime }: Derived, linked: boolean): void {
    const { report } = this.#context;
    const header = this.#header;
    if (linked && !equalBytes(lastHash, header.lastHash)) {
      report(new Fault("LINK_MISMATCH", "last_hash is not the hash of the last envelope", 144));
    } else if (linked && !equalBytes(envelopeRoot, header.envelopeRoot)) {
      report(new Fault("ROOT_MISMATCH", "envelope_root is not the root of the envelopes", 176));
    }
    if (firstTime !== header.firstTime) {
      report(new Fault("MALFORMED", "first_time is not the smallest envelope time", 376));
    }
  }

  #outcome(items: ItemJudge, count: number, otherHash?: Uint8Array): PayloadOutcome {
    const header = this.#header;
    items.finish();
    return {
      count,
      lastHashes: otherHash === undefined ? [header.lastHash] : [header.lastHash, otherHash],
      stopped: items.stopped,
      configHash: items.configHash ?? header.configHash,
      receiptHash: items.receiptHash ?? header.receiptHash,
      // Behind a lost block the newest receipt is not known: the header speaks for both.
      receiptSize: items.receiptHash === undefined ? header.receiptSize : items.receiptSize,
      clockStepped: items.clockStepped,
      restarts: items.restarts,
      times: items.times,
    };
  }

  /** Tells readers of the payload, or gives its memory back where there are none. */
  #told(judged: PayloadOutcome, input: Partial<DeriveInput> & { raw: Uint8Array }): PayloadOutcome {
    const { suite, thread, onItem, onPayload } = this.#context;
    const { raw, prev = thread.lastHashes[0], keepHashes } = input;
    const isKnown = thread.lastHashes.length > 0;
    if (judged.count === this.#header.count) {
      onPayload?.({ raw, prev: isKnown ? prev : undefined, hashes: keepHashes });
    }
    // Readers may have kept parts of it; and what is not compressed is the stored payload itself.
    const kept = onItem !== undefined || onPayload !== undefined;
    if (!kept && this.#header.codec === "zstd") suite.discard(raw);
    return judged;
  }
}

/** How many envelopes a payload makes. Throws MALFORMED or LIMIT_EXCEEDED where it is none. */
function countEnvelopes(raw: Uint8Array): number {
  let count = 0;
  for (const item of payloadItems(raw)) {
    count += item.kind === "span" ? countLines(raw, item.start, item.end) : 1;
  }
  return count;
}
