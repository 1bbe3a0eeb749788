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

const marksMax = 16;

/** When the bytes of a file were first seen, so that the age of the oldest unread one is known. */
export class UnreadMarks {
  /** Bytes below `size` were first seen at `time`; sizes and times grow. */
  #marks: { size: number; time: number }[] = [];

  get oldest(): number | undefined {
    return this.#marks[0]?.time;
  }

  grew(size: number, time: number): void {
    this.#marks.push({ size, time });
    if (this.#marks.length <= marksMax) return;
    // Two neighbours become one with the earlier time: the age errs to the safe side.
    const merged: { size: number; time: number }[] = [];
    for (let at = 0; at < this.#marks.length; at += 2) {
      const [a, b] = [this.#marks[at], this.#marks[at + 1]];
      if (a !== undefined) merged.push({ size: b?.size ?? a.size, time: a.time });
    }
    this.#marks = merged;
  }

  /** The mark of the byte at `offset`; undefined where that is not known. */
  timeOf(offset: number): number | undefined {
    return this.#marks.find(({ size }) => size > offset)?.time;
  }

  /** Bytes below were seen by that time; undefined where nothing is known. */
  upTo(time: number): number | undefined {
    if (this.#marks.length === 0) return undefined;
    return this.#marks.findLast((mark) => mark.time <= time)?.size ?? 0;
  }

  /** Nothing beyond `size` is known any more. */
  endsAt(end: number): void {
    const first = this.#marks.findIndex(({ size }) => size >= end);
    if (first >= 0) this.#marks[first] = { size: end, time: this.#marks[first]?.time ?? 0 };
    if (first >= 0) this.#marks.length = first + 1;
  }

  readUpTo(position: number): void {
    while ((this.#marks[0]?.size ?? Number.POSITIVE_INFINITY) <= position) this.#marks.shift();
  }

  clear(): void {
    this.#marks = [];
  }
}
