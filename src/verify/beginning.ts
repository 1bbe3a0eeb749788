// When a chain began, by the vault's clock: what a walk knows of it, and what it can't know.
//
// - The time is that of the first receipt that counts. It is known where no earlier one can be: the
//   receipt is over the genesis alone, or recorded, and all that is before it was read.
// - Whatever else is not read, missing or failed widens what is known, and nothing narrows it.
//
// Spec: docs/spec/grant.md, "Uses".

import { type Beginning, unknownBeginning } from "./uses.ts";
import type { ChainWalk } from "./walk.ts";

/** `readable`: nothing of the chain is there that can't be read. */
export function beginningOf(walk: ChainWalk, readable: boolean): Beginning {
  const { tally, begun: sure } = walk;
  const latest = tally.genesisReceiptTime ?? tally.firstReceiptTime;
  if (latest === undefined || walk.authority.standing === "refused") {
    return { ...unknownBeginning, sure };
  }
  const recorded = tally.firstReceiptRecorded && tally.firstReceiptKnown;
  if (recorded || tally.genesisReceiptTime !== undefined) return { sure, earliest: latest, latest };
  // An older state of the chain may have been laid back, too: the genesis says the earliest time.
  const genesis = Math.floor((walk.begunAt ?? 0) / 1e6);
  const known = readable && isWhole(walk) && genesis <= latest;
  return { sure, earliest: known ? genesis : Number.NEGATIVE_INFINITY, latest };
}

/** All blocks that anything speaks of were read, and every receipt counts. */
function isWhole({ tally, thread, length }: ChainWalk): boolean {
  const all = length === thread.blockNo && tally.coveredSize <= thread.blockNo;
  return all && tally.allRead && !tally.receiptsFailed && tally.blocks > 0;
}
