// Endings: what is stated of a file, or of a source to resume, that is gone for good.
//
// - `end` claims that everything up to its size was read; where that is not known it is a gap.

import type { GapCause } from "../core/record.ts";
import type { Follow } from "./follow.ts";
import type { ResumeOptions, Statement } from "./item.ts";
import { gapOf } from "./settle.ts";
import type { TailCounts } from "./stats.ts";

/** The last words about a followed file; none if nothing of it was ever seen. */
export function lastWords(follow: Follow): Statement[] {
  if (follow.lag === 0 && !follow.wasDown) {
    if (follow.ref === undefined) return [];
    follow.base.counts.deleted += 1;
    const size = follow.position;
    return [{ type: "end", source: follow.ref.hex, size, cause: "deleted" }];
  }
  const cause = follow.unreadable ? "unreadable" : "rotated-away";
  if (follow.ref !== undefined) return [gapOf(follow, follow.ref, cause, follow.lag)];
  // Bytes were seen, but never read: the loss needs a source to be stated of.
  const ref = follow.declare(new Uint8Array(0));
  return [ref.record, gapOf(follow, ref, cause, follow.lag)];
}

/** Closes a source to resume whose file nobody will read on. */
export function abandoned(
  { id, offset }: ResumeOptions,
  cause: GapCause,
  counts: TailCounts | undefined,
): Statement {
  if (counts !== undefined) counts.gaps += 1;
  return { type: "gap", source: id, from: offset, cause };
}
