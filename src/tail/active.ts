// Pure. Active: files that change now or lately did. They are looked at often, each in its turn.
//
// - Where there is much beside the followed files, directories or names, sweeps are rare. Then the
//   quiet files have their turn here, too: rounds, as frequent as if they were all there is. Where
//   sweeps are rare because of the files themselves, a round would only look twice.

import type { Follow } from "./follow.ts";
import { activeLookEveryUs, activeUs, pollMax, pollUs } from "./pace.ts";

const never = Number.POSITIVE_INFINITY;
const roundSlice = 32;

/** A new file counts as grown. */
export function grewLately({ extent }: Follow, now: number): boolean {
  return now - extent.grewAt < activeUs;
}

export class Active {
  readonly #files = new Set<Follow>();
  #due = 0;
  /** Quiet files that are still to be looked at in this round. */
  #round: Follow[] = [];
  #roundDue = never;
  /** How long a round takes, in µs. */
  #roundUs = 0;
  /** Of that, the share of each file. */
  #shareUs = 0;

  add(follow: Follow): void {
    this.#files.add(follow);
  }

  drop(follow: Follow): void {
    this.#files.delete(follow);
  }

  /** Mono µs of the next look; undefined while there is nothing to look at. */
  get due(): number | undefined {
    const due = Math.min(this.#roundDue, this.#files.size === 0 ? never : this.#due);
    return due === never ? undefined : due;
  }

  /** Those whose turn it is; `all` are the followed files. */
  batch(now: number, all: Iterable<Follow>): Follow[] {
    const quiet = now < this.#roundDue ? [] : this.#quiet(now, all);
    if (now < this.#due || this.#files.size === 0) return quiet;
    const batch = [...this.#files].slice(0, pollMax);
    for (const follow of batch) {
      this.#files.delete(follow);
      this.#files.add(follow);
    }
    return [...new Set([...batch, ...quiet])];
  }

  #quiet(now: number, all: Iterable<Follow>): Follow[] {
    if (this.#round.length === 0) {
      this.#round = [...all].reverse();
      this.#shareUs = this.#roundUs / Math.max(1, this.#round.length);
    }
    const batch = this.#round.splice(-roundSlice).reverse();
    this.#roundDue = now + this.#shareUs * Math.max(1, batch.length);
    return batch;
  }

  /** `count` files were looked at. */
  looked(count: number, now: number): void {
    if (now >= this.#due) this.#due = now + Math.max(pollUs, count * activeLookEveryUs);
  }

  /**
   * A sweep is over, and the next one is `period` µs away, `alone` if the followed files were all
   * there is: rounds are needed or not.
   */
  swept(now: number, period: number, alone: number): void {
    this.#roundUs = alone;
    if (period <= 2 * alone) this.#roundDue = never;
    else if (this.#roundDue === never) this.#roundDue = now;
  }

  /** Drops a file that was not written to for long. Returns whether it was. */
  rest(follow: Follow, now: number): boolean {
    if (now - follow.extent.grewAt <= activeUs || follow.lag > 0) return false;
    return this.#files.delete(follow);
  }
}
