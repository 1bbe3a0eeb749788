// When a file was where no pattern meant it, as far as the agent could know.
//
// - A name is seen by looks alone (docs/reliability.md): a file that was back under a wanted name
//   between two looks, and left again, never was back for whoever looks.

import type { LogFile } from "./ledger.ts";

export interface Time {
  readonly from: number;
  readonly to: number;
}

const never: Time = { from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** The time that a tick lies in. */
export function timeWith(times: readonly Time[], tick: number): Time {
  return times.find(({ from, to }) => from <= tick && tick < to) ?? never;
}

export function outsideTimes({ unwanted, sightings }: LogFile): Time[] {
  const times: Time[] = [];
  for (const next of unwanted) {
    const last = times.at(-1) ?? never;
    const left = sightings.some(({ tick }) => last.from <= tick && tick < last.to);
    const back = sightings.some(
      ({ tick, wanted, open }) => wanted && !open && last.to <= tick && tick < next.from,
    );
    if (left && !back) times.splice(-1, 1, { from: last.from, to: next.to });
    else times.push(next);
  }
  return times;
}
