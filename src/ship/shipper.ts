// The shipper: sends blocks to the sink in order, one request at a time, until receipts cover them.
//
// - It retries for ever. No answer and no error of a sink makes it drop, skip or free anything.
// - A receipt is verified, compared with our own tree and saved durably, in that order; only then
//   onReceipt hears of it and may free the WAL. Crash before the save: the same blocks go again
//   and get a receipt again.
// - The sink need not wait for our disk: while a receipt is saved, the next blocks are sent. What
//   comes back is judged when that one is saved, so receipts are saved one after the other.
// - Every failed attempt is followed by a wait. Nothing here can spin.
// - Between attempts it holds no blocks: an outage costs no memory.
// - Errors of our own disk (feed, receipt store) end run() with that error.

import { readU32 } from "../core/bytes.ts";
import type { Receipt } from "../core/checkpoint.ts";
import { isShortage } from "../core/errors.ts";
import { failpoint } from "../host/failpoint.ts";
import { attemptMsMax, attemptMsMin, retryDelayMs } from "./backoff.ts";
import { type Batch, statedRoot } from "./batch.ts";
import { Batcher } from "./batcher.ts";
import type { ShipperOptions } from "./contract.ts";
import { Delivery, type Judgement, type OwnChain, type UnusableReason } from "./delivery.ts";
import { signedTime } from "./receipt-check.ts";
import type { Answer, Outcome } from "./sink.ts";
import { SinkHealth } from "./sink-health.ts";
import { clockSkew } from "./skew.ts";
import { noObserver, type ShipObserver, type ShipStatus } from "./status.ts";

export type { ShipperOptions } from "./contract.ts";

const defaultDelayMs = 1000;
const defaultPatienceMs = 600_000;

export class Shipper {
  readonly #options: ShipperOptions;
  readonly #delivery: Delivery;
  readonly #health: SinkHealth;
  readonly #observer: ShipObserver;
  readonly #batcher: Batcher;

