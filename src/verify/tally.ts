// What a walk counted: the numbers of a chain's summary.

import type { Receipt } from "../core/checkpoint.ts";
import type { FindingCode } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import { type Verdict, verdictOf, worse } from "./finding.ts";

export class Tally {
  blocks = 0;
  envelopes = 0;
  runs = 0;
  /** Unix microseconds of the first and the newest block. */
  firstTime: number | undefined;
  lastTime: number | undefined;
  lastHeader: Header | undefined;
  /** Blocks covered by the newest genuine receipt. */
  confirmedSize = 0;
  /** Unix seconds of the first and the newest genuine receipt. */
  firstReceiptTime: number | undefined;
  lastReceiptTime: number | undefined;
  readonly counts: Map<FindingCode, number> = new Map();
  verdict: Verdict = "VALID";

  note(code: FindingCode): void {
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    this.verdict = worse(this.verdict, verdictOf(code));
  }

  block(header: Header, envelopes: number): void {
    this.blocks += 1;
    this.envelopes += envelopes;
    this.firstTime ??= header.time;
    this.lastTime = header.time;
    this.lastHeader = header;
  }

  confirm(receipt: Receipt): void {
    this.confirmedSize = Math.max(this.confirmedSize, receipt.size);
    this.firstReceiptTime ??= receipt.time;
    this.lastReceiptTime = receipt.time;
  }
}
