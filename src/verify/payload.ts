// Judges a block's payload (step E) and carries over what its records say.
//
// - Everything that a payload may change is in ChainFacts; a block that was refused by its header
//   never gets here.
// - What was sealed is judged item by item, so that a finding names its seq.
//
// Spec: docs/spec/verification.md, "E: payload".

import { openPayload } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { countLines, type Derived, deriveEnvelopes } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, inScope } from "../core/grant.ts";
import type { Header } from "../core/header.ts";
import { encodeJson, type JsonObject } from "../core/json.ts";
import { type PayloadItem, payloadItems } from "../core/payload.ts";
import { type DecodedRecord, decodeRecord } from "../core/record.ts";
import { positionsIn, type SourceTable } from "../core/sources.ts";
import { judgeReceiptRecord, type ReceiptContext } from "./receipts.ts";
import { judgeSnapshot } from "./snapshot.ts";
import type { Thread } from "./thread.ts";

export interface PayloadContext {
  readonly suite: Suite;
  readonly thread: Thread;
  readonly sources: SourceTable;
  readonly grant: Grant | undefined;
  readonly grantHash: Uint8Array | undefined;
  readonly receipts: ReceiptContext;
  /** Envelopes were judged before: only what items and records change is carried over. */
  readonly itemsOnly: boolean;
  /** What is wrong, and in which envelope. */
  readonly report: (fault: Fault, seq?: number) => void;
  /** For readers: every item with its first seq, after it was judged. */
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number, count: number) => void;
  readonly onEnvelope?: (preimage: Uint8Array, hash: Uint8Array, item: PayloadItem) => void;
}

/** Whether a block begins a run; unknown behind a block that was lost. */
export type RunPlace = "new" | "same" | "unknown";

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
}

/** A payload that is not there, or cannot be read: only the header speaks. */
export function unread(context: PayloadContext, header: Header): PayloadOutcome {
  context.sources.loosen();
  return {
    count: undefined,
    lastHashes: [header.lastHash],
    stopped: undefined,
    configHash: header.configHash,
    receiptHash: header.receiptHash,
    receiptSize: header.receiptSize,
    clockStepped: true,
  };
}

/** Judges a stored payload. */
export function judgePayload(
  context: PayloadContext,
  header: Header,
  stored: Uint8Array,
  run: RunPlace,
): PayloadOutcome {
  let raw: Uint8Array;
  try {
    raw = openPayload(context.suite, header, stored);
  } catch (caught) {
    report(context, caught);
    return unread(context, header);
  }
  const items = new ItemJudge(context, header, raw, run);
  const lastHashes = [header.lastHash];
  try {
    if (context.itemsOnly) return applied(header, raw, items);
    const { derived, linked } = derive(context, header, raw, items);
    if (linked && !equalBytes(derived.lastHash, header.lastHash)) {
      context.report(new Fault("LINK_MISMATCH", "last_hash is not the hash of the last envelope"));
      lastHashes.push(derived.lastHash);
    } else if (linked && !equalBytes(derived.envelopeRoot, header.envelopeRoot)) {
      context.report(new Fault("ROOT_MISMATCH", "envelope_root is not the root of the envelopes"));
    }
    if (derived.firstTime !== header.firstTime) {
      context.report(new Fault("MALFORMED", "first_time is not the smallest envelope time", 376));
    }
  } catch (caught) {
    report(context, caught);
    const counted = caught instanceof Fault && caught.code === "COUNT_MISMATCH";
    return { ...unread(context, header), count: counted ? itemsCounted(raw) : undefined };
  }
  return outcome(header, items, lastHashes);
}

function applied(header: Header, raw: Uint8Array, items: ItemJudge): PayloadOutcome {
  for (const item of payloadItems(raw)) items.judge(item, header.firstSeq, 0);
  return outcome(header, items, [header.lastHash]);
}

function outcome(header: Header, items: ItemJudge, lastHashes: Uint8Array[]): PayloadOutcome {
  items.finish();
  return {
    count: header.count,
    lastHashes,
    stopped: items.stopped,
    configHash: items.configHash ?? header.configHash,
    receiptHash: items.receiptHash ?? header.receiptHash,
    receiptSize: items.receiptSize,
    clockStepped: items.clockStepped,
  };
}

function report(context: PayloadContext, caught: unknown): void {
  if (!(caught instanceof Fault)) throw caught;
  context.report(caught);
}

