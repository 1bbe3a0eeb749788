// Follow: what is known of one file, from the moment we know it until it is gone.
//
// - Positions move only here, and only over bytes that were handed over or stated as a gap.
// - Sizes come from looks; how they are read is in read.ts, what a doubt leads to in settle.ts.
// - NULs up to the end are no growth: they are held back until they are data (nuls.ts).

import type { FileInfo } from "../host/files.ts";
import { Extent } from "./extent.ts";
import type { FollowBase, FollowStart } from "./follow-start.ts";
import { Frontier, type FrontierMark, frontierBytes } from "./frontier.ts";
import { Handle } from "./handle.ts";
import { HeldBack, type Patience } from "./held-back.ts";
import { declareSource, type Fingerprint, fingerprintOf } from "./identity.ts";
import type { SourceRef } from "./item.ts";
import { withoutHoles } from "./nuls.ts";
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
  /** How far its content reaches, and how far it was read. */
  readonly extent: Extent;
  #phase: Phase = reading;
  // Owned by follow.ts, read.ts and settle.ts.
  ref: SourceRef | undefined;
  /** What the file's first bytes are compared with. */
  print: Fingerprint | undefined;
  generation = 0;
  readonly heldBack: HeldBack;
  /** The file's mtime when the present generation was first seen. */
  begunNs: bigint;
  /** Its bytes were looked at since it left the pattern: what replaces them began outside of it. */
  seenOutside = false;
  frontier: Frontier = new Frontier();
  mark: FrontierMark | undefined;
  /** More is known to be there: another turn is due at once. */
  more = false;
  reported: { size: number; offset: number } | undefined;
  #mtimeNs: bigint;
  #ctimeNs: bigint;

  constructor(base: FollowBase, start: FollowStart) {
    this.base = base;
    this.name = start.name;
    this.place = start.place;
    this.handle = start.handle ?? new Handle();
    const { info } = start.place;
    this.extent = new Extent(base.clock, start.resume?.offset ?? 0);
    this.heldBack = new HeldBack(this.extent);
    this.#mtimeNs = info.mtimeNs;
    this.begunNs = this.#mtimeNs;
    this.#ctimeNs = info.ctimeNs;
    if (start.skip === true) this.happened({ is: "skip", to: info.size });
    if (start.past !== undefined) {
      this.happened({ is: "skip", to: start.past.offset, past: start.past });
      this.generation = start.past.record.generation + 1;
    }
    if (start.resume !== undefined) {
      const { ref, offset, mark } = start.resume;
      this.ref = ref;
      // Its first bytes may have been edited since: that is stated already.
      this.print = mark?.head ?? ref.record;
      this.generation = ref.record.generation;
      this.mark = mark?.offset === offset ? mark : undefined;
      this.seenOutside = this.mark?.outside === true;
      this.heldBack.skipUpTo(mark?.skipNuls ?? 0);
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
    if (this.isUnsettled || this.more || this.heldBack.stale) return true;
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

  /** First bytes that were seen and not read yet: what takes their place is told from them. */
  sawHead(head: Uint8Array): void {
    const solid = withoutHoles(head);
    if (this.print === undefined && solid.length > 0) {
      this.print = fingerprintOf(this.base.suite, solid);
    }
  }

  /** Declares the present generation, known by its first bytes, or by the sealed hole there. */
  declare(head: Uint8Array): SourceRef {
    const file = { name: this.name, path: this.place.named, info: this.place.info };
    const solid = withoutHoles(head);
    const known = solid.length > 0 ? solid : head;
    this.ref = declareSource(this.base.suite, file, this.generation, known);
    this.print = this.ref.record;
    return this.ref;
  }

  /** The file begins again: nothing of it is read or declared, and what `now` says is there. */
  nextGeneration(now?: FileInfo): void {
    this.generation += 1;
    this.ref = undefined;
    this.print = undefined;
    this.frontier = new Frontier();
    this.extent.restart(now);
    this.heldBack.forget();
    this.heldBack.skipUpTo(0);
    this.begunNs = now?.mtimeNs ?? this.#mtimeNs;
  }

  /** `bytes` stand before the position. Too few are no evidence: then the next turn looks again. */
  takeFrontier(bytes: Uint8Array): void {
    this.frontier.clear();
    if (bytes.length === Math.min(frontierBytes, this.position)) {
      this.frontier.push(bytes, bytes.length);
    }
    this.mark = undefined;
  }

  /** A verdict was given about the file as it is now, `size` bytes long; `sure` of them are ours. */
  judged(size: number, next: Outcome["next"], sure?: number): void {
    this.happened({ is: "verdict", next });
    if (next === "emptied") this.extent.emptied();
    else this.extent.judged(size, sure);
    this.heldBack.forget();
  }
}
