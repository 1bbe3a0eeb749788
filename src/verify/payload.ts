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
  /** A genuine grant: its globs are judged. */
  readonly grant: Grant | undefined;
  /** Hash that a genesis must name; undefined where the grant is bad and said to be. */
  readonly grantHash: Uint8Array | undefined;
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
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number, count: number) => void;
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
  let raw: Uint8Array;
  let stated: Stated | undefined;
  let count: number;
  try {
    raw = openPayload(context.suite, header, stored);
    if (context.itemsOnly)
      return told(context, header, applied(context, header, raw, run), { raw });
    stated = deriveAsStated(context, header, raw);
    count = stated === undefined ? countEnvelopes(raw) : header.count;
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    context.report(caught);
    return unread(context, header);
  }
  if (count !== header.count) {
    const message = `payload holds ${count} envelopes, want ${header.count}`;
    context.report(new Fault("COUNT_MISMATCH", message, 64));
    const seqs = header.firstSeq + count;
    if (count > limits.count || seqs > maxInteger) return unread(context, header);
  }
  const items = new ItemJudge(context, header, raw, run);
  const first = stated ?? deriveJudging(context, header, raw, count, items);
  if (stated !== undefined) judgeItems(items, header, raw, stated.held);
  const { input, derived, linked } = link(context, header, first);
  judgeDerived(context, header, derived, linked && count === header.count);
  const same = !linked || equalBytes(derived.lastHash, header.lastHash);
  const judged = outcome(items, header, count, same ? [] : [derived.lastHash]);
  return told(context, header, judged, input);
}

/** Tells readers of the payload, or gives its memory back where there are none. */
function told(
  { suite, thread, onItem, onPayload }: PayloadContext,
  header: Header,
  judged: PayloadOutcome,
  { raw, prev = thread.lastHashes[0], keepHashes }: Partial<DeriveInput> & { raw: Uint8Array },
): PayloadOutcome {
  const isKnown = thread.lastHashes.length > 0;
  if (judged.count === header.count) {
    onPayload?.({ raw, prev: isKnown ? prev : undefined, hashes: keepHashes });
  }
  // Readers may have kept parts of it; and what is not compressed is the stored payload itself.
  const kept = onItem !== undefined || onPayload !== undefined;
  if (!kept && header.codec === "zstd") suite.discard(raw);
  return judged;
}

function applied(
  context: PayloadContext,
  header: Header,
  raw: Uint8Array,
  run: RunPlace,
): PayloadOutcome {
  const items = new ItemJudge(context, header, raw, run);
  for (const item of payloadItems(raw)) items.judge(item, header.firstSeq, 0);
  return outcome(items, header, header.count, []);
}

function outcome(
  items: ItemJudge,
  header: Header,
  count: number,
  otherHashes: Uint8Array[],
): PayloadOutcome {
  items.finish();
  return {
    count,
    lastHashes: [header.lastHash, ...otherHashes],
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

/** How many envelopes a payload makes. Throws MALFORMED or LIMIT_EXCEEDED where it is none. */
function countEnvelopes(raw: Uint8Array): number {
  let count = 0;
  for (const item of payloadItems(raw)) {
    count += item.kind === "span" ? countLines(raw, item.start, item.end) : 1;
  }
  return count;
}

interface Attempt {
  readonly input: DeriveInput;
  readonly derived: Derived;
}

interface Stated extends Attempt {
  /** How many envelopes each item holds. */
  readonly held: readonly number[];
}

// Nearly every payload holds what its header says: then its lines are not counted beforehand.
// Undefined where it does not.
function deriveAsStated(
  context: PayloadContext,
  header: Header,
  raw: Uint8Array,
): Stated | undefined {
  const held: number[] = [];
  const input = inputOf(context, header, raw, header.count);
  try {
    const derived = deriveEnvelopes(context.suite, {
      ...input,
      onItem: (_item, _seq, envelopes) => held.push(envelopes),
    });
    return { input, derived, held };
  } catch (caught) {
    if (caught instanceof Fault && caught.code === "COUNT_MISMATCH") return undefined;
    throw caught;
  }
}

function judgeItems(
  items: ItemJudge,
  header: Header,
  raw: Uint8Array,
  held: readonly number[],
): void {
  let [at, seq] = [0, header.firstSeq];
  for (const item of payloadItems(raw)) {
    const envelopes = held[at++] as number;
    items.judge(item, seq, envelopes);
    seq += envelopes;
  }
}

function deriveJudging(
  context: PayloadContext,
  header: Header,
  raw: Uint8Array,
  count: number,
  items: ItemJudge,
): Attempt {
  const input = inputOf(context, header, raw, count);
  const onItem: DeriveInput["onItem"] = (item, seq, held) => items.judge(item, seq, held);
  return { input, derived: deriveEnvelopes(context.suite, { ...input, onItem }) };
}

function inputOf(
  { thread, onPayload }: PayloadContext,
  { firstSeq }: Header,
  raw: Uint8Array,
  count: number,
): DeriveInput {
  const prev = thread.lastHashes[0] ?? new Uint8Array(32);
  const kept = onPayload === undefined ? {} : { keepHashes: new Uint8Array(hashLength * count) };
  return { raw, prev, firstSeq, count, ...kept };
}

// Without the hash of the envelope before, items can be judged but no links.
function link(
  context: PayloadContext,
  header: Header,
  attempt: Attempt,
): Attempt & { linked: boolean } {
  const { raw, count } = attempt.input;
  const [first, ...others] = context.thread.lastHashes;
  if (first === undefined) {
    context.unchecked("links of the first envelopes behind a lost block");
    return { ...attempt, linked: false };
  }
  for (const prev of equalBytes(attempt.derived.lastHash, header.lastHash) ? [] : others) {
    const input = { ...inputOf(context, header, raw, count), prev };
    const derived = deriveEnvelopes(context.suite, input);
    if (equalBytes(derived.lastHash, header.lastHash)) return { input, derived, linked: true };
  }
  return { ...attempt, linked: true };
}

function judgeDerived(
  context: PayloadContext,
  header: Header,
  derived: Derived,
  linked: boolean,
): void {
  if (linked && !equalBytes(derived.lastHash, header.lastHash)) {
    context.report(
      new Fault("LINK_MISMATCH", "last_hash is not the hash of the last envelope", 144),
    );
  } else if (linked && !equalBytes(derived.envelopeRoot, header.envelopeRoot)) {
    context.report(
      new Fault("ROOT_MISMATCH", "envelope_root is not the root of the envelopes", 176),
    );
  }
  if (derived.firstTime !== header.firstTime) {
    context.report(new Fault("MALFORMED", "first_time is not the smallest envelope time", 376));
  }
}
