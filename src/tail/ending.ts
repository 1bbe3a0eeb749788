// Endings: what is stated of a file, or of a source to resume, that is gone for good.
//
// - `end` claims that everything up to its size was read; where that is not known it is a gap.
// - Somebody may write to a deleted file for as long as he has it open, and nobody can tell whether
//   anybody has: so it is held for some of its writer's usual pauses.

import type { GapCause } from "../core/record.ts";
import type { Follow } from "./follow.ts";
import { fingerprintBytes } from "./identity.ts";
import type { ResumeOptions, SourceRef, Statement } from "./item.ts";
import { readAt } from "./last-bytes.ts";
import { withoutHoles } from "./nuls.ts";
import type { Pace } from "./pace.ts";
import { gapOf } from "./resolve-change.ts";
import type { TailCounts } from "./stats.ts";

const pauses = 4;
const holdMaxUs = 3_600_000_000;
/** A bigger deleted file is let go sooner: it fills the disk. */
const holdMaxBytes = 64 * 1024 * 1024;

/** Mono µs until which a deleted file that was read to its end is held. */
export function heldUntil(follow: Follow, pace: Pace, roomy: boolean): number {
  const quietSince = Math.max(follow.extent.grewAt, follow.place.unlinkedAt ?? 0);
  const patient = roomy && follow.seen <= holdMaxBytes;
  const hold = patient ? Math.min(holdMaxUs, pauses * follow.extent.pause) : 0;
  return quietSince + Math.max(pace.deletedQuietUs, hold);
}

/**
 * What becomes of a deleted file that is quiet or not. NULs at its end are data now: nobody fills
 * them in any more. Once they are read it is let go: who gave back that room only then would seem
 * to begin the file anew.
 */
export function fateOf(
  follow: Follow,
  quiet: boolean,
  draining: boolean,
): "hold" | "release" | "bury" {
  if (!follow.caughtUp) return "hold";
  const readable = follow.heldBack.length > 0 && follow.handle.isOpen;
  if (readable) return quiet || draining ? "release" : "hold";
  return quiet || follow.heldBack.ended ? "bury" : "hold";
}

/** The last words about a followed file; none if nothing of it was ever seen. */
export function lastWords(follow: Follow): Statement[] {
  if (follow.pending === 0 && !follow.wasDown) {
    if (follow.ref === undefined) return [];
    follow.base.counts.deleted += 1;
    const size = follow.position;
    return [{ type: "end", source: follow.ref.hex, size, cause: "deleted" }];
  }
  const cause = follow.handle.unreadable ? "unreadable" : "rotated-away";
  if (follow.ref !== undefined) return [gapOf(follow, follow.ref, cause, follow.pending)];
  // Bytes were seen, but never read: the loss needs a source to be stated of.
  const ref = follow.declare(new Uint8Array(0));
  return [ref.record, gapOf(follow, ref, cause, follow.pending)];
}

/** Declares a file of which bytes were seen, but none read, so that a later start looks for it. */
export async function declareUnread(follow: Follow): Promise<Statement> {
  const { file } = follow.handle;
  const head = await (file && readAt(file, 0, fingerprintBytes).catch(() => undefined));
  return follow.declare(withoutHoles(head ?? new Uint8Array(0))).record;
}

/** A file that was read and cut to nothing: what comes next is another generation. */
export function emptied(follow: Follow): Statement {
  const { ref, position, wasDown, base } = follow;
  const source = ref?.hex ?? "";
  base.counts.truncated += 1;
  const end = wasDown
    ? gapOf(follow, ref as SourceRef, "truncated", 0)
    : ({ type: "end", source, size: position, cause: "restarted" } as const);
  follow.beginAgain();
  follow.judged(0, "reading");
  return end;
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
