// Keeps findings for whoever shows them: all are counted, the first few of each code are kept for
// each chain, and no more than a limit of all chains together.
//
// - A hostile store of very many chains can't fill memory: what is left out is counted, and said.

import type { FindingCode } from "../core/fault.ts";
import type { Finding } from "./finding.ts";

/** Findings of all chains together that are kept. */
const keptMax = 20_000;

export class FoundList {
  readonly kept: Finding[] = [];
  readonly counts: Map<FindingCode, number> = new Map();
  /** Findings that found no room, though they are among the first of their chain. */
  leftOut = 0;
  readonly #perCode: number;
  readonly #most: number;
  /** Of the chain that is just looked at: findings come chain by chain. */
  #chain: string | undefined;
  readonly #same = new Map<FindingCode, number>();

  constructor(perCode: number, most: number = keptMax) {
    this.#perCode = perCode;
    this.#most = most;
  }

  add(finding: Finding): void {
    const { code, chain } = finding;
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    if (chain !== this.#chain) this.#same.clear();
    this.#chain = chain;
    const before = this.#same.get(code) ?? 0;
    this.#same.set(code, before + 1);
    if (before >= this.#perCode) return;
    if (this.kept.length < this.#most) this.kept.push(finding);
    else this.leftOut += 1;
  }
}
