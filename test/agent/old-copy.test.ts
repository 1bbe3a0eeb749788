// An agent whose state directory is an old copy goes on where the vault's newest receipt leaves its
// chain, or the chain that went on from it; what only the old copy's buffer holds is sealed once.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import type { AgentConfig } from "../../src/agent/config.ts";
import { SealtailError } from "../../src/core/errors.ts";
import { Refused } from "../../src/host/http-reader.ts";
import { worse } from "../fakes/findings.ts";
import { World } from "./world.ts";

type Copy = ReadonlyMap<string, Uint8Array>;

/** Every file of the state directory. */
async function copyState({ files, dir }: World): Promise<Copy> {
  const copy = new Map<string, Uint8Array>();
  const take = async (at: string): Promise<void> => {
    for (const { name, kind } of (await files.list(at)) ?? []) {
      const path = `${at}/${String(name)}`;
      if (kind === "dir") await take(path);
      else copy.set(path, files.bytes(path).slice());
    }
  };
  await take(dir);
  return copy;
}

/** The copy is put in the state directory's place, with another grant. */
async function restore(world: World, copy: Copy): Promise<void> {
  await world.loseState();
  for (const { name } of (await world.files.list(`${world.dir}/chains`)) ?? []) {
    const folder = `${world.dir}/chains/${String(name)}`;
    if ([...copy.keys()].some((path) => path.startsWith(`${folder}/`))) continue;
    await world.files.rmdir(`${folder}/wal`);
    await world.files.rmdir(folder);
  }
  for (const [path, bytes] of copy) world.files.put(path, bytes);
  await world.newGrant({ maxChains: 9 });
}

async function restorable(config?: (config: AgentConfig) => AgentConfig): Promise<World> {
  const world = await World.make({ maxChains: 9, ...(config && { config }) });
  world.asks = true;
  world.files.append("/logs/a.log", "one\n");
  world.files.append("/logs/quiet.log", "quiet\n");
  await world.live();
  return world;
}

/** A life until a chain began that the vault did not have. */
async function liveOnAnother(world: World): Promise<void> {
  const { size } = world.vault.chains;
  await world.start();
  await world.until(() => world.vault.chains.size > size);
  await world.caughtUp();
  await world.stop();
}

