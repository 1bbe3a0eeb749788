// Pure. Schedule: whose turn it is. Strict round robin, so no file waits for more than one turn of
// each other one, and one more when that is declared; a share of the room when several wait, all of
// it when one is alone.

import type { Follow } from "./follow.ts";
import type { TailItem } from "./item.ts";

/** Bytes of a turn while others wait. Not less: a stretch this long without LF is cut. */
const shareBytes = 262_144;

export class Schedule {
  readonly #queue = new Set<Follow>();
  #first: Follow | undefined;
  /** Grows whenever a file becomes ready that was not. */
  additions = 0;

  get size(): number {
    return this.#queue.size;
  }

  has(follow: Follow): boolean {
    return this.#queue.has(follow);
  }

  /** The earlier of `due` and when what waits for its time in these files is due (mono µs). */
  dueOf(waiting: Iterable<Follow>, due: number): number {
    let first = due;
    for (const follow of waiting) {
      if (this.#queue.has(follow)) continue;
      first = Math.min(first, Math.max(follow.partialDue ?? first, follow.handle.blockedUntil));
    }
    return first;
  }

  add(follow: Follow): void {
    if (this.#queue.has(follow)) return;
    this.#queue.add(follow);
    this.additions += 1;
  }

  /**
   * The file that just had its turn, and handed over `item`, has more. If it was only declared its
   * bytes follow at once, so that a file is opened once for both.
   */
  again(follow: Follow, item: TailItem | undefined): void {
    this.add(follow);
    if (item?.kind !== "statements") return;
    if (item.statements.every(({ type }) => type === "source")) this.#first = follow;
  }

  take(): Follow | undefined {
    const first = this.#first;
    this.#first = undefined;
    if (first !== undefined && this.#queue.delete(first)) return first;
    for (const follow of this.#queue) {
      this.#queue.delete(follow);
      return follow;
    }
    return undefined;
  }

  drop(follow: Follow): void {
    this.#queue.delete(follow);
  }

  /** How many bytes the file that was just taken may read. */
  share(room: number): number {
    return this.#queue.size === 0 ? room : Math.min(room, shareBytes);
  }
}
