// Numbers about tailing, per configured source: what agent's metrics are made of.
//
// - Counters only grow; the rest is computed from the followed files when asked for.

export interface TailCounts {
  readBytes: number;
  readSpans: number;
  /** Unix µs at which bytes were last handed over; 0 for never. */
  lastReadTime: number;
  /** Files newly followed. */
  found: number;
  /** Files seen under another name than before, or under none. */
  rotated: number;
  /** Restarts: the same file cut and written again. */
  truncated: number;
  /** Files that ended because they were deleted. */
  deleted: number;
  /** Sealed bytes found changed in place. */
  rewritten: number;
  /** Files that could not be opened or read, counted once each time that begins. */
  unreadable: number;
  /** Gaps stated, and the bytes in them as far as known. */
  gaps: number;
  gapBytes: number;
  /** Last lines handed over without LF because they waited too long. */
  partials: number;
}

export interface TailNumbers extends Readonly<TailCounts> {
  /** Bytes seen but not handed over yet. */
  readonly bytesBehind: number;
  /** Unix µs when the oldest of them was first seen. */
  readonly oldestUnreadTime: number | undefined;
  readonly files: number;
  /** Files that the grant does not cover, as far as they are named. */
  readonly outsideGrant: number;
  readonly openFiles: number;
  /** Bytes of deleted files that are held on the disk by our descriptors. */
  readonly pinnedBytes: number;
}

export function newCounts(): TailCounts {
  return {
    readBytes: 0,
    readSpans: 0,
    lastReadTime: 0,
    found: 0,
    rotated: 0,
    truncated: 0,
    deleted: 0,
    rewritten: 0,
    unreadable: 0,
    gaps: 0,
    gapBytes: 0,
    partials: 0,
  };
}