suite("an old copy of a state directory", () => {
  test("seals nothing again that the vault has of its chain", async () => {
    await using world = await restorable();
    const old = await copyState(world);
    world.files.append("/logs/a.log", "two\n");
    await world.live();
    await restore(world, old);
    world.files.append("/logs/a.log", "three\n");
    await liveOnAnother(world);
    const { bytes, findings, reasons, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, ["agent-rollback"]);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    assert.equal(bytes.get("/logs/quiet.log#0"), "quiet\n");
    assert.deepEqual(gaps, []);
  });

  test("goes on from the chain that went on from its own", async () => {
    await using world = await restorable();
    const old = await copyState(world);
    world.files.append("/logs/a.log", "two\n");
    await world.live();
    await world.files.unlink(`${world.dir}/chains/0000/keys`);
    world.files.append("/logs/a.log", "three\n");
    await liveOnAnother(world);
    await restore(world, old);
    world.files.append("/logs/a.log", "four\n");
    await liveOnAnother(world);
    const { bytes, findings, reasons, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(reasons.length, 2);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\nfour\n");
    assert.equal(bytes.get("/logs/quiet.log#0"), "quiet\n");
    assert.deepEqual(gaps, []);
  });

  test("whose chain was over, without its successor, goes on from that", async () => {
    await using world = await restorable();
    await world.files.unlink(`${world.dir}/chains/0000/keys`);
    const old = await copyState(world);
    world.files.append("/logs/a.log", "two\n");
    await liveOnAnother(world);
    await restore(world, old);
    world.files.append("/logs/a.log", "three\n");
    await liveOnAnother(world);
    const { bytes, findings, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    assert.deepEqual(gaps, []);
  });

  for (const [name, more] of [
    ["fewer blocks than the vault has", 6],
    ["more blocks than the vault has", 0],
  ] as const) {
    test(`seals once what it read before the vault contradicted it, with ${name}`, async () => {
      await using world = await restorable((config) => ({
        ...config,
        seal: { ...config.seal, max_age: 5 },
      }));
      const old = await copyState(world);
      // This life opens a file that is gone and closed before the copy comes back.
      world.files.append("/logs/brief.log", "brief\n");
      await world.start();
      for (let line = 0; line <= more; line += 1) {
        world.files.append("/logs/a.log", "two\n");
        await world.caughtUp();
      }
      await world.files.unlink("/logs/brief.log");
      await world.caughtUp();
      await world.stop();
      await restore(world, old);
      world.vault.away = true;
      world.files.append("/logs/a.log", "three\n");
      world.files.append("/logs/gone.log", "held\n");
      await world.start();
      const read = (path: string): boolean =>
        world.agent?.session?.tail.status().some((each) => each.path === path && each.offset > 4) ??
        false;
      await world.until(() => read("/logs/gone.log") && read("/logs/a.log"));
      for (let block = 0; more === 0 && block < 30; block += 1) {
        world.files.append("/logs/gone.log", "held\n");
        await world.until(() => (world.agent?.session?.unsent ?? 0) > block);
      }
      await world.until(() => (world.agent?.session?.unsent ?? 0) > 0);
      await world.stop();
      await world.files.unlink("/logs/gone.log");
      world.vault.away = false;
      await liveOnAnother(world);
      const { bytes, findings, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      const two = "two\n".repeat(more + 1);
      assert.equal(bytes.get("/logs/a.log#0"), `one\n${two}three\n`);
      assert.equal(bytes.get("/logs/brief.log#0"), "brief\n");
      assert.equal(bytes.get("/logs/gone.log#0"), "held\n".repeat(more === 0 ? 31 : 1));
      // Nobody knows what was written to it at last.
      assert.deepEqual(
        gaps.map(({ key, to }) => ({ key, to })),
        [{ key: "/logs/gone.log#0", to: undefined }],
      );
    });
  }

  for (const error of [new Refused(500, "no"), new SealtailError("too-many-open-files", "none")]) {
    test(`whose chain was over waits, told to, for the vault's word on a successor: ${error.code}`, async () => {
      await using world = await restorable((config) => ({
        ...config,
        sink: { ...config.sink, when_silent: "wait" },
      }));
      await world.files.unlink(`${world.dir}/chains/0000/keys`);
      const old = await copyState(world);
      world.files.append("/logs/a.log", "two\n");
      await liveOnAnother(world);
      await restore(world, old);
      const honest = world.vault.reads.chainsOf;
      world.vault.reads.chainsOf = async () => {
        throw error;
      };
      world.files.append("/logs/a.log", "three\n");
      await world.start();
      await world.until(() => world.agent?.gauge.state === "needs-vault");
      world.vault.reads.chainsOf = honest;
      await world.until(() => world.vault.chains.size === 3);
      await world.caughtUp();
      await world.stop();
      assert.equal((await world.verify()).bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    });
  }

  test("whose chain is over begins the next one where the vault lets nobody ask, told to wait or not", async () => {
    const answers = [new Refused(403, "no"), new SealtailError("vault-answer-invalid", "none")];
    for (const error of answers) {
      await using world = await restorable((config) => ({
        ...config,
        sink: { ...config.sink, when_silent: "wait" },
      }));
      await world.files.unlink(`${world.dir}/chains/0000/keys`);
      world.vault.reads.chainsOf = async () => {
        throw error;
      };
      world.files.append("/logs/a.log", "two\n");
      await liveOnAnother(world);
      assert.equal(world.vault.chains.size, 2);
      assert.equal((await world.verify()).bytes.get("/logs/a.log#0"), "one\ntwo\n");
    }
  });

  test("takes nothing from a clone that lives", async () => {
    await using world = await restorable();
    const old = await copyState(world);
    world.files.append("/logs/a.log", "clone\n");
    await world.live();
    const [own] = world.vault.chains.keys();
    const honest = world.vault.reads.chainsOf;
    let more = 0;
    world.vault.reads.chainsOf = async (subject) =>
      (await honest(subject)).map((each) => ({ ...each, size: each.size + more++ }));
    world.vault.states.set(own as string, "active");
    await restore(world, old);
    world.files.cut("/logs/a.log", 4);
    world.files.append("/logs/a.log", "other\n");
    await liveOnAnother(world);
    const { bytes, findings, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\nclone\nother\n");
    assert.deepEqual(gaps, []);
  });
});
