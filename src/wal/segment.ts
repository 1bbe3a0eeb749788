// Segments: the files of the write-ahead log, named after the index of their first frame.
//
// - Sixteen hex digits and ".wal", so that names sort as indexes do. Other names are strangers:
//   never read, never deleted.

import { joinPath, showPath } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";

export interface Segment {
  readonly name: string;
  /** Index of its first frame. */
  readonly first: number;
  /** Bytes in it that are whole frames. */
  size: number;
}

const pattern = /^([0-9a-f]{16})\.wal$/;

export function segmentName(first: number): string {
  return `${first.toString(16).padStart(16, "0")}.wal`;
}

/** Index of the first frame of the segment called `name`; undefined for a stranger. */
export function parseSegmentName(name: string): number | undefined {
  const first = Number.parseInt(pattern.exec(name)?.[1] ?? "", 16);
  return Number.isSafeInteger(first) ? first : undefined;
}

export function segmentPath(dir: string, name: string): string {
  return joinPath(dir, name) as string;
}

export interface Listing {
  /** In order of their first index; sizes as the file system tells them. */
  readonly segments: Segment[];
  /** Names in the directory that are not ours, for people to see. */
  readonly strangers: string[];
}

export async function listSegments(files: Files, dir: string): Promise<Listing> {
  const segments: Segment[] = [];
  const strangers: string[] = [];
  for (const { name, kind } of (await files.list(dir)) ?? []) {
    const first = typeof name === "string" && kind === "file" ? parseSegmentName(name) : undefined;
    if (typeof name !== "string" || first === undefined) {
      strangers.push(showPath(name));
      continue;
    }
    const size = (await files.stat(segmentPath(dir, name)))?.size ?? 0;
    segments.push({ name, first, size });
  }
  segments.sort((a, b) => a.first - b.first);
  return { segments, strangers };
}
