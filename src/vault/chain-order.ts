// Pure. The ids of many chains in order, of which lists show a page at a time.

import { countUpTo } from "../core/sorted.ts";

export class ChainOrder {
  readonly #ids: () => Iterable<string>;
  #sorted: string[] | undefined;

  constructor(ids: () => Iterable<string>) {
    this.#ids = ids;
  }

  /** Chains came or went. */
  changed(): void {
    this.#sorted = undefined;
  }

  /** Those behind `after` that are wanted, at most `limit`. */
  page(after: string, limit: number, wanted: (id: string) => boolean): string[] {
    this.#sorted ??= [...this.#ids()].sort();
    const page: string[] = [];
    for (let at = countUpTo(this.#sorted, after); at < this.#sorted.length; at += 1) {
      if (page.length >= limit) break;
      const id = this.#sorted[at] as string;
      if (wanted(id)) page.push(id);
    }
    return page;
  }
}
