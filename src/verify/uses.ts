// Which of the chains that share a grant it was for, where more may have begun than it allows.
//
// - What is known of a chain: whether it surely began, and between which times. What can't be read
//   widens that, and what is wider is never judged better: of another chain neither.
// - A chain is within only if it is so whatever the truth about all of them may be.
//
// Spec: docs/spec/grant.md, "Uses".

import { countUpTo } from "../core/sorted.ts";

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
