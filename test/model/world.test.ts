// Worlds in which everything goes wrong: whatever happens, each byte is sealed once or in a gap.
//
// SEALTAIL_SEED=n lives through one world again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readSealed } from "./sealed.ts";
import { stepsOf, tell } from "./story.ts";
import { firstFailure, stepsOfWorld, trust } from "./trial.ts";
import { World } from "./world.ts";

const { SEALTAIL_SEED: seed } = process.env;

// A loaded machine takes its time.
const options = { timeout: 300_000 };

test(
  "whatever happens to files, disks, clocks, processes and the vault, every byte that was seen is sealed once or lies in a gap",
  options,
  async () => {
    const failure = await firstFailure(Number(seed ?? 1), seed === undefined ? 24 : 1);
    assert.equal(failure, undefined, failure);
  },
);

test("the same seed is the same world", async () => {
  const told: string[] = [];
  for (let again = 0; again < 2; again += 1) {
    const world = await World.make(11);
    await tell(world, 11, stepsOf(11, stepsOfWorld));
    const { disk, config } = world.vault;
    const { items } = await readSealed(disk, config.store.path, trust);
    told.push(JSON.stringify([world.log, items, world.time.mono, world.ledger.tick]));
  }
  assert.equal(told[0], told[1]);
});
