// A chain that is replaced while its agent runs: the vault was restored from an older copy.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { World } from "./world.ts";

function fill(world: World, path: string, lines: number): string {
  let written = "";
  for (let i = 0; i < lines; i += 1) {
    const line = `${i} ${randomBytes(37_000).toString("base64")}\n`;
    written += line;
    world.files.append(path, line);
  }
  return written;
}

test("deleted files that are held unread outlive the chain of a running agent", async () => {
  await using world = await World.make({
    maxChains: 9,
    config: (config) => ({ ...config, buffer: { max_bytes: 2 * 1024 * 1024 } }),
  });
  fill(world, "/logs/a.log", 30);
  await world.start();
  await world.caughtUp();
  fill(world, "/logs/a.log", 30);
  await world.caughtUp();
  world.vault.away = true;
  const written = fill(world, "/logs/gone.log", 60);
  await world.until(() => world.agent?.gauge.state === "buffer-full", 20_000);
  await world.pass(3000);
  await world.files.unlink("/logs/gone.log");
  const late = fill(world, "/logs/late.log", 2);
  await world.pass(2500);
  await world.files.unlink("/logs/late.log");
  await world.pass(2000);
  world.vault.chains.clear();
  world.vault.grants.clear();
  world.vault.away = false;
  await world.until(() => (world.agent?.gauge.chainsReplaced ?? 0) > 0, 200_000);
  await world.pass(3000);
  await world.until(() => {
    const { unreceiptedBlocks, receiptedSize } = world.agent?.session?.shipper.status() ?? {};
    return unreceiptedBlocks === 0 && (receiptedSize ?? 0) > 0;
  }, 90_000);
  await world.pass(3000);
  await world.caughtUp();
  await world.stop();
  const { bytes, gaps } = await world.verify();
  assert.deepEqual(gaps, []);
  assert.ok(bytes.get("/logs/gone.log#0") === written);
  assert.ok(bytes.get("/logs/late.log#0") === late);
});
