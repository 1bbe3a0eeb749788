// What an agent makes of a state directory that something happened to.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { setFailpointHook } from "../../src/host/failpoint.ts";
import { showPath } from "../../src/host/file-error.ts";
import { worse } from "../fakes/findings.ts";
import type { VaultModel } from "../ship/vault-model.ts";
import { World } from "./world.ts";

/** The agent dies at a failpoint, as far as one can within a process. */
async function dieAt(world: World, name: string): Promise<void> {
  setFailpointHook((hit) => {
    if (hit === name) throw new Error(`died at ${name}`);
  });
  try {
    await world.start();
    await assert.rejects(world.end(), /died at/);
  } finally {
    setFailpointHook(undefined);
  }
}

test("a grant's key that outlived the first receipt is destroyed at the next start", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await dieAt(world, "enrol-after-receipt");
  assert.ok(await world.files.stat("/keys/grant.key"));
  world.vault.away = true;
  await world.start();
  await world.until(async () => (await world.files.stat("/keys/grant.key")) === undefined);
});

test("the key of a grant that is kept for later is not destroyed", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  await world.newGrant();
  world.files.append("/logs/a.log", "two\n");
  await world.live();
  assert.ok(await world.files.stat("/keys/grant.key"));
});

test("a failed sync of the grant's key ends the agent", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  world.files.hook = (call, path) => {
    if (call === "sync" && showPath(path) === "/keys/grant.key") throw errno("EIO");
  };
  await world.start();
  await assert.rejects(world.end(), { code: "sync-failed" });
});

const errno = (code: string): Error => Object.assign(new Error(code), { code });

test("a failed sync of a receipt ends the agent, also when it stops already", async () => {
  for (const hurry of [false, true]) {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    let stopped = false;
    world.files.hook = async (call, path) => {
      if (call !== "sync" || !String(path).includes("/receipt")) return;
      if (!stopped) world.agent?.stop("test");
      if (hurry) world.agent?.stop("test");
      stopped = true;
      await world.pass(100);
      throw errno("EIO");
    };
    await world.start();
    await assert.rejects(world.end(), { code: "sync-failed" }, `${hurry}`);
  }
});

test("a failed sync of the cache of last bytes ends the agent", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.start();
  await world.caughtUp();
  world.files.hook = (call, path) => {
    if (call === "sync" && String(path).includes("/frontiers")) throw errno("EIO");
  };
  await assert.rejects(world.stop(), { code: "sync-failed" });
});

test("a receipt that finds the disk full is asked for again", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  let full = 3;
  world.files.hook = (call, path) => {
    if (call === "create" && String(path).includes("/receipt") && full-- > 0) throw errno("ENOSPC");
  };
  await world.live();
  const { findings } = await world.verify();
  assert.deepEqual(worse(findings), []);
});

test("a full disk does not keep the agent from starting, nor from stopping in time", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  world.files.capacity = 0;
  world.files.append("/logs/a.log", "two\n");
  await world.start();
  await world.pass(300);
  const before = world.clock.mono();
  world.agent?.stop("test");
  await assert.rejects(world.end(), { code: "disk-full" });
  assert.ok(world.clock.mono() - before < 6_000_000);
  world.files.capacity = Number.POSITIVE_INFINITY;
  await world.live();
  const { bytes, findings } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
});

test("a file that was edited in place is not sealed anew after each restart", async () => {
  await using world = await World.make();
  const lines = Array.from({ length: 60 }, (_, n) => `line ${n} of a file that is edited\n`).join(
    "",
  );
  world.files.append("/logs/a.log", lines);
  await world.start();
  await world.caughtUp();
  world.files.put("/logs/a.log", lines.replace("line 57", "LINE 57"));
  await world.until(async () => (await world.verify()).records.includes("rewritten"));
  await world.stop();
  for (let restart = 0; restart < 2; restart += 1) {
    await world.live();
  }
  const { bytes, records } = await world.verify();
  assert.deepEqual([...bytes.keys()], ["/logs/a.log#0"]);
  assert.ok(!records.some((record) => record.startsWith("gap")), records.join());
});

