// A fork is said and kept whatever becomes of its proof in the store.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lines, say } from "../fakes/chain-items.ts";
import { chainOf, gist, Rig } from "./rig.ts";

test("a fork is refused as one, and kept by the vault, where the store does not take its proof", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("forked");
  const { id, record } = chain.source("/a");
  chain.begin([say(record)]);
  const twins = [chain.twin([lines(id, "x\n")]), chain.twin([lines(id, "y\n")])] as const;
  chain.seal([lines(id, "one\n")]);
  assert.equal(gist(await rig.post(chain)), "200");
  const folder = join(rig.store, "chains", chain.name, "forks");
  writeFileSync(folder, "x");
  const own = join(rig.dir, "state/chains", chain.name, "forks");
  for (const twin of [...twins, ...twins]) {
    const answer = await rig.postBytes(chain.name, twin.bytes);
    assert.equal(gist(answer), "409 fork FORK");
  }
  const kept = readdirSync(own);
  assert.equal(kept.length, 2);
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  assert.equal((await rig.json(`/v1/chains/${chain.name}`))["forks"], 2);
  const proof = readFileSync(join(own, kept[0] as string));
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  assert.equal((await rig.json(`/v1/chains/${chain.name}`))["forks"], 2);

  rmSync(folder);
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  assert.deepEqual(readdirSync(folder).sort(), kept.sort());
  assert.equal(existsSync(join(own, kept[0] as string)), false);
  assert.equal(proof.length, 896);
});
