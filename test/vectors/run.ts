// Verifies one vector and says what was found, in the form of its description.

import { pairVaultKeys } from "../../src/core/checkpoint.ts";
import type { Suite } from "../../src/core/digest.ts";
import { parseVerifierKey } from "../../src/core/note.ts";
import { verifySource } from "../../src/verify/all.ts";
import { memorySource, type StoreFiles } from "../fakes/chain-store.ts";
import { type Description, type ExpectedFinding, sorted } from "./make/story.ts";

export type Found = Pick<Description, "verdict" | "chains" | "findings">;

export async function run(
  suite: Suite,
  files: StoreFiles,
  { roots, vaults, at }: Pick<Description, "roots" | "vaults" | "at">,
  pieceLength?: number,
): Promise<Found> {
  const findings: ExpectedFinding[] = [];
  const report = await verifySource(memorySource(files, pieceLength), {
    suite,
    roots: roots.map((text) => parseVerifierKey(suite, text)),
    vaults: pairVaultKeys(vaults.map((text) => parseVerifierKey(suite, text))),
    at,
    report: ({ chain, code, block, blocks, seq }) =>
      findings.push({
        ...(chain === undefined ? {} : { chain }),
        code,
        ...(block === undefined ? {} : { block }),
        ...(blocks === undefined ? {} : { blocks }),
        ...(seq === undefined ? {} : { seq }),
      }),
  });
  return {
    verdict: report.verdict,
    chains: Object.fromEntries(report.chains.map(({ chain, verdict }) => [chain, verdict])),
    findings: sorted(findings),
  };
}
