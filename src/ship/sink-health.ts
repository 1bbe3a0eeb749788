// How we stand with the sink: its state, since when, what is worth a record in the chain, and what
// is worth a diagnostic.
//
// - A sink record is told once per outage, and of one kind at most once a minute: a sink that
//   comes and goes must not fill the chain.
// - "unreachable" is told only after it lasted; a single lost connection is daily life. A sink that
//   only ever asks for patience takes no blocks either: to the chain that is the same.
// - A diagnostic says each change of state or reason, but no more than a few a minute; what was
//   held back is said as soon as there is room for it, with how many there were.

import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";

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
const noticePeriodUs = 60_000_000;
const noticesMax = 6;

const factOf: Readonly<Partial<Record<SinkState, SinkFact>>> = {
  unreachable: "unreachable",
  throttled: "unreachable",
  refused: "refused",
  rollback: "rollback",
  fork: "fork",
};

export class SinkHealth {
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
  readonly #diag: Diag;
  /** What the newest diagnostic said. */
  #said = "ok";
  /** When the diagnostics of the last minute were said, by the monotonic clock. */
  #notices: number[] = [];
  #unsaid = 0;

  constructor(clock: Clock, diag: Diag, tell: (report: SinkReport) => void) {
    this.#clock = clock;
    this.#diag = diag;
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

  /** Takes note of an attempt's outcome. */
  set(state: SinkState, code: string): void {
    if (state !== this.#state) this.#since = this.#clock.now();
    this.#state = state;
    this.#code = code;
    const fact = factOf[state];
    if (fact !== this.#fact?.fact) {
      const times = { since: this.#clock.now(), mono: this.#clock.mono() };
      this.#fact = fact && { fact, ...times };
    }
    if (state === "ok") this.#pending.clear();
    this.#consider(code);
    this.#say(state, code);
  }

  #say(state: SinkState, code: string): void {
    const now = this.#clock.mono();
    const notice = state === "ok" ? state : `${state} ${code}`;
    if (notice === this.#said) return;
    this.#notices = this.#notices.filter((time) => now - time < noticePeriodUs);
    if (this.#notices.length >= noticesMax) {
      this.#unsaid += 1;
      return;
    }
    this.#notices.push(now);
    this.#said = notice;
    const unsaid = this.#unsaid === 0 ? {} : { unsaid: this.#unsaid };
    this.#unsaid = 0;
    if (state === "ok") this.#diag.info("the sink takes blocks", unsaid);
    else if (state === "unreachable" || state === "throttled") {
      this.#diag.warn("the sink takes no blocks now", { state, code, ...unsaid });
    } else this.#diag.error("the sink refuses blocks", { state, code, ...unsaid });
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
