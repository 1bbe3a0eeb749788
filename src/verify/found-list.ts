// Keeps findings for whoever shows them: all are counted, the first few of each code are kept.

import type { FindingCode } from "../core/fault.ts";
import type { Finding } from "./finding.ts";

export class FoundList {
  readonly kept: Finding[] = [];
  readonly counts: Map<FindingCode, number> = new Map();
  readonly #perCode: number;

  constructor(perCode: number) {
    this.#perCode = perCode;
  }

  add(finding: Finding): void {
    const before = this.counts.get(finding.code) ?? 0;
    this.counts.set(finding.code, before + 1);
    if (before < this.#perCode) this.kept.push(finding);
  }
}
