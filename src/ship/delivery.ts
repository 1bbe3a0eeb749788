// The delivery: which block goes next, and what every answer of the vault means for that.
//
// - Only a verified receipt moves `receipted`, and that never falls. Sizes in refusals are hints:
//   they may change what is sent next, since sending a block again does no harm, and nothing else.
// - A vault whose head fell back gets the blocks again, from its head on, as long as we hold them.
// - That a chain can no longer be used is decided on a receipt that says so. Anybody can say it
//   without one: then it must be said at least three times, again and again for minutes, because
//   a new chain costs a grant. Meanwhile nothing is lost, the buffer grows.
//
// Spec: docs/spec/receipt.md.

import { equalBytes } from "../core/bytes.ts";
import type { Receipt, VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import type { Clock } from "../host/clock.ts";
import type { BackoffName } from "./backoff.ts";
import { checkReceipt } from "./receipt-check.ts";
import type { Answer, Outcome } from "./sink.ts";
import type { SinkState } from "./sink-health.ts";

/**
 * - agent-rollback: the vault holds blocks of this chain that we never sealed.
 * - fork: the vault holds another block at one of our heights.
 * - sink-rollback: the vault lost blocks that we no longer hold.
 */
export type UnusableReason = "agent-rollback" | "fork" | "sink-rollback";

export interface DeliveryOptions {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly vaults: readonly VaultKeys[];
  readonly chainId: string;
  /** How long the same thing must be said without proof until it counts. */
  readonly patienceUs: number;
  /** Our newest verified receipt. */
  readonly newest: { readonly size: number; readonly time: number } | undefined;
}

/** What was sent, and what we hold. */
export interface OwnChain {
  /** Number of the first block that was sent. */
  readonly from: number;
  /** Number of the oldest block held. */
  readonly first: number;
  /** Number of blocks sealed and handed over. */
  readonly sealed: number;
  /** Root of our own tree at a size, where it is known. */
  rootOf(size: number): Promise<Uint8Array | undefined>;
}

export interface Judgement {
  readonly outcome: Outcome;
  /** Undefined: as before. */
  readonly state: SinkState | undefined;
  readonly code: string;
  /** How to go on: at once, after a wait, or never. */
  readonly retry: "now" | "never" | Exclude<BackoffName, "drain">;
  /** A verified receipt that is larger than all before: to be saved, then confirmed. */
  readonly receipt?: { readonly receipt: Receipt; readonly note: Uint8Array };
  readonly unusable?: UnusableReason;
}

interface Suspicion {
  readonly reason: UnusableReason;
  readonly count: number;
  /** When it was first said, and when last, by the monotonic clock. */
  readonly since: number;
  readonly last: number;
}

const suspicionsMin = 3;
/** What was not said for so long is over: more than the longest request and wait together. */
const suspicionLapseUs = 300_000_000;

export class Delivery {
  readonly #options: DeliveryOptions;
  #receipted: number;
  #receiptTime: number;
  /** The block to send next. Below `#receipted` while a vault that fell back catches up. */
  #position: number;
  /** A single block to send again, to learn from its receipt how far the vault is. */
  #probe: number | undefined;
  #probes = 0;
  /** The newest receipted block goes once more at the start: what does the vault hold by now? */
  #greeting = false;
  /** The answer being judged is the one to the greeting. */
  #greeted = false;
  #suspicion: Suspicion | undefined;
  #halted = false;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#receipted = options.newest?.size ?? 0;
    this.#receiptTime = options.newest?.time ?? 0;
    this.#position = this.#receipted;
    if (this.#receipted > 0) {
      this.#greeting = true;
      this.#probe = this.#receipted - 1;
    }
  }

  /** The vault has not yet said how far it is since we started. */
  get greeting(): boolean {
    return this.#greeting;
  }

  /** Blocks below are covered by a saved receipt. */
  get receipted(): number {
    return this.#receipted;
  }

  /** Whether sending is over for good: the vault knows more of this chain than we do. */
  get halted(): boolean {
    return this.#halted;
  }

  /** Whether every block below `size` is stored, as far as we know, and receipted. */
  covers(size: number): boolean {
    return Math.min(this.#position, this.#receipted) >= size;
  }

  /** What to send next, if there is anything; `single` for nothing but that block. */
  next(first: number, sealed: number): { from: number; single: boolean } | undefined {
    if (this.#halted) return undefined;
    const probe = this.#probe;
    if (probe !== undefined && probe >= first && probe < sealed) {
      return { from: probe, single: true };
    }
    if (this.#position < first) this.#position = Math.max(first, this.#receipted);
    return this.#position < sealed ? { from: this.#position, single: false } : undefined;
  }

  /** Our own newest receipt covers more than we hold: we fell back ourselves. */
  halt(): void {
    this.#halted = true;
  }

  /** A verified receipt is about to be saved: what it covers need not be sent again. */
  accept({ size }: Receipt): void {
    this.#position = size;
  }

  /** It was saved. */
  confirm(receipt: Receipt): void {
    this.#receipted = Math.max(this.#receipted, receipt.size);
    this.#receiptTime = receipt.time;
  }

  /** It could not be saved, so another one is needed. */
  retract(): void {
    this.#position = this.#receipted;
  }

  async judge(answer: Answer, own: OwnChain): Promise<Judgement> {
    const { outcome, code } = answer;
    this.#probe = undefined;
    if (outcome === "receipt" || outcome === "wrong-head" || outcome === "fork") {
      // It answered: a mere transport error leaves the question open, but holds nobody up.
      this.#greeted = this.#greeting;
      this.#greeting = false;
    }
    switch (outcome) {
      case "receipt":
        return this.#judgeReceipt(answer.note, own);
      case "wrong-head":
        return this.#judgeWrongHead(code, answer.size, answer.root, own);
      case "fork":
        return this.#suspect("fork", { outcome, state: "fork", code, retry: "slow" });
      case "refused":
        return { outcome, state: "refused", code, retry: "slow" };
      case "throttled":
        return { outcome, state: "throttled", code, retry: "soon" };
      default:
        return { outcome, state: "unreachable", code, retry: "soon" };
    }
  }

  async #judgeReceipt(note: Uint8Array, own: OwnChain): Promise<Judgement> {
    const { suite, vaults, chainId } = this.#options;
    const check = checkReceipt(suite, vaults, chainId, note);
    const bad = { outcome: "bad-receipt", retry: "slow" } as const;
    if (!check.genuine) return { ...bad, state: "refused", code: check.code };
    const { receipt } = check;
    const { size } = receipt;
    if (size > own.sealed) {
      this.#halted = true;
      const reason = "agent-rollback";
      return { ...bad, state: reason, code: reason, retry: "never", unusable: reason };
    }
    const root = await own.rootOf(size);
    if (root !== undefined && !equalBytes(root, receipt.root)) {
      return this.#suspect("fork", { ...bad, state: "fork", code: "receipt-root" });
    }
    if (size <= this.#receipted) return this.#judgeOldReceipt(receipt, own);
    // Without our own root nothing can be compared, so nothing may be freed.
    if (root === undefined) return { ...bad, state: "refused", code: "root-unknown" };
    this.#clear();
    const kept = { receipt: { receipt, note } };
    return { outcome: "receipt", state: "ok", code: "receipt", retry: "now", ...kept };
  }

  /** A genuine receipt that covers no more than we have one for already. */
  #judgeOldReceipt({ size, time }: Receipt, own: OwnChain): Judgement {
    const done = { outcome: "receipt", code: "receipt", retry: "now" } as const;
    const catchingUp = this.#position < this.#receipted;
    if (this.#greeted && size === this.#receipted) {
      this.#clear();
      return { ...done, state: "ok" };
    }
    if (catchingUp && size > own.from) {
      this.#clear();
      this.#position = size;
      return { ...done, state: size === this.#receipted ? "ok" : "rollback" };
    }
    const stale = { outcome: "bad-receipt", code: "receipt-stale", retry: "soon" } as const;
    // Signed before our newest one: an old answer, not an older vault.
    if (size === this.#receipted || catchingUp || time < this.#receiptTime) {
      return { ...stale, state: catchingUp ? "rollback" : "refused" };
    }
    return this.#fallBack("bad-receipt", "receipt-shrunk", size, own);
  }

  async #judgeWrongHead(
    code: string,
    size: number | undefined,
    root: Uint8Array | undefined,
    own: OwnChain,
  ): Promise<Judgement> {
    const outcome = "wrong-head";
    const refused = { outcome, state: "refused", code, retry: "slow" } as const;
    if (size === undefined) return refused;
    if (root !== undefined && size <= own.sealed) {
      const ours = await own.rootOf(size);
      if (ours !== undefined && !equalBytes(ours, root)) {
        return this.#suspect("fork", { ...refused, state: "fork", code: "vault-root" });
      }
    }
    if (size < own.from) return this.#fallBack(outcome, code, size, own);
    if (size === own.from) return refused;
    // It has what we sent, and perhaps more: only a receipt can tell, and a block that it has
    // already gets one.
    this.#probe = Math.min(size, own.sealed) - 1;
    this.#probes += 1;
    return this.#probes > 1 ? refused : { ...refused, state: undefined, retry: "soon" };
  }

  /** The vault's head seems to be below what we sent. */
  #fallBack(outcome: Outcome, code: string, size: number, own: OwnChain): Judgement {
    const rolledBack = size < this.#receipted;
    if (size >= own.first) {
      this.#position = size;
      return { outcome, state: rolledBack ? "rollback" : undefined, code, retry: "soon" };
    }
    return this.#suspect("sink-rollback", { outcome, state: "rollback", code, retry: "slow" });
  }

  #suspect(reason: UnusableReason, judgement: Judgement): Judgement {
    const { clock, patienceUs } = this.#options;
    const now = clock.mono();
    const said = this.#suspicion;
    const goesOn = said?.reason === reason && now - said.last <= suspicionLapseUs;
    const { count: before, since } = goesOn ? said : { count: 0, since: now };
    const count = before + 1;
    this.#suspicion = { reason, count, since, last: now };
    const sure = count >= suspicionsMin && now - since >= patienceUs;
    return sure ? { ...judgement, unusable: reason } : judgement;
  }

  /** The vault stores and confirms our blocks: what was suspected is over. */
  #clear(): void {
    this.#suspicion = undefined;
    this.#probes = 0;
  }
}
