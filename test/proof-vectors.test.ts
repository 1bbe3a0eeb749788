import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { pairVaultKeys } from "../src/core/checkpoint.ts";
import type { Suite } from "../src/core/digest.ts";
import { Fault } from "../src/core/fault.ts";
import { parseVerifierKey } from "../src/core/note.ts";
import { portableSuite } from "../src/core/portable-suite.ts";
import { parseProof } from "../src/core/proof.ts";
import { nativeSuite } from "../src/host/native-suite.ts";
import { type Verdict, verdictOf, worse } from "../src/verify/finding.ts";
import { verifyProof } from "../src/verify/proof-check.ts";
import { proofs } from "./vectors/make/proof.ts";
import type { ProofDescription } from "./vectors/make/proof-story.ts";

const folder = new URL("vectors/proof/", import.meta.url);
const kept = readdirSync(folder)
  .filter((name) => name.endsWith(".proof"))
  .map((name) => name.slice(0, -".proof".length));

function stored(name: string): { bytes: Uint8Array; text: string; description: ProofDescription } {
  const text = readFileSync(new URL(`${name}.json`, folder), "utf8");
  const bytes = Uint8Array.from(readFileSync(new URL(`${name}.proof`, folder)));
  return { bytes, text, description: JSON.parse(text) };
}

type Said = Pick<ProofDescription, "verdict" | "kind" | "vouchedBy" | "findings">;

function judged(suite: Suite, bytes: Uint8Array, { roots, vaults }: ProofDescription): Said {
  const pairs = pairVaultKeys(vaults.map((text) => parseVerifierKey(suite, text)));
  const keys = {
    roots: roots.map((text) => parseVerifierKey(suite, text)),
    vaults: pairs.length === 0 ? undefined : pairs,
  };
  try {
    const { kind, faults, holds, word } = verifyProof(suite, parseProof(bytes), keys);
    const verdict = faults.map(({ code }) => verdictOf(code)).reduce<Verdict>(worse, "VALID");
    assert.equal(holds, verdict === "VALID");
    const said = holds ? { vouchedBy: word?.vault ?? null } : {};
    return { verdict, kind, ...said, findings: faults.map(({ code }) => code).toSorted() };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return { verdict: verdictOf(caught.code), kind: null, findings: [caught.code] };
  }
}

function expected({ verdict, kind, vouchedBy, findings }: ProofDescription): Said {
  return { verdict, kind, ...(vouchedBy === undefined ? {} : { vouchedBy }), findings };
}

describe("vectors of proofs", () => {
  test("every one that is described is stored as it is made, and no other", () => {
    assert.deepEqual(kept.toSorted(), Object.keys(proofs).toSorted());
    for (const [name, make] of Object.entries(proofs)) {
      const { bytes, description } = make();
      const { bytes: there, text } = stored(name);
      assert.equal(`${JSON.stringify(description, undefined, 2)}\n`, text, name);
      assert.ok(Buffer.from(bytes).equals(there), `${name} is made otherwise`);
    }
  });

  test("both suites say of each exactly what is expected", async () => {
    const portable = await portableSuite();
    for (const name of kept) {
      const { bytes, description } = stored(name);
      for (const suite of [nativeSuite, portable]) {
        const said = { name, ...judged(suite, bytes, description) };
        assert.deepEqual(said, { name, ...expected(description) });
      }
    }
  });
});
