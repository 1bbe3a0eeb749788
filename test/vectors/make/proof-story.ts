// What a vector of a proof is made of: its bytes, the keys to judge it with, and what must be said.

import type { FindingCode } from "../../../src/core/fault.ts";
import { formatVerifierKey } from "../../../src/core/note.ts";
import { formatProof, type LineProof, type ProofKind } from "../../../src/core/proof.ts";
import type { Verdict } from "../../../src/verify/finding.ts";
import { testRoot, testVault } from "../../fakes/chain-builder.ts";
import type { TestVault } from "../../fakes/signers.ts";

/** As it is stored beside the proof. */
export interface ProofDescription {
  readonly spec: string;
  readonly story: string;
  readonly roots: readonly string[];
  readonly vaults: readonly string[];
  readonly verdict: Verdict;
  /** Null for what is no proof. */
  readonly kind: ProofKind | null;
  /** The vault whose word it takes; null: none's. Only of a proof that is VALID. */
  readonly vouchedBy?: string | null;
  /** Codes, sorted. */
  readonly findings: readonly string[];
}

export interface MadeProof {
  readonly bytes: Uint8Array;
  readonly description: ProofDescription;
}

export type ProofVectors = Readonly<Record<string, () => MadeProof>>;

export interface Judged {
  readonly proof: LineProof | string;
  /** Instead of the test's root. */
  readonly roots?: readonly string[];
  /** Instead of the test's vault. */
  readonly vaults?: readonly TestVault[];
}

const keysOf = (vaults: readonly TestVault[]): string[] =>
  vaults.flatMap(({ receiptKey, timeKey }) =>
    [receiptKey, timeKey].map(({ key }) => formatVerifierKey(key)),
  );

function made(
  spec: string,
  story: string,
  { proof, roots, vaults }: Judged,
  said: Pick<ProofDescription, "verdict" | "kind" | "vouchedBy" | "findings">,
): MadeProof {
  const { verdict, kind, vouchedBy, findings } = said;
  const word = vouchedBy === undefined ? {} : { vouchedBy };
  return {
    bytes: Buffer.from(typeof proof === "string" ? proof : formatProof(proof)),
    description: {
      ...{ spec: `proof.md, ${spec}`, story },
      roots: roots ?? [formatVerifierKey(testRoot.key)],
      vaults: keysOf(vaults ?? [testVault]),
      ...{ verdict, kind, ...word, findings: findings.toSorted() },
    },
  };
}

/** A proof that holds; `vouchedBy` is the vault whose word it takes. */
export function holds(
  story: string,
  vouchedBy: string | null,
  tell: () => Omit<Judged, "proof"> & { readonly proof: LineProof },
): () => MadeProof {
  return () => {
    const judged = tell();
    const { kind } = judged.proof;
    return made("Checking", story, judged, { verdict: "VALID", kind, vouchedBy, findings: [] });
  };
}

/** A proof that can be read, and fails by `code`. */
export function fails(
  story: string,
  code: FindingCode,
  tell: () => LineProof | (Judged & { readonly proof: LineProof }),
): () => MadeProof {
  return () => {
    const told = tell();
    const judged = "proof" in told ? told : { proof: told };
    const verdict = code === "UNSUPPORTED" ? "INDETERMINATE" : "INVALID";
    const said = { verdict, kind: judged.proof.kind, findings: [code] } as const;
    return made("Checking", story, judged, said);
  };
}

/** A text that is no proof, or none that is known. */
export function unreadable(
  story: string,
  code: "PROOF_INVALID" | "UNSUPPORTED",
  text: () => string,
): () => MadeProof {
  return () => {
    const verdict = code === "UNSUPPORTED" ? "INDETERMINATE" : "INVALID";
    return made("Form", story, { proof: text() }, { verdict, kind: null, findings: [code] });
  };
}
