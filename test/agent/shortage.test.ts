// An agent whose disk or descriptors run out: it waits, follows its files, and goes on by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readiness } from "../../src/agent/operations.ts";
import type { SealtailError } from "../../src/core/errors.ts";
import { findingClasses } from "../../src/core/fault.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import type { FileCall } from "../fakes/files.ts";
import { World } from "./world.ts";

const errno = (code: string): Error => Object.assign(new Error(code), { code });

/** Calls below a path fail with `code` while `on`, but for the first `spared` ones. */
function failing(world: World, part: string, calls: readonly FileCall[], code: string, spared = 0) {
  const fault = { on: true, hits: 0 };
  let left = spared;
  world.files.hook = (call, path) => {
    if (!fault.on || !calls.includes(call) || !String(path).includes(part)) return;
    left -= 1;
    if (left >= 0) return;
    fault.hits += 1;
    throw errno(code);
  };
  return fault;
}

/** Everything is sealed once, in one chain, and nobody finds anything wrong but `allowed`. */
async function assertWhole(
  world: World,
  want: Record<string, string>,
  allowed = "",
): Promise<void> {
  await world.caughtUp();
  await world.stop();
  const { findings, bytes } = await world.verify();
  const worse = findings.filter(
    ({ code }) => findingClasses[code] !== "finding" && code !== allowed,
  );
  assert.deepEqual(worse, []);
  assert.equal(world.vault.chains.size, 1);
  for (const [path, text] of Object.entries(want)) {
    assert.ok(bytes.get(`${path}#0`) === text, `${path} is sealed once and whole`);
  }
}

const stateOf = (world: World): string | undefined => world.agent?.gauge.state;

test("while blocks wait for room in the middle of reading, files are still followed", async () => {
  await using world = await World.make();
  const big = "0123456789abcde\n".repeat(80_000);
  world.files.append("/logs/big.log", big);
  // Full from the fifth write on: by then the main loop is in the middle of the big file.
  const full = failing(world, "/wal/", ["write", "create"], "ENOSPC", 4);
  await world.start();
  await world.until(() => stateOf(world) === "disk-full" && full.hits > 1);
  const turned = world.agent?.gauge.lastTurn ?? 0;
  world.files.append("/logs/passing.log", "not to be lost\n");
  const status = () => world.agent?.session?.tail.status() ?? [];
  await world.until(() => status().some(({ path, open }) => path.includes("passing") && open));
  await world.files.unlink("/logs/passing.log");
  await world.until(() => (world.agent?.gauge.lastTurn ?? 0) > turned);
  full.on = false;
  await assertWhole(world, { "/logs/big.log": big, "/logs/passing.log": "not to be lost\n" });
});

test("while a chain's first block waits for room, files are followed", async () => {
  await using world = await World.make();
  const full = failing(world, "/wal/", ["write", "create"], "ENOSPC");
  await world.start();
  await world.until(() => full.hits > 1);
  world.files.append("/logs/passing.log", "not to be lost\n");
  const status = () => world.agent?.gauge.tail?.()?.status() ?? [];
  await world.until(() => status().some(({ path, open }) => path.includes("passing") && open));
  await world.files.unlink("/logs/passing.log");
  full.on = false;
  await assertWhole(world, { "/logs/passing.log": "not to be lost\n" });
});

test("a disk that others filled has the reserve: blocks, receipts and heartbeats find room", async () => {
  await using world = await World.make({
    config: (config) => ({ ...config, seal: { ...config.seal, max_silence: 2000 } }),
  });
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  const reserve = `${world.dir}/reserve`;
  assert.ok(((await world.files.stat(reserve))?.size ?? 0) > 1_000_000);
  world.files.capacity = world.files.used();
  const before = world.agent?.gauge.headBlock ?? 0;
  const receipted = (): number => world.agent?.session?.shipper.status().receiptedSize ?? 0;
  await world.until(() => receipted() > before + 2, 15_000);
  assert.equal(stateOf(world), "disk-full");
  assert.equal(await world.files.stat(reserve), undefined);
  const { gauge, session } = world.agent as NonNullable<World["agent"]>;
  assert.equal(readiness(gauge, session?.shipper.status()).ok, false);
  world.files.capacity = Number.POSITIVE_INFINITY;
  await world.until(async () => (await world.files.stat(reserve)) !== undefined);
  world.files.append("/logs/a.log", "two\n");
  await world.until(() => stateOf(world) === "running");
  assert.equal(readiness(gauge, session?.shipper.status()).ok, true);
  await assertWhole(world, { "/logs/a.log": "one\ntwo\n" });
});

