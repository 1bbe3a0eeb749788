// Tail: finds files, follows them, and hands over spans of their bytes when asked.
//
// - Pull: nothing is read unless next() is called, and nothing is kept but positions. Discovery,
//   renames and handles go on in wait() while nobody reads.
// - Statements and spans come in the order in which they must be sealed.
// - Positions here run ahead of what is sealed; after a crash `resume` has the sealed ones.
// - Work is bounded: a slice of a sweep, one poll, one turn; idle files cost one look per sweep,
//   and sweeps get rarer the more there is to look at.
// - One caller: next() and wait() do not overlap.

import type { HeartbeatSource } from "../core/record.ts";
import { Active, grewLately } from "./active.ts";
import type { BytePath } from "./byte-path.ts";
import { Copies } from "./copies.ts";
import { Discover } from "./discover.ts";
import { Drain } from "./drain.ts";
import { fateOf, heldUntil } from "./ending.ts";
import type { Follow } from "./follow.ts";
import type { FollowBase } from "./follow-start.ts";
import { FollowedFiles } from "./followed-files.ts";
import { align, type NewChain } from "./go-on.ts";
import { Hinted } from "./hinted.ts";
import { chokidarHints, type Hints } from "./hints.ts";
import type { FileStatus, Statement, TailItem, TailOptions } from "./item.ts";
import type { LastBytesMark } from "./last-bytes.ts";
import { OpenFiles } from "./open-files.ts";
import { msUs, type Pace, paceOf, sweepPeriod, turnsUs } from "./pace.ts";
import { Partings } from "./partings.ts";
import { confirm, cutBytes, recheck, turn } from "./read.ts";
import { frontiersOf, heartbeatOf, numbersOf, type Search, searchOf, statusOf } from "./report.ts";
import { Schedule } from "./schedule.ts";
import { newCounts, type TailCounts, type TailNumbers } from "./stats.ts";
import { Sweeper, searchSweeps } from "./sweep.ts";

const openPhrase = "file cannot be read, trying again";
/** Why a wait ends; without a word of its own each would cost a stack trace. */
const woken = "woken";

export class Tail {
  readonly #options: TailOptions;
  readonly #followed: FollowedFiles;
  readonly #discover: Discover;
  readonly #sweeper: Sweeper;
  readonly #schedule = new Schedule();
  readonly #open: OpenFiles;
  readonly #hints: Hints | undefined;
  readonly #counts = new Map<string, TailCounts>();
  readonly #pace: Pace;
  readonly #partings: Partings;
  readonly #active = new Active();
  /** Files whose last line waits for its LF. */
  readonly #partials = new Set<Follow>();
  readonly #hinted = new Hinted();
  #sweeping: AsyncGenerator<void> | undefined;
  #sweepDue = 0;
  #sweptAt = 0;
  #spareDue = false;
  #wake: AbortController | undefined;
  #drain: Drain | undefined;
  #scope: (encodedPath: string) => boolean;

