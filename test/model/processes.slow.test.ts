// The same judge, over real files, a real agent and a real vault: killed, stopped, started again.
//
// - SEALTAIL_MODEL_MINUTES=n goes on for n minutes instead of one and a half; SEALTAIL_SEED=n draws
//   the same story again, as far as real processes can be made to repeat one.
// - What each life saw is not known here. What is sealed must be true and come once, and what is
//   there in the end must be sealed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pairVaultKeys } from "../../src/core/checkpoint.ts";
import { systemFiles } from "../../src/host/files.ts";
import { Rig } from "../crash/rig.ts";
import { seededNumbers } from "../fakes/random.ts";
import { judge } from "./judge.ts";
import { RealLogs } from "./real-logs.ts";
import { readSealed } from "./sealed.ts";
import { draw } from "./writer.ts";

const { SEALTAIL_MODEL_MINUTES: minutes = "1.5", SEALTAIL_SEED: seed = "1" } = process.env;

type Deed = (rig: Rig, chance: () => number) => Promise<unknown>;

const deeds: readonly (readonly [weight: number, name: string, deed: Deed])[] = [
  [90, "pause", (_, chance) => pause(chance() ** 2 * 250)],
  [3, "pause-long", (_, chance) => pause(chance() * 3000)],
  [
    2,
    "kill-agent",
    async (rig, chance) => {
      await rig.stop(rig.agent, "SIGKILL");
      await pause(chance() * 500);
      await rig.startAgent();
    },
  ],
  [
    1,
    "stop-agent",
    async (rig) => {
      await rig.stop(rig.agent, "SIGTERM");
      await rig.startAgent();
    },
  ],
  [
    2,
    "kill-vault",
    async (rig, chance) => {
      await rig.stop(rig.vault, "SIGKILL");
      await pause(chance() * 2000);
      await rig.startVault();
    },
  ],
  [
    2,
    "hold-vault",
    async (rig, chance) => {
      rig.vault?.kill("SIGSTOP");
      await pause(chance() * 3000);
      rig.vault?.kill("SIGCONT");
    },
  ],
];

test("real processes that are killed and stopped while real files are rotated, cut and removed keep every byte", async () => {
  const chance = seededNumbers(Number(seed));
  await using rig = await Rig.make({ maxChains: 1000 });
  const logs = new RealLogs(rig.logs);
  const log: string[] = [];
  await rig.startVault();
  await rig.startAgent();
  for (const end = Date.now() + Number(minutes) * 60_000; Date.now() < end; ) {
    log.push(logs.act(chance));
    const [name, deed] = draw(deeds, chance());
    if (!name.startsWith("pause")) log.push(name);
    await deed(rig, chance);
  }
  await rig.caughtUp();
  // Longer than a last line without LF is waited for.
  await pause(8000);
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  const [vault] = pairVaultKeys(rig.vaultKeys);
  assert.ok(vault);
  const chains = await readSealed(systemFiles, rig.storeDir, { root: rig.root, vault });
  assert.ok(chains.items.length > 50);
  const complaints = judge({
    ...{
      logs: logs.ledger.logs.values(),
      lives: [],
      buffered: [],
      scopes: [],
      chains,
      wanted: logs.wanted(),
    },
    excused: new Set(),
    logOf: (record) => logs.logOf(record),
    tickAt: (time) => logs.tickAt(time),
  });
  const story = `SEALTAIL_SEED=${seed}\n${complaints.join("\n")}\n${log.slice(-200).join("\n")}`;
  assert.deepEqual(complaints, [], story);
});
