// What a pod's status says about an agent that is gone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

const path = "/pod/termination-log";

async function podWorld(): Promise<World> {
  const world = await World.make({
    config: (config) => ({
      ...config,
      drain: { deadline: 1000, final: false },
      diagnostics: { level: "debug", termination_message: path },
    }),
  });
  await world.files.mkdir("/pod", 0o700);
  // The kubelet makes it, empty; a message must not keep the end of a longer one before it.
  world.files.put(path, "");
  return world;
}

const messageIn = (world: World): string => Buffer.from(world.files.bytes(path)).toString();

test("a stop that shipped everything says so, and names the chain", async () => {
  await using world = await podWorld();
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  const { chain, headBlock, headSeq } = world.agent?.gauge ?? {};
  const place = `chain ${chain}, next block ${headBlock}, seq ${headSeq}`;
  assert.equal(messageIn(world), `stopped; nothing left unsent; ${place}\n`);
});

test("a stop that could not ship says how many blocks are left", async () => {
  await using world = await podWorld();
  world.vault.away = true;
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.until(() => world.agent?.gauge.state === "running");
  const { unsent } = await world.stop();
  assert.ok((unsent ?? 0) > 0);
  assert.match(
    messageIn(world),
    new RegExp(`^stopped; unsent blocks ${unsent}, unread bytes 0 in`),
  );
});

test("the message is there before anyone is told to stop: a kill leaves it behind", async () => {
  await using world = await podWorld();
  world.vault.away = true;
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.until(() => /^running; unsent blocks [1-9]/.test(messageIn(world)));
});

test("an agent that fails says its error's code", async () => {
  await using world = await podWorld();
  await world.start();
  await world.until(() => world.agent?.gauge.state === "running");
  world.files.hook = (call, at) => {
    if (call === "datasync" && String(at).includes("/wal/")) {
      throw Object.assign(new Error("EIO"), { code: "EIO" });
    }
  };
  world.files.append("/logs/a.log", "one\n");
  await assert.rejects(world.end());
  assert.match(messageIn(world), /^failed: sync-failed; /);
});

test("a message that cannot be written is told once and stops nothing", async () => {
  await using world = await podWorld();
  world.files.hook = (call, at) => {
    if (call === "open" && String(at) === path) {
      throw Object.assign(new Error("EACCES"), { code: "EACCES" });
    }
  };
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  assert.equal((await world.stop()).unsent, 0);
  const told = world.diag.lines.filter(({ phrase }) => /termination message/.test(phrase));
  assert.equal(told.length, 1);
});
