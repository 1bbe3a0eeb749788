// When a file was where no pattern meant it, as far as the agent could know.
//
// - A name is seen by looks alone (docs/reliability.md): a file that was back under a wanted name
//   between two looks, and left again, never was back for whoever looks.
// - A life that was killed may take with it that it saw the file back.

import type { LifeFacts } from "./facts.ts";
import type { LogFile, Sighting } from "./ledger.ts";

export interface Time {
  readonly from: number;
  readonly to: number;
}

const never: Time = { from: Number.POSITIVE_INFINITY, to: Number.POSITIVE_INFINITY };

/** The time that a tick lies in. */
export function timeWith(times: readonly Time[], tick: number): Time {
  return times.find(({ from, to }) => from <= tick && tick < to) ?? never;
}

export function outsideTimes(
  { unwanted, sightings }: LogFile,
  lives: readonly LifeFacts[],
): Time[] {
  const isKnown = ({ life, tick }: Sighting): boolean =>
    lives[life]?.rested.some((at) => at >= tick) === true;
  const times: Time[] = [];
  for (const next of unwanted) {
    const last = times.at(-1) ?? never;
    const left = sightings.some(({ tick }) => last.from <= tick && tick < last.to);
    const back = sightings.some((sighting) => {
      const { tick, wanted, open } = sighting;
      return wanted && !open && last.to <= tick && tick < next.from && isKnown(sighting);
    });
    if (left && !back) times.splice(-1, 1, { from: last.from, to: next.to });
    else times.push(next);
  }
  return times;
}
