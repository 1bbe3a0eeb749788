// Keeps each chain's newest receipt beside its blocks, for those who read the store itself.
//
// - Whoever posts a block gets a receipt of their own at once; the kept one may be a little older.
// - Under load it is written about once a second per chain, always within a minute, as soon as the
//   chain is idle, and when the vault stops. A chain's first one is written before anybody is given
//   it, and before it, for the vault itself, the grant that the chain used.

import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Store } from "../store/store.ts";
import type { OwnNotes } from "./own-notes.ts";
import type { SignedReceipt } from "./signer.ts";
import { Turnstile } from "./turnstile.ts";

export interface ReceiptKeeperOptions {
  readonly store: Pick<Store, "writeReceipt">;
  /** Where the vault's own copy goes, behind the store's. */
  readonly notes: Pick<OwnNotes, "keepReceipt" | "keepGrant">;
  readonly clock: Pick<Clock, "sleep">;
  readonly diag: Diag;
  /** Told of what a write threw; a failed sync ends the process. */
  readonly onFault: (error: unknown) => void;
}

/** Between two rounds. A round writes what came in since the last one. */
const keepEveryMs = 1000;
const writesAtOnce = 8;

export class ReceiptKeeper {
  readonly #options: ReceiptKeeperOptions;
  /** Receipts not written yet. */
  readonly #pending = new Map<string, SignedReceipt>();
  /** Chains among them of which none was written yet. */
  readonly #begun = new Set<string>();
  /** Grants, not written yet, of chains that just began. */
  readonly #grants = new Map<string, Uint8Array>();
  /** Chains whose receipt is being written: one at a time each. */
  readonly #writing = new Map<string, Turnstile>();
  readonly #stopped = new AbortController();
  /** A sync failed, whoever asked for it: nothing more is written. */
  #unsafe: SealtailError | undefined;
  #running: Promise<void> | undefined;

  constructor(options: ReceiptKeeperOptions) {
    this.#options = options;
  }

  /** How many chains have a newer receipt than the kept one. */
  get pending(): number {
    return this.#pending.size;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Takes a receipt to be kept soon, and with a chain's first one its grant. Older receipts of the
   * chain are of no interest any more.
   */
  note(chain: string, receipt: SignedReceipt, grant?: Uint8Array): void {
    this.#pending.set(chain, receipt);
    if (grant === undefined) return;
    this.#begun.add(chain);
    this.#grants.set(chain, grant);
  }

  /** Whether a chain's first receipt is still to be written: until then nobody may be given one. */
  isFirst(chain: string): boolean {
    return this.#begun.has(chain);
  }

  /** The newest receipt of a chain that is not kept yet. */
  newest(chain: string): SignedReceipt | undefined {
    return this.#pending.get(chain);
  }

  /** Returns when the chain's newest receipt is durable beside its blocks. Tells onFault, too. */
  async keep(chain: string): Promise<void> {
    if (this.#unsafe !== undefined) throw this.#unsafe;
    try {
      await this.#write(chain);
    } catch (error) {
      if (error instanceof SealtailError && error.kind === "unsafe") this.#unsafe ??= error;
      this.#options.onFault(error);
      throw error;
    }
  }

  async #write(chain: string): Promise<void> {
    const turnstile = this.#writing.get(chain) ?? new Turnstile(Number.POSITIVE_INFINITY);
    this.#writing.set(chain, turnstile);
    try {
      await turnstile.pass(async () => {
        const receipt = this.#pending.get(chain);
        if (receipt === undefined) return;
        await this.#keepGrant(chain);
        await this.#options.store.writeReceipt(chain, receipt.bytes);
        this.#begun.delete(chain);
        await this.#keepOwn(chain, receipt);
        // A newer one may have come in meanwhile.
        if (this.#pending.get(chain) === receipt) this.#pending.delete(chain);
      });
    } finally {
      if (turnstile.idle) this.#writing.delete(chain);
    }
  }

  // It says which use is taken where somebody takes the chain out of the store.
  async #keepGrant(chain: string): Promise<void> {
    const { notes, diag } = this.#options;
    const grant = this.#grants.get(chain);
    if (grant === undefined) return;
    try {
      await notes.keepGrant(chain, grant);
      this.#grants.delete(chain);
    } catch (error) {
      diag.warn("couldn't keep the vault's own copy of a grant", { chain, error: error as Error });
    }
  }

  // It binds the vault where somebody sets the store back; without it the store is as good as told.
  async #keepOwn(chain: string, { bytes }: SignedReceipt): Promise<void> {
    const { notes, diag } = this.#options;
    try {
      await notes.keepReceipt(chain, bytes);
    } catch (error) {
      diag.warn("couldn't keep the vault's own copy of a receipt", {
        chain,
        error: error as Error,
      });
    }
  }

  /** Writes all that are pending. What can't be written stays pending. */
  async keepAll(): Promise<void> {
    const left = [...this.#pending.keys()].values();
    const worker = async (): Promise<void> => {
      for (const chain of left) {
        if (this.#unsafe !== undefined) return;
        try {
          await this.keep(chain);
        } catch (error) {
          this.#options.diag.warn("couldn't keep a receipt", { chain, error: error as Error });
        }
      }
    };
    await Promise.all(Array.from({ length: writesAtOnce }, worker));
  }

  /** Stops the rounds; what is pending stays so. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await this.#options.clock.sleep(keepEveryMs, signal);
      if (!signal.aborted) await this.keepAll();
    }
  }
}
