// The sealer: gathers spans and records into drafts and closes them by size, count or age.
//
// - What it gathered, it never gives up: a draft becomes the next block, whole and in order.
// - The source table says what is sealed or drafted. A span or record that would break a rule of
//   the format is our own mistake and stops the process: nothing wrong is ever signed.
// - The first block of a run, every 1,024th and the first of a WAL segment begin with a snapshot:
//   recovery, the vault and verifiers may begin there.
//
// Spec: docs/spec/block.md, docs/spec/record.md.

import { hex } from "../core/bytes.ts";
import { type Derived, deriveInTurns } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { firstPrev, maxStretch } from "../core/envelope.ts";
import { SealtailError } from "../core/errors.ts";
import type { Fault } from "../core/fault.ts";
import { type BlockKind, limits as formatLimits } from "../core/header.ts";
import { encodeJson, type JsonObject } from "../core/json.ts";
import { seedLength, spanHeadLength } from "../core/payload.ts";
import { type AgentRecord, encodeRecord, snapshotPeriod } from "../core/record.ts";
import type { SourceTable } from "../core/sources.ts";
import type { Clock } from "../host/clock.ts";
import type { Random } from "../host/random.ts";
import { nextTurn } from "../host/turn.ts";
import { compress } from "../host/zstd.ts";
import { ClockWatch } from "./clock-watch.ts";
import { Draft, type SpanPlace } from "./draft.ts";
import { type BlockLog, Pipeline, type PipelineOptions } from "./pipeline.ts";

export interface SealLimits {
  readonly maxBytes: number;
  readonly maxLines: number;
  readonly maxAgeMs: number;
  readonly maxSilenceMs: number;
}

/** What the newest block left: where envelopes and records go on. */
export interface ChainFacts {
  /** Seq of the next envelope. */
  seq: number;
  /** Hash of the envelope before, at the start; the sealer keeps it from then on. */
  readonly lastHash: Uint8Array;
  config: JsonObject;
  receiptHash: Uint8Array;
  receiptSize: number;
}

export interface SealerOptions extends PipelineOptions {
  readonly log: BlockLog;
  readonly random: Random;
  readonly limits: SealLimits;
  readonly facts: ChainFacts;
  readonly sources: SourceTable;
  /** Hash of the grant; a genesis carries it. */
  readonly grantHash: Uint8Array;
  readonly runId: Uint8Array;
  /** Another compressor than the one in libuv's pool; undefined: that one. */
  readonly compress?: ((bytes: Uint8Array) => Promise<Uint8Array>) | undefined;
}

export interface RunStart {
  readonly host: string;
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The effective configuration, secrets masked. */
  readonly config: JsonObject;
  /** Stands behind the snapshot of a genesis. */
  readonly predecessor?: AgentRecord | undefined;
}

/** A draft grows at most this far beyond max_bytes: room for the tail's longest uncut stretch. */
const overshoot = 307_200;
/** Envelopes in a block: one less than the format allows, for the record of a clock's step. */
const linesMax = formatLimits.count - 1;

export class Sealer {
  readonly #options: SealerOptions;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #pipeline: Pipeline;
  readonly #watch: ClockWatch;
  readonly #facts: ChainFacts;
  readonly #spare: Draft[] = [];
  readonly #runStart: number;
  #draft: Draft;
  #begun = false;
  #hasSnapshot = false;
  #configHash: Uint8Array;
  /** Hash of the newest closed draft's last envelope. */
  #lastHash: Promise<Uint8Array>;
  /** Monotonic microseconds at which the newest draft was closed. */
  #closedAt: number;

