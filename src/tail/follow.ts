// Follow: one file, from the moment we know it until it is gone.
//
// - Positions move only here, and only over bytes that were handed over or stated as a gap.
// - The bytes before the position are compared after each read and before its bytes are handed
//   over: so no byte of a new generation is ever taken for one of the old.
// - No bytes are carried from turn to turn: what is not handed over is read again.
// - A source is declared when there is something to say about it, so that its fingerprint
//   covers real bytes; an empty file is followed without a word.

import type { FileInfo, OpenFile } from "../host/files.ts";
import type { BytePath } from "./byte-path.ts";
import type { ReadableCopy } from "./copies.ts";
import type { FollowBase, FollowStart } from "./follow-start.ts";
import { Frontier, type FrontierMark, frontierBytes } from "./frontier.ts";
import { declareSource, type Fingerprint, fingerprintBytes, sameHead } from "./identity.ts";
import type { SourceRef, Statement, TailItem } from "./item.ts";
import { retryUs } from "./pace.ts";
import type { PastSource } from "./past.ts";
import { lookAtRest, settle } from "./settle.ts";
import { UnreadMarks } from "./stats.ts";

/** A stretch without LF is cut here (docs/spec, envelope). */
export const cutBytes = 262_144;

const lineFeed = 0x0a;

export class Follow {
  readonly base: FollowBase;
  readonly name: string;
  // Owned by roster.ts: what the file is, and where.
  info: FileInfo;
  path: BytePath;
  /** The newest of its paths that the chain may name. */
  named: BytePath;
  /** The path was seen to be this file; false: rotated out of reach, or deleted. */
  located = true;
  alias: BytePath | undefined;
  metInSweep = 0;
  missedSweeps = 0;
  // Owned by open-files.ts.
  handle: OpenFile | undefined;
  /** Mono µs before which a file that could not be opened or read is left alone. */
  blockedUntil = 0;
  unreadable = false;
  // Owned by follow.ts and settle.ts.
  ref: SourceRef | undefined;
  /** What the file's first bytes are compared with. */
  print: Fingerprint | undefined;
  generation = 0;
  position = 0;
  /** Greatest size seen of this generation. */
  seen = 0;
  /** Greatest size after which the bytes before the position were still the same. */
  sure = 0;
  /** Mono µs when they were last found the same. */
  sureAt: number;
  /** Least size seen since the last verdict. */
  low: number = Number.POSITIVE_INFINITY;
  /** Greatest size seen since it shrank: of the next generation. */
  regrown = 0;
  /** Of a file that was cut below the position: so many bytes are certainly old ones. */
  left = 0;
  /** Bytes seen that may have been of generations which were cut again before they were read. */
  between = 0;
  /** Something must be settled before the next read. */
  doubt = false;
  /** We were not running when the file last changed. */
  wasDown = false;
  /** Cut to nothing after it was read to its end: what comes next is a new generation. */
  emptied = false;
  /** Mono µs when we saw that no name is left on the disk. */
  unlinkedAt: number | undefined;
  skipTo = 0;
  /** What is skipped is sealed already, if the file still is this one. */
  past: PastSource | undefined;
  frontier: Frontier = new Frontier();
  mark: FrontierMark | undefined;
  /** The old content is read on from here, to its end, before the new one begins. */
  copy: ReadableCopy | undefined;
  /** It was. */
  copied = false;
  readonly unread: UnreadMarks = new UnreadMarks();
  /** Mono µs of the last growth (or of our first look). */
  grewAt: number;
  /** How long its writer is known to pause, in µs. */
  pause = 0;
  /** More is known to be there: another turn is due at once. */
  more = false;
  queued = false;
  reported: { size: number; offset: number } | undefined;
  #mtimeNs: bigint;
  #ctimeNs: bigint;
  #partialSize = -1;
  #partialSince = 0;

