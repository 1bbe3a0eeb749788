// A use that the vault wrote down stays taken, also where it was an earlier build that wrote it, or
// one that trusted other root keys, and nothing else is left that says which grant it was.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { type ChainBuilder, testRoot } from "../fakes/chain-builder.ts";
import { chainOf, gist, Rig } from "./rig.ts";

function ofOneGrant(maxChains: number, ...labels: string[]): ChainBuilder[] {
  return labels.map((label) => {
    const terms = { subject: "pay", maxChains };
    const chain = chainOf(label, { grantKey: "shared", terms });
    chain.begin();
    return chain;
  });
}

const indexes: Record<string, (now: string, chain: ChainBuilder) => string> = {
  "an earlier build": (_, { name, terms }) => {
    const use = `${hex(testRoot.key.publicKey)} ${hex(terms.id)}`;
    return `${JSON.stringify({ chain: name, subject: "pay", use })}\n`;
  },
  "a vault that trusted other root keys": (now) => now.replace(/"roots":\[.*?\]/, '"roots":["00"]'),
};

/** Chain one is stored; then the index is another one, and `gone` of the chain is taken out. */
async function played(
  rig: Rig,
  one: ChainBuilder,
  index: (now: string, chain: ChainBuilder) => string,
  gone: "/grant" | "",
): Promise<void> {
  assert.equal(gist(await rig.post(one)), "200");
  await rig.vault.surveyed;
  await rig.close();
  const path = join(rig.dir, "state", "chains.ndjson");
  writeFileSync(path, index(readFileSync(path, "utf8"), one));
  // Earlier builds kept no grant of their own.
  rmSync(join(rig.dir, "state", "chains", one.name, "grant"));
  rmSync(`${join(rig.store, "chains", one.name)}${gone}`, { recursive: true });
  await rig.open();
}

for (const [whose, index] of Object.entries(indexes)) {
  for (const gone of ["", "/grant"] as const) {
    const what = gone === "" ? "whose chain" : "whose grant";
    test(`a use in the index of ${whose}, ${what} is gone from the store, stays taken`, async () => {
      await using rig = await Rig.start();
      const [one, two] = ofOneGrant(1, "one", "two") as [ChainBuilder, ChainBuilder];
      await played(rig, one, index, gone);
      assert.equal(gist(await rig.post(two)), "403 grant-refused GRANT_REUSED");
      await rig.vault.surveyed;
      await rig.restart();
      assert.equal(gist(await rig.post(two)), "403 grant-refused GRANT_REUSED");
    });
  }

  test(`a use in the index of ${whose} is one, whatever number its grant allows`, async () => {
    await using rig = await Rig.start();
    const chains = ofOneGrant(2, "one", "two", "three");
    const [one, two, three] = chains as [ChainBuilder, ChainBuilder, ChainBuilder];
    await played(rig, one, index, "");
    assert.equal(gist(await rig.post(two)), "200");
    assert.equal(gist(await rig.post(three)), "403 grant-refused GRANT_REUSED");
  });
}
