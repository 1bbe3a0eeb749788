// Ships what the buffer of a chain that is over still holds: its blocks are signed, so they go to
// the vault as they are.
//
// - Once the vault has receipted all of them, nothing of the chain is sealed again, and nothing
//   that a killed agent sent can add to it: whatever arrives late, the vault has.
// - What the vault refuses for good, or has otherwise, is left to whoever seals it again. A vault
//   that says nothing is sent the blocks again, until whoever looks gives up.
// - It begins at once, also while a grant is waited for: it needs none, or has its own.
// - A receipt is saved beside the chain as it comes: a stop in the middle loses nothing.

import { keysOf } from "../core/authority.ts";
import { parseCheckpoint, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { blockHash } from "../core/header.ts";
import { frontierIn, openBlock } from "../core/opening.ts";
import type { Frontier } from "../core/tree.ts";
import { Shipper } from "../ship/shipper.ts";
import type { Outcome, Sink } from "../ship/sink.ts";
import type { Wal } from "../wal/wal.ts";
import type { ChainContext } from "./chain.ts";
import { Feed } from "./feed.ts";
import { type OwnGrant, readOwnGrant, useUpGrant } from "./grant-files.ts";
import type { OpenedChain } from "./old-chains.ts";
import { ReceiptFile } from "./receipts.ts";

/**
 * all: it is receipted as far as it can be read. more: the vault has blocks that the buffer lacks.
 * refused: the vault takes no more of it. silent: it did not say yet.
 */
export type Shipped = "all" | "more" | { readonly refused: string } | { readonly silent: string };

/** A third of it is how long the first answer is waited for, in ms; a silent vault gets longer. */
const drainMs = 15_000;
/** The vault's head is found within this many refusals in a row that name it. */
const headsMax = 4;

interface Old {
  readonly base: OpenedChain;
  readonly chain: string;
  readonly sink: Sink;
  /** Whose receipts count. */
  readonly vaults: readonly VaultKeys[];
  readonly grant: OwnGrant | undefined;
  readonly end: { readonly next: number; readonly root: Uint8Array };
}

export class OldShipment {
  readonly #feed: Feed;
  readonly #shipper: Shipper;
  readonly #running: Promise<void>;
  /** Refusals in a row that only name the vault's head. */
  #heads = 0;
  #hurried = false;
  #final: Shipped | undefined;
  #looking = Promise.withResolvers<Shipped>();

  private constructor(context: ChainContext, old: Old) {
    const { suite, clock, random, diag, reserve } = context;
    const { base, chain, sink, vaults, grant, end } = old;
    const receipts = new ReceiptFile(context, base.dir.receipt, base.receipt, reserve);
    this.#feed = new Feed(clock, base.wal, end.next, end.root);
    this.#shipper = new Shipper({
      ...{ chainId: chain, feed: this.#feed, tree: this.#feed, receipts, sink, vaults },
      ...{ suite, clock, random, diag, grant: grant?.bytes, maxDelayMs: 0, patienceMs: 0 },
      observer: {
        attempt: (outcome) => {
          this.#heads = outcome === "wrong-head" ? this.#heads + 1 : 0;
        },
        receipt: () => undefined,
        retry: () => this.#failed(),
      },
      onReceipt: async ({ size }, note) => {
        base.receipt = note;
        if (grant !== undefined) await useUpGrant(context, grant);
        if (size === end.next) this.#end("all");
      },
      onChainUnusable: (reason) =>
        this.#end(reason === "sink-rollback" ? { refused: reason } : "more"),
    });
    this.#running = this.#shipper.run();
    // Whoever looks is told.
    this.#running.catch(() => undefined);
  }

  /**
   * Undefined where nothing that can be read is left to ship, or the buffer does not say whose it
   * is.
   */
  static async begin(
    context: ChainContext,
    base: OpenedChain,
    { sink, vaults }: Pick<Old, "sink" | "vaults">,
  ): Promise<OldShipment | undefined> {
    const { chain, dir, wal, receipt } = base;
    const end = await readableEnd(context.suite, wal);
    const receipted = receipt === undefined ? 0 : parseCheckpoint(receipt).size;
    if (chain === undefined || end === undefined || end.next <= receipted) return undefined;
    const grant = await readOwnGrant(context, dir.grant);
    if (typeof grant === "string") {
      return new OldShipment(context, { base, chain, sink, vaults, grant: undefined, end });
    }
    const keys = keysOf(vaults, grant.audience);
    return new OldShipment(context, { base, chain, sink, vaults: keys, grant, end });
  }

  /** What became of it; silent with each attempt that failed. Rejects with what our disk said. */
  async look(stopping: AbortSignal): Promise<Shipped> {
    this.#looking = Promise.withResolvers();
    if (this.#final !== undefined) return this.#final;
    // From now on somebody waits for it.
    if (!this.#hurried) void this.#shipper.drain(drainMs);
    this.#hurried = true;
    const cut = (): void => this.#looking.resolve({ silent: "stopped" });
    stopping.addEventListener("abort", cut);
    if (stopping.aborted) cut();
    try {
      const failed = this.#running.then(() => ({ silent: "closed" }));
      return await Promise.race([this.#looking.promise, failed]);
    } finally {
      stopping.removeEventListener("abort", cut);
    }
  }

  /** Returns when nothing is sent or saved any more. Rejects with what our disk said. */
  async close(): Promise<void> {
    this.#feed.close();
    await this.#shipper.close();
    await this.#running;
  }

  #end(how: Shipped): void {
    this.#final ??= how;
    this.#looking.resolve(this.#final);
    void this.#shipper.close();
  }

  #failed(): void {
    const { lastOutcome = "local", code } = this.#shipper.status();
    const refused = saysNo(lastOutcome, code) || this.#heads >= headsMax;
    if (refused) this.#end({ refused: code });
    // What these say is not all yet: the next attempt asks further.
    else if (lastOutcome !== "wrong-head" && lastOutcome !== "fork") {
      this.#looking.resolve({ silent: code === "" ? lastOutcome : code });
    }
  }
}

/**
 * The vault judged the grant or the block, and says what is wrong with it; anybody on the way may
 * say anything else.
 */
export function saysNo(outcome: Outcome, code: string): boolean {
  if (outcome === "bad-receipt") return code === "root-unknown";
  return outcome === "refused" && /^http-4(?:03|22) /.test(code);
}

/** One more than the newest block before which all of the newest segment is whole; the tree there. */
async function readableEnd(suite: Suite, wal: Wal): Promise<Old["end"] | undefined> {
  let frontier: Frontier | undefined;
  try {
    for await (const { bytes } of wal.scan(wal.firstIndexOfNewestSegment)) {
      const { header, raw } = openBlock(suite, bytes);
      frontier ??= frontierIn(suite, header, raw);
      frontier?.append(blockHash(suite, bytes));
    }
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
  }
  return frontier && { next: frontier.size, root: frontier.root() };
}
