// Judges the items of one payload in order: runs, sources, and what records mean.
//
// - A finding names the seq of the envelope that it is about; of a span, the first one.
// - Items are applied even where they are wrong, so that one fault is one finding.
// - What a snapshot lists must be what the chain says holds just before it. Where the walk does not
//   know that, because something before was lost, the snapshot restores it instead.
//
// Spec: docs/spec/record.md.

import { equalBytes, fromHex, hex } from "../core/bytes.ts";
import { Fault, orUndefined } from "../core/fault.ts";
import { inScope } from "../core/grant.ts";
import type { Header } from "../core/header.ts";
import { encodeJson, type Json, type JsonObject, textOf } from "../core/json.ts";
import type { PayloadItem } from "../core/payload.ts";
import {
  type DecodedRecord,
  decodeRecord,
  type PredecessorRecord,
  snapshotPeriod,
} from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { Frontier } from "../core/tree.ts";
import { shortened } from "./finding.ts";
import type { PayloadContext } from "./payload.ts";
import { judgeReceiptRecord } from "./receipts.ts";
import type { RunPlace } from "./run-log.ts";
import { agree } from "./thread.ts";
import type { ItemTimes } from "./times.ts";

export class ItemJudge {
  readonly #context: PayloadContext;
  readonly #header: Header;
  readonly #raw: Uint8Array;
  readonly #run: RunPlace;
  /** Types of the records so far; "line" for spans. */
  readonly #before: string[] = [];
  #snapshotSeen = false;
  #startFaulted = false;
  /** A genesis' snapshot that came before any config record, by its seq. */
  #snapshotTooEarly: number | undefined;
  configHash: Uint8Array | undefined;
  receiptHash: Uint8Array | undefined;
  receiptSize: number;
  stopped: boolean;
  clockStepped = false;
  /** Files that began anew: nobody can know what came and went unseen before that. */
  restarts = 0;
  #earliest = Number.POSITIVE_INFINITY;
  #latest = 0;

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

  judge(item: PayloadItem, seq: number): void {
    const bytes = this.#raw;
    if (item.time < this.#earliest) this.#earliest = item.time;
    if (item.time > this.#latest) this.#latest = item.time;
    if (item.kind === "span") {
      this.#startRule(seq, undefined);
      const { sources } = this.#context;
      this.#reopened(item.source, item.offset, seq);
      this.#fault(sources.advance(item.source, item.offset, item.end - item.start), seq);
      this.#noteKind("line");
    } else {
      this.#record(bytes.subarray(item.start, item.end), seq);
    }
    this.#context.onItem?.(item, bytes, seq);
  }

  /** When its items were read. */
  get times(): ItemTimes {
    return { earliest: this.#earliest, latest: this.#latest };
  }

  /** What can be judged only when all items were seen. */
  finish(): void {
    const { report } = this.#context;
    const { blockNo, configHash } = this.#header;
    const due = this.#run === "new" || blockNo % snapshotPeriod === 0;
    if (due && !this.#snapshotSeen) {
      report(wrongSnapshot("block must hold a snapshot and does not"));
    }
    if (blockNo === 0 && this.configHash === undefined) {
      report(new Fault("CONFIG_MISMATCH", "genesis holds no config record"));
    } else if (this.configHash !== undefined && !equalBytes(this.configHash, configHash)) {
      report(new Fault("CONFIG_MISMATCH", "config_hash is not that of the config record", 272));
    }
    this.#finishReceipt();
  }

  #finishReceipt(): void {
    const { receiptHash, receiptSize, blockNo } = this.#header;
    const expected = blockNo === 0 ? this.#context.grant?.hash : this.receiptHash;
    if (expected === undefined) return;
    if (!equalBytes(expected, receiptHash)) {
      const what = blockNo === 0 ? "the grant" : "the newest receipt record";
      this.#context.report(
        new Fault("RECEIPT_MISMATCH", `receipt_hash is not that of ${what}`, 304),
      );
    } else if ((blockNo === 0 ? 0 : this.receiptSize) !== receiptSize) {
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
    if (record.problem?.code === "MALFORMED") {
      this.#context.sources.apply(record.type, record.value);
    } else {
      if (record.type === "source") this.#scope(record.value, seq);
      if (record.type === "predecessor") {
        for (const each of positionsIn(record.value["positions"])) this.#scope(each.record, seq);
      }
      // A gap may close its source: what it is of is known before.
      const source = this.#context.sources.get(textOf(record.value["source"]));
      this.#apply(record, seq);
      this.#meaning(record, source?.record["path"], seq);
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
    // A run ends in its `stop` only if that is the last thing it says.
    this.stopped = false;
    if (good || this.#startFaulted) return;
    this.#startFaulted = true;
    const why = isStart
      ? "start record does not begin the run that its block names"
      : "run does not begin with its start record";
    this.#fault(new Fault("START_MISSING", why), seq);
  }

  #apply({ type, value }: DecodedRecord, seq: number): void {
    const { sources, closed } = this.#context;
    const id = type === "end" || type === "gap" ? textOf(value["source"]) : undefined;
    const before = id === undefined ? undefined : sources.get(id)?.expected;
    this.#fault(sources.apply(type, value), seq);
    if (id === undefined || before === undefined) return;
    if (sources.get(id) === undefined) closed.add(id, before);
    // A gap may lead to where it had ended: then it goes on.
    else if (value["from"] === 0) this.#reopened(id, Number(value["to"]), seq);
  }

  /** Bytes of a source that was closed before are sealed, from `offset` on. */
  #reopened(id: string, offset: number, seq: number): void {
    const { sources, closed } = this.#context;
    const end = sources.get(id) === undefined ? undefined : closed.goesBack(id, offset);
    if (end === undefined) return;
    const text = `source is opened again at ${offset}, it had ended at ${end}`;
    this.#fault(new Fault("SOURCE_REWRITTEN", text), seq);
  }

  #meaning(record: DecodedRecord, path: Json | undefined, seq: number): void {
    const { type, value } = record;
    switch (type) {
      case "stop":
        this.stopped = true;
        return;
      case "config":
        return this.#configRecord(value["config"] as JsonObject, seq);
      case "end":
        if (value["cause"] === "restarted") this.restarts += 1;
        return;
      case "gap":
        return this.#fault(gapFault(value, path), seq);
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
        return this.#predecessor(value as PredecessorRecord, seq);
      default:
    }
  }

  #configRecord(config: JsonObject, seq: number): void {
    const hash = this.#context.suite.sha256(encodeJson(config));
    const before = this.configHash;
    this.configHash = hash;
    if (this.#snapshotTooEarly !== undefined) {
      const fault = wrongSnapshot("snapshot stands before the first config record");
      this.#fault(fault, this.#snapshotTooEarly);
      this.#snapshotTooEarly = undefined;
    }
    if (before !== undefined && !equalBytes(before, hash)) {
      this.#fault(new Fault("CONFIG_CHANGED", "the agent's configuration changed"), seq);
    }
  }