test("an agent that learns it was rolled back signs nothing more for that chain", async () => {
  await using world = await World.make({ maxChains: 3 });
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  const saved = await copyOf(world);
  world.files.append("/logs/a.log", "two\n");
  await world.live();
  await restore(world, saved);
  world.files.append("/logs/a.log", "three\n");
  await world.start();
  await world.until(() => world.vault.chains.size === 2);
  await world.caughtUp();
  await world.stop();
  for (const [height, hashes] of await world.heights()) assert.equal(hashes.size, 1, height);
  assert.ok([...(await world.verify()).bytes.values()].join("").includes("three\n"));
});

/** A chain that the vault never took, of about 6 MB, whose keys are lost. */
async function deadChain(world: World): Promise<string> {
  let written = "";
  world.vault.away = true;
  await world.start();
  for (let i = 0; i < 60; i++) {
    const line = `${Buffer.from(randomBytes(75_000)).toString("base64")}\n`;
    written += line;
    world.files.append("/logs/gone.log", line);
  }
  await world.until(() => {
    const [file] = world.agent?.session?.tail.status() ?? [];
    return file !== undefined && file.offset >= written.length;
  });
  await world.stop();
  for (const path of ["/logs/gone.log", `${world.dir}/chains/0000/keys`]) {
    await world.files.unlink(path);
  }
  return written;
}

test("another grant beside a chain whose receipt was lost does not end that chain", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  await world.files.unlink(`${world.dir}/chains/0000/receipt`);
  await world.newGrant();
  world.files.append("/logs/a.log", "two\n");
  await world.live();
  assert.equal(world.vault.chains.size, 1);
  assert.equal((await world.verify()).bytes.get("/logs/a.log#0"), "one\ntwo\n");
});

test("a stop is heard while an old chain is sealed again, and the next start goes on", async () => {
  await using world = await World.make({ maxChains: 9 });
  const written = await deadChain(world);
  world.files.append("/logs/a.log", "still there\n");
  world.vault.away = false;
  let lives = 0;
  for (let over = false; !over; lives++) {
    let appends = 0;
    world.files.hook = (call, path) => {
      if (call !== "write" || !String(path).includes("chains/0001/wal")) return;
      appends += 1;
      // In the middle of it. The last life is left alone.
      if (appends === 4 && lives < 3) world.agent?.stop("test");
    };
    await world.start();
    over =
      (await Promise.race([world.end(), world.caughtUp().then(() => "caught up")])) === "caught up";
    if (over) await world.stop();
    else assert.equal(await world.files.stat(`${world.dir}/chains/0001/succeeded`), undefined);
  }
  assert.equal(lives, 4);
  const { findings, bytes, records } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.ok(bytes.get("/logs/gone.log#0") === written);
  assert.equal(records.filter((type) => type === "stop").length, 4);
});

async function copyOf(world: World): Promise<Map<string, Uint8Array>> {
  const saved = new Map<string, Uint8Array>();
  const copy = async (dir: string): Promise<void> => {
    for (const { name, kind } of (await world.files.list(dir)) ?? []) {
      const path = `${dir}/${String(name)}`;
      if (kind === "dir") await copy(path);
      else saved.set(path, world.files.bytes(path));
    }
  };
  await copy(`${world.dir}/chains`);
  return saved;
}

async function restore(world: World, saved: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const now = await copyOf(world);
  for (const path of now.keys()) if (!saved.has(path)) await world.files.unlink(path);
  for (const [path, bytes] of saved) world.files.put(path, bytes);
}

