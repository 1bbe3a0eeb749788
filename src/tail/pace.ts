// Pure. Pace: how often the tail stage looks at what, so that idle files cost next to nothing.
//
// - The more there is to look at, the rarer the looks; hints make up for it.

import type { TailOptions } from "./item.ts";

export const msUs = 1_000;
/** Looks at files that were written to lately. */
export const pollUs: number = 250 * msUs;
export const pollMax = 256;
/** A file is looked at that often for so long after it grew. */
export const activeUs: number = 10_000 * msUs;
/** A look costs 20 to 40 µs: one every 5 ms takes a good half of one percent of a core. */
const lookEveryUs: number = 5 * msUs;
/** Where hints come from every directory, sweeps only make up for hints that got lost. */
const hintedLookEveryUs: number = 10 * msUs;
/** Files that change are looked at more often, a thousand of them once a second. */
export const activeLookEveryUs: number = msUs;
const nameEveryUs = 400;
/** Hints are gathered for so long, so that a busy writer does not wake us for every line. */
export const hintDelayUs: number = 20 * msUs;
export const hintsMax = 1_000;
/** A hole with data behind it may still be filled in by another writer: looked at once more. */
export const holeUs: number = 1_000 * msUs;
/** Where one was seen to be filled in, its writers are waited for so long. */
export const filledUs: number = 60_000 * msUs;
/** A call for the next bytes ends after so long without any. */
export const turnsUs: number = 100 * msUs;
export const retryUs: number = 1_000 * msUs;

/** What is configured, in µs. */
export interface Pace {
  readonly rescanUs: number;
  readonly partialAgeUs: number;
  readonly deletedQuietUs: number;
  readonly idleCloseUs: number;
}

export function paceOf(options: TailOptions): Pace {
  return {
    rescanUs: (options.rescanMs ?? 2_000) * msUs,
    partialAgeUs: (options.partialAgeMs ?? 5_000) * msUs,
    deletedQuietUs: (options.deletedQuietMs ?? 10_000) * msUs,
    idleCloseUs: (options.idleCloseMs ?? 300_000) * msUs,
  };
}

/**
 * µs from one sweep to the next, given how many paths the last one looked at and listed, and
 * whether hints come from everywhere.
 */
export function sweepPeriod(
  pace: Pace,
  last: { looks: number; names: number },
  hinted: boolean,
): number {
  const look = hinted ? hintedLookEveryUs : lookEveryUs;
  return Math.max(pace.rescanUs, last.looks * look + last.names * nameEveryUs);
}
