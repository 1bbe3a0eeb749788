// Judges clocks: the agent's against itself, against what was read, and against receipts; and the
// times of receipts against each other.
//
// - Order comes from block numbers; time is evidence, and only the vault's time is trusted. So all
//   of it is TIME_SKEW, never more.
// - An agent may have been without its vault, or without room, for days: what is late is a finding
//   only after a week.
//
// Spec: docs/spec/verification.md, "Times".

import type { Receipt } from "../core/checkpoint.ts";
import type { Header } from "../core/header.ts";
import { type RecentBlocks, remembered } from "./recent.ts";

/** A clock may stand this far from another one before it is a finding, in seconds. */
const toleratedSkew = 300;
/** How long after it was read a line may be sealed, and a block receipted, in seconds. */
const toleratedDelay: number = 7 * 86_400;
const toleratedStep = 5;

/** When the items of a payload were read, in Unix microseconds. */
export interface ItemTimes {
  readonly earliest: number;
  readonly latest: number;
}

export class TimeJudge {
  readonly #recent: RecentBlocks;
  readonly #tell: (block: number, message: string) => void;
  /** Blocks of which a disagreement was told: one is enough. */
  readonly #told = new Set<number>();
  /** Blocks already compared with a receipt. */
  #compared = 0;
  /** The newest receipt's time: what comes behind it in the chain was sealed later. */
  #floor = Number.NEGATIVE_INFINITY;
  /** The receipt before. */
  #before = { size: 0, time: 0 };

  constructor(recent: RecentBlocks, report: (block: number, message: string) => void) {
    this.#recent = recent;
    this.#tell = report;
  }

  /** `stepped`: a record explains a step of the clock, or may do so where nobody read it. */
  block(
    { blockNo, time }: Header,
    before: Header | undefined,
    stepped: boolean,
    items: ItemTimes | undefined,
  ): void {
    const back = before === undefined ? 0 : (before.time - time) / 1e6;
    if (!stepped && back > toleratedStep) {
      this.#report(blockNo, `time went back by ${back.toFixed(1)} s`);
    }
    if (!stepped && items !== undefined) this.#items(blockNo, time, items);
    const behind = this.#floor - time / 1e6;
    if (behind <= toleratedSkew) return;
    this.#report(blockNo, `block is dated ${text(behind)} before a receipt that the chain records`);
    // Once a receipt: its clock may stay as it is.
    this.#floor = Number.NEGATIVE_INFINITY;
  }

  /** A receipt that counts. `first`: there is no earlier one over its newest blocks. */
  receipt(receipt: Receipt, first: boolean): void {
    this.#order(receipt);
    const from = this.#compared;
    this.#compared = Math.max(from, receipt.size);
    this.#floor = Math.max(this.#floor, receipt.time);
    const oldest = Math.max(from, receipt.size - remembered);
    for (let block = oldest; block < receipt.size; block++) {
      const time = this.#recent.get(block)?.time;
      if (time === undefined) continue;
      const ahead = time / 1e6 - receipt.time;
      if (ahead > toleratedSkew) {
        this.#report(block, `block is dated ${text(ahead)} after its receipt`);
        return;
      }
      if (first && -ahead > toleratedDelay) {
        this.#report(block, `block is dated ${text(-ahead)} before the first receipt over it`);
        return;
      }
    }
  }

  // A vault's clock does not go back from one receipt to one over more blocks.
  #order({ size, time }: Receipt): void {
    const before = this.#before;
    const back = before.time - time;
    if (size > before.size && back > 0) {
      this.#report(size - 1, `receipt is dated ${text(back)} before one over fewer blocks`);
    }
    if (size > before.size) this.#before = { size, time };
    else if (size === before.size) before.time = Math.max(before.time, time);
  }

  #report(block: number, message: string): void {
    if (this.#told.has(block)) return;
    if (this.#told.size >= remembered) this.#told.clear();
    this.#told.add(block);
    this.#tell(block, message);
  }

  #items(blockNo: number, time: number, { earliest, latest }: ItemTimes): void {
    const ahead = (latest - time) / 1e6;
    const delay = (time - earliest) / 1e6;
    if (ahead > toleratedSkew) {
      this.#report(blockNo, `block holds what is dated ${text(ahead)} after it`);
    } else if (delay > toleratedDelay) {
      this.#report(blockNo, `block holds what is dated ${text(delay)} before it`);
    }
  }
}

function text(seconds: number): string {
  const days = seconds / 86_400;
  return days < 2 ? `${Math.round(seconds)} s` : `${Math.round(days)} days`;
}
