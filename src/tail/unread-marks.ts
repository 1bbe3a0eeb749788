// Pure. Unread marks: when the bytes of a file were first seen, so that the age of the oldest
// unread one is known.

const marksMax = 16;

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