  // Owned by run().
  #failures = 0;
  /** A receipt that is being saved; it ends with why it could not be. */
  #keeping: Promise<Judgement | undefined> | undefined;
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
    this.#observer = options.observer ?? noObserver;
    const { clock, diag, feed } = options;
    this.#batcher = new Batcher({
      feed,
      clock,
      maxDelayUs: (options.maxDelayMs ?? defaultDelayMs) * 1000,
      hurries: (from) =>
        this.#failures > 0 || this.#draining || this.#closed || from < this.#flushTo,
      onLook: (batch) => {
        this.#oldest = batch.firstTime(this.#delivery.receipted) ?? this.#oldest;
      },
      wait: (work) => this.#wait(work),
    });
    this.#health = new SinkHealth(clock, diag, (report) => options.onSink?.(report));
    const { suite, vaults, chainId, receipts } = options;
    const { newest } = receipts;
    const time = newest === undefined ? undefined : signedTime(suite, newest.note, vaults);
    this.#lastReceipt = time === undefined ? undefined : time * 1_000_000;
    this.#delivery = new Delivery({
      suite,
      clock,
      vaults,
      chainId,
      patienceUs: (options.patienceMs ?? defaultPatienceMs) * 1000,
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
        if (this.#delivery.greeting && !this.#ended) return;
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
        const { halted } = this.#delivery;
        if (!this.#ended && !halted && !this.#delivery.covers(target)) return;
        this.#progress.delete(look);
        resolve();
      };
      this.#progress.add(look);
      look();
      over.signal.addEventListener("abort", () => this.#progress.delete(look), { once: true });
    });
    await Promise.race([covered, clock.sleep(deadlineMs, over.signal)]);
    over.abort();
    return this.#delivery.covers(target) && !this.#delivery.halted;
  }

  /** Cuts what is running and returns when run() has ended. The sink stays open. Never throws. */
  async close(): Promise<void> {
    this.#cut();
    // Whoever called run() hears of its error.
    await this.#running?.catch(() => undefined);
  }

  #cut(): void {
    this.#closed = true;
    this.#waiting?.abort();
    this.#sending?.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  status(): ShipStatus {
    const { feed, sink } = this.#options;
    const unreceipted = Math.max(0, feed.next - this.#delivery.receipted);
    return {
      state: this.#health.state,
      code: this.#health.code,
      since: this.#health.since,
      unusable: this.#unusable,
      lastOutcome: this.#lastOutcome,
      lastAttemptTime: this.#lastAttempt,
      consecutiveFailures: this.#failures,
      retryTime: this.#retryTime,
      receiptedSize: this.#delivery.receipted,
      lastReceiptTime: this.#lastReceipt,
      unreceiptedBlocks: unreceipted,
      oldestUnreceiptedTime: unreceipted === 0 ? undefined : this.#oldest,
      inFlightBytes: this.#inFlight,
      clockSkew: this.#skew,
      draining: this.#draining,
      certificateNotAfter: sink.certificateNotAfter,
    };
  }

  async #run(): Promise<void> {
    const { feed, diag } = this.#options;
    try {
      if (this.#delivery.receipted > feed.next) {
        this.#delivery.halt();
        this.#health.set("agent-rollback", "receipt-ahead");
        diag.error("the newest receipt covers blocks that we do not hold");
        this.#giveUp("agent-rollback", "receipt-ahead");
      }
      await this.#turns();
      await this.#kept();
    } finally {
      // Nothing of it goes on behind whoever closes our files.
      await this.#keeping?.catch(() => undefined);
      this.#ended = true;
      this.#announce();
    }
  }

  async #turns(): Promise<void> {
    try {
      while (!this.#closed) await this.#turn();
    } catch (error) {
      // It was told to end while it waited for a descriptor.
      if (!this.#closed || !isShortage(error)) throw error;
    }
  }

  async #turn(): Promise<void> {
    const { feed, clock } = this.#options;
    const step = this.#delivery.next(feed.first, feed.next);
    if (step === undefined && this.#keeping === undefined) {
      await this.#wait((signal) => feed.changed(signal));
      return;
    }
    const delayMs = step === undefined ? await this.#rest() : await this.#send(step);
    if (delayMs === 0 || this.#closed) return;
    this.#batcher.drop();
    this.#observer.retry(delayMs / 1000);
    this.#retryTime = clock.now() + Math.round(delayMs * 1000);
    await this.#wait((signal) => clock.sleep(delayMs, signal));
    this.#retryTime = undefined;
  }

  /** Nothing is left to be sent, but the newest receipt is not saved yet. */
  async #rest(): Promise<number> {
    const failed = await this.#kept();
    return failed === undefined ? 0 : this.#conclude(failed);
  }

  async #send({ from, single }: { from: number; single: boolean }): Promise<number> {
    const batch = await (single ? this.#batcher.single(from) : this.#batcher.batch(from));
    if (this.#closed) return 0;
    if (!single) this.#batcher.readAhead(batch.end);
    return await this.#attempt(batch);
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
    const trip = clock.mono() - before;
    const failed = await this.#kept();
    if (this.#closed && answer.outcome !== "receipt") return 0;
    this.#skew = clockSkew(wallBefore, trip, answer.vaultTime) ?? this.#skew;
    const judgement = failed ?? (await this.#delivery.judge(answer, this.#ownChain(batch)));
    const { outcome, code, receipt } = judgement;
    // A vault that is merely slow gets all the time that is left.
    if (this.#draining && outcome === "timeout") this.#attemptMs *= 2;
    this.#observer.attempt(outcome, trip / 1_000_000, batch.bytes);
    diag.debug("blocks sent", { from: batch.from, end: batch.end, outcome, code });
    this.#resize(judgement, batch);
    if (receipt === undefined) return this.#conclude(judgement, answer.retryAfterMs);
    this.#delivery.accept(receipt.receipt);
    const oldest = batch.firstTime(receipt.receipt.size) ?? batch.firstTime(batch.end - 1);
    // The whole body was read, or there would be no receipt.
    batch.release();
    this.#keeping = this.#keep(judgement, receipt, oldest);
    // After a failed sync nothing may be written any more: run() ends with it, whatever hangs.
    this.#keeping.catch(() => this.#cut());
    return 0;
  }

  /** What a judgement means from here on. Returns the milliseconds to wait. */
  #conclude(judgement: Judgement, retryAfterMs?: number): number {
    const { outcome, code, retry, state, unusable } = judgement;
    this.#lastOutcome = outcome;
    this.#failures = retry === "now" ? 0 : this.#failures + 1;
    if (retry === "now") this.#unusable = undefined;
    if (state !== undefined) this.#health.set(state, state === "ok" ? "" : code);
    if (unusable !== undefined) this.#giveUp(unusable, code);
    this.#announce();
    if (retry === "now" || retry === "never") return 0;
    const chance = readU32(this.#options.random.bytes(4), 0) / 2 ** 32;
    const plan = this.#draining ? "drain" : retry;
    return retryDelayMs(plan, this.#failures, chance, retryAfterMs);
  }

  async #post(batch: Batch): Promise<Answer> {
    const { chainId, sink, grant } = this.#options;
    const over = new AbortController();
    const sending = new AbortController();
    this.#sending = sending;
    void this.#cutAfter(Math.min(this.#attemptMs, attemptMsMax), sending, over.signal);
    const unknown = batch.from === 0 || this.#delivery.receipted === 0;
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

  #ownChain(batch: Batch): OwnChain {
    const { feed, tree } = this.#options;
    return {
      from: batch.from,
      first: feed.first,
      sealed: feed.next,
      // A block's header states the root over all blocks before it.
      rootOf: async (size) => {
        const root = tree.rootAt(size);
        if (root !== undefined || size < feed.first || size >= feed.next) return root;
        const block =
          batch.blocks[size - batch.from] ??
          (await this.#batcher.firstAhead(size)) ??
          (await feed.read(size, 1))[0]?.bytes;
        return block && statedRoot(block);
      },
    };
  }

  /** A receipt that finds no room on our disk is asked for again, and frees nothing. */
  async #keep(
    judged: Judgement,
    { receipt, note }: { receipt: Receipt; note: Uint8Array },
    oldest: number | undefined,
  ): Promise<Judgement | undefined> {
    const { receipts, clock } = this.#options;
    const blocks = receipt.size - this.#delivery.receipted;
    const failure = await receipts.save(note, receipt).catch((error: unknown) => error);
    if (failure !== undefined) {
      if (!isShortage(failure)) throw failure;
      return { outcome: "local", state: "unreachable", code: failure.code, retry: "soon" };
    }
    // From here what the receipt covers may go. Crash before this: it is asked for again.
    this.#delivery.confirm(receipt);
    this.#lastReceipt = clock.now();
    this.#oldest = oldest;
    this.#observer.receipt(blocks);
    await this.#options.onReceipt(receipt, note);
    this.#conclude(judged);
    return undefined;
  }

  /** Returns when no receipt is being saved: why the last one could not be, if so. */
  async #kept(): Promise<Judgement | undefined> {
    const failed = await this.#keeping;
    this.#keeping = undefined;
    if (failed !== undefined) this.#delivery.retract();
    return failed;
  }

  /** Smaller batches after what may be about the size, or our line's speed; larger after success. */
  #resize({ outcome, code, retry }: Judgement, batch: Batch): void {
    const lost = outcome === "timeout" || code === "connection-lost";
    const size = lost || /^http-(?:408|413|422)/.test(code);
    if (retry === "now") this.#batcher.grow();
    else if (size) this.#batcher.shrink(batch);
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
