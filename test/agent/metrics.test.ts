// What the agent's metrics say of a life that is known to the line.

import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

/** One sample by its name and labels. */
async function sample(world: World, name: string): Promise<number> {
  const text = await (await fetch(`${world.agent?.operationsUrl}/metrics`)).text();
  const line = text.split("\n").find((each) => each.startsWith(`sealtail_agent_${name} `));
  assert.ok(line !== undefined, name);
  return Number(line.slice(line.lastIndexOf(" ")));
}

test("lines, the time of the last read, segments and signatures are counted as they happen", async () => {
  const began = Date.now();
  await using world = await World.make();
  const before = world.clock.now() / 1e6;
  world.files.append("/logs/a.log", "one\ntwo\n");
  world.files.append("/logs/b.log", "three\n");
  await world.start();
  await world.caughtUp();
  assert.equal(await sample(world, 'source_lines_total{source="app"}'), 3);
  const read = await sample(world, 'source_last_read_timestamp_seconds{source="app"}');
  // The agent's wall clock is set at its start, the world's when that was made.
  const latest = world.clock.now() / 1e6 + (Date.now() - began) / 1e3;
  assert.ok(read > before && read <= latest, `${read}`);
  assert.equal(await sample(world, "wal_segments"), 1);
  const blocks = await sample(world, "blocks_sealed_total");
  assert.ok(blocks > 0);
  assert.equal(await sample(world, "sign_duration_seconds_count"), blocks);
});

test("more lines than one block may hold are counted once", async () => {
  await using world = await World.make({
    config: (given) => ({ ...given, seal: { ...given.seal, max_lines: 100 } }),
  });
  world.files.append("/logs/a.log", "line\n".repeat(1234));
  await world.start();
  // What was read may wait to be sealed for longer than it takes to catch up.
  await world.until(() => (world.agent?.gauge.lines.get("app") ?? 0) >= 1234);
  await world.caughtUp();
  assert.equal(await sample(world, 'source_lines_total{source="app"}'), 1234);
});

test("writes of the buffer that fail are counted by what was wrong", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  const failed = 'wal_write_errors_total{code="disk-full"}';
  assert.equal(await sample(world, failed), 0);
  let full = true;
  world.files.hook = (call, path) => {
    if (full && call === "write" && String(path).includes("/wal/")) {
      throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC" });
    }
  };
  world.files.append("/logs/a.log", "two\n");
  await world.until(() => world.agent?.gauge.state === "disk-full");
  assert.ok((await sample(world, failed)) > 0);
  full = false;
  await world.caughtUp();
});

test("the diagnostic of a gap names the file", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  await world.stop();
  await world.files.unlink("/logs/a.log");
  await world.start();
  await world.until(() => world.diag.phrases("warn").includes("gap declared"));
  const gap = world.diag.lines.find(({ phrase }) => phrase === "gap declared");
  assert.equal(gap?.fields["path"], "/logs/a.log");
  assert.equal(gap?.fields["cause"], "rotated-away");
});
