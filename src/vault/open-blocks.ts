// Numbers of the blocks that hold a finding which nobody has acknowledged.
//
// - What an agent makes the vault remember has a limit: the newest numbers are listed, the ones
//   before them only counted.
// - Nothing is closed that may be meant to stay open: those counted stay until a block behind all
//   of them is covered.

/** How many are listed. */
export const listedMax = 100;

export class OpenBlocks {
  /** Rising. */
  readonly #listed: number[];
  /** How many there are before the first that is listed. */
  #earlier: number;

  constructor(listed: readonly number[] = [], earlier = 0) {
    this.#listed = [...listed];
    this.#earlier = earlier;
  }

  get listed(): readonly number[] {
    return this.#listed;
  }

  get earlier(): number {
    return this.#earlier;
  }

  get count(): number {
    return this.#earlier + this.#listed.length;
  }

  /** One number counts once, as long as it is listed. */
  add(block: number): void {
    if (this.#listed.includes(block)) return;
    const at = this.#listed.findLastIndex((each) => each < block) + 1;
    this.#listed.splice(at, 0, block);
    if (this.#listed.length <= listedMax) return;
    this.#listed.shift();
    this.#earlier += 1;
  }

  /** Takes out the numbers below `limit`. */
  closeBelow(limit: number): void {
    const [oldest = 0] = this.#listed;
    if (limit > oldest) this.#earlier = 0;
    const left = this.#listed.filter((block) => block >= limit);
    this.#listed.splice(0, this.#listed.length, ...left);
  }

  /** Takes out `from` and all above it. False, and nothing done, if it is not known which those are. */
  cut(from: number): boolean {
    const left = this.#listed.filter((block) => block < from);
    if (this.#earlier > 0 && left.length === 0) return false;
    this.#listed.splice(0, this.#listed.length, ...left);
    return true;
  }
}
