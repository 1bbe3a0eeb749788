// Judges who wants to begin a chain: the grant, its dates, its uses.
//
// - All of it before the payload is read: a stranger costs one header and a few hashes.
// - Dates are judged by our clock now: that is the time of the chain's first receipt. So a stored
//   chain that has no receipt begins anew, whenever it came into the store.
//
// Reference: docs/reference/http.md, "Beginning a chain".

import { judgeGrant, judgeGrantDates, type TrustedKeys } from "../core/authority.ts";
import { headLength } from "../core/block.ts";
import { fromBase64, hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, maxGrantLength } from "../core/grant.ts";
import { blockHash, isSignedBy } from "../core/header.ts";
import { Problem } from "./problem.ts";

export interface Founding {
  readonly grant: Grant;
  /** By what its uses are counted. */
  readonly uses: readonly string[];
  /** The note as it came. */
  readonly bytes: Uint8Array;
}

export interface FoundingPolicy {
  readonly suite: Suite;
  /** The roots that are trusted here, and this vault's own keys. */
  readonly keys: TrustedKeys;
}

/** Judges the header Sealtail-Grant at `now`, Unix microseconds. Throws Problem. */
export function judgeFounding(
  policy: FoundingPolicy,
  header: string | undefined,
  now: number,
): Founding {
  if (header === undefined) throw noGrant();
  const bytes = grantBytes(header);
  const { grant, uses, fault } = judgeGrant(policy.suite, policy.keys, bytes);
  if (fault !== undefined) throw refusal(fault);
  if (grant === undefined || uses.length === 0) throw new RangeError("grant was not judged");
  assertInTime(grant, now);
  return { grant, uses, bytes };
}

/** Throws Problem unless a chain may get its first receipt by `grant` at `now`. */
export function assertInTime(grant: Grant, now: number): void {
  const late = judgeGrantDates(grant, Math.floor(now / 1_000_000));
  if (late !== undefined) throw refusal(late);
}

/** Whether a stored chain began with the grant: its key signed the genesis. */
export function isFoundedBy(
  suite: Suite,
  chain: string,
  grant: Grant,
  genesis: Uint8Array,
): boolean {
  return (
    genesis.length === headLength &&
    hex(blockHash(suite, genesis)) === chain &&
    isSignedBy(suite, grant.key, genesis)
  );
}

/** No use of the grant is left. */
export function usedUp(grant: Grant): Problem {
  const chains = grant.maxChains === 1 ? "1 chain" : `${grant.maxChains} chains`;
  return refusal(new Fault("GRANT_REUSED", `grant is good for ${chains}, and that was used up`));
}

function noGrant(): Problem {
  const text = "chain is not stored, and no grant came with the request";
  return new Problem("unknown-chain", text, { size: 0 });
}

function grantBytes(header: string): Uint8Array {
  if (header.length > 4 * Math.ceil(maxGrantLength / 3)) {
    throw refusal(new Fault("LIMIT_EXCEEDED", `grant is longer than ${maxGrantLength} bytes`));
  }
  try {
    return fromBase64(header);
  } catch (caught) {
    if (caught instanceof Fault) throw refusal(caught);
    throw caught;
  }
}

function refusal(fault: Fault): Problem {
  return new Problem("grant-refused", fault.message, { finding: fault.code });
}