  // Judged once, where the source is opened.
  #scope(source: JsonObject, seq: number): void {
    const { grant, sources } = this.#context;
    const path = source["path"];
    if (grant === undefined || grant.sources.length === 0 || typeof path !== "string") return;
    if (sources.get(sources.idOf(source)) !== undefined || inScope(grant, path)) return;
    this.#fault(new Fault("SOURCE_OUT_OF_SCOPE", "source lies outside the grant's globs"), seq);
  }

  #snapshot(value: JsonObject, seq: number): void {
    const placed = ["", "start", "config", "start config"].includes(this.#before.join(" "));
    if (this.#snapshotSeen || !placed) {
      this.#fault(wrongSnapshot("snapshot does not stand first"), seq);
      return;
    }
    this.#snapshotSeen = true;
    const { sources, suite } = this.#context;
    const listed = positionsIn(value["sources"]);
    // What was declared where nobody could read it is judged now.
    if (sources.loose) for (const { record } of listed) this.#scope(record, seq);
    const config = suite.sha256(encodeJson(value["config"] as JsonObject));
    const fault =
      this.#snapshotTree(value["tree"] as readonly string[]) ??
      (agree(this.configHash, config)
        ? sources.takeSnapshot(value)
        : wrongSnapshot("snapshot's config is not the newest config record"));
    this.#fault(fault, seq);
    if (this.configHash !== undefined) return;
    if (this.#header.blockNo === 0) this.#snapshotTooEarly = seq;
    else this.configHash = config;
  }

  /** Where the tree is not known, because something before was lost, the snapshot restores it. */
  #snapshotTree(tree: readonly string[]): Fault | undefined {
    const { suite, thread } = this.#context;
    const { blockNo, chainRoot } = this.#header;
    const hashes = tree.map((text) => fromHex(text, 32));
    const frontier = orUndefined(() => Frontier.from(suite, blockNo, hashes));
    if (frontier === undefined || !equalBytes(frontier.root(), chainRoot)) {
      return wrongSnapshot("snapshot's tree does not fold to chain_root");
    }
    thread.frontier ??= frontier;
    return undefined;
  }

  #receipt(note: string, seq: number): void {
    const judged = judgeReceiptRecord(this.#context.receipts, this.#header, note, this.receiptSize);
    this.receiptHash = judged.hash;
    // A size that cannot be read is unknown, and unknown is never compared.
    this.receiptSize = judged.size ?? this.#header.receiptSize;
    this.#fault(judged.fault, seq);
  }

  #predecessor(value: PredecessorRecord, seq: number): void {
    if (this.#header.blockNo !== 0 || !this.#snapshotSeen) {
      this.#fault(new Fault("MALFORMED", "predecessor record does not stand in the genesis"), seq);
      return;
    }
    const { chain, size, reason } = value;
    this.#fault(
      new Fault(
        "CHAIN_REPLACED",
        `this chain goes on for chain ${chain} behind ${size} blocks: ${shortened(reason)}`,
      ),
      seq,
    );
    this.#context.onPredecessor(value, seq);
  }
}

function wrongSnapshot(why: string): Fault {
  return new Fault("SNAPSHOT_MISMATCH", why);
}

function clockStep({ before, after }: JsonObject): Fault {
  const seconds = ((after as number) - (before as number)) / 1e6;
  return new Fault("CLOCK_STEP_DECLARED", `the clock stepped by ${seconds.toFixed(1)} s`);
}

function gapFault({ from, to, cause }: JsonObject, path: Json | undefined): Fault {
  // A malformed declaration opens its source, too, and not every value can be made text.
  const file = typeof path === "string" ? ` of ${shortened(path)}` : "";
  const bytes =
    typeof to === "number" ? `${to - (from as number)} bytes` : "an unknown number of bytes";
  const text = `${bytes}${file} from offset ${from}, ${cause}`;
  return new Fault("GAP_DECLARED", text, undefined, cause as string);
}
