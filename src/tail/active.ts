// Pure. Active: files that change now or lately did. They are looked at often, each in its turn.

import type { Follow } from "./follow.ts";
import { activeLookEveryUs, activeUs, pollMax, pollUs } from "./pace.ts";

export class Active {
  readonly #files = new Set<Follow>();
  #due = 0;

  add(follow: Follow): void {
    this.#files.add(follow);
  }

  drop(follow: Follow): void {
    this.#files.delete(follow);
  }

  /** Mono µs of the next look; undefined while there is nothing to look at. */
  get due(): number | undefined {
    return this.#files.size === 0 ? undefined : this.#due;
  }

  /** Those whose turn it is. */
  batch(): Follow[] {
    const batch = [...this.#files].slice(0, pollMax);
    for (const follow of batch) {
      this.#files.delete(follow);
      this.#files.add(follow);
    }
    return batch;
  }

  /** `count` files were looked at. */
  looked(count: number, now: number): void {
    this.#due = now + Math.max(pollUs, count * activeLookEveryUs);
  }

  /** Drops a file that was not written to for long. Returns whether it was. */
  rest(follow: Follow, now: number): boolean {
    if (now - follow.grewAt <= activeUs || follow.lag > 0) return false;
    this.#files.delete(follow);
    return true;
  }
}
