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
import { declareSource, type Fingerprint, fingerprintOf } from "./identity.ts";
import type { SourceRef } from "./item.ts";
import { HeldNuls, type NulSearch, withoutHoles } from "./nuls.ts";
import { filledUs } from "./pace.ts";
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
  /** NULs up to the end of the file, which are not data yet. */
  nuls: HeldNuls | undefined;
  /** It had such NULs at its end. */
  fillsIn = false;
  /** Held NULs up to here were there at the start, and are skipped once they are data. */
  skipNuls = 0;
  /** Where they begin is being looked for. */
  search: NulSearch | undefined;
  /** The first hole in what is to be read, and when it was last seen to be filled in (mono µs). */
  hole: { at: number; filledAt: number | undefined } | undefined;
  /** It ended for good: NULs at its end are data. */
  ended = false;
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
      this.skipNuls = mark?.skipNuls ?? 0;
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
    return this.lag + this.held;
  }

  /** NULs at the end that are held back. */
  get held(): number {
    return this.nuls?.length ?? 0;
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
    if (this.isUnsettled || this.more || this.nuls?.stale) return true;
    if (this.lag === 0) return false;
    const due = this.partialDue;
    if (due === undefined || now >= due) return true;
    return draining && !this.awaitsFilling(draining);
  }

  /**
   * The first hole was filled in lately: its writers are waited for, by the next start if need be.
   * But who stops and has the last descriptor of a deleted file takes it as it is.
   */
  awaitsFilling(draining: boolean): boolean {
    const { filledAt } = this.hole ?? {};
    if (filledAt === undefined || (draining && this.place.unlinkedAt !== undefined)) return false;
    return this.base.clock.mono() - filledAt < filledUs;
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
    if (info.nlink > 0) this.ended = false;
    // A writer can set the first of them back, the second only the kernel.
    const touched = info.mtimeNs !== this.#mtimeNs || info.ctimeNs !== this.#ctimeNs;
    this.#mtimeNs = info.mtimeNs;
    this.#ctimeNs = info.ctimeNs;
    if (this.nuls !== undefined && this.#holds(this.nuls, info.size, touched)) {
      this.extent.lookAtEnd(info.size);
    } else if (this.extent.look(info.size, touched, info.ctimeNs)) this.suspect();
  }

  /** Whether the data still reaches to where the held NULs begin; then they are looked at. */
  #holds(nuls: HeldNuls, size: number, touched: boolean): boolean {
    if (size < nuls.from) {
      this.nuls = undefined;
      return false;
    }
    nuls.stale = true;
    nuls.touched ||= touched || nuls.size !== size;
    nuls.size = size;
    return true;
  }

  /** The data ends at `from`: what follows up to `size` are NULs. */
  hold(from: number, size: number): void {
    this.nuls = new HeldNuls(from, size);
    this.fillsIn = true;
    this.extent.endsAt(from);
  }

  /** Nobody will fill them in any more: NULs at the end are data from now on. */
  release(): void {
    this.ended = true;
    this.nuls = undefined;
    this.search = undefined;
    this.extent.reachEnd();
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
    this.skipNuls = 0;
    this.#forgetNuls();
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
    this.#forgetNuls();
  }

  #forgetNuls(): void {
    // They are found again by the next read.
    this.nuls = undefined;
    this.search = undefined;
  }
}
