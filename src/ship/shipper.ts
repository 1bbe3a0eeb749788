// The shipper: sends blocks to the sink in order, one request at a time, until receipts cover them.
//
// - It retries for ever. No answer and no error of a sink makes it drop, skip or free anything.
// - A receipt is verified, compared with our own tree and saved durably, in that order; only then
//   onReceipt hears of it and may free the WAL. Crash before the save: the same blocks go again
//   and get a receipt again.
// - Every failed attempt is followed by a wait. Nothing here can spin.
// - Between attempts it holds no blocks: an outage costs no memory.
// - Errors of our own disk (feed, receipt store) end run() with that error.

import { readU32 } from "../core/bytes.ts";
import { openReceipt, type Receipt, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { isShortage } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { failpoint } from "../host/failpoint.ts";
import { retryDelayMs } from "./backoff.ts";
import { Batch, batchBytesMax, statedRoot } from "./batch.ts";
import type { ShipperOptions } from "./contract.ts";
import { Course, type Ground, type Judgement, type UnusableReason } from "./course.ts";
import type { Answer, Outcome } from "./sink.ts";
import { Standing } from "./standing.ts";
import { noObserver, type ShipObserver, type ShipStatus } from "./status.ts";

export type { ShipperOptions } from "./contract.ts";

const defaultDelayMs = 1000;
/** No attempt takes longer, however slowly the answer trickles in. */
const attemptMsMax = 180_000;
const attemptMsMin = 1000;
const batchBytesMin = 65_536;
/** An answer that took longer says too little about the vault's clock. */
const skewTripMax = 5_000_000;

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #course: Course;
  readonly #standing: Standing;
  readonly #observer: ShipObserver;
  readonly #maxDelayUs: number;

  // Owned by run().
  #batchBytes = batchBytesMax;
  #failures = 0;
  /** Monotonic time at which the last batch was complete: what it left behind came later. */
  #gatheredAt: number = Number.NEGATIVE_INFINITY;
  #inFlight = 0;
  #oldest: number | undefined;
  #lastOutcome: Outcome | undefined;
  #lastAttempt: number | undefined;
  #lastReceipt: number | undefined;
  #retryTime: number | undefined;
  #skew: number | undefined;
  #unusable: UnusableReason | undefined;

  #running: Promise<void> | undefined;
  #closed = false;
  #ended = false;
  #draining = false;
  /** Blocks below are not collected for: set by flush(). */
  #flushTo = 0;
  #attemptMs = attemptMsMax;
  /** Aborted to end a wait early. */
  #waiting: AbortController | undefined;
  /** Aborted to cut the request that runs. */
  #sending: AbortController | undefined;
  readonly #progress = new Set<() => void>();

  constructor(options: ShipperOptions) {
    this.#options = options;
    this.#maxDelayUs = (options.maxDelayMs ?? defaultDelayMs) * 1000;
    this.#observer = options.observer ?? noObserver;
    const { clock, diag } = options;
    this.#standing = new Standing(clock, diag, (report) => options.onSink?.(report));
    const { suite, vaults, chainId, receipts } = options;
    const { newest } = receipts;
    const time = newest === undefined ? undefined : signedTime(suite, newest.note, vaults);
    this.#lastReceipt = time === undefined ? undefined : time * 1_000_000;
    this.#course = new Course({
      suite,
      vaults,
      chainId,
      newest: newest && { size: newest.size, time: time ?? 0 },
    });
  }

  /** Ships until close(). Rejects with what our own disk or a callback threw; call it once. */
  run(): Promise<void> {
    this.#running ??= this.#run();
    return this.#running;
  }

  /**
   * Resolves once the vault has said how far it is since run() began, or after `ms`. Until then a
   * chain that was restored from an old copy does not know that it must not be gone on with.
   */
  async greeted(ms: number): Promise<void> {
    const over = new AbortController();
    const answered = new Promise<void>((resolve) => {
      const look = (): void => {
        if (this.#course.greeting && !this.#ended) return;
        this.#progress.delete(look);
        resolve();
      };
      this.#progress.add(look);
      look();
    });
    await Promise.race([answered, this.#options.clock.sleep(ms, over.signal)]);
    over.abort();
  }

  /** Sends everything handed over so far without collecting more. */
  flush(): void {
    this.#flushTo = this.#options.feed.next;
    this.#waiting?.abort();
  }

  /**
   * Sends everything handed over so far, with short waits. Resolves with true once all of it is
   * receipted, with false at the deadline or once shipping is over. The mode stays until close().
   */
  async drain(deadlineMs: number): Promise<boolean> {
    const { clock, feed } = this.#options;
    const target = feed.next;
    this.#draining = true;
    // Leaves time for another try where a connection is dead without knowing it.
    this.#attemptMs = Math.max(attemptMsMin, deadlineMs / 3);
    this.#waiting?.abort();
    const over = new AbortController();
    if (this.#sending) void this.#cutAfter(this.#attemptMs, this.#sending, over.signal);
    const covered = new Promise<void>((resolve) => {
      const look = (): void => {
        const { halted } = this.#course;
        if (!this.#ended && !halted && !this.#course.covers(target)) return;
        this.#progress.delete(look);
        resolve();
      };
      this.#progress.add(look);
      look();
      over.signal.addEventListener("abort", () => this.#progress.delete(look), { once: true });
    });
    await Promise.race([covered, clock.sleep(deadlineMs, over.signal)]);
    over.abort();
    return this.#course.covers(target) && !this.#course.halted;
  }

  /** Cuts what is running and returns when run() has ended. The sink stays open. Never throws. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting?.abort();
    this.#sending?.abort();
    // Whoever called run() hears of its error.
    await this.#running?.catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  status(): ShipStatus {
    const { feed, sink } = this.#options;
    const unreceipted = Math.max(0, feed.next - this.#course.receipted);
    return {
      state: this.#standing.state,
      code: this.#standing.code,
      since: this.#standing.since,
      unusable: this.#unusable,
      lastOutcome: this.#lastOutcome,
      lastAttemptTime: this.#lastAttempt,
      consecutiveFailures: this.#failures,
      retryTime: this.#retryTime,
      receiptedSize: this.#course.receipted,
      lastReceiptTime: this.#lastReceipt,
      unreceiptedBlocks: unreceipted,
      oldestUnreceiptedTime: unreceipted === 0 ? undefined : this.#oldest,
      inFlightBytes: this.#inFlight,
      clockSkew: this.#skew,
      certificateNotAfter: sink.certificateNotAfter,
      draining: this.#draining,
    };
  }

  async #run(): Promise<void> {
    const { feed, diag } = this.#options;
    try {
      if (this.#course.receipted > feed.next) {
        this.#course.halt();
        this.#standing.set("agent-rollback", "receipt-ahead");
        diag.error("the newest receipt covers blocks that we do not hold");
        this.#giveUp("agent-rollback", "receipt-ahead");
      }
      while (!this.#closed) await this.#turn();
    } finally {
      this.#ended = true;
      this.#announce();
    }
  }

  async #turn(): Promise<void> {
    const { feed, clock } = this.#options;
    const step = this.#course.next(feed.first, feed.next);
    if (step === undefined) {
      await this.#wait((signal) => feed.changed(signal));
      return;
    }
    const batch = new Batch(step.from);
    await this.#gather(batch, step.single);
    if (this.#closed) return;
    const delayMs = await this.#attempt(batch);
    if (delayMs === 0 || this.#closed) return;
    this.#observer.retry(delayMs / 1000);
    this.#retryTime = clock.now() + Math.round(delayMs * 1000);
    await this.#wait((signal) => clock.sleep(delayMs, signal));
    this.#retryTime = undefined;
  }

  /** Fills a batch, and lets it wait for more blocks as long as that is allowed. */
  async #gather(batch: Batch, single: boolean): Promise<void> {
    const { feed, clock } = this.#options;
    // A question is not delayed, and delays no block after it. Blocks wait until max_delay after
    // the batch before: that many requests at most, and after a pause the first one goes at once.
    const until = single || this.#failures > 0 ? 0 : this.#gatheredAt + this.#maxDelayUs;
    for (;;) {
      const full = await batch.fill(feed, single ? 1 : this.#batchBytes);
      const now = clock.mono();
      if (!single) this.#gatheredAt = now;
      this.#oldest = batch.firstTime(this.#course.receipted) ?? this.#oldest;
      const left = until - now;
      const hurry = single || full || left <= 0 || this.#draining;
      if (hurry || this.#closed || batch.from < this.#flushTo) return;
      await this.#wait((signal) =>
        Promise.race([feed.changed(signal), clock.sleep(left / 1000, signal)]),
      );
    }
  }

  /** Sends a batch and takes in the answer. Returns the milliseconds to wait afterwards. */
  async #attempt(batch: Batch): Promise<number> {
    const { clock, diag } = this.#options;
    const [wallBefore, before] = [clock.now(), clock.mono()];
    this.#lastAttempt = wallBefore;
    this.#inFlight = batch.bytes;
    failpoint("ship-before-send");
    const answer = await this.#post(batch);
    failpoint("ship-after-answer");
    this.#inFlight = 0;
    if (this.#closed && answer.outcome !== "receipt") return 0;
    const trip = clock.mono() - before;
    this.#measureSkew(answer, wallBefore, trip);
    const judged = await this.#course.judge(answer, this.#ground(batch));
    const judgement = judged.receipt ? await this.#keep(judged, judged.receipt, batch) : judged;
    const { outcome, code, retry, state, unusable } = judgement;
    this.#lastOutcome = outcome;
    // A vault that is merely slow gets all the time that is left.
    if (this.#draining && outcome === "timeout") this.#attemptMs *= 2;
    this.#observer.attempt(outcome, trip / 1_000_000, batch.bytes);
    diag.debug("blocks sent", { from: batch.from, end: batch.end, outcome, code });
    this.#resize(judgement, batch);
    this.#failures = retry === "now" ? 0 : this.#failures + 1;
    if (retry === "now") this.#unusable = undefined;
    if (state !== undefined) this.#standing.set(state, state === "ok" ? "" : code);
    if (unusable !== undefined) this.#giveUp(unusable, code);
    this.#announce();
    if (retry === "now" || retry === "never") return 0;
    const chance = readU32(this.#options.random.bytes(4), 0) / 2 ** 32;
    const plan = this.#draining ? "drain" : retry;
    return retryDelayMs(plan, this.#failures, chance, answer.retryAfterMs);
  }

  async #post(batch: Batch): Promise<Answer> {
    const { chainId, sink, grant } = this.#options;
    const over = new AbortController();
    const sending = new AbortController();
    this.#sending = sending;
    void this.#cutAfter(this.#attemptMs, sending, over.signal);
    const unknown = batch.from === 0 || this.#course.receipted === 0;
    try {
      const submission = { chainId, blocks: batch.blocks, grant: unknown ? grant : undefined };
      return await sink.post(submission, sending.signal);
    } finally {
      this.#sending = undefined;
      over.abort();
    }
  }

  async #cutAfter(ms: number, sending: AbortController, over: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(ms, over);
    if (!over.aborted) sending.abort();
  }

  #ground(batch: Batch): Ground {
    const { feed, tree } = this.#options;
    return {
      from: batch.from,
      first: feed.first,
      sealed: feed.next,
      // A block's header states the root over all blocks before it.
      rootOf: async (size) => {
        const root = tree.rootAt(size);
        if (root !== undefined || size < feed.first || size >= feed.next) return root;
        const block = batch.blocks[size - batch.from] ?? (await feed.read(size, 1))[0]?.bytes;
        return block && statedRoot(block);
      },
    };
  }

  /** A receipt that finds no room on our disk is asked for again, and frees nothing. */
  async #keep(
    judged: Judgement,
    { receipt, note }: { receipt: Receipt; note: Uint8Array },
    batch: Batch,
  ): Promise<Judgement> {
    const { receipts, clock } = this.#options;
    const blocks = receipt.size - this.#course.receipted;
    const failure = await receipts.save(note, receipt).catch((error: unknown) => error);
    if (failure !== undefined) {
      if (!isShortage(failure)) throw failure;
      return { outcome: "local", state: "unreachable", code: failure.code, retry: "soon" };
    }
    // From here what the receipt covers may go. Crash before this: it is asked for again.
    this.#course.confirm(receipt);
    this.#lastReceipt = clock.now();
    this.#oldest = batch.firstTime(receipt.size) ?? batch.firstTime(batch.end - 1);
    this.#observer.receipt(blocks);
    await this.#options.onReceipt(receipt, note);
    return judged;
  }

  /** Smaller batches after an answer that may be about the size, larger ones after success. */
  #resize({ outcome, code, retry }: Judgement, batch: Batch): void {
    const lost = outcome === "timeout" || code === "connection-lost";
    const size = lost || code.startsWith("http-413") || code.startsWith("http-422");
    if (retry === "now") this.#batchBytes = Math.min(batchBytesMax, this.#batchBytes * 2);
    else if (size && batch.blocks.length > 1) {
      this.#batchBytes = Math.max(batchBytesMin, Math.floor(batch.bytes / 2));
    }
  }

  #measureSkew({ vaultTime }: Answer, wallBefore: number, trip: number): void {
    if (vaultTime === undefined || trip > skewTripMax) return;
    // A Date is cut to whole seconds: on average half a second is missing.
    this.#skew = Math.round(wallBefore + trip / 2 - (vaultTime + 500_000));
  }

  #giveUp(reason: UnusableReason, code: string): void {
    if (this.#unusable === reason) return;
    this.#unusable = reason;
    this.#options.diag.error("this chain can no longer be used", { reason, code });
    this.#options.onChainUnusable?.(reason, code);
  }

  #announce(): void {
    for (const look of [...this.#progress]) look();
  }

  /** Waits for `work`; flush, drain and close end it early. */
  async #wait(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const waiting = new AbortController();
    if (this.#closed) return;
    this.#waiting = waiting;
    await work(waiting.signal);
    this.#waiting = undefined;
    // Lets go of whichever of two waits is still there.
    waiting.abort();
  }
}

/** Unix seconds at which a saved receipt was signed; undefined when its keys are not configured now. */
function signedTime(
  suite: Suite,
  note: Uint8Array,
  vaults: readonly VaultKeys[],
): number | undefined {
  try {
    return openReceipt(suite, note, vaults)?.time;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return undefined;
  }
}