  private constructor(options: TailOptions) {
    this.#options = options;
    this.#scope = options.scope ?? (() => true);
    const { clock, files, diag, suite, sources, resume, firstStart, mayDeclare } = options;
    this.#pace = paceOf(options);
    const { partialAgeUs } = this.#pace;
    for (const { name } of sources) this.#counts.set(name, newCounts());
    this.#discover = new Discover(files, diag, sources, options.refuse);
    const wants = (path: BytePath): boolean => this.#discover.wants(path);
    const copies = new Copies(files, suite, this.#discover, (info) => this.#followed.who(info));
    const findCopy = copies.find.bind(copies);
    const shared = { clock, suite, partialAgeUs, mayDeclare, wants, findCopy };
    const bases = new Map<string, FollowBase>();
    for (const [name, counts] of this.#counts) bases.set(name, { ...shared, name, counts });
    const context = {
      ...{ discover: this.#discover, sources, bases },
      scope: (path: string) => this.#scope(path),
      onReplaced: (follow: Follow) => this.#partings.bury(follow),
      onRenumbered: (follow: Follow) => void this.#open.close(follow),
    };
    this.#followed = new FollowedFiles(context, resume, firstStart);
    this.#sweeper = new Sweeper(files, this.#discover, this.#followed, this.#seen.bind(this));
    this.#open = new OpenFiles(files, options.maxOpenFiles ?? 512, this.#discover, this.#sweeper);
    this.#partings = new Partings({
      ...{ followed: this.#followed, discover: this.#discover, schedule: this.#schedule },
      ...{ active: this.#active, partials: this.#partials, open: this.#open },
    });
    const source = options.hints ?? chokidarHints;
    const onHint = this.#onHint.bind(this);
    this.#hints = source === "none" ? undefined : source({ clock, diag, onHint });
  }

  /** Looks at everything once, so that what is there at the start is known as such. */
  static async start(options: TailOptions): Promise<Tail> {
    const tail = new Tail(options);
    await tail.#meetAll();
    return tail;
  }

  // A file that is being renamed can escape one sweep, hardly two.
  async #meetAll(): Promise<void> {
    await this.#sweepNow();
    if (this.#followed.awaited.length > 0) await this.#sweepNow();
    this.#partings.abandonMissing();
  }

  /** All files that are followed. */
  get followed(): Iterable<Follow> {
    return this.#followed;
  }

  /** Another chain goes on: the same files, from where that chain has them. */
  async goOn(chain: NewChain): Promise<void> {
    while (this.#sweeping !== undefined) await this.#sweepStep();
    this.#scope = chain.scope;
    const { replaced, outside, outbox } = align(this.#followed, this.#partings.owed, chain);
    this.#partings.owed = outbox;
    for (const { before, after } of replaced) {
      this.#partings.forget(before);
      this.#open.handOn(before, after);
      this.#seen(after);
    }
    for (const follow of outside) this.#partings.release(follow);
    this.#followed.forgetPast();
    if (this.#followed.awaited.length > 0) await this.#meetAll();
    for (const follow of this.#followed) this.#enlist(follow);
  }

  /** What must be stated before an agent ends, all that is owed included (partings.ts). */
  async farewell(known: boolean): Promise<Statement[][]> {
    return await this.#partings.farewell(known, this.#options.mayDeclare ?? (() => true));
  }

  /**
   * Hands over the next span or statements; undefined when there is nothing to read now. `room`
   * takes the span's bytes and must hold more than the longest uncut line (262,144 bytes).
   */
  async next(room: Uint8Array): Promise<TailItem | undefined> {
    if (room.length < cutBytes) throw new RangeError(`room is ${room.length}, want ${cutBytes}`);
    const pauseDue = this.#options.clock.mono() + turnsUs;
    for (;;) {
      await this.#lookAround();
      const statements = this.#partings.owed.shift();
      if (statements !== undefined) return { kind: "statements", statements };
      const follow = this.#schedule.take();
      if (follow === undefined) return undefined;
      const item = await this.#turn(follow, room);
      if (item !== undefined) {
        this.#drain?.moved();
        return item;
      }
      const late = this.#options.clock.mono() >= pauseDue;
      if (late && this.#schedule.size > 0) return { kind: "pause" };
    }
  }

  /**
   * Returns as soon as something becomes ready that was not when wait() was called, when the drain
   * is over, after `ms`, or when `signal` aborts. Discovery and rotation are followed meanwhile.
   */
  async wait(ms: number, signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const until = clock.mono() + ms * msUs;
    const before = this.#schedule.additions;
    const stated = this.#partings.owed.length;
    const wasOver = this.drained;
    for (;;) {
      await this.#lookAround();
      if (this.#schedule.additions > before || this.#partings.owed.length > stated) return;
      if (signal?.aborted || this.drained !== wasOver) return;
      const now = clock.mono();
      if (now >= until) return;
      if (this.#sweeping !== undefined) continue;
      const wake = new AbortController();
      this.#wake = wake;
      const stop = (): void => wake.abort(woken);
      signal?.addEventListener("abort", stop);
      await clock.sleep(Math.max(0, Math.min(until, this.#nextDue()) - now) / msUs, wake.signal);
      signal?.removeEventListener("abort", stop);
      this.#wake = undefined;
    }
  }

  /** The process is out of descriptors: as many files as can do without are closed. */
  spare(): void {
    this.#spareDue = true;
    this.#wake?.abort(woken);
  }

  /** From now on unfinished lines are handed over too, and `drained` says when all is read. */
  drain(): void {
    this.#drain ??= new Drain(this.#options.clock.mono());
    for (const follow of [...this.#followed]) this.#seen(follow);
    this.#wake?.abort(woken);
  }

  /** Every file that can be read was read to its end and stayed so for half a second. */
  get drained(): boolean {
    return this.#drain?.over === true && this.#schedule.size + this.#partings.owed.length === 0;
  }

  status(): FileStatus[] {
    return [...this.#followed].map(statusOf);
  }

  /** Per configured source name. `dev`: deleted files count where they take room on that device. */
  stats(dev?: bigint): Map<string, TailNumbers> {
    return numbersOf(this.#followed, this.#counts, this.#sweeper.coverage, dev);
  }

  /** What the last walk saw. */
  search(): Search {
    return searchOf(this.#sweeper, this.#discover, this.#hints);
  }

  /** Declared sources that lag, or moved since the last call. */
  heartbeat(): HeartbeatSource[] {
    return heartbeatOf(this.#followed);
  }

  /** By source id: what a cache may keep. Undefined while next() owes statements. */
  lastBytes(): Map<string, LastBytesMark> | undefined {
    if (this.#partings.owed.length > 0) return undefined;
    return frontiersOf(this.#followed, this.#followed.awaited);
  }

  async close(): Promise<void> {
    await this.#hints?.close();
    await this.#open.closeAll();
  }

  #onHint(path: BytePath | undefined, urgent = false): void {
    if (!this.#hinted.add(path, this.#options.clock.mono(), urgent)) this.#sweepSoon();
    this.#wake?.abort(woken);
  }

  #sweepSoon(): void {
    const wait = Math.max(200 * msUs, this.#period() / 8);
    this.#sweepDue = Math.min(this.#sweepDue, this.#sweptAt + wait);
  }

  #period(last: { readonly looks: number; readonly names: number } = this.#sweeper): number {
    return sweepPeriod(this.#pace, last, this.#hints?.complete === true);
  }

  #nextDue(): number {
    const { due: lookDue = this.#sweepDue } = this.#active;
    let due = Math.min(this.#sweepDue, lookDue, this.#hinted.due ?? lookDue);
    // What is ready already is not waited for: whoever does not read must not be woken for it.
    if (this.#drain?.over === false && !this.#busy) due = Math.min(due, this.#drain.lookDue);
    return this.#schedule.dueOf(this.#partials, due);
  }

  get #busy(): boolean {
    return this.#sweeping !== undefined || this.#schedule.size + this.#partings.owed.length > 0;
  }

  async #lookAround(): Promise<void> {
    const now = this.#options.clock.mono();
    if (this.#spareDue) await this.#open.spare();
    this.#spareDue = false;
    if (now >= (this.#hinted.due ?? Number.POSITIVE_INFINITY)) await this.#followHints();
    if (now >= (this.#active.due ?? Number.POSITIVE_INFINITY)) await this.#poll(now);
    if (this.#sweeping !== undefined || now >= this.#sweepDue) await this.#sweepStep();
    for (const follow of this.#partials) {
      if (follow.partialDue === undefined) this.#partials.delete(follow);
      else this.#enlist(follow);
    }
    this.#drainStep(now);
  }

  async #followHints(): Promise<void> {
    const paths = [...this.#hinted.take()].flatMap((at) => [at, ...this.#sweeper.linksTo(at)]);
    for (const path of new Set(paths)) {
      if (this.#discover.wants(path) && (await this.#discover.refuses(path))) continue;
      if (await this.#sweeper.visit(path, true)) this.#sweepSoon();
      await this.#secure(this.#followed.at(path));
    }
  }

  async #poll(now: number): Promise<void> {
    const { clock } = this.#options;
    const batch = this.#active.batch(now, this.#followed);
    const look = async (follow: Follow): Promise<void> => {
      const { path } = follow.place;
      if (!(await this.#sweeper.glance(follow))) {
        // A name that is another file's by now is a hint, and that file is held.
        this.#onHint(path, true);
        await this.#secure(this.#followed.at(path));
      }
      await confirm(follow).catch(() => undefined);
      if (this.#active.rest(follow, clock.mono())) await recheck(follow).catch(() => undefined);
      this.#seen(follow);
    };
    await Promise.all(batch.map(look));
    this.#active.looked(batch.length, clock.mono());
    if (this.#hints?.resting === true) this.#sweepSoon();
  }

  async #sweepNow(): Promise<void> {
    do await this.#sweepStep();
    while (this.#sweeping !== undefined);
  }

  async #sweepStep(): Promise<void> {
    this.#sweeping ??= this.#sweeper.run();
    const { done } = await this.#sweeping.next();
    if (done !== true) return;
    this.#sweeping = undefined;
    const now = this.#options.clock.mono();
    this.#followed.endSweep();
    this.#sweptAt = now;
    this.#sweepDue = now + this.#period();
    const { size } = this.#followed;
    this.#active.swept(now, this.#period(), this.#period({ looks: size, names: size }));
    for (const follow of this.#followed) {
      const lost = !follow.place.located && follow.place.missedSweeps >= searchSweeps;
      const gone = lost && !follow.handle.isOpen && this.#discover.missing === undefined;
      if (gone) this.#partings.bury(follow);
      else await this.#secure(follow);
      if (!gone) this.#enlist(follow);
    }
    if (this.#followed.sweeps > 2) this.#partings.abandonMissing();
    await this.#open.closeIdle(now - this.#pace.idleCloseUs);
    this.#hints?.watch(this.#sweeper.watch, this.#sweeper.watchesAll);
  }

  #drainStep(now: number): void {
    if (this.#drain === undefined || this.#busy) return;
    const step = this.#drain.step(now);
    if (step === "look") this.#sweepDue = 0;
    if (step === "over") this.#partings.stateEnds();
  }

  /** Something was learnt about a file. */
  #seen(follow: Follow): void {
    const now = this.#options.clock.mono();
    if (follow.lag > 0 || follow.doubt || grewLately(follow, now)) this.#active.add(follow);
    if (follow.place.unlinkedAt !== undefined) {
      this.#active.add(follow);
      const quiet = now >= heldUntil(follow, this.#pace, this.#open.roomy);
      const fate = fateOf(follow, quiet, this.#drain !== undefined);
      if (fate === "release") follow.heldBack.release();
      if (fate === "bury") return this.#partings.bury(follow);
    }
    this.#enlist(follow);
  }

  #enlist(follow: Follow): void {
    if (follow.wantsTurn(this.#drain !== undefined)) this.#schedule.add(follow);
  }

  /** Opens a file with unread bytes, so that it cannot get away. */
  async #secure(follow: Follow | undefined): Promise<void> {
    if (follow === undefined || follow.handle.isOpen || !follow.place.located) return;
    const now = this.#options.clock.mono();
    if (now < follow.handle.blockedUntil) return;
    // A new, still empty file gets one too, while there are plenty.
    const fresh = follow.ref === undefined && grewLately(follow, now) && this.#open.roomy;
    if (follow.pending === 0 && !fresh) return;
    const outcome = await this.#open.open(follow, false);
    if (typeof outcome === "object") this.#unreadable(follow, outcome.cause);
  }

  async #turn(follow: Follow, room: Uint8Array): Promise<TailItem | undefined> {
    const now = this.#options.clock.mono();
    const outcome = await this.#open.open(follow, true);
    if (typeof outcome === "object") this.#unreadable(follow, outcome.cause);
    else if (outcome === "no-descriptor") follow.handle.pause(now);
    else if (outcome === "moved") {
      this.#followed.lose(follow);
      if (follow.place.located) follow.handle.resume();
      else follow.handle.pause(now);
      this.#sweepSoon();
      if (follow.place.located) this.#enlist(follow);
    }
    if (outcome !== "open") return undefined;
    try {
      const share = this.#schedule.share(room.length);
      const item = await turn(follow, room, share, this.#drain !== undefined);
      if (follow.handle.worked()) this.#discover.forgive(openPhrase, follow.place.path);
      if (follow.more) this.#schedule.again(follow, item);
      if (follow.partialDue !== undefined) this.#partials.add(follow);
      this.#active.add(follow);
      if (follow.phase.is === "over") this.#partings.release(follow);
      else if (follow.heldBack.ended) this.#seen(follow);
      return item;
    } catch (cause) {
      this.#unreadable(follow, cause);
      await this.#open.renew(follow);
      return undefined;
    }
  }

  #unreadable(follow: Follow, cause: unknown): void {
    if (!follow.failed()) return;
    this.#discover.once("error", openPhrase, follow.place.path, { error: cause as Error });
  }
}
