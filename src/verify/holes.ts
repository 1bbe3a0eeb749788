// Which block numbers a walk has not seen, and which of those a finding explains already.
//
// - One fault is one finding: a block that was there but could not be used is excused, not missing.
// - Bounded: beyond `maxHoles` the newest holes are merged into one.

interface Hole {
  from: number;
  /** First number that is there again. */
  to: number;
}

const maxHoles = 4096;

export class Holes {
  readonly #holes: Hole[] = [];
  /** First excused number, and how many were excused from it on. */
  #excused = { at: -1, count: 0 };

  /** The block expected as number `at` was there, but could not be used. */
  excuse(at: number): void {
    if (this.#excused.at !== at) this.#excused = { at, count: 0 };
    this.#excused.count += 1;
  }

  /** How many blocks from number `at` on were excused. */
  excusedFrom(at: number): number {
    return this.#excused.at === at ? this.#excused.count : 0;
  }

  /** Blocks from `from` up to `to` were passed over. */
  add(from: number, to: number): void {
    const start = Math.min(to, from + this.excusedFrom(from));
    if (start >= to) return;
    const last = this.#holes.at(-1);
    if (last !== undefined && this.#holes.length >= maxHoles) last.to = to;
    else this.#holes.push({ from: start, to });
  }

  /** Block `number` came after all, at the wrong place. */
  fill(number: number): void {
    const index = this.#holes.findIndex(({ from, to }) => from <= number && number < to);
    const hole = this.#holes[index];
    if (hole === undefined) return;
    const parts = [
      { from: hole.from, to: number },
      { from: number + 1, to: hole.to },
    ];
    this.#holes.splice(index, 1, ...parts.filter(({ from, to }) => from < to));
  }

  open(): readonly Readonly<Hole>[] {
    return this.#holes;
  }
}
