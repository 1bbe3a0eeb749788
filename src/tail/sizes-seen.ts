// Pure. Sizes seen: how long a file was at each look, as far as it tells where it was cut.
//
// - Where a chain has the file may be known only later: then it is judged by all of them.
// - Growth from look to look is one step. Each fall is kept, for what came before it may be lost.
// - Bounded: of very many falls those in the middle are forgotten, and as much is known to be lost.

const most = 64;

export class SizesSeen {
  #sizes: number[] = [];

  [Symbol.iterator](): IterableIterator<number> {
    return this.#sizes.values();
  }

  clear(): void {
    this.#sizes = [];
  }

  add(size: number): void {
    const sizes = this.#sizes;
    const last = sizes.at(-1);
    if (size === last) return;
    // The first one is kept: it may be less than what a chain has.
    const before = sizes.at(-2);
    const grows = last !== undefined && before !== undefined && before < last && last < size;
    if (grows) sizes[sizes.length - 1] = size;
    else sizes.push(size);
    if (sizes.length > most) sizes.splice(most / 2, 2);
  }

  /** No more than that was data at the last look. */
  endAt(size: number): void {
    const sizes = this.#sizes;
    const last = sizes.at(-1);
    if (last !== undefined && last > size) sizes[sizes.length - 1] = size;
  }

  /** A content of `size` bytes was cut, though no look showed less: another stands there now. */
  cutAt(size: number): void {
    const now = this.#sizes.at(-1) ?? 0;
    this.endAt(size);
    this.add(0);
    this.add(now);
  }
}
