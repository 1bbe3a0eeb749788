// The judge of one file: what is sealed of it, against every byte that ever stood there.
//
// - true: a span's bytes stood at that place when it was read; a gap or restart has a reason.
// - disjoint: no byte is sealed twice, unless the file was changed in place, or lost, in between.
// - complete: what a life of the agent saw is sealed or lies in a gap. A life that was killed may
//   take with it what it alone knew: sizes of files whose loss it had not sealed yet.

import { inScope } from "../../src/core/grant.ts";
import type { Buffered } from "./buffers.ts";
import type { LifeFacts, Reading } from "./facts.ts";
import type { Testimony } from "./judge.ts";
import type { LogFile, Piece, Scope, Sighting, Version } from "./ledger.ts";
import { Marks } from "./marks.ts";
import { outsideTimes, type Time, timeWith } from "./outside.ts";
import type { Sealed } from "./sealed.ts";
import { Twice } from "./twice.ts";
import { deathOf, holds } from "./versions.ts";

const forever = Number.POSITIVE_INFINITY;

const isClosing = ({ kind, to }: Sealed): boolean =>
  kind === "end" || (kind === "gap" && to === undefined);

export class FileJudge {
  readonly #log: LogFile;
  readonly #readings: readonly Reading[];
  readonly #buffered: readonly Buffered[];
  readonly #lives: readonly LifeFacts[];
  readonly #scopes: readonly Scope[];
  readonly #leftOut: ReadonlyMap<string, number>;
  /** Chains that go on for another: they repeat what that one stated. */
  readonly #heirs: ReadonlySet<string>;
  readonly #sealed: Marks;
  readonly #twice: Twice;
  /** Times in which no pattern meant it, for all that the agent could know. */
  readonly #outside: readonly Time[];
  readonly #said: string[] = [];

  constructor(
    log: LogFile,
    readings: readonly Reading[],
    buffered: readonly Buffered[],
    { lives, scopes, chains }: Pick<Testimony, "lives" | "scopes" | "chains">,
  ) {
    this.#log = log;
    this.#sealed = new Marks(log);
    this.#outside = outsideTimes(log, lives);
    this.#readings = readings;
    this.#buffered = buffered;
    this.#lives = lives;
    this.#scopes = scopes;
    this.#leftOut = chains.leftOut;
    this.#twice = new Twice(log, readings, { lives, scopes });
    const heirs = chains.report.chains.filter(({ predecessor }) => predecessor !== undefined);
    this.#heirs = new Set(heirs.map(({ chain }) => chain.slice(0, 6)));
  }

  complaints(wanted: boolean): string[] {
    for (const { item, tick } of this.#readings) if (item.kind === "span") this.#span(item, tick);
    this.#trusted();
    this.#restarts();
    this.#losses();
    this.#kept();
    for (const sighting of this.#log.sightings) this.#owed(sighting);
    if (wanted && this.#covered(forever, forever)) this.#whole();
    return this.#said.slice(0, 5);
  }

  /** What no name leads to, or only links that must not be followed, is not read. */
  #trusted(): void {
    const read = this.#readings.find(({ item }) => item.kind === "span");
    if (this.#log.names.size === 0 && read !== undefined) {
      this.#complain("was read, and no name that may be followed ever led to it", read.item);
    }
  }

  /** Whether every grant of that time covers the file, by whatever name it is known. */
  #covered(from: number, to: number): boolean {
    const before = this.#scopes.findLast(({ tick }) => tick <= from);
    const later = this.#scopes.filter(({ tick }) => tick > from && tick <= to);
    const names = [...this.#log.names];
    return [...(before === undefined ? [] : [before]), ...later].every((scope) =>
      names.every((name) => inScope(scope, name)),
    );
  }

  /** What lay in a buffer is sealed, lies in a gap, or is stated as outside the grant. */
  #kept(): void {
    const missing: number[] = [];
    let where = "";
    for (const { source, offset, bytes, tick, place } of this.#buffered) {
      // A statement of what a grant left out ends with the chain that made it, if no vault has it.
      if (!this.#covered(tick, forever) && this.#leftOutBytes === 0) continue;
      const version = this.#held({ offset, bytes }, tick);
      if (version === undefined) continue;
      for (const { from, to, piece } of version.runs) {
        const end = Math.min(to, offset + bytes.length);
        for (let at = Math.max(from, offset); at < end; at += 1) {
          if (this.#sealed.isSealed(piece, at) || this.#isEdit(piece, at)) continue;
          if (this.#inGapOf(source, at)) continue;
          missing.push(at);
          where ||= `in the buffer of ${place} at ${tick}`;
        }
      }
    }
    this.#missed(missing, (at) => `byte ${at}, ${where}, is nowhere`);
  }

  #inGapOf(source: string, at: number): boolean {
    return this.#readings.some(({ item }) => {
      if (item.kind !== "gap" || item.source !== source) return false;
      return item.offset <= at && at < (item.to ?? forever);
    });
  }

  #complain(text: string, item?: Sealed): void {
    const { name, key } = this.#log;
    const where = item === undefined ? "" : ` ${item.place} generation ${item.record.generation}`;
    this.#said.push(`${name} (inode ${key})${where}: ${text}`);
  }

