// Looks again and again whether somebody changed what is stored, also of chains that nobody uses.
//
// - A look compares what stands for a chain's objects with the vault's note. Only a chain without a
//   note, or one that was touched, is checked as a whole.
// - What a chain grew by is read again once: somebody may have written in the very moment in which
//   the vault did, and then nothing else shows it.
// - It takes a small share of the time, however many chains there are: looks pause in proportion.

import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Catalog } from "./catalog.ts";
import type { Heads } from "./heads.ts";

export interface RescanOptions {
  readonly catalog: Pick<Catalog, "entries">;
  readonly heads: Pick<Heads, "rescan">;
  readonly clock: Pick<Clock, "mono" | "sleep">;
  readonly diag: Diag;
  readonly signal: AbortSignal;
}

/** From the start, and from the end of each round, to the next one, in milliseconds. */
export const rescanEveryMs = 60_000;
/** Of this many milliseconds it works one. */
const share = 50;
const worthAPauseMs = 1;

/** Returns on `signal`. */
export async function rescan(options: RescanOptions): Promise<void> {
  const { catalog, heads, clock, diag, signal } = options;
  for (;;) {
    await clock.sleep(rescanEveryMs, signal);
    if (signal.aborted) return;
    let worked = 0;
    for (const entry of [...catalog.entries()]) {
      const started = clock.mono();
      try {
        await heads.rescan(entry);
      } catch (error) {
        diag.warn("couldn't look at a stored chain again", {
          chain: entry.chain,
          error: error as Error,
        });
      }
      worked += (clock.mono() - started) / 1000;
      if (signal.aborted) return;
      if (worked < worthAPauseMs) continue;
      await clock.sleep(worked * share, signal);
      worked = 0;
    }
  }
}