for (const receipt of ["", ", its receipt lost as well,"]) {
  test(`a chain that is replaced where a segment begins${receipt} keeps its positions`, async () => {
    await using world = await World.make({ maxChains: 3 });
    let written = "";
    const write = (text: string): void => {
      written += text;
      world.files.append("/logs/a.log", text);
    };
    write("first\n");
    world.files.append("/logs/gone.log", "gone\n");
    await world.start();
    await world.caughtUp();
    // Until a segment begins exactly where the receipt ends: then all before it is freed.
    const wal = `${world.dir}/chains/0000/wal`;
    for (let i = 0; i < 400; i++) {
      const before = (await world.files.list(wal))?.at(-1)?.name;
      write(
        `${i} ${Buffer.from(crypto.getRandomValues(new Uint8Array(40_000))).toString("base64")}\n`,
      );
      await world.caughtUp();
      const newest = (await world.files.list(wal))?.at(-1)?.name;
      if (newest !== before) break;
    }
    world.vault.away = true;
    write("not sent\n");
    await world.until(() => (world.agent?.session?.shipper.status().unreceiptedBlocks ?? 0) > 0);
    await world.stop();
    const first = Number.parseInt(String((await world.files.list(wal))?.[0]?.name), 16);
    await rollReceiptBackTo(world, first);
    // What was freed says how much the vault has.
    if (receipt !== "") await world.files.unlink(`${world.dir}/chains/0000/receipt`);
    // The keys are lost: the chain has to be replaced.
    await world.files.unlink(`${world.dir}/chains/0000/keys`);
    world.vault.away = false;
    await world.start();
    await world.until(() => world.vault.chains.size === 2);
    await world.caughtUp();
    await world.stop();
    const { bytes } = await world.verify();
    const [old, fresh] = [...world.vault.chains.values()];
    assert.ok(old && fresh);
    assert.equal(bytes.get("/logs/a.log#0"), written);
  });
}

/** As if the vault's receipt of exactly `size` blocks were the newest. */
async function rollReceiptBackTo(world: World, size: number): Promise<void> {
  const [[id, vault]] = [...world.vault.chains] as [[string, VaultModel]];
  vault.stored = vault.stored.slice(0, size);
  world.files.put(`${world.dir}/chains/0000/receipt`, vault.receipt(id, size));
}

test("power cuts at any time lose nothing and double nothing", async () => {
  for (let seed = 1; seed <= 6; seed++) {
    await using world = await World.make();
    let written = "";
    for (let life = 0; life < 5; life++) {
      await world.start();
      for (let i = 0; i < 10; i++) {
        const line = `${seed} ${life} ${i} ${"x".repeat((i * 37) % 300)}\n`;
        written += line;
        world.files.append("/logs/a.log", line);
        await world.pass(Math.random() * 12);
      }
      await syncLogs(world);
      await world.cutPower(seed * 10 + life);
    }
    await world.live();
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), written);
    for (const [height, hashes] of await world.heights()) assert.equal(hashes.size, 1, height);
  }
});

async function syncLogs(world: World): Promise<void> {
  const hook = world.files.hook;
  world.files.hook = undefined;
  const file = await world.files.open("/logs/a.log", "write");
  await file.sync();
  await file.close();
  await world.files.syncDir("/logs");
  world.files.hook = hook;
}

test("a source outside of a later grant is not sealed again under it", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "a\n");
  world.files.append("/logs/b.log", "b\n");
  world.vault.away = true;
  await world.start();
  await world.until(() => (world.agent?.session?.shipper.status().unreceiptedBlocks ?? 0) > 1);
  await world.stop();
  await world.files.unlink(`${world.dir}/chains/0000/keys`);
  await world.newGrant({ globs: ["/logs/a.log"] });
  world.vault.away = false;
  await world.start();
  await world.until(() => world.vault.chains.size === 1);
  await world.caughtUp();
  await world.stop();
  const { findings, bytes } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.equal(bytes.get("/logs/a.log#0"), "a\n");
  assert.equal(bytes.has("/logs/b.log#0"), false);
});

test("lines that a narrower grant leaves out are said, counted and signed for", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "a\n");
  world.files.append("/logs/b.log", "receipted\n");
  await world.start();
  await world.caughtUp();
  world.vault.away = true;
  world.files.append("/logs/a.log", "more\n");
  world.files.append("/logs/b.log", "only in the buffer\n");
  await world.until(() => (world.agent?.session?.shipper.status().unreceiptedBlocks ?? 0) > 0);
  await world.stop();
  await world.files.unlink(`${world.dir}/chains/0000/keys`);
  await world.newGrant({ globs: ["/logs/a.log"] });
  world.vault.away = false;
  for (const chain of world.vault.chains.keys()) world.vault.refuses.add(chain);
  await world.start();
  await world.until(() => world.vault.chains.size === 2);
  await world.caughtUp();
  assert.equal(world.agent?.gauge.leftOutBytes, 19);
  await world.stop();
  const said = world.diag.lines.filter(({ phrase }) => phrase.includes("left out"));
  assert.deepEqual(
    said.map(({ level, fields }) => [level, fields]),
    [["error", { path: "/logs/b.log", bytes: 19 }]],
  );
  const { findings, bytes, reasons } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.equal(bytes.get("/logs/a.log#0"), "a\nmore\n");
  assert.equal(bytes.get("/logs/b.log#0"), "receipted\n");
  assert.match(reasons.join(), /; left out, as outside the grant: \/logs\/b\.log \(19 bytes\)$/);
});