// Without the hash of the envelope before, envelopes can be counted but their links not judged.
function derive(
  context: PayloadContext,
  header: Header,
  raw: Uint8Array,
  items: ItemJudge,
): { derived: Derived; linked: boolean } {
  const { suite, thread, onEnvelope } = context;
  const [first, ...others] = thread.lastHashes;
  const input = {
    raw,
    prev: first ?? new Uint8Array(32),
    firstSeq: header.firstSeq,
    count: header.count,
    ...(onEnvelope === undefined ? {} : { onEnvelope }),
  };
  const derived = deriveEnvelopes(suite, {
    ...input,
    onItem: (item, seq, count) => items.judge(item, seq, count),
  });
  if (first === undefined) return { derived, linked: false };
  for (const prev of equalBytes(derived.lastHash, header.lastHash) ? [] : others) {
    const other = deriveEnvelopes(suite, { ...input, prev });
    if (equalBytes(other.lastHash, header.lastHash)) return { derived: other, linked: true };
  }
  return { derived, linked: true };
}

function itemsCounted(raw: Uint8Array): number {
  let count = 0;
  for (const item of payloadItems(raw)) {
    count += item.kind === "span" ? countLines(raw, item.start, item.end) : 1;
  }
  return count;
}

const snapshotPeriod = 1024;

// Judges the items of one payload in order.
class ItemJudge {
  readonly #context: PayloadContext;
  readonly #header: Header;
  readonly #raw: Uint8Array;
  readonly #run: RunPlace;
  /** Types of the records so far; "line" for spans. */
  readonly #before: string[] = [];
  #snapshotSeen = false;
  #startFaulted = false;
  configHash: Uint8Array | undefined;
  receiptHash: Uint8Array | undefined;
  receiptSize: number;
  stopped: boolean;
  clockStepped = false;

  constructor(context: PayloadContext, header: Header, raw: Uint8Array, run: RunPlace) {
    this.#context = context;
    this.#header = header;
    this.#raw = raw;
    this.#run = run;
    this.configHash = context.thread.configHash;
    this.receiptHash = context.thread.receiptHash;
    this.receiptSize = context.thread.receiptSize;
    this.stopped = context.thread.stopped === true && run !== "new";
  }

  judge(item: PayloadItem, seq: number, count: number): void {
    const bytes = this.#raw;
    if (item.kind === "span") {
      this.#startRule(seq, undefined);
      const { sources } = this.#context;
      this.#fault(sources.advance(item.source, item.offset, item.end - item.start), seq);
      this.#noteKind("line");
    } else {
      this.#record(bytes.subarray(item.start, item.end), seq);
    }
    this.#context.onItem?.(item, bytes, seq, count);
  }

