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
    fresh.seenOutside ||= same && fresh.position <= other.position && other.seenOutside;
    fresh.skipNuls = Math.max(fresh.skipNuls, other.skipNuls);
  }
  if (same && other.ref !== undefined && !other.wasDown) takeState(fresh, other);
  else takeLooks(fresh, other);
  fresh.size = other.size;
  if (fresh.seen === other.seen) fresh.seenBy = other.seenBy;
}

function takeState(fresh: Follow, other: Follow): void {
  const { seen, low, regrown, left, between, next, print, sure } = other;
  if (seen > fresh.seen) fresh.grew(seen);
  if (fresh.ref === undefined) Object.assign(fresh, { print, sure });
  fresh.doubt ||= other.doubt;
  if (low >= seen) return;
  Object.assign(fresh, { low, regrown, left, between, next });
  for (const size of [low, low + between, low, regrown]) fresh.sizes.add(size);
}

function takeLooks(fresh: Follow, other: Follow): void {
  // Of a later generation: the one that the chain has was cut before.
  if (other.generation > fresh.generation && other.past === undefined) fresh.showed(0);
  for (const size of other.sizes) fresh.showed(size);
  // What takes the place of what stands there now is known by its first bytes.
  const { print, seen: size, low, next } = other;
  if (fresh.low >= fresh.seen) return;
  const { between } = fresh;
  if (low < size) fresh.next = next && { ...next, between };
  else if (print !== undefined && !other.wasDown) fresh.next = { print, size, between };
}
