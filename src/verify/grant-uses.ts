// Whether a chain is one beyond those that its grant allows, where only this chain is read.
//
// - Of the other chains of the place only the grants are read, unless more have the same grant than
//   it allows: then these are judged together, as all of the place would be.
// - What a place does not show, or can't be read there, is no use that is known of.
//
// Spec: docs/spec/grant.md, "Judging a chain's grant", step 8.

import { judgeGrant } from "../core/authority.ts";
import type { ChainSource, VerifiableSource } from "../core/chain-source.ts";
import { type SourceOptions, verifySource } from "./all.ts";
import type { Finding } from "./finding.ts";
import { grantIdentity } from "./report.ts";
import { ask, Unreadable } from "./unreadable.ts";

export type UsesOptions = Pick<SourceOptions, "suite" | "roots" | "vaults">;

interface Use {
  readonly chain: ChainSource;
  readonly grant: string | undefined;
  readonly maxChains: number;
}

/** GRANT_REUSED, if that is what a verifier of the whole place says of the chain `id`. */
export async function reusedGrant(
  place: VerifiableSource,
  id: string,
  options: UsesOptions,
): Promise<Finding | undefined> {
  // Uses are counted by the root key that signed the grant.
  if (options.roots.length === 0) return undefined;
  const uses: Use[] = [];
  for (const chain of await place.chains()) {
    const use = await useOf(chain, options);
    if (use !== undefined) uses.push(use);
  }
  const own = uses.find(({ chain }) => chain.id === id);
  const same = uses.filter(({ grant }) => grant !== undefined && grant === own?.grant);
  if (same.length <= Math.min(...same.map(({ maxChains }) => maxChains))) return undefined;
  let found: Finding | undefined;
  await verifySource(place, {
    ...options,
    only: new Set(same.map(({ chain }) => chain.id)),
    keptPerCode: 0,
    report: (finding) => {
      if (finding.code === "GRANT_REUSED" && finding.chain === id) found = finding;
    },
  });
  return found;
}

async function useOf(chain: ChainSource, options: UsesOptions): Promise<Use | undefined> {
  const { suite, roots, vaults } = options;
  try {
    const bytes = await ask("the grant", chain.grant);
    const keys = { roots, vaults: vaults.length === 0 ? undefined : vaults };
    const authority = judgeGrant(suite, keys, bytes);
    const maxChains = authority.grant?.maxChains ?? 1;
    return { chain, grant: grantIdentity(authority), maxChains };
  } catch (caught) {
    if (caught instanceof Unreadable) return undefined;
    throw caught;
  }
}
