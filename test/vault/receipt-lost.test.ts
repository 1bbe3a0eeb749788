// What is stored whole gets the receipt that it lacks without anybody asking: the vault was killed,
// or its disk was full, before the receipt was kept, and the agent lost its chain.

import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import { rescanEveryMs } from "../../src/vault/rescan.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** Counts looks, and lets a minute pass in a moment. */
class Hurry {
  looks = 0;
  skipped = 0;
  readonly clock: typeof systemClock = {
    ...systemClock,
    now: () => systemClock.now() + this.skipped,
    sleep: (ms: number, signal?: AbortSignal) => {
      if (ms === rescanEveryMs) this.looks += 1;
      return systemClock.sleep(ms === rescanEveryMs ? 20 : ms, signal);
    },
  };

  async looked(): Promise<void> {
    const after = this.looks + 2;
    while (this.looks < after) await systemClock.sleep(10);
  }
}

const copies = (rig: Rig, { name }: ChainBuilder): string[] =>
  [rig.store, join(rig.dir, "state")].map((dir) => join(dir, "chains", name, "receipt"));

async function played(rig: Rig, terms: object = {}): Promise<ChainBuilder> {
  const chain = chainOf("kept", { terms });
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
