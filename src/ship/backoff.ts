// Pure. How long an attempt may take, and how long to wait before the next: exponential with full
// jitter, for ever.
//
// - Never zero: a peer that fails at once cannot make us spin.
// - A peer that names a time gets at least that long, up to a limit; jitter is added to it, so that
//   many agents told the same do not come back together.

import { retryAfterMsMax } from "../core/retry-after.ts";

export interface BackoffPlan {
  /** Ceiling of the first wait; it doubles with each failure. */
  readonly baseMs: number;
  readonly capMs: number;
}

export type BackoffName = "soon" | "slow" | "drain";

export const backoffPlans: Readonly<Record<BackoffName, BackoffPlan>> = {
  /** The sink cannot be reached or asks for patience. */
  soon: { baseMs: 250, capMs: 30_000 },
  /** The sink refuses; only people or time change that. */
  slow: { baseMs: 1000, capMs: 60_000 },
  /** The process is about to end. */
  drain: { baseMs: 250, capMs: 2000 },
};

/** The least wait: enough not to spin, short enough for a connection that was only stale. */
export const leastDelayMs = 50;

/** No attempt takes longer, however slowly the answer trickles in. */
export const attemptMsMax = 180_000;
/** So long it may take at least, however near the end of a drain is. */
export const attemptMsMin = 1000;

/**
 * Milliseconds to wait after `failures` failed attempts in a row (1 or more); `chance` is uniform
 * in [0, 1). `askedMs` is what the peer asked for; while draining it counts up to the plan's cap.
 */
export function retryDelayMs(
  name: BackoffName,
  failures: number,
  chance: number,
  askedMs = 0,
): number {
  const { baseMs, capMs } = backoffPlans[name];
  // 2^32 is past every cap; without the limit the power would become infinite.
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 32));
  const own = Math.max(leastDelayMs, chance * ceiling);
  if (askedMs <= 0) return own;
  const most = name === "drain" ? capMs : retryAfterMsMax;
  const asked = Math.min(askedMs, most);
  const jitter = chance * Math.min(asked / 10, capMs);
  return Math.min(Math.max(own, asked + jitter), most + jitter);
}
