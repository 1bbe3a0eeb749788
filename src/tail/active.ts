// Pure. Active: files that change now or lately did. They are looked at often, each in its turn.
//
// - Where there are very many directories sweeps are rare, and hints come from some only. Then the
//   quiet files have their turn here, too: rounds, as frequent as if they were all there is.

import type { Follow } from "./follow.ts";
import { activeLookEveryUs, activeUs, lookEveryUs, pollMax, pollUs } from "./pace.ts";

const never = Number.POSITIVE_INFINITY;
const roundSlice = 32;

export class Active {
  readonly #files = new Set<Follow>();
  readonly #rescanUs: number;
  #due = 0;
  /** Quiet files that are still to be looked at in this round. */
  #round: Follow[] = [];
  #roundDue = never;
  #nextRound = 0;

  constructor(rescanUs: number) {
    this.#rescanUs = rescanUs;
  }

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
      this.#nextRound = now + Math.max(this.#rescanUs, this.#round.length * lookEveryUs);
    }
    const batch = this.#round.splice(-roundSlice).reverse();
    const pause = Math.max(1, batch.length) * lookEveryUs;
    this.#roundDue = this.#round.length > 0 ? now + pause : Math.max(this.#nextRound, now + pause);
    return batch;
  }

  /** `count` files were looked at. */
  looked(count: number, now: number): void {
    if (now >= this.#due) this.#due = now + Math.max(pollUs, count * activeLookEveryUs);
  }

  /** A sweep is over, and the next one is `period` µs away: rounds are needed or not. */
  swept(now: number, period: number): void {
    if (period <= 2 * this.#rescanUs) this.#roundDue = never;
    else if (this.#roundDue === never) this.#roundDue = now + this.#rescanUs;
  }

  /** Drops a file that was not written to for long. Returns whether it was. */
  rest(follow: Follow, now: number): boolean {
    if (now - follow.grewAt <= activeUs || follow.lag > 0) return false;
    return this.#files.delete(follow);
  }
}