  constructor(options: SealerOptions) {
    this.#options = options;
    this.#suite = options.suite;
    this.#clock = options.clock;
    this.#facts = options.facts;
    const { suite, grantHash, runId } = options;
    const genesis = options.head.blockNo === 0;
    this.#lastHash = Promise.resolve(
      genesis ? firstPrev(suite, grantHash, runId) : options.facts.lastHash,
    );
    this.#configHash = options.suite.sha256(encodeJson(options.facts.config));
    this.#pipeline = new Pipeline(options);
    this.#runStart = options.clock.mono();
    this.#watch = new ClockWatch(options.clock, this.#runStart);
    this.#closedAt = this.#runStart;
    this.#draft = this.#newDraft();
  }

  /** Seq of the next envelope, drafted ones included. */
  get seq(): number {
    return this.#facts.seq + this.#draft.count;
  }

  /** Blocks closed but not durable yet. */
  get pending(): number {
    return this.#pipeline.pending;
  }

  /** Closed blocks wait for room on the disk or for a descriptor: nothing should be added now. */
  get short(): boolean {
    return this.#pipeline.short;
  }

  /** The next byte of a source to be sealed; undefined if it is not open. Drafted bytes count. */
  positionOf(source: string): number | undefined {
    return this.#options.sources.get(source)?.expected;
  }

  /** The path that an open source was declared with. */
  pathOf(source: string): string | undefined {
    return this.#options.sources.get(source)?.record["path"] as string | undefined;
  }

  /** Begins the run: start, config and snapshot, and in a genesis the predecessor. */
  async startRun(run: RunStart): Promise<void> {
    this.#draft.begin(this.#options.random.bytes(seedLength));
    this.#begun = true;
    const { host, version, labels, config } = run;
    this.#put({ type: "start", run: hex(this.#options.runId), version, host, labels });
    this.#put({ type: "config", config });
    this.#putSnapshot();
    if (run.predecessor !== undefined) this.#put(run.predecessor);
  }

  /** Where the next span's bytes may be put; waits while closed blocks wait for the disk. */
  async room(): Promise<Uint8Array> {
    await this.#makeRoom(overshoot);
    const left = Math.max(0, this.#options.limits.maxBytes - this.#draft.length);
    // The longest stretch more, which may not be ready yet: so that one read fills a block.
    return this.#draft.room(overshoot - spanHeadLength).subarray(0, left + maxStretch);
  }

  /** Takes the `length` bytes of one span that were put into room(); returns how many lines. */
  async addSpan(place: SpanPlace, length: number): Promise<number> {
    let span = place;
    let left = length;
    let taken = 0;
    for (;;) {
      await this.#begin();
      const draft = this.#draft;
      const free = Math.min(this.#options.limits.maxLines, linesMax) - draft.count;
      const lines = draft.linesIn(left);
      if (lines <= free) {
        this.#takeSpan(span, left, lines);
        taken += lines;
        break;
      }
      // More lines than the block may hold: the rest of the span goes into the next one.
      const bytes = draft.room().slice(0, left);
      const size = free > 0 ? draft.bytesOfLines(left, free) : 0;
      if (size > 0) this.#takeSpan(span, size, free);
      taken += size > 0 ? free : 0;
      await this.close();
      await this.#makeRoom(left);
      this.#draft.room(left).set(bytes.subarray(size));
      span = { ...span, offset: span.offset + size };
      left -= size;
    }
    await this.#closeIfFull();
    return taken;
  }

  /** Takes records that must stand in one block, in this order. */
  async addRecords(records: readonly AgentRecord[]): Promise<void> {
    await this.#putTogether(records);
    await this.#closeIfFull();
  }

  /** Takes the run's last records and seals them, in a block of this kind; as flush() says. */
  async finish(records: readonly AgentRecord[], kind: BlockKind): Promise<void> {
    // Nothing may follow a stop: a step of the clock is stated before it, or by the next run.
    await this.#putTogether([...this.#steps(), ...records]);
    await this.#close(kind);
    await this.settled();
  }

  async #putTogether(records: readonly AgentRecord[]): Promise<void> {
    await this.#makeRoom(weightOf(records), records.length);
    for (const record of records) this.#put(record);
  }

  async #makeRoom(bytes: number, envelopes = 0): Promise<void> {
    await this.#begin();
    if (this.#draft.fits(bytes) && this.#draft.count + envelopes <= linesMax) return;
    await this.close();
    await this.#begin();
  }

  /** Milliseconds until the draft must be closed for its age; undefined while it is empty. */
  dueInMs(): number | undefined {
    const { since } = this.#draft;
    if (since === undefined) return undefined;
    const age = (this.#clock.mono() - since) / 1000;
    return Math.max(0, this.#options.limits.maxAgeMs - age);
  }

  /** Milliseconds since a draft was last closed, for heartbeats. */
  quietMs(): number {
    return (this.#clock.mono() - this.#closedAt) / 1000;
  }

  /** Closes the draft, if it holds anything; returns when there is room for the next one. */
  async close(): Promise<void> {
    if (this.#draft.empty) return;
    for (const step of this.#steps()) this.#put(step);
    await this.#close("normal");
  }

  #steps(): AgentRecord[] {
    const step = this.#watch.step();
    return step === undefined ? [] : [step];
  }

  async #close(kind: BlockKind): Promise<void> {
    const draft = this.#draft;
    const { count, raw } = draft;
    const derived = this.#derive(raw, count);
    const { compress: squeeze = compress } = this.#options;
    const closed = {
      kind,
      derived,
      count,
      raw,
      firstSeq: this.#facts.seq,
      compressed: squeeze(raw),
      configHash: this.#configHash,
      ...this.#receiptFields(),
      maxSilenceMs: kind === "final" ? 0 : this.#options.limits.maxSilenceMs,
      runId: this.#options.runId,
      time: this.#clock.now(),
      mono: this.#clock.mono() - this.#runStart,
      hasSnapshot: this.#hasSnapshot,
      release: () => this.#recycle(draft),
    };
    this.#facts.seq += count;
    this.#lastHash = derived.then(({ lastHash }) => lastHash);
    this.#draft = this.#spare.pop() ?? this.#newDraft();
    this.#begun = false;
    this.#closedAt = this.#clock.mono();
    await this.#pipeline.push(closed);
  }

  /** Closes the draft and returns when all of it is durable and handed on. */
  async flush(): Promise<void> {
    await this.close();
    await this.settled();
  }

  /** Returns when all closed drafts are durable and handed on. What is drafted stays a draft. */
  settled(): Promise<void> {
    return this.#pipeline.idle();
  }

  /** A copy of what is drafted, as a payload: for another chain, where this one is over. */
  drafted(): Uint8Array[] {
    return this.#begun && !this.#draft.empty ? [this.#draft.raw.slice()] : [];
  }

  /** Throws what made sealing impossible, if something did. */
  check(): void {
    this.#pipeline.check();
  }

  /** A shortage is not waited for any more: what waits for it fails with its code. */
  waitNoLonger(): void {
    this.#pipeline.waitNoLonger();
  }

  // In turns, so that the next bytes come in, and the blocks before get to the disk, while we hash.
  async #derive(raw: Uint8Array, count: number): Promise<Derived> {
    const firstSeq = this.#facts.seq;
    const [prev] = await Promise.all([this.#lastHash, nextTurn()]);
    return deriveInTurns(this.#suite, { raw, prev, firstSeq, count }, nextTurn);
  }

  #newDraft(): Draft {
    return new Draft(this.#options.limits.maxBytes + overshoot);
  }

  #recycle(draft: Draft): void {
    draft.clear();
    this.#spare.push(draft);
  }

  // A snapshot lists the tree over all blocks before, so these must be signed first.
  async #begin(): Promise<void> {
    if (this.#begun) return;
    if (this.#snapshotDue()) await this.#pipeline.idle();
    this.#draft.begin(this.#options.random.bytes(seedLength));
    this.#begun = true;
    this.#hasSnapshot = false;
    if (this.#snapshotDue()) this.#putSnapshot();
  }

  #snapshotDue(): boolean {
    return this.#pipeline.nextNo % snapshotPeriod === 0 || this.#options.log.wantsSegment;
  }

  #putSnapshot(): void {
    this.#hasSnapshot = true;
    this.#put({
      type: "snapshot",
      tree: this.#options.head.frontier.hashes().map(hex),
      config: this.#facts.config,
      sources: this.#options.sources.positions(),
    });
  }

  #put(record: AgentRecord): void {
    const bytes = encodeRecord(record);
    if (record.type === "config") {
      this.#facts.config = record.config;
      this.#configHash = this.#suite.sha256(encodeJson(record.config));
    }
    refuse(this.#options.sources.apply(record.type, record as unknown as JsonObject));
    this.#draft.addRecord(bytes, this.#clock.now(), this.#clock.mono());
  }

  /** States a receipt: `size` blocks are covered by it. */
  async addReceipt(note: string, size: number, hash: Uint8Array): Promise<void> {
    // The block that holds the record, and no earlier one, carries its hash.
    const record = { type: "receipt", note } as const;
    await this.#makeRoom(weightOf([record]), 1);
    this.#facts.receiptHash = hash;
    this.#facts.receiptSize = size;
    await this.addRecords([record]);
  }

  #receiptFields(): { receiptHash: Uint8Array; receiptSize: number } {
    const { receiptHash, receiptSize } = this.#facts;
    const genesis = this.#pipeline.nextNo === 0;
    return { receiptHash: genesis ? this.#options.grantHash : receiptHash, receiptSize };
  }

  #takeSpan(span: SpanPlace, length: number, lines: number): void {
    refuse(this.#options.sources.advance(hex(span.source), span.offset, length));
    this.#draft.addSpan(span, length, lines, this.#clock.mono());
  }

  async #closeIfFull(): Promise<void> {
    const { maxBytes, maxLines } = this.#options.limits;
    const full = this.#draft.count >= Math.min(maxLines, linesMax);
    if (full || this.#draft.length >= maxBytes) await this.close();
  }
}

/** Bytes that records take in a payload, and some more. */
function weightOf(records: readonly AgentRecord[]): number {
  return records.reduce((sum, each) => sum + encodeRecord(each).length + 16, 0);
}

function refuse(fault: Fault | undefined): void {
  if (fault === undefined) return;
  throw new SealtailError("seal-refused", `what was to be sealed breaks a rule: ${fault.message}`, {
    cause: fault,
  });
}
