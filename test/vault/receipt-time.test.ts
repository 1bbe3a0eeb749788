// "A chain's receipts never go back in time, even if the clock does."

import assert from "node:assert/strict";
import { cpSync, rmSync } from "node:fs";
import { test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import { say } from "../fakes/chain-items.ts";
import { chainOf, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

for (const lost of ["nothing", "the store's receipt", "the vault's own receipt"] as const) {
  test(`receipts do not go back in time over a restart that loses ${lost}`, async () => {
    let shift = 0;
    const clock = { ...systemClock, now: () => systemClock.now() + shift };
    await using rig = await Rig.start({ clock });
    const chain = chainOf("back");
    chain.begin();
    const first = receiptOf(await rig.post(chain));
    shift = -3600e6;
    chain.seal([heartbeat]);
    const second = receiptOf(await rig.post(chain, chain.blocks.slice(1)));
    assert.ok(second.time >= first.time);
    await rig.close();
    if (lost === "the store's receipt") rmSync(`${rig.store}/chains/${chain.name}/receipt`);
    if (lost === "the vault's own receipt") rmSync(`${rig.dir}/state/chains/${chain.name}/receipt`);
    await rig.open();
    chain.seal([heartbeat]);
    const third = receiptOf(await rig.post(chain, chain.blocks.slice(2)));
    assert.ok(third.time >= second.time, `${third.time - second.time} s`);
  });
}

test("an older receipt put into the store does not set the time back", async () => {
  let shift = -7200e6;
  const clock = { ...systemClock, now: () => systemClock.now() + shift };
  await using rig = await Rig.start({ clock });
  const chain = chainOf("older", {}, Date.now() / 1000 - 7200);
  chain.begin();
  await rig.post(chain);
  const kept = `${rig.store}/chains/${chain.name}/receipt`;
  cpSync(kept, `${rig.dir}/old`);
  shift = 0;
  chain.seal([heartbeat]);
  const second = receiptOf(await rig.post(chain, chain.blocks.slice(1)));
  await rig.close();
  cpSync(`${rig.dir}/old`, kept);
  shift = -7200e6;
  await rig.open();
  chain.seal([heartbeat]);
  const third = receiptOf(await rig.post(chain, chain.blocks.slice(2)));
  assert.ok(third.time >= second.time, `${third.time - second.time} s`);
});

test("receipts for blocks that were sent again do not go back in time either", async () => {
  let shift = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + shift };
  await using rig = await Rig.start({ clock, limits: { headBytes: 1 } });
  const [chain, other] = [chainOf("again"), chainOf("another")];
  chain.begin();
  other.begin();
  await rig.post(chain);
  shift = 3600e6;
  const again = receiptOf(await rig.post(chain));
  await rig.post(other);
  shift = 0;
  assert.ok(receiptOf(await rig.post(chain)).time >= again.time);
  await rig.restart();
  assert.ok(receiptOf(await rig.post(chain)).time >= again.time);
});

test("receipts do not go back in time when a head was forgotten", async () => {
  let shift = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + shift };
  await using rig = await Rig.start({ clock, limits: { headBytes: 1 } });
  const [chain, other] = [chainOf("one"), chainOf("two")];
  for (const each of [chain, other]) each.begin();
  const first = receiptOf(await rig.post(chain));
  shift = -3600e6;
  await rig.post(other);
  chain.seal([heartbeat]);
  const second = receiptOf(await rig.post(chain, chain.blocks.slice(1)));
  assert.ok(second.time >= first.time, `${second.time - first.time} s`);
});
