// Pure. Schedule: whose turn it is. Strict round robin, so no file waits for more than one turn of
// each other one; a share of the room when several wait, all of it when one is alone.

import type { Follow } from "./follow.ts";

/** Bytes of a turn while others wait. Not less: a stretch this long without LF is cut. */
export const shareBytes = 262_144;

export class Schedule {
  readonly #queue = new Set<Follow>();
  /** Grows whenever a file becomes ready that was not. */
  additions = 0;

  get size(): number {
    return this.#queue.size;
  }

  has(follow: Follow): boolean {
    return this.#queue.has(follow);
  }

  add(follow: Follow): void {
    if (this.#queue.has(follow)) return;
    this.#queue.add(follow);
    this.additions += 1;
  }

  take(): Follow | undefined {
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