  constructor(base: FollowBase, start: FollowStart) {
    this.base = base;
    this.name = start.name;
    this.info = start.info;
    this.path = start.path;
    this.named = start.named ?? start.path;
    this.grewAt = base.clock.mono();
    this.sureAt = this.grewAt;
    this.#mtimeNs = start.info.mtimeNs;
    this.#ctimeNs = start.info.ctimeNs;
    if (start.skip === true) this.skipTo = start.info.size;
    if (start.past !== undefined) {
      this.past = start.past;
      this.skipTo = start.past.offset;
      this.generation = start.past.record.generation + 1;
    }
    if (start.resume !== undefined) {
      const { ref, offset, mark } = start.resume;
      this.ref = ref;
      // Its first bytes may have been edited since: that is stated already.
      this.print = mark?.head ?? ref.record;
      this.generation = ref.record.generation;
      this.position = offset;
      this.seen = offset;
      this.mark = mark?.offset === offset ? mark : undefined;
      this.doubt = true;
      this.wasDown = true;
    }
    this.observe(start.info);
  }

  /** Goes on for a follow of the same file that knew another position. */
  takeOver(other: Follow): void {
    const { located, alias, metInSweep, missedSweeps, unlinkedAt, blockedUntil, unreadable } =
      other;
    Object.assign(this, { located, alias, metInSweep, missedSweeps, unlinkedAt });
    Object.assign(this, { blockedUntil, unreadable, handle: other.handle });
    other.handle = undefined;
    if (!other.emptied && other.seen > this.seen) this.#grew(other.seen);
  }

  get lag(): number {
    return Math.max(0, this.seen - this.position);
  }

  /** Read to its end as far as we know, and nothing to settle. */
  get caughtUp(): boolean {
    return this.lag === 0 && !this.doubt && this.skipTo === 0;
  }

  /** Mono µs when a waiting last line is due; undefined if none waits. */
  get partialDue(): number | undefined {
    if (this.lag === 0 || this.seen !== this.#partialSize) return undefined;
    return this.#partialSince + this.base.partialAgeUs;
  }

  wantsTurn(draining: boolean): boolean {
    const now = this.base.clock.mono();
    if (now < this.blockedUntil) return false;
    if (this.doubt || this.skipTo > 0 || this.more) return true;
    if (this.lag === 0) return false;
    const due = this.partialDue;
    return due === undefined || draining || now >= due;
  }

  /** Takes in what a stat says. Never reads. */
  observe(info: FileInfo): void {
    if (info.nlink === 0) this.unlinkedAt ??= this.base.clock.mono();
    else this.unlinkedAt = undefined;
    // A writer can set the first of them back, the second only the kernel.
    const touched = info.mtimeNs !== this.#mtimeNs || info.ctimeNs !== this.#ctimeNs;
    this.#mtimeNs = info.mtimeNs;
    this.#ctimeNs = info.ctimeNs;
    if (this.low < this.seen) {
      this.#regrew(info.size);
    } else if (info.size > this.seen) {
      this.#grew(info.size);
    } else if (info.size < this.seen) {
      this.low = info.size;
      this.regrown = info.size;
      this.doubt = true;
    } else if (touched && info.size === this.position && this.position > 0) {
      // Written to without growing, or read before we looked: the frontier tells which.
      this.doubt = true;
    }
  }

  /** It shrank before, so what it holds now is not of the generation that we know. */
  #regrew(size: number): void {
    if (size > 0) this.doubt = true;
    if (size > this.regrown) this.grewAt = this.base.clock.mono();
    // Of a second cut, what is not known to be old may have been added since the first.
    const old = this.low < this.position ? Math.min(this.left, this.low) : this.low;
    if (size < this.regrown) this.between += this.regrown - Math.max(size, old);
    this.low = Math.min(this.low, size);
    this.regrown = size;
  }