  /** What can be judged only when all items were seen. */
  finish(): void {
    const { header, context } = { header: this.#header, context: this.#context };
    const due = this.#run === "new" || header.blockNo % snapshotPeriod === 0;
    if (due && !this.#snapshotSeen) {
      context.report(new Fault("SNAPSHOT_MISMATCH", "block must hold a snapshot and does not"));
    }
    const configHash = this.configHash ?? (header.blockNo === 0 ? new Uint8Array(32) : undefined);
    if (configHash !== undefined && !equalBytes(configHash, header.configHash)) {
      context.report(
        new Fault("CONFIG_MISMATCH", "config_hash is not that of the config record", 272),
      );
    }
    this.#finishReceipt();
  }

  #finishReceipt(): void {
    const { receiptHash, receiptSize, blockNo } = this.#header;
    const expected = blockNo === 0 ? this.#context.grantHash : this.receiptHash;
    if (expected === undefined) return;
    if (!equalBytes(expected, receiptHash)) {
      const what = blockNo === 0 ? "the grant" : "the newest receipt record";
      this.#context.report(
        new Fault("RECEIPT_MISMATCH", `receipt_hash is not that of ${what}`, 304),
      );
    } else if (this.receiptSize !== receiptSize) {
      this.#context.report(
        new Fault("RECEIPT_MISMATCH", "receipt_size is not that of the newest receipt record", 336),
      );
    }
  }

  #fault(fault: Fault | undefined, seq: number): void {
    if (fault !== undefined) this.#context.report(fault, seq);
  }

  #noteKind(kind: string): void {
    // Only the first few decide where a snapshot may stand.
    if (this.#before.length < 4) this.#before.push(kind);
  }

  #record(bytes: Uint8Array, seq: number): void {
    let record: DecodedRecord;
    try {
      record = decodeRecord(bytes);
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
      this.#startRule(seq, undefined);
      this.#fault(caught, seq);
      this.#noteKind("unreadable");
      return;
    }
    this.#startRule(seq, record);
    this.#fault(record.problem, seq);
    const malformed = record.problem?.code === "MALFORMED";
    const fault = this.#context.sources.apply(record.type, record.value);
    if (!malformed) {
      this.#fault(fault, seq);
      this.#meaning(record, seq);
    }
    this.#noteKind(record.type);
  }

  // The first envelope of a run is its `start`; after a `stop` only a new run may follow.
  #startRule(seq: number, record: DecodedRecord | undefined): void {
    const first = this.#before.length === 0;
    const isStart = record?.type === "start";
    const good = isStart
      ? first && this.#run !== "same" && record.value["run"] === hex(this.#header.runId)
      : !(first && this.#run === "new") && !this.stopped;
    if (good || this.#startFaulted) return;
    this.#startFaulted = true;
    const why = isStart
      ? "start record does not begin the run that its block names"
      : "run does not begin with its start record";
    this.#fault(new Fault("START_MISSING", why), seq);
  }

  #meaning(record: DecodedRecord, seq: number): void {
    const { type, value } = record;
    switch (type) {
      case "stop":
        this.stopped = true;
        return;
      case "config":
        return this.#configRecord(value["config"] as JsonObject, seq);
      case "source":
        return this.#scope(value, seq);
      case "gap":
        return this.#fault(declaredGap(value), seq);
      case "rewritten":
        return this.#fault(
          new Fault("SOURCE_REWRITTEN", "sealed bytes were changed in place"),
          seq,
        );
      case "clock":
        this.clockStepped = true;
        return this.#fault(clockStep(value), seq);
      case "snapshot":
        return this.#snapshot(value, seq);
      case "receipt":
        return this.#receipt(value["note"] as string, seq);
      case "predecessor":
        return this.#predecessor(value, seq);
      default:
    }
  }

  #configRecord(config: JsonObject, seq: number): void {
    const hash = this.#context.suite.sha256(encodeJson(config));
    const before = this.configHash;
    this.configHash = hash;
    if (before !== undefined && !equalBytes(before, hash)) {
      this.#fault(new Fault("CONFIG_CHANGED", "the agent's configuration changed"), seq);
    }
  }

  #scope(source: JsonObject, seq: number): void {
    const { grant } = this.#context;
    const path = source["path"];
    if (grant === undefined || typeof path !== "string" || inScope(grant, path)) return;
    this.#fault(new Fault("SOURCE_OUT_OF_SCOPE", "source lies outside the grant's globs"), seq);
  }

  #snapshot(value: JsonObject, seq: number): void {
    const placed = ["", "start", "config", "start config"].includes(this.#before.join(" "));
    if (this.#snapshotSeen || !placed) {
      this.#fault(new Fault("SNAPSHOT_MISMATCH", "snapshot does not stand first"), seq);
      return;
    }
    this.#snapshotSeen = true;
    const { sources, thread } = this.#context;
    const known = { sources, thread, configHash: this.configHash };
    this.#fault(judgeSnapshot(this.#context.suite, known, this.#header, value), seq);
    this.configHash ??= this.#context.suite.sha256(encodeJson(value["config"] as JsonObject));
    for (const { record } of positionsIn(value["sources"])) this.#scopeOfRestored(record, seq);
  }

  // Declared where nobody could see it: judged when the snapshot names it.
  #scopeOfRestored(record: JsonObject, seq: number): void {
    if (this.#run === "unknown") this.#scope(record, seq);
  }

  #receipt(note: string, seq: number): void {
    const judged = judgeReceiptRecord(this.#context.receipts, this.#header, note, this.receiptSize);
    this.receiptHash = judged.hash;
    this.receiptSize = judged.size ?? this.receiptSize;
    this.#fault(judged.fault, seq);
  }

  #predecessor(value: JsonObject, seq: number): void {
    if (this.#header.blockNo !== 0 || !this.#snapshotSeen) {
      this.#fault(new Fault("MALFORMED", "predecessor record does not stand in the genesis"), seq);
      return;
    }
    this.#fault(new Fault("CHAIN_REPLACED", "this chain goes on for an earlier one"), seq);
    for (const { record } of positionsIn(value["positions"])) this.#scope(record, seq);
  }
}

function declaredGap({ from, to, cause }: JsonObject): Fault {
  const bytes =
    typeof to === "number" ? `${to - (from as number)} bytes` : "an unknown number of bytes";
  return new Fault("GAP_DECLARED", `${bytes} from offset ${from}, ${cause}`);
}

function clockStep({ before, after }: JsonObject): Fault {
  const seconds = ((after as number) - (before as number)) / 1e6;
  return new Fault("CLOCK_STEP_DECLARED", `the clock stepped by ${seconds.toFixed(1)} s`);
}
