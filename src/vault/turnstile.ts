// Lets one piece of work through at a time, in the order in which it came.
//
// - The queue is bounded: whoever would have to wait too long is told so at once.

import type { Clock } from "../host/clock.ts";

export class Turnstile {
  readonly #waitingMax: number;
  #last: Promise<unknown> = Promise.resolve();
  #inside = 0;

  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax;
  }

  /** Nobody is inside or waits. */
  get idle(): boolean {
    return this.#inside === 0;
  }

  /** Whoever is inside is the only one: nobody waits. */
  get alone(): boolean {
    return this.#inside === 1;
  }

  get full(): boolean {
    return this.#inside > this.#waitingMax;
  }

  /** Runs `work` when everyone before is done, whatever became of them. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    this.#inside += 1;
    const mine = this.#last.then(work, work);
    this.#last = mine.catch(() => undefined);
    try {
      return await mine;
    } finally {
      this.#inside -= 1;
    }
  }
}

/** The same for long work: between two pieces of it others get as long as the last one took. */
export class RestedTurnstile {
  readonly #turnstile: Turnstile;
  readonly #clock: Pick<Clock, "mono" | "sleep">;
  #rest: Promise<void> = Promise.resolve();

  constructor(waitingMax: number, clock: Pick<Clock, "mono" | "sleep">) {
    this.#turnstile = new Turnstile(waitingMax);
    this.#clock = clock;
  }

  get full(): boolean {
    return this.#turnstile.full;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turnstile.pass(async () => {
      await this.#rest;
      const started = this.#clock.mono();
      try {
        return await work();
      } finally {
        const took = (this.#clock.mono() - started) / 1000;
        this.#rest = took < 1 ? Promise.resolve() : this.#clock.sleep(took);
      }
    });
  }
}
