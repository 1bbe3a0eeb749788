// Keeps each chain's newest receipt twice: in the vault's own directory, which binds it where
// somebody sets the store back, and beside its blocks, for those who read the store itself.
//
// - Whoever posts a block gets a receipt of their own at once; the kept ones may be a little older.
// - Both are written about once a second per chain, as soon as it is idle, and when the vault
//   stops: the vault's own first, and each whatever becomes of the other.
// - What was given and is not kept is never older than a minute. Where a receipt could not be kept
//   in both places for so long, the chain gets no further one until it is.
// - A chain's first receipt is kept in both before anybody is given it, and before it, for the
//   vault itself, the grant that the chain used. Where the store holds none any more, it is kept
//   there before the vault's own copy is given to an agent again.

import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Store } from "../store/store.ts";
import type { ChainHead } from "./bring-back.ts";
import type { Gate } from "./gate.ts";
import type { OwnNotes } from "./own-notes.ts";
import { Problem } from "./problem.ts";
import { forEachOf, NamedQueues } from "./queue.ts";
import type { SignedReceipt } from "./signer.ts";

export interface ReceiptKeeperOptions {
  readonly store: Pick<Store, "writeReceipt">;
  /** Where the vault's own copy goes. */
  readonly notes: Pick<OwnNotes, "keep">;
  readonly clock: Pick<Clock, "mono" | "sleep">;
  readonly diag: Diag;
  readonly gate: Pick<Gate, "fault" | "unsafe">;
  /** Told of what a write threw. */
  readonly onFault: (error: unknown, chain: string) => Promise<void>;
}

/** Between two rounds. A round writes what came in since the last one. */
const keepEveryMs = 1000;
const writesAtOnce = 8;
/** For so long the newest receipt may be kept nowhere, in microseconds. */
const overdueMicros = 60e6;

/** A receipt that is not kept in both places yet. */
interface Owed {
  readonly receipt: SignedReceipt;
  /** Of a chain that just began: its grant, not written yet. */
  grant: Uint8Array | undefined;
  /** Nobody may be given it before it is kept. */
  heldBack: boolean;
  /** When it came, by the monotonic clock, and since when none of the chain's could be kept. */
  readonly came: number;
  since: number;
  /** Where it is kept. */
  readonly kept: Set<"own" | "store">;
  /** That it couldn't be kept was said. */
  told: boolean;
}

export class ReceiptKeeper {
  readonly #options: ReceiptKeeperOptions;
  /** By chain. */
  readonly #owed = new Map<string, Owed>();
  /** Chains whose receipt is being written: one at a time each. */
  readonly #writing = new NamedQueues();
  readonly #stopped = new AbortController();
  #running: Promise<void> | undefined;

  constructor(options: ReceiptKeeperOptions) {
    this.#options = options;
  }

  /** How many chains have a newer receipt than the kept one. */
  get pending(): number {
    return this.#owed.size;
  }

  /** Chains that get no receipt: for a minute none could be kept. */
  overdue(): string[] {
    return [...this.#owed.keys()].filter((chain) => this.#isOverdue(chain));
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /**
   * Takes a receipt to be kept soon, and with a chain's first one its grant. Older receipts of the
   * chain are of no interest any more.
   */
  note(chain: string, receipt: SignedReceipt, grant?: Uint8Array): void {
    this.#owe(chain, receipt, grant !== undefined, grant);
  }

  /**
   * A receipt from before the start is given again: it is kept where it is missing. Not earlier:
   * what somebody did to the store's copy is shown until then.
   */
  again(head: Pick<ChainHead, "chain" | "receipt" | "receiptLay">): void {
    const { chain, receipt, receiptLay } = head;
    if (receiptLay === "both" || receipt === undefined) return;
    if (!this.#owed.has(chain)) this.#owe(chain, receipt, receiptLay === "own", undefined);
    head.receiptLay = "both";
  }

  #owe(
    chain: string,
    receipt: SignedReceipt,
    heldBack: boolean,
    grant: Uint8Array | undefined,
  ): void {
    const before = this.#owed.get(chain);
    const came = this.#options.clock.mono();
    this.#owed.set(chain, {
      ...{ receipt, came, since: before?.since ?? came, kept: new Set() },
      grant: grant ?? before?.grant,
      heldBack: heldBack || before?.heldBack === true,
      told: before?.told === true,
    });
  }

