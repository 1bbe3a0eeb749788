// The clock: the only place that reads the time or waits.
//
// - now() follows the wall clock, steps included; it has the millisecond resolution of the runtime.
// - mono() never goes back and never follows a step; its origin is the start of this process.

export interface Clock {
  /** Unix time in microseconds. May step either way. */
  now(): number;
  /** Monotonic microseconds from an arbitrary origin. */
  mono(): number;
  /** Resolves after `ms`, or early (without throwing) when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Unix microseconds of a monotonic moment, as the wall clock has it now. */
export const wallTimeOf = (clock: Clock, mono: number): number =>
  clock.now() - (clock.mono() - mono);

/** Longest wait that a timer takes; longer ones would fire at once. */
const timerMsMax = 2 ** 31 - 1;

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

export const systemClock: Clock = {
  now: () => Date.now() * 1000,
  mono: () => Math.floor(performance.now() * 1000),
  async sleep(ms, signal) {
    let left = Math.max(0, ms);
    while (!signal?.aborted) {
      await wait(Math.min(left, timerMsMax), signal);
      left -= timerMsMax;
      if (left <= 0) return;
    }
  },
};
