// Which chains are beyond those that their grants allow, or began outside of their dates, where
// only these chains are read.
//
// - Of the other chains of the place only grants and first heads are read, unless more have the
//   same grant than it allows: then these are judged together, as all of the place would be.
//
// Spec: docs/spec/grant.md, "Judging a chain's grant", step 6, and "Uses".

import type { ChainSource, VerifiableSource } from "../core/chain-source.ts";
import { verifySource } from "./all.ts";
import { judgeDates } from "./ending.ts";
import type { Finding } from "./finding.ts";
import { judgeUses } from "./grant-uses.ts";
import { sharersOf } from "./sharers.ts";
import { type JudgedBy, walkChain } from "./verify.ts";

export interface Reused {
  /** By chain id: GRANT_REUSED. */
  readonly refused: ReadonlyMap<string, Finding>;
  /** What may have used their grants as well, and why nobody can tell. */
  readonly doubts: readonly string[];
}

/** Where a verifier of the whole place says GRANT_REUSED of one of the chains `ids`. */
export async function reusedGrants(
  place: VerifiableSource,
  ids: readonly string[],
  options: JudgedBy,
): Promise<Reused> {
  const refused = new Map<string, Finding>();
  const contents = await place.contents();
  const sharers = await sharersOf(contents, new Set(ids), options);
  const only = new Set(ids.filter((id) => sharers.together.has(id)));
  const others = new Set(ids.filter((id) => !only.has(id)));
  const { doubts } = judgeUses(options.suite, sharers.members, contents.unread, others);
  if (only.size === 0) return { refused, doubts };
  const listed = { name: place.name, contents: async () => contents };
  const judged = await verifySource(listed, {
    ...options,
    only,
    sharers,
    keptPerCode: 0,
    report: (each) => {
      if (each.code === "GRANT_REUSED" && each.chain !== undefined) refused.set(each.chain, each);
    },
  });
  return { refused, doubts: [...new Set([...doubts, ...judged.doubts])] };
}

/**
 * GRANT_NOT_YET_VALID or GRANT_EXPIRED, where a verifier says so of this chain. Its first receipt
 * that counts tells, and mostly stands in one of its first payloads: no more is read than up to it.
 */
export async function beganOutsideDates(
  chain: ChainSource,
  options: JudgedBy,
): Promise<Finding | undefined> {
  if (options.vaults.length === 0) return undefined;
  const found: Finding[] = [];
  const report = (finding: Finding): void => {
    if (/^GRANT_(NOT_YET_VALID|EXPIRED)$/.test(finding.code)) found.push(finding);
  };
  const blocks = walkChain(chain, { ...options, itemsOnly: true, report });
  for (let next = await blocks.next(); next.done !== true; next = await blocks.next()) {
    const { walk } = next.value;
    if (walk.totals.firstReceiptTime === undefined) continue;
    judgeDates(walk);
    await blocks.return(undefined as never);
  }
  return found[0];
}
