// Pure. Drain: when everything that was written has been read.
//
// - Two looks at all files, a settle time apart, find nothing new: then it is over. A writer that
//   never stops is waited for as long as whoever asked is willing to.

const settleUs = 500_000;

export class Drain {
  #looking = false;
  #clean = 0;
  #dirty = false;
  /** Mono µs of the next look. */
  lookDue: number;
  over = false;

  constructor(now: number) {
    this.lookDue = now;
  }

  /** Something was handed over. */
  moved(): void {
    this.#dirty = true;
  }

  /** Everything known is read and no sweep is under way. Returns "look" when one is to begin. */
  step(now: number): "look" | "over" | "wait" {
    if (this.over) return "wait";
    if (this.#looking) {
      this.#looking = false;
      this.#clean = this.#dirty ? 1 : this.#clean + 1;
      this.#dirty = false;
      this.over = this.#clean >= 2;
      this.lookDue = now + settleUs;
      return this.over ? "over" : "wait";
    }
    if (now < this.lookDue) return "wait";
    this.#looking = true;
    return "look";
  }
}
