// The tail's one caller: the main loop, or whoever follows the files in its place.
//
// - A full disk may hold the main loop up in the middle of sealing. Files are rotated and deleted
//   all the same, so somebody goes on looking, and lets go as soon as the main loop is back.

import type { Tail } from "../tail/tail.ts";

export class TailCaller {
  readonly #tail: Tail;
  #inUse = false;
  #standIn: { readonly over: AbortController; readonly done: Promise<void> } | undefined;

  constructor(tail: Tail) {
    this.#tail = tail;
  }

  /** The main loop's call. */
  async use<T>(work: (tail: Tail) => Promise<T>): Promise<T> {
    if (this.#standIn !== undefined) await this.close();
    this.#inUse = true;
    try {
      return await work(this.#tail);
    } finally {
      this.#inUse = false;
    }
  }

  /** Follows the files for `ms`, unless somebody does already. */
  standIn(ms: number): void {
    if (this.#inUse || this.#standIn !== undefined) return;
    const over = new AbortController();
    const done = this.#tail.wait(ms, over.signal).finally(() => {
      this.#standIn = undefined;
    });
    this.#standIn = { over, done };
    // Whoever comes next is told.
    done.catch(() => undefined);
  }

  /** Returns when nobody uses the tail any more. */
  async close(): Promise<void> {
    this.#standIn?.over.abort();
    await this.#standIn?.done;
  }
}
