// When a chain began, by the vault's clock: what a walk knows of it, and what it can't know.
//
// - The time is that of the first receipt that counts. It is known where no earlier one can be: the
//   receipt is over the genesis alone, or recorded, and all that is before it was read.
// - Otherwise it was that time or any time before it. An older state of the chain may have been
//   laid back, and no block's time says when a vault had it: agents' clocks are bounded by nothing.
//
// Spec: docs/spec/grant.md, "Uses".

import { type Beginning, unknownBeginning } from "./uses.ts";
import type { ChainWalk } from "./walk.ts";

export function beginningOf({ tally, authority, begun: sure }: ChainWalk): Beginning {
  const latest = tally.genesisReceiptTime ?? tally.firstReceiptTime;
  if (latest === undefined || authority.standing === "refused") {
    return { ...unknownBeginning, sure };
  }
  const recorded = tally.firstReceiptRecorded && tally.firstReceiptKnown;
  const known = recorded || tally.genesisReceiptTime !== undefined;
  return { sure, earliest: known ? latest : Number.NEGATIVE_INFINITY, latest };
}
