// What a vault leaves of chains that never began: nothing, and it takes nothing else away.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, hex } from "../../src/core/bytes.ts";
import { parseGrant, useNames } from "../../src/core/grant.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { blocksPath, chainPath, forkPath, grantPath, receiptPath } from "../../src/store/layout.ts";
import { type ChainBuilder, testRoot } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig } from "./rig.ts";

const own = "/rig/state/chains";

/** A vault that starts over what `lay` put into its store. */
async function startOver(disk: FakeFiles, lay: () => void): Promise<Rig> {
  const rig = await Rig.start({ files: disk });
  await rig.close();
  lay();
  await rig.open();
  await rig.vault.surveyed;
  return rig;
}

const inStore = (path: string): string => `/rig/store/${path}`;

function begun(label: string): ChainBuilder {
  const chain = chainOf(label);
  chain.begin();
  return chain;
}

async function chainsIn(files: FakeFiles): Promise<string[]> {
  return await readDirStore(files, "/rig/store").chainIds();
}

test("a start clears a folder, a grant and a torn genesis of chains that never began", async () => {
  const disk = new FakeFiles();
  const labels = ["a", "b", "c", "d", "e", "f", "g"];
  const [bare, granted, torn, empty, half, whole, hollow] = labels.map(begun) as ChainBuilder[];
  const genesis = torn?.blocks[0]?.bytes as Uint8Array;
  // A power cut left it with its size and without its payload.
  const nuls = new Uint8Array(hollow?.blocks[0]?.bytes.length ?? 0);
  nuls.set(hollow?.blocks[0]?.head ?? []);
  await using rig = await startOver(disk, () => {
    disk.put(inStore(`${chainPath(bare?.name ?? "")}/x`), "");
    disk.remove(inStore(`${chainPath(bare?.name ?? "")}/x`));
    disk.put(inStore(grantPath(granted?.name ?? "")), granted?.grant ?? "");
    disk.put(inStore(grantPath(torn?.name ?? "")), torn?.grant ?? "");
    disk.put(inStore(blocksPath(torn?.name ?? "", 0)), genesis.subarray(0, genesis.length - 1));
    disk.put(inStore(grantPath(empty?.name ?? "")), empty?.grant ?? "");
    disk.put(inStore(blocksPath(empty?.name ?? "", 0)), "");
    disk.put(inStore(grantPath(hollow?.name ?? "")), hollow?.grant ?? "");
    disk.put(inStore(blocksPath(hollow?.name ?? "", 0)), nuls);
    disk.put(inStore(`${grantPath(half?.name ?? "")}.tmp`), "sealtail/1 gr");
  });
  assert.deepEqual(await chainsIn(disk), []);
  assert.deepEqual((await rig.json("/v1/chains"))["chains"], []);
  // Nothing of it uses a grant up.
  assert.equal(gist(await rig.post(granted as ChainBuilder)), "200");
  assert.equal(gist(await rig.post(whole as ChainBuilder)), "200");
});

/** Two chains of one grant that is good for one. */
function twoOfOneGrant(): [ChainBuilder, ChainBuilder] {
  const [first, second] = ["first", "second"].map((label) => {
    const chain = chainOf(label, { grantKey: "shared", terms: { subject: "host" } });
    chain.begin();
    return chain;
  });
  return [first as ChainBuilder, second as ChainBuilder];
}

test("what a leftover used of its grant is there again for the next chain", async () => {
  const disk = new FakeFiles();
  const [left, next] = twoOfOneGrant();
  await using rig = await startOver(disk, () => {
    disk.put(inStore(grantPath(left.name)), left.grant);
    const roots = [hex(testRoot.key.publicKey)];
    const uses = useNames(suite, parseGrant(suite, left.grant), [testRoot.key]);
    const begun = { chain: left.name, subject: "host", uses, maxChains: 1 };
    const lines = [{ roots }, begun].map((each) => `${JSON.stringify(each)}\n`);
    disk.put("/rig/state/chains.ndjson", lines.join(""));
  });
  assert.equal(gist(await rig.post(next)), "200");
  await rig.restart();
  await rig.vault.surveyed;
  assert.deepEqual(await chainsIn(disk), [next.name]);
});

for (const [what, call, path] of [
  ["its folder", "mkdir", ""],
  ["its grant", "create", "/grant"],
  ["its genesis", "create", "/0000000000000000.blocks"],
  ["a part of its genesis", "write", "/0000000000000000.blocks"],
] as const) {
  test(`a chain for which there is no room at ${what} leaves nothing and uses no grant up`, async () => {
    const disk = new FakeFiles();
    const files = new FaultyFiles(disk);
    const [full, next] = twoOfOneGrant();
    await using rig = await Rig.start({ files });
    const variant = call === "write" ? "partly" : "failed";
    files.arm({
      call,
      path: `${full.name}${path}`,
      nth: 1,
      variant,
      errno: "ENOSPC",
    });
    assert.notEqual(gist(await rig.post(full)), "200");
    assert.deepEqual(await chainsIn(disk), []);
    assert.equal(gist(await rig.post(next)), "200");
    assert.match(gist(await rig.post(full)), /GRANT_REUSED/);
  });
}

test("a chain that found no room begins once there is some", async () => {
  const files = new FaultyFiles(new FakeFiles());
  const chain = begun("again");
  await using rig = await Rig.start({ files });
  files.arm({ call: "write", path: ".blocks", nth: 1, variant: "partly", errno: "ENOSPC" });
  assert.notEqual(gist(await rig.post(chain)), "200");
  assert.equal(gist(await rig.post(chain)), "200");
});

test("a start clears nothing that holds a block, a receipt, a fork or a note of the vault's own", async () => {
  const chains = ["a", "b", "c", "d", "e"].map((each) => begun(each)) as ChainBuilder[];
  const [block, receipt, fork, noted, strange] = chains as [
    ChainBuilder,
    ChainBuilder,
    ChainBuilder,
    ChainBuilder,
    ChainBuilder,
  ];
  const disk = new FakeFiles();
  await using _rig = await startOver(disk, () => {
    for (const each of chains) disk.put(inStore(grantPath(each.name)), each.grant);
    disk.put(inStore(blocksPath(block.name, 0)), block.blocks[0]?.bytes as Uint8Array);
    disk.put(inStore(receiptPath(receipt.name)), "no receipt at all");
    disk.put(inStore(forkPath(fork.name, 1, "0".repeat(64))), new Uint8Array(896));
    disk.put(`${own}/${noted.name}/checked`, "no note at all");
    disk.put(inStore(`${chainPath(strange.name)}/README`), "somebody's own");
  });
  assert.deepEqual(await chainsIn(disk), chains.map(({ name }) => name).toSorted());
  for (const { name, grant } of chains) {
    assert.deepEqual(disk.bytes(inStore(grantPath(name))), grant);
  }
});

test("a genesis whose length was bent is no torn one: the blocks behind it stay", async () => {
  const disk = new FakeFiles();
  const chain = begun("bent");
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  const bent = concat(...chain.blocks.map(({ bytes }) => bytes));
  new DataView(bent.buffer).setUint32(72, 1_000_000);
  await using _rig = await startOver(disk, () => {
    disk.put(inStore(blocksPath(chain.name, 0)), bent);
  });
  assert.deepEqual(disk.bytes(inStore(blocksPath(chain.name, 0))), bent);
});
