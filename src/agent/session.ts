// One session: one run on one chain, from its start to its stop or until the chain is unusable.
//
// - The main loop asks the tail for bytes, gives them to the sealer, and closes blocks in time.
//   It alone adds to the chain; the shipper beside it only asks for records to be stated.
// - A full buffer stops the reading and nothing else: files stay open, heartbeats and gaps go on.
// - A stop reads every file to its end, seals, ships, and states the stop; a second one skips to
//   the sync.

import { fromUtf8 } from "../core/bytes.ts";
import type { Receipt, VaultKeys } from "../core/checkpoint.ts";
import { isShortage, type Shortage } from "../core/errors.ts";
import type { AgentRecord } from "../core/record.ts";
import { failpoint } from "../host/failpoint.ts";
import type { UnusableReason } from "../ship/delivery.ts";
import { Shipper } from "../ship/shipper.ts";
import type { Sink } from "../ship/sink.ts";
import type { SinkReport } from "../ship/sink-health.ts";
import type { ShipObserver } from "../ship/status.ts";
import type { Statement, TailItem } from "../tail/item.ts";
import type { Tail } from "../tail/tail.ts";
import type { ChainContext, LiveChain } from "./chain.ts";
import type { Feed } from "./feed.ts";
import type { Gauge } from "./gauge.ts";
import { grantReplaced, isGrantReplaced, useUpGrant } from "./grant-files.ts";
import { ReceiptFile } from "./receipts.ts";
import { Room } from "./room.ts";
import type { Tailing } from "./tailing.ts";

export interface SessionOptions {
  readonly context: ChainContext;
  readonly live: LiveChain;
  readonly feed: Feed;
  readonly sink: Sink;
  readonly vaults: readonly VaultKeys[];
  readonly observer: ShipObserver;
  readonly gauge: Gauge;
  /** The files, as this chain knows them; they stay open when the session ends. */
  readonly tailing: Tailing;
}

/**
 * stopped: told to. replaced: the chain cannot be gone on with; a new one has to begin, and seals
 * the drafts that this one cannot.
 */
export type SessionEnd =
  | { readonly stopped: true; readonly unsent: number }
  | { readonly replaced: string; readonly drafts: readonly Uint8Array[] };

const receiptPeriodMicros = 60_000_000;
/** How often another grant is looked for while the vault refuses the chain. */
const grantLookMicros = 2_000_000;
/** A drain looks for new bytes this often, in ms. */
const drainLookMs = 50;
/** How long a drain listens to writers that go on, once everything was read. */
const busyWriterMs = 2000;
/** How long the first block of a run waits for the vault to say how far it is. */
const greetingMs = 900;
/** The longest that the loop sleeps without looking at its duties, in ms. */
const turnMs = 500;

export class Session {
  readonly #options: SessionOptions;
  readonly #caller: Tailing;
  readonly #shipper: Shipper;
  readonly #receipts: ReceiptFile;
  readonly #room: Room;
  readonly #wake = new AbortController();
  #shipping: Promise<void> | undefined;
  #shipFailure: unknown;
  #stopReason: string | undefined;
  /** When a stop has to be over, by the monotonic clock. */
  #deadline = Number.POSITIVE_INFINITY;
  #hurry = false;
  #unusable: UnusableReason | typeof grantReplaced | undefined;
  #grantLookedAt = 0;
  /** Records that the shipper wants stated. */
  readonly #wanted: AgentRecord[] = [];
  #newReceipt: { note: string; size: number; hash: Uint8Array } | undefined;
  #receiptStatedAt: number | undefined;
  #grantDestroyed = false;
  /** Ends the wait for a stop's deadline. */
  readonly #over = new AbortController();

