// How we stand with the sink: its state, since when, and what is worth a record in the chain.
//
// - A sink record is told once per outage, and of one kind at most once a minute: a sink that
//   comes and goes must not fill the chain.
// - "unreachable" is told only after it lasted; a single lost connection is daily life.

import type { Clock } from "../host/clock.ts";

export const sinkStates = [
  "ok",
  "unreachable",
  "throttled",
  "refused",
  "rollback",
  "fork",
  "agent-rollback",
] as const;

export type SinkState = (typeof sinkStates)[number];

/** The sink records that the format knows. */
export type SinkFact = "unreachable" | "rollback" | "fork" | "refused";

export interface SinkReport {
  readonly event: SinkFact;
  /** When it began, in Unix microseconds. */
  readonly since: number;
  /** A short code, never log content. */
  readonly detail: string;
}

const tellAfterUs = 30_000_000;
const tellAgainUs = 60_000_000;

const reported: readonly SinkState[] = ["unreachable", "rollback", "fork", "refused"];

export class Standing {
  readonly #clock: Clock;
  readonly #tell: (report: SinkReport) => void;
  #state: SinkState = "ok";
  #code = "";
  #since: number;
  #sinceMono: number;
  /** Kind → when it was last told, by the monotonic clock. */
  readonly #told = new Map<SinkFact, number>();
  /** Kinds told since the sink was last fine. */
  readonly #pending = new Set<SinkFact>();

  constructor(clock: Clock, tell: (report: SinkReport) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#since = clock.now();
    this.#sinceMono = clock.mono();
  }

  get state(): SinkState {
    return this.#state;
  }

  /** Why it is not ok; empty when it is. */
  get code(): string {
    return this.#code;
  }

  /** When the state began, in Unix microseconds. */
  get since(): number {
    return this.#since;
  }

  /** Takes note of an attempt's outcome. Returns whether the state is another one now. */
  set(state: SinkState, code: string): boolean {
    const changed = state !== this.#state;
    if (changed) {
      this.#since = this.#clock.now();
      this.#sinceMono = this.#clock.mono();
    }
    this.#state = state;
    this.#code = code;
    if (state === "ok") this.#pending.clear();
    else if (reported.includes(state)) this.#consider(state as SinkFact, code);
    return changed;
  }

  #consider(event: SinkFact, detail: string): void {
    const now = this.#clock.mono();
    if (this.#pending.has(event)) return;
    if (event === "unreachable" && now - this.#sinceMono < tellAfterUs) return;
    const last = this.#told.get(event);
    if (last !== undefined && now - last < tellAgainUs) return;
    this.#pending.add(event);
    this.#told.set(event, now);
    this.#tell({ event, since: this.#since, detail });
  }
}
