// The same judge, over real files, a real agent and a real vault: killed, stopped, started again.
//
// - SEALTAIL_MODEL_MINUTES=n goes on for n minutes instead of one and a half; SEALTAIL_SEED=n draws
//   the same story again, as far as real processes can be made to repeat one.
// - After each end of a life the next one catches up, and the chains are judged by what every life
//   so far said that it saw and left in its buffers; in the end also by what is there.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { pairVaultKeys } from "../../src/core/checkpoint.ts";
import { systemFiles } from "../../src/host/files.ts";
import { Rig } from "../crash/rig.ts";
import { seededNumbers } from "../fakes/random.ts";
import { judge } from "./judge.ts";
import { RealLives } from "./real-lives.ts";
import { RealLogs } from "./real-logs.ts";
import { readSealed } from "./sealed.ts";
import { draw } from "./writer.ts";

const { SEALTAIL_MODEL_MINUTES: minutes = "1.5", SEALTAIL_SEED: seed = "1" } = process.env;

interface Stage {
  readonly rig: Rig;
  readonly logs: RealLogs;
  readonly lives: RealLives;
}

type Deed = (stage: Stage, chance: () => number) => Promise<unknown>;

const deeds: readonly (readonly [weight: number, name: string, deed: Deed])[] = [
  [90, "pause", (_, chance) => pause(chance() ** 2 * 250)],
  [3, "pause-long", (_, chance) => pause(chance() * 3000)],
  [
    2,
    "kill-agent",
    async ({ rig, lives }, chance) => {
      await lives.look();
      await rig.stop(rig.agent, "SIGKILL");
      lives.end();
      await pause(chance() * 500);
      await begin({ rig, lives });
    },
  ],
  [
    1,
    "stop-agent",
    async ({ rig, lives }) => {
      await lives.look();
      if ((await rig.stop(rig.agent, "SIGTERM")) === 0) lives.rest();
      lives.end();
      await begin({ rig, lives });
    },
  ],
  [
    2,
    "kill-vault",
    async ({ rig }, chance) => {
      await rig.stop(rig.vault, "SIGKILL");
      await pause(chance() * 2000);
      await rig.startVault();
    },
  ],
  [
    2,
    "hold-vault",
    async ({ rig }, chance) => {
      rig.vault?.kill("SIGSTOP");
      await pause(chance() * 3000);
      rig.vault?.kill("SIGCONT");
    },
  ],
];

async function begin({ rig, lives }: Omit<Stage, "logs">): Promise<void> {
  lives.begin();
  await rig.startAgent();
}

/** What is wrong with what the store holds. */
async function complaints(
  { rig, logs, lives }: Stage,
  wanted: ReadonlySet<string>,
): Promise<string[]> {
  const [vault] = pairVaultKeys(rig.vaultKeys);
  assert.ok(vault);
  const chains = await readSealed(systemFiles, rig.storeDir, { root: rig.root, vault });
  return judge({
    ...{ logs: logs.ledger.logs.values(), lives: lives.testify(chains), chains, wanted },
    ...{ buffered: lives.buffers.spans, scopes: [], excused: new Set(), hurt: false },
    logOf: (record) => logs.logOf(record),
    instantOf: (time) => logs.instantOf(time),
  });
}

/** Waits until the life that goes on has caught up, and judges what it and those before it saw. */
async function judged(stage: Stage): Promise<void> {
  const { rig, lives } = stage;
  await rig.caughtUp();
  await lives.look();
  await rig.caughtUp();
  lives.rest();
  assert.deepEqual(await complaints(stage, new Set()), []);
}

test("real processes that are killed and stopped while real files are rotated, cut and removed keep every byte", async () => {
  const chance = seededNumbers(Number(seed));
  await using rig = await Rig.make({ maxChains: 1000 });
  const logs = new RealLogs(rig.logs);
  const lives = new RealLives(rig, logs);
  const stage = { rig, logs, lives };
  const log: string[] = [];
  const told = (error: unknown): string =>
    `SEALTAIL_SEED=${seed}\n${String(error)}\n${log.slice(-200).join("\n")}`;
  await rig.startVault();
  await begin(stage);
  for (const end = Date.now() + Number(minutes) * 60_000; Date.now() < end; ) {
    log.push(logs.act(chance));
    const [name, deed] = draw(deeds, chance());
    if (!name.startsWith("pause")) log.push(name);
    await deed(stage, chance);
    if (name.endsWith("-agent")) await judged(stage).catch((error) => assert.fail(told(error)));
  }
  await rig.caughtUp();
  // Longer than a last line without LF is waited for.
  await pause(8000);
  await judged(stage).catch((error) => assert.fail(told(error)));
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  lives.end();
  assert.ok(lives.buffers.spans.length > 0 && lives.sightings > 0);
  assert.deepEqual(await complaints(stage, logs.wanted()), [], told("in the end"));
});
