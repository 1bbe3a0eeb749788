// Judges a chain's grant: grammar, root, role, audience, key (step B).
//
// - Dates are judged later, by the time of the chain's first receipt, never by the agent's clock.
//
// Spec: docs/spec/grant.md.

import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { checkGrantRoot, type Grant, parseGrant } from "../core/grant.ts";
import type { VerifierKey } from "../core/note.ts";
import { checkPublicKey } from "../core/public-key.ts";

export interface GrantPolicy {
  readonly suite: Suite;
  readonly roots: readonly VerifierKey[];
  /** Vault names that may be the audience; none: the audience is not judged. */
  readonly audiences: readonly string[];
}

export interface JudgedGrant {
  /** What the grant says, as far as it can be read; its faults may make it worthless. */
  readonly grant: Grant | undefined;
  /** The first thing that is wrong with it. */
  readonly fault: Fault | undefined;
  readonly root: VerifierKey | undefined;
}

/** Never throws. */
export function judgeGrant(policy: GrantPolicy, bytes: Uint8Array | undefined): JudgedGrant {
  let grant: Grant | undefined;
  let root: VerifierKey | undefined;
  try {
    if (bytes === undefined) throw new Fault("UNKNOWN_ROOT", "no grant is stored with the chain");
    grant = parseGrant(policy.suite, bytes);
    root = checkGrantRoot(policy.suite, grant, policy.roots);
    if (grant.role !== "write") {
      throw new Fault("GRANT_WRONG_ROLE", `grant is for role ${grant.role}, want write`);
    }
    if (policy.audiences.length > 0 && !policy.audiences.includes(grant.audience)) {
      throw new Fault("GRANT_WRONG_AUDIENCE", `grant is for vault ${grant.audience}`);
    }
    checkPublicKey(grant.key);
    return { grant, fault: undefined, root };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return { grant, fault: caught, root };
  }
}

/** Judges a grant's dates by `time`, Unix seconds of the chain's first receipt. */
export function judgeGrantDates(grant: Grant, time: number): Fault | undefined {
  if (time < grant.notBefore) {
    return new Fault("GRANT_NOT_YET_VALID", "the chain began before its grant's not-before");
  }
  if (time > grant.notAfter) {
    return new Fault("GRANT_EXPIRED", "the chain began after its grant's not-after");
  }
  return undefined;
}

/** The names by which vaults may be a grant's audience. */
export function audiencesOf(vaults: readonly VaultKeys[]): string[] {
  return [...new Set(vaults.map(({ receipt }) => receipt.name))];
}