  constructor(options: SessionOptions) {
    const { context, live, feed, sink, vaults, observer, tailing } = options;
    this.#options = options;
    this.#caller = tailing;
    const { suite, clock, random, diag, reserve } = context;
    this.#receipts = new ReceiptFile(context, live.dir.receipt, live.receipt, reserve);
    this.#room = new Room(context, live, options.gauge, (dev) => this.tail.stats(dev));
    this.#shipper = new Shipper({
      chainId: live.id,
      ...{ feed, tree: feed, receipts: this.#receipts, sink, vaults, observer },
      ...{ suite, clock, random, diag },
      maxDelayMs: context.config.sink.max_delay,
      patienceMs: context.config.sink.patience,
      grant: live.grant.bytes,
      onReceipt: (receipt, note) => this.#onReceipt(receipt, note),
      onSink: (report) => this.#onSink(report),
      onChainUnusable: (reason) => this.#onUnusable(reason),
    });
  }

  get tail(): Tail {
    return this.#caller.tail as Tail;
  }

  get shipper(): Shipper {
    return this.#shipper;
  }

  /** Sealed blocks that no receipt covers. */
  get unsent(): number {
    return this.#options.feed.next - (this.#receipts.newest?.size ?? 0);
  }

  /** Begins a clean stop, asked for at `since`; called again it skips to the sync. */
  stop(reason: string, since: number): void {
    const { context } = this.#options;
    if (this.#stopReason !== undefined) this.#hurry = true;
    else {
      this.#deadline = since + context.config.drain.deadline * 1000;
      void this.#limitStop();
    }
    this.#stopReason ??= reason;
    if (this.#hurry) this.#options.live.sealer.waitNoLonger();
    this.#wake.abort();
  }

  // A full disk must not keep a stop from ending: what is not sealed then is read again.
  async #limitStop(): Promise<void> {
    await this.#options.context.clock.sleep(this.#left, this.#over.signal);
    this.#options.live.sealer.waitNoLonger();
  }

  /** Milliseconds until a stop has to be over. */
  get #left(): number {
    return Math.max(0, (this.#deadline - this.#options.context.clock.mono()) / 1000);
  }

  async run(): Promise<SessionEnd> {
    this.#shipping = this.#shipper.run().catch((error) => {
      this.#shipFailure = error;
      this.#wake.abort();
    });
    try {
      const end = await this.#lead();
      this.#options.feed.close();
      await this.#shipper.close();
      await this.#shipping;
      this.#checkShipping();
      return end;
    } finally {
      this.#over.abort();
      this.#options.feed.close();
      await this.#shipper.close();
      await this.#shipping;
      await this.#caller.pause();
    }
  }

  async #lead(): Promise<SessionEnd> {
    await this.#receipts.prepare();
    // A crash may have come between the first receipt and this.
    if (this.#receipts.newest !== undefined) await this.#destroyGrantKey();
    await this.#shipper.greeted(greetingMs);
    while (this.#stopReason === undefined && this.#unusable === undefined) await this.#turn();
    if (this.#unusable !== undefined) return await this.#giveUp(this.#unusable);
    return await this.#drain(this.#stopReason as string);
  }

  // After a failed sync nothing may be signed any more.
  #checkShipping(): void {
    if (this.#shipFailure !== undefined) throw this.#shipFailure;
  }

  // One look at everything that may be due, then the next bytes.
  async #turn(): Promise<void> {
    const { sealer } = this.#options.live;
    this.#checkShipping();
    sealer.check();
    this.#options.gauge.lastTurn = this.#options.context.clock.mono();
    // What is closed waits already: nothing is added to it.
    if (!sealer.short) await this.#duties();
    await this.#lookForGrant();
    // Often enough to keep a promise of a second.
    const turn = Math.min(turnMs, this.#maxSilenceMs() / 4);
    if (await this.#isFull()) {
      this.#options.gauge.state = this.#room.why;
      await this.#caller.use((tail) => tail.wait(turn, this.#wake.signal));
      return;
    }
    this.#options.gauge.state = "running";
    const room = await sealer.room();
    const item = await this.#caller.use((tail) => tail.next(room));
    if (item !== undefined) return this.#take(item);
    const due = Math.min(turn, sealer.dueInMs() ?? turn);
    if (due > 0) await this.#caller.use((tail) => tail.wait(due, this.#wake.signal));
  }

  // What receipted blocks take is given back first: a heartbeat begins the segment that lets it go.
  async #isFull(): Promise<boolean> {
    if (!(await this.#room.isFull())) return false;
    if (this.#room.makesWay(this.#receipts.newest?.size ?? 0)) {
      const { sealer } = this.#options.live;
      await sealer.addRecords([{ type: "heartbeat", sources: this.tail.heartbeat() }]);
      await sealer.close();
    }
    return true;
  }

  /**
   * Told at each attempt of a block to get room or a descriptor. The main loop may be waiting for
   * it; the files are followed all the same: none gets away.
   */
  onShortage(shortage: Shortage | undefined): void {
    this.#room.shortage = shortage?.code;
    if (shortage === undefined) return;
    this.#options.gauge.lastTurn = this.#options.context.clock.mono();
    this.#caller.standIn(turnMs);
  }

  async #take(item: TailItem): Promise<void> {
    const { gauge, live } = this.#options;
    if (item.kind === "pause") return;
    if (item.kind === "statements") return this.#state(item.statements);
    const { source, name, offset, time, length } = item;
    const lines = await live.sealer.addSpan({ source: source.id, offset, time }, length);
    gauge.took(name, lines);
  }

  async #state(statements: readonly Statement[]): Promise<void> {
    const { live, gauge, context } = this.#options;
    const declared = statements.find((one) => one.type === "source")?.path;
    // Said before they are sealed: an `end` among them closes the source.
    for (const statement of statements) {
      if (statement.type !== "gap") continue;
      const { source, from, to, cause } = statement;
      gauge.gap(cause, to === undefined ? undefined : to - from);
      const path = live.sealer.pathOf(source) ?? declared;
      context.diag.warn("gap declared", { path, cause, from, to });
    }
    await live.sealer.addRecords(statements);
  }

  async #duties(): Promise<void> {
    const { live, gauge } = this.#options;
    const { sealer } = live;
    gauge.walBytes = live.wal.bytes;
    gauge.walSegments = live.wal.segmentCount;
    const quiet = sealer.quietMs() >= this.#maxSilenceMs() / 2;
    if (quiet && sealer.dueInMs() === undefined) {
      await sealer.addRecords([{ type: "heartbeat", sources: this.tail.heartbeat() }]);
    }
    if (sealer.dueInMs() !== undefined || this.#receiptStatedAt === undefined)
      await this.#stateReceipt();
    for (let record = this.#wanted.shift(); record !== undefined; record = this.#wanted.shift()) {
      await sealer.addRecords([record]);
    }
    if (quiet || (sealer.dueInMs() ?? 1) <= 0) await sealer.close();
    this.#caller.keepFrontiers(sealer.seq, gauge.headSeq);
  }

  // A vault that refuses the chain may take one with another grant: it needs no restart for that.
  async #lookForGrant(): Promise<void> {
    const { live, context } = this.#options;
    const { state, code } = this.#shipper.status();
    const now = context.clock.mono();
    if (state !== "refused" || now - this.#grantLookedAt < grantLookMicros) return;
    this.#grantLookedAt = now;
    // One that was taken before is over only where the vault says that it is about the grant.
    const taken = this.#receipts.newest !== undefined;
    if (taken && !code.startsWith("http-403")) return;
    if (await isGrantReplaced(context, live.grant.bytes)) this.#unusable ??= grantReplaced;
  }

  #maxSilenceMs(): number {
    return this.#options.live.maxSilenceMs;
  }

  // The first receipt at once, then at most one a minute, in a block that is there anyway.
  async #stateReceipt(): Promise<void> {
    const receipt = this.#newReceipt;
    if (receipt === undefined) return;
    const now = this.#options.context.clock.mono();
    if (this.#receiptStatedAt !== undefined && now - this.#receiptStatedAt < receiptPeriodMicros)
      return;
    this.#receiptStatedAt = now;
    this.#newReceipt = undefined;
    await this.#options.live.sealer.addReceipt(receipt.note, receipt.size, receipt.hash);
  }

  async #onReceipt(receipt: Receipt, note: Uint8Array): Promise<void> {
    const { live, context } = this.#options;
    const hash = context.suite.sha256(note);
    this.#newReceipt = { note: fromUtf8(note), size: receipt.size, hash };
    await live.wal.freeBelow(receipt.size).catch((error: unknown) => {
      // The next receipt frees what this one could not.
      if (!isShortage(error)) throw error;
    });
    failpoint("free-after-unlink");
    this.#room.freed();
    await this.#destroyGrantKey();
  }

  async #destroyGrantKey(): Promise<void> {
    const { live, context } = this.#options;
    if (this.#grantDestroyed) return;
    this.#grantDestroyed = true;
    await useUpGrant(context, live.grant);
  }

  #onSink({ event, since, detail }: SinkReport): void {
    this.#wanted.push({ type: "sink", event, since, detail });
  }

  #onUnusable(reason: UnusableReason): void {
    this.#unusable ??= reason;
    this.#wake.abort();
  }

  // Drafts are sealed, and the next chain takes them over from the buffer. But where another life
  // of this chain sealed blocks that we lack, our next height is taken: then it takes them as
  // they are.
  async #giveUp(reason: string): Promise<SessionEnd> {
    const { live, context } = this.#options;
    this.#checkShipping();
    const ours = reason === "sink-rollback" || reason === grantReplaced;
    if (ours) await live.sealer.flush();
    else await live.sealer.settled();
    await context.state.markReplaced(live.dir, reason);
    return { replaced: reason, drafts: live.sealer.drafted() };
  }

  async #drain(reason: string): Promise<SessionEnd> {
    const { live, context, gauge } = this.#options;
    gauge.state = "draining";
    await this.#readToEnd();
    this.#checkShipping();
    if (this.#unusable !== undefined) {
      // Told to stop and to give up at once: the next start begins the new chain.
      await this.#giveUp(this.#unusable);
      return { stopped: true, unsent: this.unsent };
    }
    await this.#stateReceipt();
    // What was found and is let go unread is said before the stop: no later start could know of it.
    for (const group of await this.#caller.use((tail) => tail.farewell(true))) {
      await this.#state(group);
    }
    await live.sealer.finish(
      [{ type: "stop", reason }],
      context.config.drain.final ? "final" : "normal",
    );
    await this.#caller.saveFrontiers();
    if (!this.#hurry) await this.#shipUntil(this.#left);
    gauge.state = "stopped";
    return { stopped: true, unsent: this.unsent };
  }

  // Ends when every file is read and quiet, or when writers just go on: what they write now is
  // read at the next start. Half of the time belongs to shipping.
  async #readToEnd(): Promise<void> {
    const { live, context, gauge } = this.#options;
    const share = context.config.drain.deadline / 2;
    const patience = Math.max(0, this.#left - busyWriterMs);
    let caughtUp = false;
    this.tail.drain();
    while (!this.tail.drained && !this.#hurry && this.#unusable === undefined) {
      if (this.#left < share || (caughtUp && this.#left < patience)) return;
      gauge.lastTurn = context.clock.mono();
      this.#checkShipping();
      if (await this.#isFull()) {
        // Receipts may make room.
        await this.#caller.use((tail) => tail.wait(drainLookMs));
        continue;
      }
      const room = await live.sealer.room();
      const item = await this.#caller.use((tail) => tail.next(room));
      caughtUp ||= item === undefined;
      if (item !== undefined) await this.#take(item);
      else await this.#caller.use((tail) => tail.wait(drainLookMs));
    }
  }

  async #shipUntil(deadlineMs: number): Promise<void> {
    const { context, gauge } = this.#options;
    const hurried = (async (): Promise<void> => {
      while (!this.#hurry && this.#shipFailure === undefined) {
        gauge.lastTurn = context.clock.mono();
        await context.clock.sleep(drainLookMs);
      }
    })();
    await Promise.race([this.#shipper.drain(deadlineMs), hurried]);
    this.#hurry = true;
    await hurried;
  }
}