test("a disk full of a log that is deleted heals: receipts need no room, and reading gives it back", async () => {
  await using world = await World.make({
    config: (config) => ({ ...config, seal: { ...config.seal, max_silence: 2000 } }),
  });
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  world.vault.away = true;
  const big = noise(6_000_000);
  world.files.append("/logs/a.log", big);
  world.files.capacity = world.files.used() + 2_500_000;
  const reserve = `${world.dir}/reserve`;
  await world.until(async () => (await world.files.stat(reserve)) === undefined, 20_000);
  // Others take what the reserve gave.
  world.files.capacity = world.files.used();
  await world.until(() => stateOf(world) === "disk-full");
  world.files.remove("/logs/a.log");
  const pinned = world.files.used();
  world.vault.away = false;
  await world.until(() => world.files.used() < pinned - 5_000_000, 40_000);
  world.files.append("/logs/b.log", "after\n");
  await world.until(() => stateOf(world) === "running");
  // Without any room there is none for a heartbeat.
  const want = { "/logs/a.log": `one\n${big}`, "/logs/b.log": "after\n" };
  await assertWhole(world, want, "SILENCE_EXCEEDED");
});

for (const [calls, part] of [
  [["create"], "/wal/"],
  [["syncDir"], "/wal"],
  [["create", "syncDir"], "/"],
  [["open", "create", "syncDir"], "/"],
] as const) {
  test(`${calls.join(", ")} below ${part} without a descriptor is tried again until there is one`, async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.caughtUp();
    const short = failing(world, part, calls, "EMFILE");
    // Enough for several segments.
    const big = noise(3_000_000);
    world.files.append("/logs/a.log", big);
    await world.until(() => short.hits > 0);
    short.on = false;
    await assertWhole(world, { "/logs/a.log": `one\n${big}` });
  });
}

for (const [what, part] of [
  ["the grant", "/keys/grant"],
  ["its key", "/keys/grant.key"],
  ["the chain's folder", "/chains/"],
  ["the buffer", "/wal/"],
  ["the chain's keys", "/keys"],
] as const) {
  test(`a chain that begins without a descriptor for ${what} waits for one`, async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    const short = failing(world, part, ["open", "create", "list", "syncDir"], "EMFILE");
    short.on = false;
    const { hook } = world.files;
    world.files.hook = (call, path) => {
      // Once files are followed there is something to lose.
      if (call === "open" && String(path) === "/logs/a.log") short.on ||= short.hits === 0;
      return hook?.(call, path);
    };
    await world.start();
    await world.until(() => stateOf(world) === "no-descriptors");
    await world.pass(300);
    assert.ok(short.hits < 20, `${short.hits} attempts`);
    short.on = false;
    await assertWhole(world, { "/logs/a.log": "one\n" });
    assert.equal(world.agent?.gauge.chainsBegun, 1);
  });
}

test("told to stop while it waits for a descriptor to begin a chain with, an agent stops as ever", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  const short = failing(world, "/keys/grant", ["open"], "EMFILE");
  short.on = false;
  const { hook } = world.files;
  world.files.hook = (call, path) => {
    if (String(path) === "/logs/a.log") short.on = true;
    return hook?.(call, path);
  };
  await world.start();
  await world.until(() => stateOf(world) === "no-descriptors");
  assert.deepEqual(await world.stop(), { unsent: undefined });
  world.files.hook = undefined;
  await world.start();
  await assertWhole(world, { "/logs/a.log": "one\n" });
});

test("a segment that cannot be made for want of an inode lets the newest one grow on", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  world.vault.away = true;
  const short = failing(world, "/wal/", ["create"], "ENOSPC");
  const big = noise(5_000_000);
  world.files.append("/logs/a.log", big);
  await world.until(() => (world.agent?.gauge.walBytes ?? 0) > 2_500_000);
  assert.ok(short.hits > 0 && short.hits < 10, `${short.hits}`);
  assert.equal(stateOf(world), "running");
  const files = () => world.agent?.session?.tail.status() ?? [];
  await world.until(() => files().every(({ size, offset }) => offset >= size));
  await world.pass(300);
  const head = world.agent?.gauge.headBlock ?? 0;
  await world.pass(500);
  assert.ok((world.agent?.gauge.headBlock ?? 0) <= head + 1, "no blocks without need");
  short.on = false;
  world.vault.away = false;
  await assertWhole(world, { "/logs/a.log": `one\n${big}` });
});