  /** The newest version up to `tick` that held these bytes there. */
  #held({ offset, bytes }: Pick<Sealed, "offset" | "bytes">, tick: number): Version | undefined {
    const { versions } = this.#log;
    for (let at = versions.length - 1; at >= 0; at -= 1) {
      const version = versions[at] as Version;
      if (version.tick <= tick && holds(version, offset, bytes)) return version;
    }
    return undefined;
  }

  #span(item: Sealed, tick: number): void {
    const { offset, bytes } = item;
    const version = this.#held(item, tick);
    const range = `bytes ${offset} to ${offset + bytes.length}`;
    if (version === undefined) {
      this.#complain(`${range}, read at ${tick}, never stood there`, item);
      return;
    }
    for (const { from, to, piece } of version.runs) {
      const [first, end] = [Math.max(from, offset), Math.min(to, offset + bytes.length)];
      if (first >= end) continue;
      const before = this.#sealed.at(piece, first);
      if (before > 0 && !this.#twice.isExcused(item, tick, { at: first, before })) {
        this.#complain(
          `${range}: byte ${first} was sealed at ${before} and again at ${tick}`,
          item,
        );
      }
      this.#sealed.set(piece, first, end, Math.min(tick, this.#until(version)));
    }
  }

  /** The last tick at which a version stood. */
  #until(version: Version): number {
    const next = this.#log.versions[this.#log.versions.indexOf(version) + 1];
    return next === undefined ? forever : next.tick - 1;
  }

  /** Each restart needs a disturbance of its own. */
  #restarts(): void {
    let restarts = 0;
    for (const { item, tick } of this.#readings) {
      const truncated = item.kind === "gap" && item.cause === "truncated";
      if (!truncated && !(item.kind === "end" && item.cause === "restarted")) continue;
      restarts += 1;
      const { disturbed, trimmed } = this.#log;
      const reasons = [...disturbed, ...trimmed].filter((at) => at <= tick).length;
      if (restarts > reasons) {
        this.#complain(`${item.kind} ${item.cause} number ${restarts} of ${reasons} changes`, item);
      }
    }
  }

  /** A file that is said to be gone was, for a while, not to be found. */
  #losses(): void {
    for (const reading of this.#readings) {
      const { item, tick } = reading;
      const gone = item.kind === "gap" && item.cause === "rotated-away" && !this.#isHole(reading);
      if (!gone && !(item.kind === "end" && item.cause === "deleted")) continue;
      const life = this.#lives.find(({ begun, over }) => begun <= tick && tick <= over);
      // What was stated since the last rest no vault may have: then an heir states it again.
      const rested = this.#lives.findLast((each) => each.rested.some((at) => at < tick));
      const since = this.#isRepeated(item, life) ? rested?.begun : life?.begun;
      const hidden = this.#log.hidden.some(({ from, to }) => from <= tick && to >= (since ?? 0));
      if (!hidden && !this.#twice.isOpenTwice(item))
        this.#complain(`${item.kind} ${item.cause}, but it was always there`, item);
    }
  }

  /**
   * Whether an heir may state here what an older life stated. One of a chain that no vault has
   * names none: it shows in bytes that were read before its life, in this block or behind it.
   */
  #isRepeated({ place }: Sealed, life: LifeFacts | undefined): boolean {
    const [chain = "", block] = place.split("/");
    if (this.#heirs.has(chain)) return true;
    return this.#readings.some(({ item, tick }) => {
      const [other, later] = item.place.split("/");
      const taken = item.kind === "span" && tick < (life?.begun ?? 0);
      return taken && other === chain && Number(later) >= Number(block);
    });
  }

  /** How many bytes of the file chains say that they left out, as outside their grants. */
  get #leftOutBytes(): number {
    const bytes = [...this.#log.names].map((name) => this.#leftOut.get(name) ?? 0);
    return bytes.reduce((sum, each) => sum + each, 0);
  }

  /** What is there in the end is sealed, but for room that was made and not used. */
  #whole(): void {
    const missing: number[] = [];
    const { runs, data } = this.#log.now;
    for (const { from, to, piece } of runs) {
      for (let at = from; at < Math.min(to, data); at += 1) {
        if (this.#sealed.isSealed(piece, at) || this.#isEdit(piece, at)) continue;
        if (!this.#inHole(at, piece)) missing.push(at);
      }
    }
    this.#missed(missing, (at) => `byte ${at} is there in the end and was not sealed`);
  }

  /** Complains of missing bytes if they are more than chains say that they left out. */
  #missed(missing: readonly number[], told: (at: number) => string): void {
    const [first] = missing;
    if (first === undefined || missing.length <= this.#leftOutBytes) return;
    this.#complain(`${told(first)} (${missing.length} bytes)`);
  }

  /** What a life saw must be sealed, or lie in a gap that was stated after it was gone. */
  #owed({ life, tick, version, size, wanted }: Sighting): void {
    const facts = this.#lives[life] as LifeFacts;
    // A life that was killed takes with it what it alone knew.
    const rested = facts.rested.find((at) => at >= tick);
    if (rested === undefined || !this.#covered(tick, rested)) return;
    if ((!wanted && !this.#followed(facts, tick)) || this.#endedOutside(tick)) return;
    const missing: number[] = [];
    let gone = "";
    const { runs, data } = this.#log.versions[version] as Version;
    for (const { from, to, piece } of runs) {
      const end = Math.min(to, size, data);
      for (let at = from; at < end; at += 1) {
        if (this.#sealed.isSealed(piece, at)) continue;
        const death = deathOf(piece, at);
        // What stood behind these NULs was cut off: now they are room that nobody filled.
        if (death === forever && at >= this.#log.now.data) continue;
        if (!this.#showed(life, at, piece) || this.#isEdit(piece, at)) continue;
        if (this.#inGap(at, piece, tick)) continue;
        gone ||= death === forever ? "is still there" : `was gone at ${death}`;
        missing.push(at);
      }
    }
    this.#missed(missing, (at) => {
      return `byte ${at}, seen at ${tick} by life ${life}, ${gone} and is nowhere`;
    });
  }

  /** Whether a life knew by then that this file is one of ours. */
  #followed({ number, begun }: LifeFacts, tick: number): boolean {
    const seen = this.#log.sightings.some(
      (each) => each.life === number && each.wanted && each.tick <= tick,
    );
    return seen || this.#openAt(begun);
  }

  /**
   * Whether the file was changed where no pattern meant it, and its source was closed then: what
   * came into it since, until a pattern means it again, is nobody's. What it was changed to before
   * may have been read as a generation of the log: nobody had seen it outside yet. An heir declares
   * anew what was read before the change: that is no other generation.
   */
  #endedOutside(seen: number): boolean {
    const { from, to } = timeWith(this.#outside, seen);
    const changes = this.#log.disturbed.filter((at) => from < at && at <= seen);
    const readBefore = ({ source }: Sealed, changed: number): boolean =>
      this.#readings.some(
        ({ item, tick }) => item.kind === "span" && item.source === source && tick < changed,
      );
    return changes.some((changed) => {
      const later = this.#readings.filter(({ tick }) => tick >= changed && tick < to);
      const opened = later.some(({ item }) => item.kind === "source" && !readBefore(item, changed));
      return !opened && later.some(({ item }) => isClosing(item));
    });
  }

  /** Whether the chain had the file open at a tick. */
  #openAt(tick: number): boolean {
    let open = false;
    for (const { item, tick: at } of this.#readings) {
      if (at > tick) continue;
      if (item.kind === "source" || item.kind === "span") open = true;
      else if (isClosing(item)) open = false;
    }
    return open;
  }

  /**
   * Whether the loss of a byte showed: the next look found the file too short for it. One that was
   * cut and written again beyond, unread, between two looks, cannot be told from one that grew. And
   * a look at each of its names may have come before the file behind them was followed. A look
   * under another name is at what may be a copy, unless the file is read already.
   */
  #showed(life: number, at: number, piece: Piece): boolean {
    const death = deathOf(piece, at);
    const looks = this.#log.sightings.filter((each) => each.life === life);
    const next = looks.find(({ tick, exact }) => tick > death && exact);
    // A look at what stood there before says nothing of this byte.
    const before = looks.filter(({ tick, size, wanted }) => {
      const there = piece.born <= tick && tick < death && size > at;
      return there && (wanted || this.#openAt(tick));
    });
    const unfollowed = before.some(({ open }) => open) ? 1 : this.#log.names.size;
    if (before.length <= unfollowed) return false;
    return death === forever || (next !== undefined && next.size <= at);
  }

  /** Whether the byte was written over one that had been sealed: `rewritten` is about these. */
  #isEdit(piece: Piece, at: number): boolean {
    const said = this.#readings.some(({ item: { kind, offset, to = 0 }, tick }) => {
      if (kind !== "rewritten" || tick < piece.born) return false;
      // What was written anew as it was before is no change: the statement leaves it out.
      return (offset <= at && at < to) || this.#sealed.isAlike(piece, at);
    });
    if (said || (this.#log.crashed && this.#sealed.isAny(at))) return true;
    const before = this.#log.versions.find(({ tick }) => tick === piece.born);
    const index = before === undefined ? 0 : this.#log.versions.indexOf(before) - 1;
    const version = this.#log.versions[index];
    const run = version?.runs.find(({ from, to }) => from <= at && at < to);
    // Room that is filled was not to be sealed before.
    if (run === undefined || at >= (version as Version).data) return false;
    const mark = this.#sealed.at(run.piece, at);
    return mark > 0 ? mark < piece.born : this.#isEdit(run.piece, at);
  }

  /**
   * Whether a gap speaks of the byte: one that was cut off is spoken of afterwards. Once a file was
   * changed where no pattern means it, nothing is read of it any more. What is skipped is sealed
   * elsewhere.
   */
  #inGap(at: number, piece: Piece, seen: number): boolean {
    const { disturbed } = this.#log;
    const death = deathOf(piece, at);
    const stated = this.#readings.some(({ item: { kind, cause, offset, to }, tick }) => {
      if (kind !== "gap") return false;
      if (to !== undefined) return cause !== "skipped" && offset <= at && at < to && tick >= seen;
      const { from } = timeWith(this.#outside, tick);
      const left = disturbed.some((each) => from < each && each <= tick);
      return tick >= (cause === "truncated" && !left ? death : seen);
    });
    return stated || this.#inHole(at, piece);
  }

  /** Whether the byte lies in a hole, which stays one when the file is looked at later. */
  #inHole(at: number, piece: Piece): boolean {
    return this.#readings.some((reading) => {
      const { offset, to = 0 } = reading.item;
      return offset <= at && at < to && reading.tick >= piece.born && this.#isHole(reading);
    });
  }

  /**
   * Whether a gap is a hole in what was sealed: a buffer lost the bytes in it, and still has those
   * right behind, which are sealed in their order.
   */
  #isHole({ item: { kind, cause, source, to }, tick }: Reading): boolean {
    if (kind !== "gap" || cause !== "rotated-away" || to === undefined) return false;
    return this.#readings.some(
      ({ item, tick: read }) =>
        item.kind === "span" && item.source === source && item.offset === to && read < tick,
    );
  }
}
