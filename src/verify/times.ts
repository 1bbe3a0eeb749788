// Judges the agent's clock against itself and against receipts: TIME_SKEW, never more.
//
// - Order comes from block numbers; time is evidence, and only the vault's time is trusted.

import type { Receipt } from "../core/checkpoint.ts";
import type { Header } from "../core/header.ts";
import { type RecentBlocks, remembered } from "./recent.ts";
import type { RunState } from "./thread.ts";

/** A clock may stand this far from the vault's before it is a finding, in seconds. */
export const toleratedSkew = 300;
const toleratedStepMicros = 5_000_000;

export class TimeJudge {
  readonly #recent: RecentBlocks;
  readonly #report: (block: number, message: string) => void;
  /** Blocks already compared with a receipt. */
  #compared = 0;

  constructor(recent: RecentBlocks, report: (block: number, message: string) => void) {
    this.#recent = recent;
    this.#report = report;
  }

  /** `judged`: same run, and no record explains a step. */
  block(header: Header, before: RunState | undefined, judged: boolean): void {
    if (!judged || before === undefined) return;
    const back = before.time - header.time;
    if (back > toleratedStepMicros) {
      this.#report(header.blockNo, `time went back by ${(back / 1e6).toFixed(1)} s`);
    }
  }

  /** Blocks that a receipt covers were sealed before it was signed. */
  receipt(receipt: Receipt): void {
    const from = this.#compared;
    this.#compared = Math.max(from, receipt.size);
    const oldest = Math.max(from, receipt.size - remembered);
    for (let block = oldest; block < receipt.size; block++) {
      const time = this.#recent.get(block)?.time;
      if (time === undefined) continue;
      const ahead = time / 1e6 - receipt.time;
      if (ahead > toleratedSkew) {
        this.#report(block, `block is dated ${Math.round(ahead)} s after its receipt`);
        return;
      }
    }
  }
}
