// Follow: what is known of one file, from the moment we know it until it is gone.
//
// - Three owners keep what is known, and nobody else writes to it: the place (where it is), the
//   handle (its open descriptors), the generation (its content, and how far it was read).
// - What is to be done next is one phase (phase.ts), which changes by what happened only.
// - How it is read is in read.ts, what a doubt leads to in resolve-change.ts.

import type { FileInfo } from "../host/files.ts";
import type { Extent } from "./extent.ts";
import type { FollowBase, FollowStart } from "./follow-start.ts";
import { Generation } from "./generation.ts";
import { Handle } from "./handle.ts";
import type { HeldBack, Patience } from "./held-back.ts";
import type { SourceRef } from "./item.ts";
import {
  after,
  isDoubtful,
  isEmptied,
  type Phase,
  type PhaseEvent,
  reading,
  resumed,
  wasDown,
} from "./phase.ts";
import type { Place } from "./place.ts";
import type { Outcome } from "./verdict.ts";

export class Follow {
  readonly base: FollowBase;
  readonly name: string;
  readonly place: Place;
  readonly handle: Handle;
  readonly generation: Generation;
  /** Of the generation; asked often. */
  readonly extent: Extent;
  readonly heldBack: HeldBack;
  #phase: Phase = reading;
  #seenOutside = false;
  #more = false;
  #reported: { readonly size: number; readonly offset: number } | undefined;
  #mtimeNs: bigint;
  #ctimeNs: bigint;

  constructor(base: FollowBase, start: FollowStart) {
    this.base = base;
    this.name = start.name;
    this.place = start.place;
    this.handle = start.handle ?? new Handle();
    const { info } = start.place;
    this.generation = new Generation(base.clock, base.suite, start);
    this.extent = this.generation.extent;
    this.heldBack = this.generation.heldBack;
    this.#mtimeNs = info.mtimeNs;
    this.#ctimeNs = info.ctimeNs;
    if (start.skip === true) this.happened({ is: "skip", to: info.size });
    if (start.released !== undefined) {
      this.happened({ is: "skip", to: start.released.offset, released: start.released });
    }
    if (start.resume !== undefined) {
      const { mark, offset } = start.resume;
      this.#seenOutside = mark?.offset === offset && mark.outside === true;
      this.#phase = resumed;
    }
    // The place tells which file it is; how long it is now has been told to whoever knew it before.
    if (start.handle === undefined) this.observe(info);
  }

  /** No pattern means it any more, nor one that is nowhere; one that is deleted stays what it was. */
  get leftPattern(): boolean {
    const { located, unlinkedAt, path, missedSweeps } = this.place;
    const found = located || unlinkedAt !== undefined;
    return found ? this.base.wants?.(path) === false : missedSweeps > 0;
  }

  get ref(): SourceRef | undefined {
    return this.generation.ref;
  }

  get position(): number {
    return this.extent.position;
  }

  /** Greatest size seen of this generation, without the NULs that are held back. */
  get seen(): number {
    return this.extent.seen;
  }

  /** Bytes to be read. */
  get lag(): number {
    return this.extent.lag;
  }

  /** Bytes that are not handed over yet, those that are held back included. */
  get pending(): number {
    return this.lag + this.heldBack.length;
  }

  get phase(): Phase {
    return this.#phase;
  }

  happened(event: PhaseEvent): void {
    this.#phase = after(this.#phase, event);
  }

  /** Something does not fit what is known: a verdict is needed before the next read. */
  get doubt(): boolean {
    return isDoubtful(this.#phase);
  }

  suspect(): void {
    this.happened({ is: "misfit" });
  }

  /** We were not running when the file last changed. */
  get wasDown(): boolean {
    return wasDown(this.#phase);
  }

  /** Cut to nothing after it was read to its end: what comes next is a new generation. */
  get emptied(): boolean {
    return isEmptied(this.#phase);
  }

  /** Its bytes were looked at since it left the pattern: what replaces them began outside of it. */
  get seenOutside(): boolean {
    return this.#seenOutside;
  }

  /** Where no pattern means it, its bytes are, or are not, what was read. */
  lookedOutside(isSame: boolean): void {
    this.#seenOutside = isSame;
  }

  /** More is known to be there: another turn is due at once. */
  get more(): boolean {
    return this.#more;
  }

  endTurn(more: boolean): void {
    this.#more = more;
  }

  /** Whether it moved since it was last reported. */
  report(size: number, offset: number): boolean {
    const before = this.#reported;
    this.#reported = { size, offset };
    return before?.size !== size || before.offset !== offset;
  }

  /** To be looked at before anything is read of it. */
  get isUnsettled(): boolean {
    return this.doubt || this.#phase.is === "skipping";
  }

  /** Read to its end as far as we know, and nothing to settle. */
  get caughtUp(): boolean {
    return this.lag === 0 && !this.isUnsettled;
  }

  /** Mono µs when what waits for time to pass is due; undefined if nothing does. */
  get partialDue(): number | undefined {
    const since = this.extent.waitsSince;
    return since === undefined ? undefined : since + this.base.partialAgeUs;
  }

  wantsTurn(draining: boolean): boolean {
    const now = this.base.clock.mono();
    if (now < this.handle.blockedUntil) return false;
    if (this.isUnsettled || this.#more || this.heldBack.stale) return true;
    if (this.lag === 0) return false;
    const due = this.partialDue;
    if (due === undefined || now >= due) return true;
    return draining && !(this.patience(draining) !== "none" && this.heldBack.isFilledIn(now));
  }

  /**
   * Who stops waits only for holes that somebody fills in, if need be until the next start. But who
   * then has the last descriptor of a deleted file takes it as it is.
   */
  patience(draining: boolean): Patience {
    if (!draining) return "all";
    return this.place.unlinkedAt === undefined ? "filled-in" : "none";
  }

  /** It could not be opened or read: left alone for a while. True when that is new. */
  failed(): boolean {
    const first = this.handle.failed(this.base.clock.mono());
    if (first) this.base.counts.unreadable += 1;
    return first;
  }

  /** Takes in what a stat says. Never reads. */
  observe(info: FileInfo): void {
    this.place.linked(info.nlink, this.base.clock.mono());
    if (info.nlink > 0) this.heldBack.mayBeFilled();
    // A writer can set the first of them back, the second only the kernel.
    const touched = info.mtimeNs !== this.#mtimeNs || info.ctimeNs !== this.#ctimeNs;
    this.#mtimeNs = info.mtimeNs;
    this.#ctimeNs = info.ctimeNs;
    if (this.heldBack.holdsAt(info.size, touched)) this.extent.lookAtEnd(info.size);
    else if (this.extent.look(info.size, touched, info.ctimeNs)) this.suspect();
  }

  /** A read from there on found `got` bytes and no more: that tells the size, as a look does. */
  foundEnd(from: number, got: number): void {
    if (this.extent.foundEnd(from, got)) this.suspect();
  }

  /** Declares the present generation. */
  declare(head: Uint8Array): SourceRef {
    const { named: path, info } = this.place;
    return this.generation.declare({ name: this.name, path, info }, head);
  }

  /** The file begins again: `now` says what is there. */
  beginAgain(now?: FileInfo): void {
    this.generation.beginAgain(now?.mtimeNs ?? this.#mtimeNs, now);
  }

  /** A verdict was given about the file as it is now, `size` bytes long; `sure` of them are ours. */
  judged(size: number, next: Outcome["next"], sure?: number): void {
    this.happened({ is: "verdict", next });
    if (next === "emptied") this.extent.emptied();
    else this.extent.judged(size, sure);
    this.heldBack.forget();
  }
}
