// Which of the chains that share a grant it was for, where more may have begun than it allows.
//
// - What is known of a chain: whether it surely began, and between which times. What can't be read
//   widens that, and what is wider is never judged better: of another chain neither.
// - A chain is within only if it is so whatever the truth about all of them may be.
//
// Spec: docs/spec/grant.md, "Uses".

import { countUpTo } from "../core/sorted.ts";
import type { ChainWalk } from "./walk.ts";

/** What is known of when a chain began, by the vault's clock. */
export interface Beginning {
  /** It began; otherwise it may have. */
  readonly sure: boolean;
  /** Unix seconds, infinite where nothing is known. In one second each may be the first. */
  readonly earliest: number;
  readonly latest: number;
}

/** Nothing is known of it. */
export const unknownBeginning: Beginning = {
  sure: false,
  earliest: Number.NEGATIVE_INFINITY,
  latest: Number.POSITIVE_INFINITY,
};

/**
 * What a walk knows of when its chain began: at the time of the first receipt that counts, where no
 * earlier one can be, for it is over the genesis alone, or recorded, and all that is before it was
 * read. Otherwise it was that time or any before it: an older state of the chain may have been laid
 * back, and no block's time says when a vault had it, for agents' clocks are bounded by nothing.
 */
export function beginningOf({ totals, authority, begun: sure }: ChainWalk): Beginning {
  const latest = totals.genesisReceiptTime ?? totals.firstReceiptTime;
  if (latest === undefined || authority.standing === "refused") {
    return { ...unknownBeginning, sure };
  }
  const recorded = totals.firstReceiptRecorded && totals.firstReceiptKnown;
  const known = recorded || totals.genesisReceiptTime !== undefined;
  return { sure, earliest: known ? latest : Number.NEGATIVE_INFINITY, latest };
}

/**
 * within: the grant was for it. too-many: more chains surely began than the grant allows, and as
 * far as is known this one came later. untold: neither can be told.
 */
export type Share = "within" | "too-many" | "untold";

/**
 * Judges each of the chains that share a grant for `most` of them, in the order in which they
 * began as far as is known. `hidden` more may share it, and nothing is known of these.
 */
export function sharesOf(chains: readonly Beginning[], most: number, hidden = 0): Share[] {
  const earliest = Float64Array.from(chains, (each) => each.earliest).sort();
  let begun = 0;
  return chains.map(({ sure, latest }) => {
    if (sure) begun += 1;
    // The chain itself is one of those that may have begun by then.
    const before = countUpTo(earliest, latest) - 1 + hidden;
    if (before < most) return "within";
    return sure && begun > most ? "too-many" : "untold";
  });
}
