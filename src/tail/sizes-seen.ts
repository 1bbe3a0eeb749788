// Pure. Sizes seen: how long a file was at each look, as far as it tells where it was cut.
//
// - Where a chain has the file may be known only later: then it is judged by all of them.
// - Growth from look to look is one step. Each fall is kept, for what came before it may be lost.
// - Bounded: of very many falls those in the middle are forgotten, and as much is known to be lost.

const most = 64;

const none: readonly number[] = [];

export class SizesSeen {
  /** Made anew where one is added, which is rare: so it takes no more room than it needs. */
  #sizes: readonly number[] = none;
  #last: number | undefined;

  [Symbol.iterator](): IterableIterator<number> {
    return this.#sizes.values();
  }

  clear(): void {
    this.#set(none);
  }

  add(size: number): void {
    const last = this.#last;
    if (size === last) return;
    const sizes = this.#sizes;
    // The first one is kept: it may be less than what a chain has.
    const before = sizes.at(-2);
    const grows = last !== undefined && before !== undefined && before < last && last < size;
    // A spread would take room for many.
    const all = (grows ? sizes.slice(0, -1) : sizes).concat(size);
    this.#set(all.length > most ? all.toSpliced(most / 2, 2) : all);
  }

  /** No more than that was data at the last look. */
  endAt(size: number): void {
    const last = this.#last;
    if (last !== undefined && last > size) this.#set(this.#sizes.slice(0, -1).concat(size));
  }

  /** A content of `size` bytes was cut, though no look showed less: another stands there now. */
  cutAt(size: number): void {
    const now = this.#last ?? 0;
    this.endAt(size);
    this.add(0);
    this.add(now);
  }

  #set(sizes: readonly number[]): void {
    this.#sizes = sizes;
    this.#last = sizes.at(-1);
  }
}
