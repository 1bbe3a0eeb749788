// What is stored whole gets the receipt that it lacks without anybody asking: the vault was killed,
// or its disk was full, before the receipt was kept, and the agent lost its chain. Outside its
// grant's dates, or beyond its uses, a chain gets no first receipt, whoever put it into the store.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { concat } from "../../src/core/bytes.ts";
import { type Clock, systemClock } from "../../src/host/clock.ts";
import { chainPath } from "../../src/store/layout.ts";
import { rescanEveryMs } from "../../src/vault/rescan.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { hurried } from "./hurried.ts";
import { type Answer, chainOf, gist, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** Counts looks, and lets a minute pass in a moment. */
class Hurry {
  looks = 0;
  skipped = 0;
  readonly clock: Clock = {
    ...hurried,
    now: () => systemClock.now() + this.skipped,
    sleep: (ms, signal) => {
      if (ms === rescanEveryMs) this.looks += 1;
      return hurried.sleep(ms, signal);
    },
  };

  async looked(): Promise<void> {
    const after = this.looks + 2;
    while (this.looks < after) await systemClock.sleep(10);
  }
}

const copies = (rig: Rig, { name }: ChainBuilder): string[] =>
  [rig.store, join(rig.dir, "state")].map((dir) => join(dir, "chains", name, "receipt"));

async function played(rig: Rig): Promise<ChainBuilder> {
  const chain = chainOf("kept");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(1))), "200");
  return chain;
}

for (const note of ["with", "without"] as const) {
  test(`a stored chain whose first receipt was lost gets one by itself, ${note} a note of the vault's`, async () => {
    const hurry = new Hurry();
    await using rig = await Rig.start({ clock: hurry.clock });
    const chain = await played(rig);
    await rig.close();
    for (const copy of copies(rig, chain)) rmSync(copy);
    if (note === "without") rmSync(join(rig.dir, "state", "chains"), { recursive: true });
    await rig.open();
    await hurry.looked();
    assert.equal(receiptOf(await rig.direct(`/v1/chains/${chain.name}/receipt`)).size, 2);
    await rig.close();
    for (const copy of copies(rig, chain)) assert.ok(existsSync(copy), copy);
  });
}

test("blocks behind the newest receipt that was kept get one, too", async () => {
  const hurry = new Hurry();
  await using rig = await Rig.start({ clock: hurry.clock });
  const chain = chainOf("kept");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  const [first = ""] = copies(rig, chain);
  const older = readFileSync(first);
  chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(1))), "200");
  await rig.close();
  for (const copy of copies(rig, chain)) writeFileSync(copy, older);
  await rig.open();
  await hurry.looked();
  assert.equal(receiptOf(await rig.direct(`/v1/chains/${chain.name}/receipt`)).size, 2);
});

test("a look signs nothing over damaged objects", async () => {
  const hurry = new Hurry();
  await using rig = await Rig.start({ clock: hurry.clock });
  const chain = await played(rig);
  await rig.close();
  for (const copy of copies(rig, chain)) rmSync(copy);
  const blocks = join(rig.store, "chains", chain.name, "0000000000000000.blocks");
  const bytes = readFileSync(blocks);
  bytes[150] = (bytes[150] ?? 0) ^ 1;
  writeFileSync(blocks, bytes);
  await rig.open();
  await hurry.looked();
  assert.equal(gist(await rig.direct(`/v1/chains/${chain.name}/receipt`)), "404 not-found");
});

test("what a receipt covers is not signed anew", async () => {
  const hurry = new Hurry();
  await using rig = await Rig.start({ clock: hurry.clock });
  const chain = await played(rig);
  await rig.restart();
  const [first = ""] = copies(rig, chain);
  const before = readFileSync(first);
  await hurry.looked();
  await rig.close();
  assert.deepEqual(readFileSync(first), before);
});

/** Puts a chain whole into the store of a vault that is closed, with no receipt. */
function plant(rig: Rig, chain: ChainBuilder): void {
  const folder = join(rig.store, "chains", chain.name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "grant"), chain.grant);
  const blocks = concat(...chain.blocks.map(({ bytes }) => bytes));
  writeFileSync(join(folder, "0000000000000000.blocks"), blocks);
}

const day = 86_400;

for (const [code, from] of [
  ["GRANT_EXPIRED", -3 * day],
  ["GRANT_NOT_YET_VALID", 2 * day],
] as const) {
  test(`a chain that somebody put into the store gets no receipt outside its grant's dates: ${code}`, async () => {
    const hurry = new Hurry();
    await using rig = await Rig.start({ clock: hurry.clock });
    await rig.close();
    const now = Math.floor(Date.now() / 1000);
    const terms = { notBefore: now + from, notAfter: now + from + day };
    const chain = chainOf("planted", { terms });
    chain.begin();
    chain.seal([heartbeat]);
    plant(rig, chain);
    await rig.open();
    await hurry.looked();
    assert.equal(gist(await rig.post(chain)), `403 grant-refused ${code}`);
    assert.equal(
      gist(await rig.direct(`/v1/chains/${chain.name}/lines/0/proof`)),
      `403 grant-refused ${code}`,
    );
    assert.equal(gist(await rig.direct(`/v1/chains/${chain.name}/receipt`)), "404 not-found");
    const said = rig.diag.lines.filter(({ phrase }) => phrase.includes("can't begin"));
    assert.equal(said.length, 1);
    if (code !== "GRANT_NOT_YET_VALID") return;
    hurry.skipped = 2.5 * day * 1e6;
    assert.equal(gist(await rig.post(chain)), "200");
  });
}

