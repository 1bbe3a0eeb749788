// Sources that a chain closed, and where: one that is opened again goes on, or it is evidence.
//
// - An id stands for one file in one life. What is sealed under it again from an earlier offset is
//   a second reading of places that were sealed before: SOURCE_REWRITTEN.
// - Bounded: the newest ones are remembered.
//
// Spec: docs/spec/continuity.md, "Opened again".

export class ClosedSources {
  readonly #limit: number;
  /** Id in hex, and where it ended. */
  readonly #ends = new Map<string, number>();
  /** More were closed than are remembered. */
  forgets = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(id: string, end: number): void {
    // Opened again and closed before that place, it still ended where it ever did.
    const farthest = Math.max(end, this.#ends.get(id) ?? 0);
    this.#ends.delete(id);
    this.#ends.set(id, farthest);
    const oldest = this.#ends.keys().next().value;
    if (this.#ends.size <= this.#limit || oldest === undefined) return;
    this.#ends.delete(oldest);
    this.forgets = true;
  }

  get ends(): ReadonlyMap<string, number> {
    return this.#ends;
  }

  /** Bytes of an open source from `offset` on. Where it had ended, if that is behind `offset`. */
  goesBack(id: string, offset: number): number | undefined {
    const end = this.#ends.get(id);
    if (end === undefined) return undefined;
    this.#ends.delete(id);
    return offset < end ? end : undefined;
  }
}