  /** Whether the chain's newest receipt is still to be kept before anybody may be given it. */
  isHeldBack(chain: string): boolean {
    return this.#owed.get(chain)?.heldBack === true;
  }

  /** The newest receipt of a chain that is not kept yet. */
  newest(chain: string): SignedReceipt | undefined {
    return this.#owed.get(chain)?.receipt;
  }

  /** Call before another receipt is promised. Throws Problem where none could be kept for long. */
  async assertKeeps(chain: string): Promise<void> {
    if (!this.#isOverdue(chain)) return;
    try {
      await this.keep(chain);
    } catch (error) {
      if (!(error instanceof SealtailError) || error.kind === "unsafe") throw error;
      const text = `no receipt of the chain could be kept for a minute (${error.code})`;
      throw new Problem("receipt-not-kept", text, { retryAfter: 5 });
    }
  }

  #isOverdue(chain: string): boolean {
    const owed = this.#owed.get(chain);
    return owed !== undefined && this.#options.clock.mono() - owed.since >= overdueMicros;
  }

  /** Returns when the chain's newest receipt is kept in both places. Tells onFault, too. */
  async keep(chain: string): Promise<void> {
    const { gate, onFault } = this.#options;
    if (gate.unsafe !== undefined) throw gate.unsafe;
    try {
      await this.#writing.pass(chain, () => this.#write(chain));
    } catch (error) {
      gate.fault(error);
      await onFault(error, chain);
      throw error;
    }
  }

  async #write(chain: string): Promise<void> {
    const owed = this.#owed.get(chain);
    if (owed === undefined) return;
    await this.#writeBoth(chain, owed);
    // A newer one may have come in meanwhile.
    const newest = this.#owed.get(chain) as Owed;
    if (newest === owed) this.#owed.delete(chain);
    else {
      const since = newest.came;
      Object.assign(newest, { grant: undefined, heldBack: false, told: false, since });
    }
  }

  async #writeBoth(chain: string, owed: Owed): Promise<void> {
    const writes = {
      own: () => this.#writeOwn(chain, owed),
      store: () => this.#options.store.writeReceipt(chain, owed.receipt.bytes),
    };
    const faults: unknown[] = [];
    for (const place of ["own", "store"] as const) {
      if (owed.kept.has(place)) continue;
      try {
        await writes[place]();
        owed.kept.add(place);
      } catch (error) {
        if (error instanceof SealtailError && error.kind === "unsafe") throw error;
        faults.push(error);
      }
    }
    if (faults.length > 0) throw faults[0];
  }

  // The grant says which use is taken where somebody takes the chain out of the store.
  async #writeOwn(chain: string, owed: Owed): Promise<void> {
    const { notes } = this.#options;
    if (owed.grant !== undefined) await notes.keep(chain, "grant", owed.grant);
    owed.grant = undefined;
    await notes.keep(chain, "receipt", owed.receipt.bytes);
  }

  /** Writes all that are pending. What can't be written stays pending. */
  async keepAll(): Promise<void> {
    await forEachOf(this.#owed.keys(), writesAtOnce, async (chain) => {
      if (this.#options.gate.unsafe !== undefined) return;
      await this.keep(chain).catch((error: unknown) => this.#tell(chain, error));
    });
  }

  // Once, and not each second.
  #tell(chain: string, error: unknown): void {
    const owed = this.#owed.get(chain);
    if (owed === undefined || owed.told) return;
    owed.told = true;
    this.#options.diag.warn("couldn't keep a receipt", { chain, error: error as Error });
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
