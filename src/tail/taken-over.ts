// Taken over: a file that is followed on from where another chain has it keeps all that was seen.
//
// - What was learnt of the generation that both know holds for it, from wherever it is read on.
// - Else only the looks tell: they are gone through again, as if it had been known all along where
//   the chain has the file. So what was seen and cut while a chain was waited for is missing in it.

import type { Follow } from "./follow.ts";

/** `fresh` goes on for `other`, which knew another position of the same file. */
export function takeOver(fresh: Follow, other: Follow): void {
  const same = fresh.ref === undefined || fresh.ref.hex === other.ref?.hex;
  if (fresh.ref !== undefined) {
    // It was seen unchanged up to there, of what was known then.
    const unchanged = same && fresh.position <= other.position && other.seenOutside;
    if (unchanged) fresh.lookedOutside(true);
    fresh.heldBack.skipUpTo(Math.max(fresh.heldBack.skipTo, other.heldBack.skipTo));
  }
  if (same && other.ref !== undefined && !other.wasDown) {
    fresh.generation.takeOver(other.generation);
    if (other.doubt) fresh.suspect();
  } else takeLooks(fresh, other);
}

function takeLooks(fresh: Follow, other: Follow): void {
  // Of a later generation: the one that the chain has was cut before.
  const isReleased = other.phase.is === "skipping" && other.phase.released !== undefined;
  const cut = other.generation.number > fresh.generation.number && !isReleased;
  // What stood there before the looks began may be another's.
  const print = other.wasDown ? undefined : other.generation.print;
  if (fresh.extent.seeAgain(other.extent, cut, print)) fresh.suspect();
}
