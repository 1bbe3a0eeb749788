// How we stand with the sink: its state, since when, and what is worth a record in the chain.
//
// - A sink record is told once per outage, and of one kind at most once a minute: a sink that
//   comes and goes must not fill the chain.
// - "unreachable" is told only after it lasted; a single lost connection is daily life. A sink that
//   only ever asks for patience takes no blocks either: to the chain that is the same.

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

const factOf: Readonly<Partial<Record<SinkState, SinkFact>>> = {
  unreachable: "unreachable",
  throttled: "unreachable",
  refused: "refused",
  rollback: "rollback",
  fork: "fork",
};

export class Standing {
  readonly #clock: Clock;
  readonly #tell: (report: SinkReport) => void;
  #state: SinkState = "ok";
  #code = "";
  #since: number;
  /** What of it a record could state, and since when, by both clocks. */
  #fact: { readonly fact: SinkFact; readonly since: number; readonly mono: number } | undefined;
  /** Kind → when it was last told, by the monotonic clock. */
  readonly #told = new Map<SinkFact, number>();
  /** Kinds told since the sink was last fine. */
  readonly #pending = new Set<SinkFact>();

  constructor(clock: Clock, tell: (report: SinkReport) => void) {
    this.#clock = clock;
    this.#tell = tell;
    this.#since = clock.now();
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
    if (changed) this.#since = this.#clock.now();
    this.#state = state;
    this.#code = code;
    const fact = factOf[state];
    if (fact !== this.#fact?.fact) {
      const times = { since: this.#clock.now(), mono: this.#clock.mono() };
      this.#fact = fact && { fact, ...times };
    }
    if (state === "ok") this.#pending.clear();
    this.#consider(code);
    return changed;
  }

  #consider(detail: string): void {
    if (this.#fact === undefined) return;
    const { fact, since, mono } = this.#fact;
    const now = this.#clock.mono();
    if (this.#pending.has(fact)) return;
    if (fact === "unreachable" && now - mono < tellAfterUs) return;
    const last = this.#told.get(fact);
    if (last !== undefined && now - last < tellAgainUs) return;
    this.#pending.add(fact);
    this.#told.set(fact, now);
    this.#tell({ event: fact, since, detail });
  }
}
