// Which chains are beyond those that their grants allow, or began outside of their dates, where
// only these chains are read.
//
// - Of the other chains of the place only the grants are read, unless more have the same grant than
//   it allows: then these are judged together, as all of the place would be.
// - What a place does not show, or can't be read there, is no use that is known of.
//
// Spec: docs/spec/grant.md, "Judging a chain's grant", steps 6 and 8.

import { judgeGrant, trusting } from "../core/authority.ts";
import type { ChainSource, VerifiableSource } from "../core/chain-source.ts";
import { type SourceOptions, verifySource } from "./all.ts";
import { judgeDates } from "./ending.ts";
import type { Finding } from "./finding.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { walkChain } from "./verify.ts";

export type UsesOptions = Pick<SourceOptions, "suite" | "roots" | "vaults">;

interface Use {
  readonly chain: ChainSource;
  readonly by: readonly string[];
  readonly maxChains: number;
}

/** By chain id: GRANT_REUSED, where a verifier of the whole place says so of one of `ids`. */
export async function reusedGrants(
  place: VerifiableSource,
  ids: readonly string[],
  options: UsesOptions,
): Promise<ReadonlyMap<string, Finding>> {
  const found = new Map<string, Finding>();
  // Without a root key nobody says whose grants these are.
  if (options.roots.length === 0) return found;
  const uses = new Map<string, Use[]>();
  for (const chain of (await place.contents()).chains) {
    const use = await useOf(chain, options);
    if (use === undefined) continue;
    for (const by of use.by) {
      const same = uses.get(by) ?? [];
      same.push(use);
      uses.set(by, same);
    }
  }
  const asked = new Set(ids);
  const judged = new Set(
    [...uses.values()]
      .filter((same) => same.some(({ maxChains }) => same.length > maxChains))
      .filter((same) => same.some(({ chain }) => asked.has(chain.id)))
      .flatMap((same) => same.map(({ chain }) => chain.id)),
  );
  if (judged.size === 0) return found;
  await verifySource(place, {
    ...options,
    only: judged,
    keptPerCode: 0,
    report: (finding) => {
      const { code, chain } = finding;
      if (code === "GRANT_REUSED" && chain !== undefined && asked.has(chain)) {
        found.set(chain, finding);
      }
    },
  });
  return found;
}

/**
 * GRANT_NOT_YET_VALID or GRANT_EXPIRED, where a verifier says so of this chain. Its first receipt
 * that counts tells, and mostly stands in one of its first payloads: no more is read than up to it.
 */
export async function beganOutsideDates(
  chain: ChainSource,
  options: UsesOptions,
): Promise<Finding | undefined> {
  if (options.vaults.length === 0) return undefined;
  const found: Finding[] = [];
  const report = (finding: Finding): void => {
    if (/^GRANT_(NOT_YET_VALID|EXPIRED)$/.test(finding.code)) found.push(finding);
  };
  const blocks = walkChain(chain, { ...options, itemsOnly: true, report });
  for (let next = await blocks.next(); next.done !== true; next = await blocks.next()) {
    const { walk } = next.value;
    if (walk.tally.firstReceiptTime === undefined) continue;
    judgeDates(walk);
    await blocks.return(undefined as never);
  }
  return found[0];
}

async function useOf(chain: ChainSource, options: UsesOptions): Promise<Use | undefined> {
  const { suite, roots, vaults } = options;
  try {
    const bytes = await ask("the grant", chain.grant);
    const keys = trusting(roots, vaults);
    const authority = judgeGrant(suite, keys, bytes);
    const maxChains = authority.grant?.maxChains ?? 1;
    return { chain, by: authority.uses, maxChains };
  } catch (caught) {
    if (caught instanceof Unreadable) return undefined;
    throw caught;
  }
}
