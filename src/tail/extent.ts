// Extent: how far a file's content reaches as far as seen, and how far it was read.
//
// - Numbers only: what a look at the file shows is told by whoever looked. Held NULs at the end
//   are not content; only `size` counts them.
// - Once it was seen to shrink, what it holds is not known to be of the content that was seen:
//   sizes count apart until a verdict is given.
// - Where another chain goes on with the file, what was seen is taken over, or gone through again.

import type { Clock } from "../host/clock.ts";
import type { Fingerprint } from "./identity.ts";
import { lastBytesMax } from "./last-bytes.ts";
import { cutUnseen, notShrunk, type Shrunk, sawNext, sawSize } from "./shrunk.ts";
import { SizesSeen } from "./sizes-seen.ts";
import { UnreadMarks } from "./unread-marks.ts";
import type { Evidence } from "./verdict.ts";

/** What the sizes say where a verdict is to be given. */
type Sizes = Pick<Evidence, "position" | "seen" | "sure" | "size" | "now" | "between">;

/** What tells of which generation a size is: the file's ctime at the look, or the bytes before it. */
type SizeWitness = bigint | Uint8Array | undefined;

/** What is known of a copy but its bytes; `later` bytes came after those that it holds. */
type CopySize = { size: number; madeNs: bigint | undefined; later: number };

const never = Number.POSITIVE_INFINITY;

export class Extent {
  readonly #clock: Clock;
  #position: number;
  #seen: number;
  #seenBy: SizeWitness;
  #size = 0;
  /** What looks showed since the last verdict. */
  readonly #sizes = new SizesSeen();
  #sure = 0;
  #sureBy: SizeWitness;
  #sureAt: number;
  #shrunk: Shrunk = notShrunk;
  #grewAt: number;
  #pause = 0;
  /** In wall time, which people are told. */
  readonly #unread = new UnreadMarks();
  /** In mono time, which waiting counts by. */
  readonly #appeared = new UnreadMarks();
  #waitsTo = -1;
  #waitsSince = 0;

  /** Everything before `position` is accounted for. */
  constructor(clock: Clock, position: number) {
    this.#clock = clock;
    this.#position = position;
    this.#seen = position;
    this.#grewAt = clock.mono();
    this.#sureAt = this.#grewAt;
  }

  /** Everything before it was handed over or stated as a gap. */
  get position(): number {
    return this.#position;
  }

  /** Greatest size seen of this generation. */
  get seen(): number {
    return this.#seen;
  }

  /** What tells that it is of this one. */
  get seenBy(): SizeWitness {
    return this.#seenBy;
  }

