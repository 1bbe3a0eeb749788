// What a walk counted: the numbers of a chain's summary.

import type { Receipt } from "../core/checkpoint.ts";
import type { FindingCode } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import { type Verdict, verdictOf, worse } from "./finding.ts";

export class Totals {
  /** Blocks that are there and were walked. */
  blocks = 0;
  envelopes = 0;
  /** Files that were cut or replaced, of which nobody can know what came and went unseen. */
  restarts = 0;
  /** Unix microseconds of the first and the newest block. */
  firstTime: number | undefined;
  lastTime: number | undefined;
  lastHeader: Header | undefined;
  /** Blocks that genuine receipts say the vault has. */
  coveredSize = 0;
  /** Blocks that are there, and whose tree is that of a genuine receipt. */
  receiptedBlocks = 0;
  /** Unix seconds of the first and the newest genuine receipt. */
  firstReceiptTime: number | undefined;
  receiptTime: number | undefined;
  /** Blocks that the newest genuine receipt covers, there or not. */
  receiptSize = 0;
  /** No earlier receipt can stand in a payload that was not read. */
  firstReceiptKnown = false;
  /** The first one is recorded in the chain, and none stands before it that does not count. */
  firstReceiptRecorded = false;
  /** Unix seconds of a genuine receipt over the genesis alone: no vault gave an earlier one. */
  genesisReceiptTime: number | undefined;
  /** A receipt is recorded that does not count. */
  receiptsFailed = false;
  /** All blocks were walked. */
  ended = false;
  /** The payloads of all blocks up to the newest were read. */
  allRead = true;
  readonly counts: Map<FindingCode, number> = new Map();
  verdict: Verdict = "VALID";

  /**
   * When the newest block was there at the latest, in Unix microseconds: as it is dated, or as a
   * receipt over all blocks is. A block dated ahead must not hide for how long none has come.
   */
  get headTime(): number | undefined {
    const { lastHeader: head, receiptTime } = this;
    if (head === undefined) return undefined;
    const covered = receiptTime !== undefined && this.coveredSize > head.blockNo;
    return covered ? Math.min(head.time, receiptTime * 1e6) : head.time;
  }

  note(code: FindingCode): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    this.verdict = worse(this.verdict, verdictOf(code));
  }

  /** `envelopes` is undefined where the payload could not be read. */
  block(header: Header, envelopes: number | undefined): void {
    this.blocks += 1;
    this.envelopes += envelopes ?? header.count;
    this.allRead &&= envelopes !== undefined && header.blockNo === this.blocks - 1;
    this.firstTime ??= header.time;
    this.lastTime = header.time;
    this.lastHeader = header;
  }

  cover(receipt: Receipt): void {
    this.coveredSize = Math.max(this.coveredSize, receipt.size);
    if (this.firstReceiptTime === undefined) {
      this.firstReceiptTime = receipt.time;
      this.firstReceiptKnown = this.allRead;
      this.firstReceiptRecorded = !this.ended && !this.receiptsFailed;
    }
    if (receipt.size === 1) this.genesisReceiptTime ??= receipt.time;
    this.receiptTime = receipt.time;
    this.receiptSize = receipt.size;
  }

  confirm(receipt: Receipt): void {
    this.receiptedBlocks = Math.max(this.receiptedBlocks, receipt.size);
  }
}
