// Links between chains that are read together: whether each fits the one that it goes on for.
//
// - Everybody who reads more than one chain asks here: who verifies, and who prints lines.
// - A chain is judged once all that it goes on for were walked, as far as they are read at all.
//
// Spec: docs/spec/verification.md, "Chains against each other".

import type { ChainSource } from "../core/chain-source.ts";
import { type Finding, finding } from "./finding.ts";
import { judgeLink, type WantedRoots, wantedRoots } from "./predecessors.ts";
import type { ChainReport } from "./report.ts";
import { type JudgedBy, neverBegan, type VerifyOptions } from "./verify.ts";

/** What a walk must be told to keep for the chains that go on for its own. */
export type Kept = Pick<VerifyOptions, "rootsAt" | "positionsRoom">;

/** Positions of sources that are kept to be compared with what other chains say of them. */
const positionsMax = 200_000;

export class Links {
  readonly #by: JudgedBy;
  readonly #place: ReadonlyMap<string, ChainSource>;
  readonly #wanted: WantedRoots;
  readonly #positionsRoom = { left: positionsMax };
  readonly #walked = new Map<string, ChainReport>();
  readonly #held = new Map<string, boolean>();

  private constructor(by: JudgedBy, place: readonly ChainSource[], wanted: WantedRoots) {
    this.#by = by;
    this.#place = new Map(place.map((each) => [each.id, each]));
    this.#wanted = wanted;
  }

  /** `place`: all chains that are there; of these `read` are walked. */
  static async among(
    place: readonly ChainSource[],
    read: readonly ChainSource[],
    by: JudgedBy,
  ): Promise<Links> {
    return new Links(by, place, await wantedRoots(by.suite, read));
  }

  /** What to keep of the chain of this id. */
  kept(id: string): Kept {
    const rootsAt = this.#wanted.get(id);
    return rootsAt === undefined ? {} : { rootsAt, positionsRoom: this.#positionsRoom };
  }

  add(report: ChainReport): void {
    if (!report.leftover) this.#walked.set(report.chain, report);
  }

  /** Judges the chain that one names, of those that were added. */
  async judge(report: ChainReport, unchecked: (what: string) => void): Promise<Finding[]> {
    const named = report.predecessor?.record.chain;
    if (named === undefined) return [];
    const old = this.#walked.get(named);
    if (old === undefined) {
      if (!(await this.#holds(named))) return [missing(named, report)];
      unchecked(`chain ${named}, which chain ${report.chain} goes on for`);
      return [];
    }
    return [...judgeLink(this.#by.suite, report, old, this.#walked, unchecked)];
  }

  // What never began is none of the place's chains. Any number of chains may name it.
  async #holds(id: string): Promise<boolean> {
    const chain = this.#place.get(id);
    const known = this.#held.get(id);
    if (chain === undefined || known !== undefined) return known ?? false;
    const held = !(await neverBegan(chain, this.#by));
    this.#held.set(id, held);
    return held;
  }
}

// Nothing says who kept it: a predecessor's record names no vault.
function missing(named: string, { chain }: ChainReport): Finding {
  const why = `chain is not there; chain ${chain} goes on for it`;
  const message = `${why}; if another vault kept it, give a place that holds both`;
  return finding("CHAIN_MISSING", message, { chain: named });
}
