// What a file held at one time, asked of the ledger's versions.

import type { Piece, Version } from "./ledger.ts";

export function holds({ runs, size }: Version, offset: number, bytes: Uint8Array): boolean {
  const end = offset + bytes.length;
  if (end > size) return false;
  for (const { from, to, piece } of runs) {
    const [first, last] = [Math.max(from, offset), Math.min(to, end)];
    if (first >= last) continue;
    const ours = bytes.subarray(first - offset, last - offset);
    const theirs = piece.bytes.subarray(first - piece.at, last - piece.at);
    if (Buffer.compare(ours, theirs) !== 0) return false;
  }
  return true;
}

/** How many first bytes two versions have in common. */
export function sharedLength(one: Version, other: Version): number {
  const size = Math.min(one.size, other.size);
  const [ours, theirs] = [contentOf(one, size), contentOf(other, size)];
  let at = 0;
  while (at < size && ours[at] === theirs[at]) at += 1;
  return at;
}

/** The first `size` bytes of a version. */
function contentOf({ runs }: Version, size: number): Uint8Array {
  const content = new Uint8Array(size);
  for (const { from, to, piece } of runs) {
    const bytes = piece.bytes.subarray(from - piece.at, Math.min(to, size) - piece.at);
    if (from < size) content.set(bytes, from);
  }
  return content;
}

export function deathOf(piece: Piece, at: number): number {
  const death = piece.deaths.find(({ from, to }) => from <= at && at < to);
  return death?.tick ?? Number.POSITIVE_INFINITY;
}
