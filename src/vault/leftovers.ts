// Clears what is left of chains that never began: the power went, or the disk was full, before the
// genesis was stored.
//
// - A chain of which the vault itself ever wrote anything down did begin: nothing of it is touched.
// - Whoever clears holds the chain's turn, so that nobody begins it meanwhile.

import { SealtailError } from "../core/errors.ts";
import type { Diag } from "../host/diag.ts";
import type { Store } from "../store/store.ts";
import type { Heads } from "./heads.ts";
import type { OwnNotes } from "./own-notes.ts";

export interface LeftoversOptions {
  readonly store: Pick<Store, "clear">;
  readonly notes: Pick<OwnNotes, "read">;
  readonly heads: Pick<Heads, "use">;
  readonly diag: Diag;
}

export class Leftovers {
  readonly #options: LeftoversOptions;

  constructor(options: LeftoversOptions) {
    this.#options = options;
  }

  /** False where anything says that the chain began. Throws as Heads.use() does. */
  async clear(chain: string): Promise<boolean> {
    return await this.#options.heads.use(
      chain,
      async (head) => head === undefined && (await this.#clear(chain)),
    );
  }

  /**
   * The first blocks of a chain could not be stored, for this `error`: nothing of it stays. False
   * where some of them are stored. Whoever calls holds the chain's turn. Never throws.
   */
  async abandon(chain: string, error: unknown): Promise<boolean> {
    // After a failed sync nothing is written any more.
    if (error instanceof SealtailError && error.kind === "unsafe") return true;
    try {
      return await this.#clear(chain);
    } catch (failure) {
      const text = "couldn't clear a chain that did not begin, the next start does";
      this.#options.diag.warn(text, { chain, error: failure as Error });
      return true;
    }
  }

  async #clear(chain: string): Promise<boolean> {
    const { notes, store } = this.#options;
    for (const what of ["grant", "receipt", "checked"] as const)
      if ((await notes.read(chain, what)) !== undefined) return false;
    return await store.clear(chain);
  }
}