test("after a succession the old chain's keys are gone", async () => {
  await using world = await World.make({ maxChains: 3 });
  world.files.append("/logs/a.log", "a\n");
  await world.live();
  await world.files.unlink(`${world.dir}/chains/0000/grant`);
  await world.start();
  await world.until(() => world.vault.chains.size === 2);
  await world.stop();
  assert.equal(await world.files.stat(`${world.dir}/chains/0000/keys`), undefined);
});

test("an agent that waits for a grant goes on waiting when it is given a bad one", async () => {
  await using world = await World.make();
  world.files.append("/logs/a.log", "a\n");
  await world.live();
  await world.files.unlink(`${world.dir}/chains/0000/keys`);
  await world.start();
  await world.until(() => world.agent?.gauge.state === "needs-grant");
  world.files.put("/keys/grant.key", "half of a k");
  await world.until(() => world.diag.phrases("error").includes("the grant cannot be used"));
  await world.newGrant();
  await world.until(() => world.vault.chains.size === 2);
  await world.caughtUp();
  await world.stop();
  const { bytes, findings } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.equal(bytes.get("/logs/a.log#0"), "a\n");
});

test("more files than a snapshot can list wait, and the agent goes on, restarts included", async () => {
  await using world = await World.make();
  const name = (i: number): string => `/logs/${"n".repeat(5000)}${i}.log`;
  for (let i = 0; i < 1600; i++) world.files.append(name(i), "x\n");
  for (let life = 0; life < 2; life++) {
    await world.start();
    await world.until(() =>
      world.diag.lines.some(({ fields }) => fields["code"] === "sources-full"),
    );
    await world.pass(300);
    await world.stop();
  }
  const { findings, bytes } = await world.verify();
  assert.deepEqual(worse(findings), []);
  assert.ok(bytes.size > 1200, String(bytes.size));
});

test("power cuts in the middle of a succession lose nothing and double nothing", async () => {
  for (let seed = 1; seed <= 12; seed += 4) {
    await using world = await World.make({ maxChains: 9 });
    world.vault.away = true;
    let written = "";
    await world.start();
    world.files.append("/logs/gone.log", "only the buffer has this\n");
    for (let i = 0; i < 6; i++) {
      const line = `${i} ${"x".repeat(i * 31)}\n`;
      written += line;
      world.files.append("/logs/a.log", line);
      await world.pass(30);
    }
    await syncLogs(world);
    await world.stop();
    await world.files.unlink("/logs/gone.log");
    await world.files.syncDir("/logs");
    await world.files.unlink(`${world.dir}/chains/0000/keys`);
    await world.files.syncDir(`${world.dir}/chains/0000`);
    for (let life = 0; life < 4; life++) {
      let left = seed * 9 + life * 17;
      let cut = false;
      world.files.hook = () => {
        left -= 1;
        if (left === 0) world.files.crash(seed * 10 + life);
        if (left > 0) return;
        cut = true;
        throw errno("EIO");
      };
      await world.start().catch(() => undefined);
      await Promise.race([world.end().catch(() => undefined), world.pass(400)]);
      if (!cut) world.files.crash(seed);
      await world.cutPower();
    }
    world.vault.away = false;
    await world.start();
    await world.until(() => world.vault.chains.size >= 1);
    await world.caughtUp();
    await world.stop();
    const { findings, bytes } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), written, `seed ${seed}`);
    assert.equal(bytes.get("/logs/gone.log#0"), "only the buffer has this\n", `seed ${seed}`);
  }
});
