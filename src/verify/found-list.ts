// Keeps findings for whoever shows them: all are counted, the first few of each code are kept for
// each chain.

import type { FindingCode } from "../core/fault.ts";
import type { Finding } from "./finding.ts";

export class FoundList {
  readonly kept: Finding[] = [];
  readonly counts: Map<FindingCode, number> = new Map();
  readonly #same = new Map<string, number>();
  readonly #perCode: number;

  constructor(perCode: number) {
    this.#perCode = perCode;
  }

  add(finding: Finding): void {
    const { code, chain } = finding;
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    const before = this.#same.get(`${code} ${chain}`) ?? 0;
    this.#same.set(`${code} ${chain}`, before + 1);
    if (before < this.#perCode) this.kept.push(finding);
  }
}
