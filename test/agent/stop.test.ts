// Stopping and starting again, whatever is the matter at that moment: the deadline is kept, and
// what was not sealed or shipped goes on at the next start, however that is configured.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AgentConfig } from "../../src/agent/config.ts";
import { worse } from "../fakes/findings.ts";
import { SeededRandom } from "../fakes/random.ts";
import { World } from "./world.ts";

const dayMicros = 86_400_000_000;
const random = new SeededRandom(7);
/** Lines that no compression makes small. */
const lines = (bytes: number): string => {
  const text = Buffer.from(random.bytes(bytes / 2)).toString("hex");
  return text.replaceAll(/.{127}/g, "$&\n");
};

/** The file system refuses to write to the buffer, whatever it says of free bytes. */
function fillDisk(world: World): void {
  world.files.hook = (_call, path) => {
    if (String(path).includes("/wal/")) throw Object.assign(new Error("full"), { code: "EDQUOT" });
  };
}

function draining(deadline: number): { config: (config: AgentConfig) => AgentConfig } {
  return { config: (config) => ({ ...config, drain: { deadline, final: false } }) };
}

async function begun(options: Parameters<typeof World.make>[0] = {}): Promise<World> {
  const world = await World.make(options);
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  return world;
}

/** How long it takes, in ms. */
async function timed({ clock }: World, work: Promise<unknown>): Promise<number> {
  const before = clock.mono();
  await work.catch(() => undefined);
  return (clock.mono() - before) / 1000;
}

suite("stopping", () => {
  test("a stop counts from when it was asked for, also where the disk was full until then", async () => {
    await using world = await begun(draining(2000));
    fillDisk(world);
    world.vault.silent = true;
    const text = lines(700_000);
    world.files.append("/logs/a.log", text);
    await world.pass(1200);
    const took = timed(world, world.stop());
    await world.pass(1500);
    world.files.hook = undefined;
    assert.ok((await took) < 3000, `${await took} ms`);
    world.vault.silent = false;
    await world.live();
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), `one\n${text}`);
  });

  test("a stop in the middle of enrolling on a full disk ends, and the next start enrols", async () => {
    await using world = await World.make();
    fillDisk(world);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.pass(300);
    assert.ok((await timed(world, world.stop())) < 2000);
    world.files.hook = undefined;
    await world.live();
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
  });

  test("a drain with a full buffer reads on as receipts make room", async () => {
    await using world = await begun({
      config: (config) => ({
        ...config,
        buffer: { max_bytes: 1024 * 1024 },
        drain: { deadline: 20_000, final: false },
      }),
    });
    world.vault.away = true;
    const text = lines(4_000_000);
    world.files.append("/logs/a.log", text);
    await world.until(() => world.agent?.gauge.state === "buffer-full");
    world.vault.away = false;
    assert.equal((await world.stop()).unsent, 0);
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), `one\n${text}`);
  });

  test("a drain with a full buffer and no vault keeps its deadline, and loses nothing", async () => {
    await using world = await begun({
      config: (config) => ({
        ...config,
        buffer: { max_bytes: 1024 * 1024 },
        drain: { deadline: 1500, final: false },
      }),
    });
    world.vault.away = true;
    const text = lines(4_000_000);
    world.files.append("/logs/a.log", text);
    await world.until(() => world.agent?.gauge.state === "buffer-full");
    const stopped = world.stop();
    assert.ok((await timed(world, stopped)) < 2500);
    assert.ok(((await stopped).unsent ?? 0) > 0);
    world.vault.away = false;
    // Half of what lies in the buffer is more than the whole buffer may hold now.
    world.config = { ...world.config, buffer: { max_bytes: 512 * 1024 } };
    await world.live();
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), `one\n${text}`);
  });

  test("a second stop skips to the sync, whatever the vault does", async () => {
    await using world = await begun(draining(20_000));
    world.vault.silent = true;
    world.files.append("/logs/a.log", "two\n");
    const stopped = world.stop();
    await world.pass(1200);
    world.agent?.stop("test");
    assert.ok((await timed(world, stopped)) < 1000);
    assert.ok(((await stopped).unsent ?? 0) > 0);
    world.vault.silent = false;
    await world.live();
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
  });

  for (const [name, days] of [
    ["a day ahead", 1],
    ["a day back", -1],
    ["twenty years ahead", 7300],
  ] as const) {
    test(`a machine whose clock is ${name} at the next start goes on with its chain`, async () => {
      await using world = await begun();
      await world.stop();
      world.clockStep = days * dayMicros;
      world.files.append("/logs/a.log", "two\n");
      await world.live();
      world.clockStep = 0;
      world.files.append("/logs/a.log", "three\n");
      await world.live();
      const { findings, bytes } = await world.verify();
      assert.equal(world.vault.chains.size, 1);
      assert.deepEqual(worse(findings), []);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    });
  }

  test("a file that the next configuration lacks ends in a gap that says skipped, another source's goes on", async () => {
    await using world = await begun();
    world.files.append("/logs/b.log", "b\n");
    await world.caughtUp();
    await world.stop();
    world.files.append("/logs/a.log", "unread\n");
    world.files.append("/logs/b.log", "more\n");
    const [source] = world.config.sources;
    assert.ok(source);
    world.config = {
      ...world.config,
      sources: [{ ...source, name: "other", include: ["/logs/b.log"] }],
    };
    await world.live();
    const { findings, bytes, records } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
    assert.equal(bytes.get("/logs/b.log#0"), "b\nmore\n");
    assert.equal(records.filter((record) => record === "gap skipped").length, 1);
  });

  for (const [name, change] of [
    ["no longer includes", { include: ["/logs/b*.log"] }],
    ["excludes", { exclude: ["a.log"] }],
  ] as const) {
    test(`a file that the next configuration ${name} is read to its end or said to be left`, async () => {
      await using world = await begun();
      await world.stop();
      world.files.append("/logs/a.log", "written meanwhile\n");
      world.files.append("/logs/b.log", "b\n");
      const [source] = world.config.sources;
      assert.ok(source);
      world.config = { ...world.config, sources: [{ ...source, ...change }] };
      await world.live();
      const { findings, bytes, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(bytes.get("/logs/b.log#0"), "b\n");
      const read = bytes.get("/logs/a.log#0") === "one\nwritten meanwhile\n";
      const left = gaps.some(({ key }) => key === "/logs/a.log#0");
      assert.notEqual(read, left);
    });
  }
});