/** An agent whose newest segment, all of it receipted, takes the room that reading waits for. */
async function heldUp(world: World): Promise<string> {
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  world.vault.away = true;
  const big = noise(3_000_000);
  world.files.append("/logs/a.log", big);
  // Less than a segment, above what is left free.
  world.files.capacity = world.files.used() + 900_000;
  await world.until(() => stateOf(world) === "disk-full");
  return `one\n${big}`;
}

test("what receipts cover keeps nobody waiting: its last segment goes as well", async () => {
  await using world = await World.make();
  const want = await heldUp(world);
  assert.equal(await segments(world), 1);
  world.vault.away = false;
  await world.until(() => stateOf(world) === "running", 10_000);
  await assertWhole(world, { "/logs/a.log": want });
});

test("an agent that starts on a disk full of what receipts cover reads on", async () => {
  await using world = await World.make();
  const want = await heldUp(world);
  await world.stop();
  world.vault.away = false;
  await world.start();
  await assertWhole(world, { "/logs/a.log": want });
});

for (const persists of [false, true]) {
  const what = persists ? "half done" : "not done";
  test(`a segment that could not begin (${what}) to let receipted ones go begins later`, async () => {
    await using world = await World.make({
      config: (config) => ({ ...config, seal: { ...config.seal, max_silence: 1500 } }),
    });
    const faulty = new FaultyFiles(world.files);
    world.seen = faulty;
    const want = await heldUp(world);
    const variant = persists ? "persisted" : "failed";
    faulty.arm({ call: "create", nth: 1, path: "/wal/", variant, errno: "ENOSPC", times: 3 });
    world.vault.away = false;
    await assertWhole(world, { "/logs/a.log": want }, "SILENCE_EXCEEDED");
    assert.equal(faulty.struck, 3);
  });
}

test("a buffer full of one segment that grew on empties once receipts cover it", async () => {
  await using world = await World.make({
    config: (config) => ({ ...config, buffer: { max_bytes: 2_000_000 } }),
  });
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  world.vault.away = true;
  const short = failing(world, "/wal/", ["create"], "ENOSPC");
  const big = noise(4_000_000);
  world.files.append("/logs/a.log", big);
  await world.until(() => stateOf(world) === "buffer-full");
  short.on = false;
  world.vault.away = false;
  await assertWhole(world, { "/logs/a.log": `one\n${big}` });
});

test("on a disk smaller than the reserve of its buffer an agent keeps a smaller one, and reads", async () => {
  await using world = await World.make({
    config: (config) => ({ ...config, buffer: { max_bytes: 1_000_000_000 } }),
  });
  const big = noise(2_000_000);
  world.files.append("/logs/a.log", big);
  world.files.capacity = world.files.used() + 1_000_000;
  world.files.size = world.files.capacity;
  await world.start();
  await assertWhole(world, { "/logs/a.log": big });
});

test("a disk that could never hold what must stay free is refused at the start, with a hint", async () => {
  await using world = await World.make();
  world.files.size = 500_000;
  await assert.rejects(world.start(), ({ code, hint }: SealtailError) => {
    assert.match(hint ?? "", /at least 524288 bytes/);
    return code === "config-invalid";
  });
});

test("a disk that others keep full gets no blocks without need", async () => {
  await using world = await World.make();
  await heldUp(world);
  world.files.capacity = world.files.used() + 50_000;
  world.vault.away = false;
  let head = 0;
  for (let i = 0; i < 40; i++) {
    // They take what it gives back.
    world.files.capacity = Math.min(world.files.capacity, world.files.used() + 50_000);
    await world.pass(100);
    if (i === 20) head = world.agent?.gauge.headBlock ?? 0;
  }
  assert.equal(stateOf(world), "disk-full");
  assert.ok((world.agent?.gauge.headBlock ?? 0) <= head + 1);
  await world.kill();
});

const segments = async (world: World): Promise<number> =>
  ((await world.files.list(`${world.dir}/chains/0000/wal`)) ?? []).length;

/** Lines that hardly compress. */
function noise(length: number): string {
  let [text, state] = ["", 1];
  while (text.length < length) {
    for (let i = 0; i < 40; i++) {
      state = Math.imul(state, 1_664_525) + 1_013_904_223;
      text += (state >>> 0).toString(36);
    }
    text += "\n";
  }
  return text;
}

test("the limit that status shows is no more than the disk holds", async () => {
  await using world = await World.make();
  world.files.size = 5_000_000;
  await world.start();
  await world.until(() => world.agent?.gauge.walLimit === 5_000_000);
  await world.stop();
});
