// A clock for tests that never waits: sleeping moves the time on at once.

import type { Clock } from "../../src/host/clock.ts";

export class AutoClock implements Clock {
  #us = 5_000_000;

  now(): number {
    return 1_700_000_000_000_000 + this.#us;
  }

  mono(): number {
    return this.#us;
  }

  /** Moves the time on. */
  pass(ms: number): void {
    this.#us += Math.round(ms * 1000);
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.pass(ms);
  }
}
