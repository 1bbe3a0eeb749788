// Held back: what of a file is not handed over because a writer may still fill it in.
//
// - NULs up to the end are no content (nuls.ts): the extent ends before them, and grows once they
//   turn out to be data.
// - A hole that something stands behind is waited for, but not for long: writers may fill their
//   parts in any order.
// - What was there at the start and is to be skipped stays so while nobody fills it in.

import type { OpenFile } from "../host/files.ts";
import type { Extent } from "./extent.ts";
import { readAt } from "./last-bytes.ts";
import { firstHole, HeldNuls, holeLeast, NulSearch, solidLength } from "./nuls.ts";
import { filledUs, holeUs } from "./pace.ts";

/** Which holes are waited for: all that are young, those that somebody fills in, or none. */
export type Patience = "all" | "filled-in" | "none";

export class HeldBack {
  readonly #extent: Extent;
  #nuls: HeldNuls | undefined;
  /** Where they begin is being looked for. */
  #search: NulSearch | undefined;
  /** The file had NULs at its end once: then one is enough. */
  #fillsIn = false;
  #skipTo = 0;
  /** The first hole in what is to be read, and when it was last seen to be filled in (mono µs). */
  #hole: { readonly at: number; readonly filledAt: number | undefined } | undefined;
  #ended = false;

  constructor(extent: Extent) {
    this.#extent = extent;
  }

  /** How many NULs at the end are held back. */
  get length(): number {
    return this.#nuls?.length ?? 0;
  }

  /** Where they begin; infinite where there are none. */
  get from(): number {
    return this.#nuls?.from ?? Number.POSITIVE_INFINITY;
  }

  /** It was found where they begin. */
  get isFound(): boolean {
    return this.#nuls !== undefined;
  }

  /** They are to be looked at. */
  get stale(): boolean {
    return this.#nuls?.stale === true;
  }

  /** The file changed since all of them were looked at. */
  get touched(): boolean {
    return this.#nuls?.touched === true;
  }

  /** The file ended for good: NULs at its end are data. */
  get ended(): boolean {
    return this.#ended;
  }

  get isSearching(): boolean {
    return this.#search !== undefined;
  }

  /** Held NULs up to here were there at the start, and are skipped once they are data. */
  get skipTo(): number {
    return this.#skipTo;
  }

  skipUpTo(end: number): void {
    this.#skipTo = end;
  }

  /** A stat says that the file is so long. Whether its end is held back, and is to be looked at. */
  holdsAt(size: number, touched: boolean): boolean {
    const nuls = this.#nuls;
    if (nuls === undefined) return false;
    if (size < nuls.from) {
      // What changed and could not be looked at may have been data.
      if (nuls.touched) this.#extent.grew(nuls.from + nuls.length);
      this.#nuls = undefined;
      return false;
    }
    nuls.statted(size, touched);
    return true;
  }

  /** Content ends at `from`: what follows up to `size` are NULs. */
  hold(from: number, size: number): void {
    this.#nuls = new HeldNuls(from, size);
    this.#fillsIn = true;
    this.#extent.endsAt(from);
  }

  /** Nobody will fill in anything any more: NULs at the end are data from now on. */
  release(): void {
    this.#ended = true;
    this.forget();
    this.#extent.reachEnd();
  }

  /** The file has a name on the disk: somebody may. */
  mayBeFilled(): void {
    this.#ended = false;
  }

  /** What is held back is found again by the next read. */
  forget(): void {
    this.#nuls = undefined;
    this.#search = undefined;
  }

  /**
   * A look at what is held back. `more`: there is more to look at, at once. `skips`: what was there
   * at the start is data by now, so it is to be skipped.
   */
  async look(file: OpenFile): Promise<{ readonly more: boolean; readonly skips: boolean }> {
    const nuls = this.#nuls;
    if (nuls === undefined) return { more: false, skips: false };
    const before = nuls.from;
    const more = await nuls.look(file);
    let skips = false;
    if (nuls.from > before) {
      this.#extent.grew(nuls.from);
      const within = before === this.#extent.position && before < this.#skipTo;
      skips = within && nuls.from > this.#skipTo && (await isNul(file, before));
    }
    if (!nuls.any) this.#nuls = undefined;
    return { more, skips };
  }

  /** Looks for NULs up to the end, from `floor` on. "cut": bytes that were seen are gone. */
  async seek(file: OpenFile, floor: number): Promise<"searching" | "cut" | "done"> {
    if (this.#ended) return "done";
    const { size } = this.#extent;
    const search = this.#search?.size === size ? this.#search : new NulSearch(size, floor);
    this.#search = search;
    if (!(await search.step(file))) return "searching";
    const { from, cutTo } = search;
    this.#search = undefined;
    if (cutTo !== undefined) {
      this.#extent.cutTo(cutTo);
      return "cut";
    }
    if (size - from >= (this.#fillsIn ? 1 : holeLeast)) this.hold(from, size);
    return "done";
  }

  /** Of bytes that were read at the position: how many come before NULs that are held back. */
  async contentIn(
    file: OpenFile,
    bytes: Uint8Array,
  ): Promise<{ readonly length: number; readonly cut: boolean }> {
    const { length } = bytes;
    const asIs = this.#nuls !== undefined || this.#ended || bytes[length - 1] !== 0;
    if (asIs) {
      // A search that a failed read cut short is about bytes that are not at the end any more.
      this.#search = undefined;
      return { length, cut: false };
    }
    const { position } = this.#extent;
    const solid = solidLength(bytes);
    const found = await this.seek(file, position + solid);
    if (found === "searching") return { length: solid, cut: false };
    return { length: Math.min(length, this.from - position), cut: found === "cut" };
  }

  /** The first hole was filled in lately. */
  isFilledIn(now: number): boolean {
    const { filledAt } = this.#hole ?? {};
    return filledAt !== undefined && now - filledAt < filledUs;
  }

  /**
   * Where in bytes that were read at the position a hole begins that is waited for, and until when
   * (mono µs).
   */
  holeIn(
    bytes: Uint8Array,
    now: number,
    patience: Patience,
  ): { readonly at: number; readonly until: number } | undefined {
    const { position } = this.#extent;
    const first = this.#ended ? -1 : firstHole(bytes);
    const before = this.#hole;
    this.#hole = undefined;
    if (first < 0) return undefined;
    // It begins later than it did: somebody fills it in.
    const filled = before !== undefined && before.at >= position && position + first > before.at;
    const filledAt = filled ? now : before?.filledAt;
    this.#hole = { at: position + first, filledAt };
    if (patience === "none") return undefined;
    if (filledAt !== undefined && this.isFilledIn(now)) {
      return { at: first, until: filledAt + filledUs };
    }
    if (patience !== "all") return undefined;
    const at = firstHole(bytes, Math.max(0, this.#extent.thereBy(now - holeUs) - position));
    return at < 0 ? undefined : { at, until: this.#extent.appearedAt(position + at) + holeUs };
  }
}

async function isNul(file: OpenFile, at: number): Promise<boolean> {
  return solidLength(await readAt(file, at, holeLeast)) === 0;
}
