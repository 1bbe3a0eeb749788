// Finds where the write-ahead log stops being whole, and cuts it there.
//
// - Only the newest segment may be torn: a segment is synced before the next one is made. A bad
//   frame anywhere else, or one with a valid frame behind it, is damage: synced bytes changed or
//   vanished (or, in the newest segment, unsynced pages reached the disk out of order; only the
//   caller can tell, from its key state).
// - Nothing bad is skipped: what lies behind it is cut as well, because frames must be consecutive.
// - What is cut is first kept in a directory aside, synced, and scrubbed: it may hold signatures
//   over blocks that are going to be signed again, differently.
// - A crash in the middle of a repair is repaired by the next one: copies first, then whole
//   segments from the newest back, then the cut.

import { unlinkIfPresent } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import { type AsideOptions, type Cut, setAside } from "./aside.ts";
import { type FrameFault, hasFrameBehind } from "./frame.ts";
import { readTail, SegmentReader } from "./reader.ts";
import { type Segment, segmentPath } from "./segment.ts";

export type DamageReason =
  | FrameFault
  | "torn"
  /** Frames between this segment and the one before are missing. */
  | "missing-frames"
  /** The segment begins with an index that the one before holds already. */
  | "overlapping-frames"
  /** Nothing is wrong with the segment itself: it lies behind damage. */
  | "behind-damage";

export interface Damage {
  readonly segment: string;
  readonly offset: number;
  readonly reason: DamageReason;
}

export interface Inspection {
  /** Segments that stay, with the sizes of their whole frames. */
  readonly kept: Segment[];
  /** One more than the index of the last whole frame; 0 if there is none. */
  readonly next: number;
  /** The unfinished end of the newest segment: expected after a crash. */
  readonly torn: Damage | undefined;
  /** Anything else that is wrong, in order. */
  readonly damage: Damage[];
  /** What has to go: segments, each from an offset on. */
  readonly cuts: Cut[];
}

const scanBytes = 1024 * 1024;

interface SegmentEnd {
  readonly size: number;
  readonly next: number;
  readonly fault: { readonly offset: number; readonly reason: FrameFault | "torn" } | undefined;
}

async function readToEnd(files: Files, dir: string, segment: Segment): Promise<SegmentEnd> {
  const reader = await SegmentReader.open(files, dir, segment, { reuse: true });
  try {
    while ((await reader.batch(segment.size, scanBytes)).length > 0);
    return { size: reader.position, next: reader.next, fault: reader.fault };
  } finally {
    await reader.close();
  }
}

function misplaced(segment: Segment, next: number): Damage | undefined {
  if (segment.first === next) return undefined;
  const reason = segment.first > next ? "missing-frames" : "overlapping-frames";
  return { segment: segment.name, offset: 0, reason };
}

/** Reads every frame. Changes nothing. */
export async function inspect(
  files: Files,
  dir: string,
  segments: readonly Segment[],
): Promise<Inspection> {
  const kept: Segment[] = [];
  const damage: Damage[] = [];
  const cuts: Cut[] = [];
  let torn: Damage | undefined;
  let next = segments[0]?.first ?? 0;
  for (const segment of segments) {
    const fileSize = segment.size;
    if (damage.length > 0) {
      damage.push({ segment: segment.name, offset: 0, reason: "behind-damage" });
      cuts.push({ segment, offset: 0, fileSize, torn: false });
      continue;
    }
    const wrong = misplaced(segment, next);
    if (wrong !== undefined) {
      damage.push(wrong);
      cuts.push({ segment, offset: 0, fileSize, torn: false });
      continue;
    }
    const end = await readToEnd(files, dir, segment);
    next = end.next;
    const newest = segment === segments.at(-1);
    if (end.size > 0) kept.push({ ...segment, size: end.size });
    if (end.fault !== undefined) {
      const place = { segment: segment.name, ...end.fault };
      const tail = { offset: end.fault.offset, end: fileSize };
      const lost = !newest || (await followed(files, segmentPath(dir, segment.name), tail, next));
      if (lost) damage.push(place);
      else torn = { ...place, reason: "torn" };
      cuts.push({ segment, offset: end.size, fileSize, torn: !lost });
    } else if (end.size === 0) {
      // A segment that was made but never written to: only the newest may be like that.
      if (!newest) damage.push({ segment: segment.name, offset: 0, reason: "missing-frames" });
      cuts.push({ segment, offset: 0, fileSize, torn: newest });
    }
  }
  return { kept, next: kept.length === 0 ? 0 : next, torn, damage, cuts };
}

async function followed(
  files: Files,
  path: string,
  range: { readonly offset: number; readonly end: number },
  next: number,
): Promise<boolean> {
  const tail = await readTail(files, path, range);
  return hasFrameBehind(tail, 0, next);
}

/** Keeps aside what `cuts` name, then removes it. Returns when all of that is durable. */
export async function cutBack(options: AsideOptions, cuts: readonly Cut[]): Promise<void> {
  const { files, dir } = options;
  await setAside(options, cuts);
  for (const cut of [...cuts].reverse()) {
    const path = segmentPath(dir, cut.segment.name);
    if (cut.offset === 0) {
      await unlinkIfPresent(files, path);
      await files.syncDir(dir);
      continue;
    }
    const file = await files.open(path, "write");
    try {
      await file.truncate(cut.offset);
      await file.datasync();
    } finally {
      await file.close();
    }
  }
  if (cuts.length > 0) failpoint("recover-after-cut");
}