test("a chain that somebody put into the store gets no receipt by a grant that others used up", async () => {
  const hurry = new Hurry();
  await using rig = await Rig.start({ clock: hurry.clock });
  const terms = { maxChains: 2, subject: "many" };
  const [one, two, planted] = ["one", "two", "planted"].map((label) =>
    chainOf(label, { grantKey: "shared", terms }),
  ) as [ChainBuilder, ChainBuilder, ChainBuilder];
  for (const chain of [one, two, planted]) chain.begin();
  planted.seal([heartbeat]);
  assert.equal(gist(await rig.post(one)), "200");
  assert.equal(gist(await rig.post(two)), "200");
  await rig.close();
  plant(rig, planted);
  // What lost its receipts and is one of the two gets one again.
  for (const copy of copies(rig, two)) rmSync(copy);
  await rig.open();
  assert.equal(gist(await rig.post(two)), "200");
  await hurry.looked();
  assert.equal(gist(await rig.post(planted)), "403 grant-refused GRANT_REUSED");
  assert.equal(gist(await rig.direct(`/v1/chains/${planted.name}/receipt`)), "404 not-found");
  for (const chain of [one, two]) assert.equal(gist(await rig.post(chain)), "200");
});

for (const left of ["the vault's own copy", "the store's copy"] as const) {
  test(`a chain goes on after its grant expired where only ${left} says when it began`, async () => {
    const hurry = new Hurry();
    await using rig = await Rig.start({ clock: hurry.clock });
    const chain = await played(rig);
    await rig.close();
    const [stored = "", own = ""] = copies(rig, chain);
    rmSync(left === "the store's copy" ? own : stored);
    hurry.skipped = 100 * day * 1e6;
    await rig.open();
    assert.equal(gist(await rig.post(chain)), "200");
  });
}

test("a chain that has a note of ours and no receipt begins when it gets one", async () => {
  const hurry = new Hurry();
  await using rig = await Rig.start({ clock: hurry.clock });
  const chain = await played(rig);
  await rig.close();
  for (const copy of copies(rig, chain)) rmSync(copy);
  assert.ok(existsSync(join(rig.dir, "state", "chains", chain.name, "checked")));
  hurry.skipped = 100 * day * 1e6;
  await rig.open();
  assert.equal(gist(await rig.post(chain)), "403 grant-refused GRANT_EXPIRED");
});

test("the first receipt of a chain is kept before it is given, also where blocks are sent again", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("again");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.close();
  for (const copy of copies(rig, chain)) rmSync(copy);
  await rig.open();
  assert.equal(gist(await rig.post(chain)), "200");
  for (const copy of copies(rig, chain)) assert.ok(existsSync(copy), copy);
});

describe("a first receipt that couldn't be stored is not given before it is", () => {
  type Ask = (rig: Rig, chain: ChainBuilder) => Promise<Answer>;
  const ask: Record<string, [ask: Ask, until: string]> = {
    "to who sends the blocks again": [(rig, chain) => rig.post(chain), "503 disk-full"],
    "to who sends further blocks": [
      (rig, chain) => {
        chain.seal([heartbeat]);
        return rig.post(chain, chain.blocks.slice(-1));
      },
      "503 disk-full",
    ],
    "to who asks for it": [
      (rig, { name }) => rig.direct(`/v1/chains/${name}/receipt`),
      "404 not-found",
    ],
    "to who asks for a proof": [
      (rig, { name }) => rig.direct(`/v1/chains/${name}/lines/0/proof`),
      "404 not-found",
    ],
  };
  for (const [who, [asked, until]] of Object.entries(ask)) {
    test(who, async () => {
      const disk = new FakeFiles();
      const files = new FaultyFiles(disk);
      await using rig = await Rig.start({ files });
      const chain = chainOf("full");
      chain.begin();
      const full = { call: "rename", variant: "failed", errno: "ENOSPC", times: 1000 } as const;
      files.arm({ ...full, nth: 1, path: `${chainPath(chain.name)}/receipt` });
      assert.equal(gist(await rig.post(chain)), "503 disk-full");
      assert.equal(gist(await asked(rig, chain)), until);
      assert.equal("receipt" in (await rig.json(`/v1/chains/${chain.name}`)), false);
      files.disarm();
      assert.equal(gist(await rig.post(chain)), "200");
      assert.equal((await asked(rig, chain)).status, 200);
      for (const dir of [rig.store, `${rig.dir}/state`])
        assert.ok(await disk.stat(`${dir}/${chainPath(chain.name)}/receipt`), dir);
    });
  }
});
