// A clock that stands still until a test moves it.
//
// - advance() moves both times; sleepers wake in the order of their deadlines, each at its own
//   instant, and what they start runs before the next one wakes.
// - step() moves the wall clock alone, as an operator or NTP would.

import type { Clock } from "../../src/host/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Lets everything run that is ready, chains of promises included. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeClock implements Clock {
  #mono: number;
  #wallOffset: number;
  #sleepers: Sleeper[] = [];

  /** Both times in microseconds. */
  constructor(now = 1_700_000_000_000_000, mono = 1_000_000) {
    this.#mono = mono;
    this.#wallOffset = now - mono;
  }

  now(): number {
    return this.#mono + this.#wallOffset;
  }

  mono(): number {
    return this.#mono;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const sleeper = { at: this.#mono + Math.max(0, Math.round(ms * 1000)), wake };
      const later = this.#sleepers.findIndex((other) => other.at > sleeper.at);
      this.#sleepers.splice(later < 0 ? this.#sleepers.length : later, 0, sleeper);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  /** How many wait. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  /** Milliseconds until the next sleeper wakes; undefined if none waits. */
  get nextWakeMs(): number | undefined {
    const next = this.#sleepers[0];
    return next && (next.at - this.#mono) / 1000;
  }

  /** Moves the time on by `ms` and wakes whoever is due. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + Math.round(ms * 1000);
    await settle();
    for (let next = this.#sleepers[0]; next && next.at <= end; next = this.#sleepers[0]) {
      this.#mono = Math.max(this.#mono, next.at);
      next.wake();
      await settle();
    }
    this.#mono = end;
    await settle();
  }

  /** Steps the wall clock by `ms`, either way; the monotonic time does not move. */
  step(ms: number): void {
    this.#wallOffset += Math.round(ms * 1000);
  }
}
