// What happens behind a vault's back is undone as it was done.

import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

test("a repair puts a bent byte right also where an older store took its place meanwhile", async () => {
  const world = await World.make(1);
  const { vault, stores } = world;
  vault.start();
  world.disk.put("/logs/a.log", "one\n");
  world.start();
  await world.time.pass(5000);
  stores.copy(() => 0);
  const [chain] = (await vault.disk.list(`${vault.config.store.path}/chains`)) ?? [];
  const path = `${vault.config.store.path}/chains/${String(chain?.name)}/0000000000000000.blocks`;
  const before = vault.disk.bytes(path).slice();
  stores.edit(() => 0.5);
  assert.notDeepEqual(vault.disk.bytes(path), before);
  stores.restore();
  stores.repair();
  assert.deepEqual(vault.disk.bytes(path), before);
  world.kill();
  vault.kill();
});
