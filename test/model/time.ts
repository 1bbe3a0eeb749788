// One time for all programs of a world: nothing passes unless the world lets it pass.
//
// - Each life of a program has a clock of its own: its wall clock may be wrong and may step, its
//   sleepers are gone when it dies.
// - Sleepers wake in the order of their deadlines, and what they start runs to its end before the
//   next one wakes. So the same seed gives the same world, on any machine.

import type { Clock } from "../../src/host/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly owner: LifeClock;
  readonly wake: () => void;
}

/** Turns and awakenings at one instant after which a program is said to spin. */
const spinMax = 20_000;

/** Returns when nothing runs any more but what waits for the time to pass. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < spinMax; turns += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (!process.getActiveResourcesInfo().includes("Immediate")) return;
  }
  throw new Error("something runs for ever");
}

export class VirtualTime {
  /** Microseconds since the world began. */
  mono = 1_000_000;
  #sleepers: Sleeper[] = [];

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.mono + Math.round(ms * 1000);
    await quiet();
    let wakes = 0;
    for (let next = this.#sleepers[0]; next && next.at <= end; next = this.#sleepers[0]) {
      wakes = next.at > this.mono ? 0 : wakes + 1;
      if (wakes > spinMax / 10) throw new Error("something waits for nothing, again and again");
      this.mono = Math.max(this.mono, next.at);
      next.wake();
      await quiet();
    }
    this.mono = end;
  }

  /** Lets time pass in steps of `ms` until `done`; false when that takes longer than `limitMs`. */
  async passUntil(done: () => boolean, limitMs: number, ms = 100): Promise<boolean> {
    for (let left = limitMs; left > 0; left -= ms) {
      if (done()) return true;
      await this.pass(ms);
    }
    return done();
  }

  sleep(owner: LifeClock, ms: number, signal: AbortSignal | undefined): Promise<void> {
    if (owner.dead) return never();
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener("abort", wake);
        if (!owner.dead) resolve();
      };
      const sleeper = { at: this.mono + Math.max(0, Math.round(ms * 1000)), owner, wake };
      const later = this.#sleepers.findIndex((other) => other.at > sleeper.at);
      this.#sleepers.splice(later < 0 ? this.#sleepers.length : later, 0, sleeper);
      signal?.addEventListener("abort", wake, { once: true });
    });
  }

  forget(owner: LifeClock): void {
    this.#sleepers = this.#sleepers.filter((sleeper) => sleeper.owner !== owner);
  }
}

/** What a dead program waits for. */
export function never<T>(): Promise<T> {
  return new Promise(() => undefined);
}

/** The wall clock of one machine, which its programs share: Unix time minus the world's own. */
export interface Wall {
  offset: number;
}

export class LifeClock implements Clock {
  dead = false;
  /** Told of every look at the wall clock. */
  onNow: ((now: number) => void) | undefined;
  readonly #time: VirtualTime;
  readonly #wall: Wall;

  constructor(time: VirtualTime, wall: Wall) {
    this.#time = time;
    this.#wall = wall;
  }

  now(): number {
    const now = this.#time.mono + this.#wall.offset;
    this.onNow?.(now);
    return now;
  }

  mono(): number {
    return this.#time.mono;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#time.sleep(this, ms, signal);
  }

  die(): void {
    this.dead = true;
    this.#time.forget(this);
  }
}
