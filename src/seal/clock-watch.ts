// Notices when the wall clock stepped: it and the monotonic clock then disagree.

import type { AgentRecord } from "../core/record.ts";
import type { Clock } from "../host/clock.ts";

/** A step smaller than this is not worth a record, in microseconds. */
const toleranceMicros = 1_000_000;

export class ClockWatch {
  readonly #clock: Clock;
  /** Monotonic microseconds at which the run began. */
  readonly #runStart: number;
  /** Wall minus monotonic time when last looked at. */
  #distance: number;

  constructor(clock: Clock, runStart: number) {
    this.#clock = clock;
    this.#runStart = runStart;
    this.#distance = clock.now() - clock.mono();
  }

  /** The `clock` record to be stated, if the wall clock stepped by more than a second. */
  step(): AgentRecord | undefined {
    const after = this.#clock.now();
    const mono = this.#clock.mono();
    const before = this.#distance + mono;
    if (Math.abs(after - before) <= toleranceMicros) return undefined;
    this.#distance = after - mono;
    return { type: "clock", before: Math.max(0, before), after, mono: mono - this.#runStart };
  }
}