  #grew(size: number): void {
    const { clock } = this.base;
    this.seen = size;
    this.pause = Math.max(this.pause / 2, clock.mono() - this.grewAt);
    this.grewAt = clock.mono();
    this.unread.grew(size, clock.now());
  }

  #assure(size: number): void {
    this.sure = size;
    this.sureAt = this.base.clock.mono();
  }

  /** Declares the present generation. */
  declare(head: Uint8Array): SourceRef {
    const file = { name: this.name, path: this.named, info: this.info };
    this.ref = declareSource(this.base.suite, file, this.generation, head);
    this.print = this.ref.record;
    return this.ref;
  }

  /** The file begins again: nothing of it is read or declared, `size` bytes are there. */
  nextGeneration(size: number): void {
    this.generation += 1;
    this.ref = undefined;
    this.print = undefined;
    this.position = 0;
    this.frontier = new Frontier();
    this.unread.clear();
    this.seen = 0;
    this.sure = 0;
    if (size > 0) this.#grew(size);
  }

  /** Bytes up to `position` are accounted for without being handed over. */
  moveTo(position: number): void {
    this.position = position;
    this.seen = Math.max(this.seen, position);
    this.sure = Math.max(this.sure, position);
    this.unread.readUpTo(position);
  }

  /** `bytes` stand before the position. Too few are no evidence: then the next turn looks again. */
  takeFrontier(bytes: Uint8Array): void {
    this.frontier.clear();
    if (bytes.length === Math.min(frontierBytes, this.position)) {
      this.frontier.push(bytes, bytes.length);
    }
    this.mark = undefined;
  }

  /** A verdict was given about the file as it is now, `size` bytes long. */
  settled(size: number, emptied: boolean): void {
    this.doubt = false;
    // While it is empty, what was lost in our absence is still to be stated.
    this.wasDown &&= emptied;
    this.emptied = emptied;
    this.low = emptied ? 0 : Number.POSITIVE_INFINITY;
    this.regrown = 0;
    this.left = 0;
    this.between = 0;
    this.copied = false;
    // Sizes seen before the verdict count no longer, but what was read does.
    if (!emptied) this.seen = Math.max(size, this.position);
    this.sure = this.position;
  }

  /**
   * One turn with an open handle: at most one read into `room`, of `limit` bytes at most.
   * Undefined when there is nothing to hand over yet.
   */
  async turn(room: Uint8Array, limit: number, draining: boolean): Promise<TailItem | undefined> {
    const handle = this.handle as OpenFile;
    this.more = false;
    if (this.ref === undefined && this.base.mayDeclare?.() === false) {
      this.blockedUntil = this.base.clock.mono() + retryUs;
      return undefined;
    }
    if (this.copy !== undefined) return await this.#turnOn(this.copy, room, limit);
    if (this.doubt || this.skipTo > 0) return await this.#settled(handle);
    const wanted = Math.min(limit, room.length);
    const got = await handle.read(room, 0, wanted, this.position);
    const atEnd = got < wanted;
    const end = this.position + got;
    if (end > this.seen) this.#grew(end);
    if (atEnd && end < this.seen) {
      this.low = Math.min(this.low, end);
      this.doubt = true;
    }
    const { seen } = this;
    if (await this.#unchanged(handle, room, got)) this.#assure(seen);
    else this.doubt = true;
    if (this.doubt) return await this.#settled(handle);
    const length = this.#cut(room, got, atEnd, draining);
    if (length === 0) return undefined;
    if (this.ref === undefined) {
      // The same bytes are read again and handed over in the next turn.
      this.more = true;
      const { record } = this.declare(room.subarray(0, Math.min(got, fingerprintBytes)));
      return { kind: "statements", statements: [record] };
    }
    this.more = !atEnd;
    return this.#handOver(this.ref, room, length);
  }

  /** A turn at the copy; at its end the doubt about the file itself is taken up again. */
  async #turnOn(
    copy: ReadableCopy,
    room: Uint8Array,
    limit: number,
  ): Promise<TailItem | undefined> {
    const { file, size } = copy;
    const wanted = Math.min(limit, room.length, size - this.position);
    const got = wanted > 0 ? await file.read(room, 0, wanted, this.position).catch(() => 0) : 0;
    if (got > 0 && this.ref !== undefined) {
      this.more = true;
      return this.#handOver(this.ref, room, this.#cut(room, got, false, true));
    }
    this.copy = undefined;
    this.copied = true;
    await file.close().catch(() => undefined);
    return await this.#settled(this.handle as OpenFile);
  }

  /**
   * While nobody reads: whether the growth seen is still growth of what we know, or what is left
   * after a cut was written since, so that its loss would be known as a loss.
   */
  async confirm(): Promise<void> {
    const { handle, seen, doubt, low } = this;
    if (handle === undefined) return;
    if (doubt && low > 0 && low < seen) await lookAtRest(this, handle);
    if (this.doubt || this.sure >= seen) return;
    const head = new Uint8Array(this.position === 0 ? fingerprintBytes : 0);
    const got = head.length === 0 ? 0 : await handle.read(head, 0, head.length, 0);
    if (await this.#unchanged(handle, head, got)) this.#assure(seen);
    else this.doubt = true;
  }

  /** Once it falls quiet: edits within one tick of the clock leave size and times as they were. */
  async recheck(): Promise<void> {
    const { handle, position, doubt } = this;
    if (handle === undefined || position === 0 || doubt || this.emptied) return;
    this.doubt = !(await this.#unchanged(handle, new Uint8Array(0), 0));
  }

  async #settled(handle: OpenFile): Promise<TailItem | undefined> {
    const statements: Statement[] = await settle(this, handle);
    this.more = !this.emptied && this.lag > 0;
    this.#partialSize = -1;
    return statements.length === 0 ? undefined : { kind: "statements", statements };
  }

  /** Whether what was there before the position still is. Judged after the read, see above. */
  async #unchanged(handle: OpenFile, room: Uint8Array, got: number): Promise<boolean> {
    if (this.position === 0) {
      if (this.ref === undefined || got === 0) return true;
      const { suite } = this.base;
      if (this.print === undefined) return true;
      return sameHead(suite, this.print, room.subarray(0, got)) !== "changed";
    }
    const { length } = this.frontier;
    // Nothing to compare with, because the file was cut while we looked: not to be trusted.
    if (length === 0) return false;
    const now = new Uint8Array(length);
    const back = await handle.read(now, 0, length, this.position - length);
    return this.frontier.difference(now.subarray(0, back)) === undefined;
  }

  /** How many of the bytes may be handed over now. */
  #cut(room: Uint8Array, got: number, atEnd: boolean, draining: boolean): number {
    const bytes = Buffer.from(room.buffer, room.byteOffset, got);
    const line = bytes.lastIndexOf(lineFeed) + 1;
    if (line > 0) {
      this.#partialSize = atEnd && got > line ? this.position + got : -1;
      this.#partialSince = this.base.clock.mono();
      return line;
    }
    if (got >= cutBytes) return got - (got % cutBytes);
    const due = this.partialDue ?? Number.POSITIVE_INFINITY;
    if (draining || this.base.clock.mono() >= due) return got;
    // A growing partial line keeps the time of its first bytes.
    if (this.#partialSize < 0) this.#partialSince = this.base.clock.mono();
    this.#partialSize = this.position + got;
    return 0;
  }

  #handOver(source: SourceRef, room: Uint8Array, length: number): TailItem {
    const { clock, counts } = this.base;
    const offset = this.position;
    this.position += length;
    this.frontier.push(room, length);
    if (this.position >= this.#partialSize) this.#partialSize = -1;
    this.unread.readUpTo(this.position);
    counts.readBytes += length;
    counts.readSpans += 1;
    if (room[length - 1] !== lineFeed && length % cutBytes > 0) counts.partials += 1;
    const time = clock.now();
    counts.lastReadTime = time;
    return { kind: "span", source, offset, time, length };
  }
}
