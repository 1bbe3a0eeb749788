// Whether the vault takes anything in: it does until it stops, or until a sync fails.
//
// - After a failed sync, of whatever file, nobody knows what the disk holds: nothing is answered as
//   stored or taken in, nothing more is written, and the process ends.

import { SealtailError } from "../core/errors.ts";
import type { Diag } from "../host/diag.ts";
import { Problem } from "./problem.ts";

export class Gate {
  /** Rejects after a failed sync. */
  readonly failed: Promise<never>;
  readonly #diag: Diag;
  readonly #fail: (error: unknown) => void;
  readonly #stopping = new AbortController();
  #unsafe: SealtailError | undefined;
  #inside = 0;
  #left: (() => void) | undefined;

  constructor(diag: Diag) {
    this.#diag = diag;
    const { promise, reject } = Promise.withResolvers<never>();
    // Whoever does not watch it finds out by the answers.
    promise.catch(() => undefined);
    [this.failed, this.#fail] = [promise, reject];
  }

  /** Aborted once the vault stops, or must: work in the background ends. */
  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  /** The failed sync; undefined while there was none. */
  get unsafe(): SealtailError | undefined {
    return this.#unsafe;
  }

  /** Throws Problem after a failed sync. */
  assertSafe(): void {
    if (this.#unsafe !== undefined) throw new Problem("vault-unsafe", "a sync failed");
  }

  /** Throws Problem while nothing is taken in. */
  assertOpen(): void {
    this.assertSafe();
    if (!this.signal.aborted) return;
    throw new Problem("shutting-down", "vault is stopping", { retryAfter: 2 });
  }

  /** Call with whatever a write threw, or a read. Says whether it is a failed sync. */
  fault(error: unknown): boolean {
    if (!(error instanceof SealtailError) || error.kind !== "unsafe") return false;
    if (this.#unsafe !== undefined) return true;
    this.#unsafe = error;
    this.#diag.error("a sync failed, the vault must stop", { error });
    this.#stopping.abort();
    this.#fail(error);
    return true;
  }

  /** Runs `work`, for which close() waits. */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    this.#inside += 1;
    try {
      return await work();
    } finally {
      this.#inside -= 1;
      if (this.#inside === 0) this.#left?.();
    }
  }

  /** Takes nothing in any more; returns when all that is under way has ended. */
  async close(): Promise<void> {
    this.#stopping.abort();
    if (this.#inside === 0) return;
    await new Promise<void>((resolve) => {
      this.#left = resolve;
    });
  }
}
