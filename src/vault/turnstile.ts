// Lets one piece of work through at a time, in the order in which it came.
//
// - The queue is bounded: whoever would have to wait too long is told so at once.

import type { Clock } from "../host/clock.ts";
import { Problem } from "./problem.ts";

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
  readonly #restMaxMs: number;
  #rest: Promise<void> = Promise.resolve();

  constructor(
    waitingMax: number,
    clock: Pick<Clock, "mono" | "sleep">,
    restMaxMs: number = Number.POSITIVE_INFINITY,
  ) {
    this.#turnstile = new Turnstile(waitingMax);
    this.#clock = clock;
    this.#restMaxMs = restMaxMs;
  }

  get idle(): boolean {
    return this.#turnstile.idle;
  }

  get full(): boolean {
    return this.#turnstile.full;
  }

  /** Resolves when the rest after the last piece of work is over. */
  get rest(): Promise<void> {
    return this.#rest;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    return await this.#turnstile.pass(async () => {
      await this.#rest;
      const started = this.#clock.mono();
      try {
        return await work();
      } finally {
        const took = (this.#clock.mono() - started) / 1000;
        const rest = Math.min(took, this.#restMaxMs);
        this.#rest = rest < 1 ? Promise.resolve() : this.#clock.sleep(rest);
      }
    });
  }
}

/** Of one address. */
const waitingMax = 1000;
const restMaxMs = 100;

/** One of those for each address; one that wants nothing takes no memory. */
export class RestedTurnstiles {
  readonly #clock: Pick<Clock, "mono" | "sleep">;
  readonly #all = new Map<string, RestedTurnstile>();

  constructor(clock: Pick<Clock, "mono" | "sleep">) {
    this.#clock = clock;
  }

  /** Throws Problem busy where too many wait. */
  async pass<T>(address: string, work: () => Promise<T>): Promise<T> {
    const own = this.#all.get(address) ?? new RestedTurnstile(waitingMax, this.#clock, restMaxMs);
    if (own.full) throw new Problem("busy", "too much waits for one address", { retryAfter: 1 });
    this.#all.set(address, own);
    try {
      return await own.pass(work);
    } finally {
      void own.rest.then(() => {
        if (own.idle && this.#all.get(address) === own) this.#all.delete(address);
      });
    }
  }
}
