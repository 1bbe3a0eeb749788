// The grant of a stored chain, and whether the chain began by it.
//
// - Grants lie in the store, and anybody who writes there may exchange one, or copy another's. The
//   vault's own copy comes first; and a grant counts only for a chain that began by it.

import { type Authority, judgeGrant } from "../core/authority.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Grant } from "../core/grant.ts";
import type { ReadableStore } from "../store/store.ts";
import { ownReceipt } from "./floor.ts";
import { type FoundingPolicy, isFoundedBy } from "./founding.ts";
import type { OwnNotes } from "./own-notes.ts";

export interface StoredGrants {
  readonly keys: VaultKeys;
  readonly policy: FoundingPolicy;
  readonly store: ReadableStore;
  readonly notes: Pick<OwnNotes, "read">;
}

/** What the grant of a chain says, judged. Throws what reading it throws. */
export async function storedGrant(
  { policy, store, notes }: StoredGrants,
  chain: string,
): Promise<Authority> {
  const judge = (grant: Uint8Array | undefined): Authority =>
    judgeGrant(policy.suite, policy.keys, grant);
  const own = judge(await notes.read(chain, "grant"));
  return own.uses.length > 0 ? own : judge(await store.reader(chain).grant());
}

/** Whether the store shows that a chain began by `grant`. Throws what reading it throws. */
export async function hasBegun(
  { keys, policy, store }: StoredGrants,
  chain: string,
  grant: Grant,
): Promise<boolean> {
  const reader = store.reader(chain);
  const receipt = await reader.receipt();
  if (receipt && ownReceipt(policy.suite, keys, chain, receipt) !== undefined) return true;
  return isFoundedBy(policy.suite, chain, grant, await reader.heads(0, 1));
}