  /** Size at the last look, with NULs that are held back. */
  get size(): number {
    return Math.max(this.#size, this.#seen);
  }

  /** Bytes to be read. */
  get lag(): number {
    return Math.max(0, this.#seen - this.#position);
  }

  /** What was seen since it was seen to shrink. */
  get shrunk(): Shrunk {
    return this.#shrunk;
  }

  /** It was seen to shrink, and no verdict was given since. */
  get shrank(): boolean {
    return this.#shrunk.least < this.#seen;
  }

  /** Greatest size that was there when the bytes before the position were last found the same. */
  get sure(): number {
    return this.#sure;
  }

  /** So many bytes are certainly of this generation. */
  get known(): number {
    return Math.max(this.#position, this.#sure);
  }

  /** Mono µs when those before the position were last found the same. */
  get sureAt(): number {
    return this.#sureAt;
  }

  /** Mono µs of the last growth (or of our first look). */
  get grewAt(): number {
    return this.#grewAt;
  }

  /** How long its writer is known to pause, in µs. */
  get pause(): number {
    return this.#pause;
  }

  /** Unix µs when the oldest unread byte was first seen. */
  get unreadSince(): number | undefined {
    return this.#unread.oldest;
  }

  /** Mono µs when the byte at `offset` was first seen, as far as known. */
  appearedAt(offset: number): number {
    return this.#appeared.timeOf(offset) ?? this.#grewAt;
  }

  /** Bytes before this place were there by then, in mono µs. */
  thereBy(time: number): number {
    return this.#appeared.upTo(time) ?? (time < this.#grewAt ? 0 : never);
  }

  evidence(now: number): Sizes {
    return {
      position: this.#position,
      seen: this.#seen,
      sure: this.#sure,
      size: Math.min(this.#shrunk.least, now),
      now,
      between: this.#shrunk.between,
    };
  }

  /** What a stat says. True: it does not fit what is known, so a verdict is needed. */
  look(size: number, touched: boolean, ctimeNs: bigint): boolean {
    this.#size = size;
    const fits = !this.shrank && size >= this.#seen;
    const misfit = this.#show(size);
    if (!fits) return misfit;
    this.#seenBy = ctimeNs;
    // Written to without growing, or read before we looked: the bytes there tell which.
    return touched && size === this.#position && this.#position > 0;
  }

  /** What a stat says of a file whose end is held back. */
  lookAtEnd(size: number): void {
    this.#size = size;
  }

  /** It is that long, or was at a look. True: a verdict is needed. */
  #show(size: number): boolean {
    this.#sizes.add(size);
    if (this.shrank) {
      // What it holds now is not of the generation that we know.
      if (size > this.#shrunk.regrown) this.#grewAt = this.#clock.mono();
      this.#shrunk = sawSize(this.#shrunk, size, this.#position);
      return size > 0;
    }
    if (size < this.#seen) {
      this.#shrunk = { ...this.#shrunk, least: size, regrown: size };
      return true;
    }
    if (size > this.#seen) this.grew(size);
    return false;
  }

  /** `bytes` were read, which end there: of whatever generation, the file was that long. */
  reached(end: number, bytes: Uint8Array): void {
    if (this.shrank) {
      const regrown = Math.max(this.#shrunk.regrown, end);
      this.#shrunk = { ...this.#shrunk, regrown };
      this.#sizes.add(regrown);
    } else if (end > this.#seen) {
      this.grew(end);
      this.#seenBy = bytes.slice(-lastBytesMax);
    }
  }

  /**
   * A read from there on found `got` bytes and no more: that tells the size, as a look does. True:
   * a verdict is needed.
   */
  foundEnd(from: number, got: number): boolean {
    const end = from + got;
    if (end >= (this.shrank ? this.#shrunk.regrown : this.#seen)) return false;
    if (got > 0 || from === 0) return this.#show(end);
    this.cutTo(end);
    return true;
  }

  /** It was no longer than that, before what was seen. */
  cutTo(end: number): void {
    this.#shrunk = { ...this.#shrunk, least: Math.min(this.#shrunk.least, end) };
  }

  grew(size: number): void {
    const now = this.#clock.mono();
    this.#pause = Math.max(this.#pause / 2, now - this.#grewAt);
    this.#grewAt = now;
    this.#reach(size);
  }

  #reach(size: number): void {
    this.#seen = size;
    this.#seenBy = undefined;
    this.#size = Math.max(this.#size, size);
    this.#sizes.add(size);
    this.#unread.grew(size, this.#clock.now());
    this.#appeared.grew(size, this.#clock.mono());
  }

  /** What was held back at the end is content. */
  reachEnd(): void {
    if (this.#size > this.#seen) this.#reach(this.#size);
  }

  /** Content ends here: what follows is held back. */
  endsAt(end: number): void {
    this.#seen = end;
    this.#sure = Math.min(this.#sure, end);
    this.#sizes.endAt(end);
    this.#unread.endsAt(end);
    // All before it may have been read already.
    this.#unread.readUpTo(this.#position);
    this.#appeared.endsAt(end);
  }

  /** What was left when it shrank, `left` bytes, is the beginning of what was seen. */
  restIsOld(left: number): void {
    this.#shrunk = { ...this.#shrunk, left };
  }

  /** What was left when it shrank was written since: everything is lost. */
  restIsNew(): void {
    this.#shrunk = { ...this.#shrunk, least: 0 };
  }

  /** Since it shrank it begins with these bytes; `isOther`: with others at the look before. */
  sawNext(print: Fingerprint, isOther: boolean): void {
    const cut = cutUnseen(this.#shrunk, isOther);
    if (cut !== undefined) this.#sizes.cutAt(cut);
    this.#shrunk = sawNext(this.#shrunk, print, isOther);
  }

  /** Other bytes stand in the place of those that were seen first, and of which none was read. */
  writtenAnew(): void {
    this.#sizes.cutAt(this.#sure);
    this.#shrunk = { ...this.#shrunk, least: 0, regrown: this.#seen };
    this.#seen = this.#sure;
    this.#seenBy = this.#sureBy;
    this.#unread.endsAt(this.#sure);
    this.#appeared.endsAt(this.#sure);
  }

  /** The bytes before the position were the same after `size` bytes had been seen. */
  assure(size: number): void {
    this.#sure = size;
    this.#sureBy = size === this.#seen ? this.#seenBy : undefined;
    this.#sureAt = this.#clock.mono();
  }

  /**
   * Its old content goes on in a copy, `size` bytes are there. Of the sizes seen, which were the
   * next generation's: what is there now if that was never seen to shrink, and what nothing tells
   * to be of the copied one (`isCopied`).
   */
  goesOnIn(copy: CopySize, isCopied: boolean, size: number): void {
    const { known } = this;
    this.#shrunk = { ...this.#shrunk, between: this.#shrunk.between + copy.later };
    if (!this.shrank) {
      this.#shrunk = { ...this.#shrunk, least: 0, regrown: size };
      this.#seen = known;
    } else if (!isCopied && known < this.#seen) {
      this.#shrunk = { ...this.#shrunk, between: this.#shrunk.between + this.#seen };
      this.#seen = known;
    }
    // What cannot be read of it is missing: all, if it is compressed already.
    if (copy.size <= this.#seen) return;
    this.#seen = copy.size;
    this.#seenBy = copy.madeNs;
  }

  /** A verdict was given about the file as it is now, `size` bytes long; `sure` of them are ours. */
  judged(size: number, sure = 0): void {
    this.#judged(size, notShrunk);
    // Sizes seen before the verdict count no longer, but what was read does.
    this.#seen = Math.max(size, this.#position);
    this.#sure = Math.max(sure, this.#position);
  }

  /** It is empty, and everything was read. */
  emptied(): void {
    this.#judged(0, { ...notShrunk, least: 0 });
    this.#sure = this.#position;
  }

  #judged(size: number, shrunk: Shrunk): void {
    this.#size = size;
    this.#sizes.clear();
    this.#sizes.add(size);
    this.#shrunk = shrunk;
  }

  /** It begins again, and `now` is what a look found there. */
  restart(now?: { readonly size: number; readonly ctimeNs: bigint }): void {
    this.#sizes.clear();
    this.#position = 0;
    this.#seen = 0;
    this.#sure = 0;
    this.#unread.clear();
    this.#appeared.clear();
    if (now !== undefined && now.size > 0) this.grew(now.size);
    this.#seenBy = now?.ctimeNs;
  }

  /** Bytes up to `position` are accounted for without being handed over. */
  skipTo(position: number): void {
    this.#seen = Math.max(this.#seen, position);
    this.#sure = Math.max(this.#sure, position);
    this.#moveTo(position);
  }

  /** So many bytes were handed over. */
  handOver(length: number): void {
    this.#moveTo(this.#position + length);
    if (this.#position >= this.#waitsTo) this.#waitsTo = -1;
  }

  #moveTo(position: number): void {
    this.#position = position;
    this.#unread.readUpTo(position);
    this.#appeared.readUpTo(position);
  }

  /** Bytes up to `end` wait for time to pass: a line for its LF, a hole to be filled. */
  waitFor(end: number, since: number): void {
    this.#waitsTo = end;
    this.#waitsSince = since;
  }

  /** A line that grows keeps the time of its first bytes. */
  waitForLine(end: number): void {
    this.waitFor(end, this.#waitsTo < 0 ? this.#clock.mono() : this.#waitsSince);
  }

  waitNoMore(): void {
    this.#waitsTo = -1;
  }

  /** Since when all that is unread waits for time to pass, in mono µs; undefined: it does not. */
  get waitsSince(): number | undefined {
    return this.lag === 0 || this.#seen !== this.#waitsTo ? undefined : this.#waitsSince;
  }

  /** `other` is of the same generation: what was seen of it holds here. `sure`: nothing is read here. */
  takeOver(other: Extent, sure: boolean): void {
    if (other.#seen > this.#seen) this.grew(other.#seen);
    if (sure) this.#sure = other.#sure;
    if (other.shrank) {
      this.#shrunk = other.#shrunk;
      const { least, between, regrown } = this.#shrunk;
      for (const size of [least, least + between, least, regrown]) this.#sizes.add(size);
    }
    this.#goOnFrom(other);
  }

  #goOnFrom(other: Extent): void {
    this.#size = other.#size;
    if (this.#seen === other.#seen) this.#seenBy = other.#seenBy;
  }

  /**
   * Whatever `other` saw is seen again, of a file that is known to another position here. `cut`: it
   * was cut before. What takes the place of what stands there now is known by `print`, its first
   * bytes. True: a verdict is needed.
   */
  seeAgain(other: Extent, cut: boolean, print: Fingerprint | undefined): boolean {
    let misfit = false;
    for (const size of cut ? [0, ...other.#sizes] : other.#sizes)
      if (this.#show(size)) misfit = true;
    if (this.shrank) {
      const { between } = this.#shrunk;
      const next = other.shrank ? other.#shrunk.next : print && { print, size: other.#seen };
      this.#shrunk = { ...this.#shrunk, next: next && { ...next, between } };
    }
    this.#goOnFrom(other);
    return misfit;
  }
}
