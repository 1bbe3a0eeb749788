// Whose word counts: what the given keys, a chain's grant and its receipts vouch for.
//
// - A statement counts only from the key that the statement above it names: given root keys, the
//   grant (role, audience, key), the genesis by the grant's key, each block by the key that the one
//   before it names; and receipts by the vault that the grant names as its audience.
// - A grant that fails vouches for nothing, and then no receipt counts either.
// - Everybody asks here: the walk, proofs, those who print lines, the agent and the vault.
//
// Spec: docs/spec/verification.md, "Whose word counts"; grant.md and receipt.md, "Judging".

import { equalBytes } from "./bytes.ts";
import { openReceipt, parseCheckpoint, type Receipt, type VaultKeys } from "./checkpoint.ts";
import type { Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { checkGrantRoots, type Grant, parseGrant, useNames } from "./grant.ts";
import { isName, type VerifierKey } from "./note.ts";
import { checkPublicKey } from "./public-key.ts";

export interface TrustedKeys {
  /** Undefined: none were given, nobody says whose grants count. */
  readonly roots: readonly VerifierKey[] | undefined;
  /** Undefined: none were given, audiences are not judged, and no receipt counts. */
  readonly vaults: readonly VaultKeys[] | undefined;
}

/** Keys as they were given: where there are none, nobody judges by them. */
export function trusting(roots: readonly VerifierKey[], vaults: readonly VaultKeys[]): TrustedKeys {
  return {
    roots: roots.length === 0 ? undefined : roots,
    vaults: vaults.length === 0 ? undefined : vaults,
  };
}

/**
 * The root key that is a vault's key, too: whoever runs that vault could grant what it receipts.
 * Nobody should trust such keys.
 */
export function sharedKey(
  roots: readonly VerifierKey[],
  vaults: readonly VaultKeys[],
): VerifierKey | undefined {
  const keys = vaults.flatMap(({ receipt, time }) => [receipt, time]);
  return roots.find((root) => keys.some((key) => equalBytes(key.publicKey, root.publicKey)));
}

/**
 * trusted: a given root key signed it, and it holds. unjudged: no root key was given, nothing else
 * is wrong with it. refused: it vouches for nothing.
 */
export type Standing = "trusted" | "unjudged" | "refused";

export interface Authority {
  readonly standing: Standing;
  /** What the grant says, as far as it can be read. */
  readonly grant: Grant | undefined;
  /** The same, where it binds: undefined if it was refused. */
  readonly terms: Grant | undefined;
  /** The given root keys that signed it. */
  readonly roots: readonly VerifierKey[];
  /** By what its uses are counted (useNames()); empty unless a trusted root signed it. */
  readonly uses: readonly string[];
  /** The first thing that is wrong with it. */
  readonly fault: Fault | undefined;
  readonly keys: TrustedKeys;
}

/** Judges a chain's grant but for its dates: grammar, root, role, audience, key. Never throws. */
export function judgeGrant(
  suite: Suite,
  keys: TrustedKeys,
  bytes: Uint8Array | undefined,
): Authority {
  let grant: Grant | undefined;
  let [roots, uses]: [readonly VerifierKey[], readonly string[]] = [[], []];
  try {
    if (bytes === undefined) throw new Fault("UNKNOWN_ROOT", "no grant is stored with the chain");
    grant = parseGrant(suite, bytes);
    if (keys.roots !== undefined) {
      roots = checkGrantRoots(suite, grant, keys.roots);
      uses = useNames(suite, grant, roots);
    }
    checkTerms(grant, keys.vaults);
    const standing = keys.roots === undefined ? "unjudged" : "trusted";
    return { standing, grant, terms: grant, roots, uses, fault: undefined, keys };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return { standing: "refused", grant, terms: undefined, roots, uses, fault: caught, keys };
  }
}

function checkTerms(grant: Grant, vaults: readonly VaultKeys[] | undefined): void {
  if (grant.role !== "write") {
    throw new Fault("GRANT_WRONG_ROLE", `grant is for role ${grant.role}, want write`);
  }
  if (vaults !== undefined && keysOf(vaults, grant.audience).length === 0) {
    throw new Fault("GRANT_WRONG_AUDIENCE", `grant is for vault ${grant.audience}`);
  }
  checkPublicKey(grant.key);
}

/** A grant that was judged before by who asks: what a vault knows of a chain that it keeps. */
export function believed(grant: Grant, vaults: readonly VaultKeys[]): Authority {
  const keys = { roots: undefined, vaults };
  return { ...nobody, standing: "trusted", grant, terms: grant, keys };
}

/** What vouches for nothing: no key and no grant. */
export const nobody: Authority = {
  standing: "refused",
  grant: undefined,
  terms: undefined,
  roots: [],
  uses: [],
  fault: undefined,
  keys: { roots: undefined, vaults: undefined },
};

/** The keys of vault `name`: of several pairs with that name, any. */
export function keysOf(vaults: readonly VaultKeys[], name: string): readonly VaultKeys[] {
  return vaults.filter(({ receipt }) => receipt.name === name);
}

export interface ReadReceipt {
  /** What it claims, whoever signed it. */
  readonly claim: Omit<Receipt, "time">;
  /** Undefined where its vault's keys were not given: then its signatures are not judged. */
  readonly genuine: Receipt | undefined;
  /** Whether it vouches for what it covers, once its root was compared. */
  readonly counts: boolean;
}

/**
 * Reads a receipt and judges everything but its size and root. Throws the first Fault of: its
 * form, its vault (RECEIPT_MISMATCH), its signatures (RECEIPT_BAD_SIGNATURE), its chain
 * (RECEIPT_MISMATCH).
 */
export function readReceipt(
  suite: Suite,
  { terms, keys }: Authority,
  chain: string | undefined,
  bytes: Uint8Array,
): ReadReceipt {
  const claim = parseCheckpoint(bytes);
  if (terms !== undefined && terms.audience !== claim.vault) {
    const vault = shownVault(claim.vault);
    const message = `receipt is of vault ${vault}, the grant is for ${terms.audience}`;
    throw new Fault("RECEIPT_MISMATCH", message);
  }
  const genuine = openReceipt(suite, bytes, keys.vaults ?? []);
  if (chain !== undefined && chain !== claim.chainId) {
    throw new Fault("RECEIPT_MISMATCH", "receipt is for another chain");
  }
  return { claim, genuine, counts: genuine !== undefined && terms !== undefined };
}

/** A vault's name as it may be shown: anybody can write a receipt with any name in it. */
export function shownVault(name: string): string {
  return isName(name) ? name : "with a name that is none";
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
