// Pure. Reports: what is asked about the followed files as a whole.

import type { HeartbeatSource } from "../core/record.ts";
import { shown } from "./byte-path.ts";
import type { Coverage } from "./coverage.ts";
import type { Discover, RefusalCode } from "./discover.ts";
import type { Follow } from "./follow.ts";
import type { Hints } from "./hints.ts";
import type { FileStatus, ResumeOptions } from "./item.ts";
import type { LastBytesMark } from "./last-bytes.ts";
import type { TailCounts, TailNumbers } from "./stats.ts";
import type { Sweeper } from "./sweep.ts";

/** How much of what the patterns mean is found and followed. */
export interface Search {
  readonly directories: number;
  /** Those that hints come from; the others are seen by rescans. */
  readonly watched: number;
  /** Watching failed: rescans stand in. */
  readonly unwatched: boolean;
  /** Why not everything was seen. */
  readonly missing: string | undefined;
  /** What is not followed: links that may not lead us, and our own data. */
  readonly refused: readonly { readonly path: string; readonly code: RefusalCode }[];
  /** Files outside the grant: nothing of them is sealed. At most 1,000 are named. */
  readonly outside: readonly { readonly path: string; readonly source: string }[];
  /** Sources none of whose patterns matches a file. */
  readonly empty: readonly string[];
}

export function searchOf(sweeper: Sweeper, discover: Discover, hints: Hints | undefined): Search {
  const { coverage } = sweeper;
  return {
    directories: sweeper.directories,
    watched: hints === undefined ? 0 : sweeper.watch.size,
    unwatched: hints?.failed === true,
    missing: sweeper.missing,
    refused: [...discover.refused].map(([path, code]) => ({ path: shown(path), code })),
    outside: [...coverage.outside].map(([path, source]) => ({ path: shown(path), source })),
    empty: [...coverage.empty],
  };
}

const sizeOf = ({ emptied, seen, heldBack }: Follow): number =>
  emptied ? 0 : seen + heldBack.length;

function stateOf(follow: Follow): FileStatus["state"] {
  if (follow.handle.unreadable) return "unreadable";
  if (follow.place.unlinkedAt !== undefined) return "deleted";
  if (!follow.place.located) return "rotated";
  return follow.caughtUp ? "read" : "reading";
}

export function statusOf(follow: Follow): FileStatus {
  return {
    sourceName: follow.base.name,
    path: shown(follow.place.path),
    id: follow.ref?.hex,
    generation: follow.generation.number,
    size: sizeOf(follow),
    offset: follow.position,
    unreadSince: follow.extent.unreadSince,
    open: follow.handle.isOpen,
    state: stateOf(follow),
  };
}

/** One row per configured source, files or not. */
export function numbersOf(
  follows: Iterable<Follow>,
  counts: ReadonlyMap<string, TailCounts>,
  { outside }: Pick<Coverage, "outside">,
  dev?: bigint,
): Map<string, TailNumbers> {
  const rows = new Map(
    [...counts].map(([name, count]) => [
      name,
      {
        ...count,
        bytesBehind: 0,
        oldestUnreadTime: undefined as number | undefined,
        files: 0,
        outsideGrant: 0,
        openFiles: 0,
        pinnedBytes: 0,
      },
    ]),
  );
  for (const source of outside.values()) {
    const row = rows.get(source);
    if (row !== undefined) row.outsideGrant += 1;
  }
  for (const follow of follows) {
    const row = rows.get(follow.base.name);
    if (row === undefined) continue;
    row.files += 1;
    row.bytesBehind += follow.pending;
    if (follow.handle.isOpen) row.openFiles += 1;
    const { unlinkedAt, info } = follow.place;
    const pinned = unlinkedAt !== undefined && (dev ?? info.dev) === info.dev;
    if (pinned) row.pinnedBytes += follow.seen + follow.heldBack.length;
    const since = follow.extent.unreadSince;
    if (since !== undefined) row.oldestUnreadTime = Math.min(since, row.oldestUnreadTime ?? since);
  }
  return rows;
}

/** Sources that lag, or moved since the last call; sorted by id. */
export function heartbeatOf(follows: Iterable<Follow>): HeartbeatSource[] {
  const rows: HeartbeatSource[] = [];
  for (const follow of follows) {
    if (follow.ref === undefined) continue;
    const size = sizeOf(follow);
    const { position: offset } = follow;
    const moved = follow.report(size, offset);
    if (follow.lag === 0 && !moved) continue;
    rows.push({ source: follow.ref.hex, size, offset });
  }
  return rows.sort((a, b) => (a.source < b.source ? -1 : 1));
}

export function frontiersOf(
  follows: Iterable<Follow>,
  awaited: readonly ResumeOptions[],
): Map<string, LastBytesMark> {
  const marks = new Map<string, LastBytesMark>();
  for (const { id, lastBytes } of awaited) if (lastBytes !== undefined) marks.set(id, lastBytes);
  for (const follow of follows) {
    const { ref, newestMark: mark, position, print, heldBack } = follow.generation;
    if (ref === undefined || mark === undefined) continue;
    marks.set(ref.hex, {
      ...mark,
      head: print === ref.record ? undefined : print,
      outside: (follow.seenOutside && follow.caughtUp) || undefined,
      skipNuls: heldBack.skipTo > position ? heldBack.skipTo : undefined,
    });
  }
  return marks;
}
