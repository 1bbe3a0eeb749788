// What becomes of bytes when a chain ends and another begins, whatever happened to either: each is
// sealed once, or lies in one declared gap, and honest chains verify.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { suite, test } from "node:test";
import { crc32 } from "../../src/host/crc32.ts";
import type { Answer, Submission } from "../../src/ship/sink.ts";
import { worse } from "../fakes/findings.ts";
import { type Vaults, World } from "./world.ts";

/** Lines that no compression makes small. */
function noise(lines: number, bytes = 75_000): string[] {
  return Array.from({ length: lines }, (_, i) => `${i} ${randomBytes(bytes).toString("base64")}\n`);
}

const read = async (world: World, bytes: number): Promise<void> => {
  await world.until(
    () => (world.agent?.session?.tail.status() ?? []).some(({ offset }) => offset >= bytes),
    20_000,
  );
  await world.pass(150);
};

async function replaceKeys(world: World, chain = "0000"): Promise<void> {
  await world.files.unlink(`${world.dir}/chains/${chain}/keys`);
}

/** The vault takes everything, and no answer arrives. */
function loseAnswers(world: World): () => void {
  const post = world.vault.post.bind(world.vault);
  world.vault.post = async (sent: Submission, signal: AbortSignal): Promise<Answer> => {
    await post(sent, signal);
    return { outcome: "transport", code: "connection-lost" };
  };
  return () => {
    world.vault.post = post;
  };
}

/** The next requests reach nobody until `arrive`, though their sender is gone by then. */
function slowLine(world: World): { readonly held: Submission[]; arrive: () => Promise<void> } {
  const post = world.vault.post.bind(world.vault);
  const held: Submission[] = [];
  world.vault.post = async (sent: Submission, signal: AbortSignal): Promise<Answer> => {
    // The sender gives its memory back.
    held.push({ ...sent, blocks: sent.blocks.map((block) => block.slice()) });
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    return { outcome: "timeout", code: "aborted" };
  };
  return {
    held,
    arrive: async () => {
      world.vault.post = post;
      const never = new AbortController().signal;
      for (const sent of held.splice(0)) await post(sent, never);
    },
  };
}

/** A new start hears how much the vault holds; then what is still under way arrives. */
function arriveLate(world: World, arrive: () => Promise<void>, honest: Vaults["post"]): void {
  let first = true;
  world.vault.post = async (sent: Submission, signal: AbortSignal): Promise<Answer> => {
    const answer = await honest(sent, signal);
    if (!first || (answer.outcome === "wrong-head" && answer.size !== 0)) return answer;
    first = false;
    await arrive();
    return answer;
  };
}

/** Changes the payload of a block in the old buffer, the last one unless told, and its checksum. */
async function bendBlock(world: World, index?: number): Promise<void> {
  const wal = `${world.dir}/chains/0000/wal`;
  const [segment] = (await world.files.list(wal)) ?? [];
  const path = `${wal}/${String(segment?.name)}`;
  const bytes = world.files.bytes(path).slice();
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < bytes.length; ) {
    const end = at + 16 + view.getUint32(at);
    if (
      Number(view.getBigUint64(at + 8)) === index ||
      (index === undefined && end === bytes.length)
    ) {
      bytes[end - 1] = (bytes[end - 1] as number) ^ 1;
      view.setUint32(at + 4, crc32(bytes.subarray(at + 8, end)));
    }
    at = end;
  }
  world.files.put(path, bytes);
}

suite("succession:", () => {
  test("blocks under way when an agent was killed arrive after its next start asked, and are sealed once", async () => {
    await using world = await World.make();
    const honest = world.vault.post.bind(world.vault);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.caughtUp();
    const line = slowLine(world);
    world.files.append("/logs/a.log", "two\n");
    await world.until(() => line.held.length > 0);
    world.files.append("/logs/a.log", "three\n");
    await read(world, 14);
    await world.kill();
    await replaceKeys(world);
    arriveLate(world, line.arrive, honest);
    await world.newGrant();
    world.files.append("/logs/a.log", "four\n");
    await world.live();
    const { bytes, findings, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(gaps, []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\nfour\n");
  });

  test("a file that was written anew with the same beginning is noticed, also once the old buffer is gone", async () => {
    await using world = await World.make();
    const head = `${"h".repeat(1100)}\n`;
    world.files.append("/logs/a.log", `${head}one\n`);
    await world.start();
    await world.caughtUp();
    await world.kill();
    await replaceKeys(world);
    await world.newGrant();
    await world.start();
    await world.caughtUp();
    await world.kill();
    world.files.put("/logs/a.log", `${head}1st\n2nd\n`);
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), `${head}one\n`);
    assert.equal(bytes.get("/logs/a.log#1"), `${head}1st\n2nd\n`);
  });

  test("an old buffer does not come back with a power cut once a newer chain was shipped", async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.caughtUp();
    await world.kill();
    await replaceKeys(world);
    await world.newGrant();
    await world.start();
    await world.until(() => world.vault.chains.size === 2);
    await world.kill();
    world.files.crash();
    assert.deepEqual(await world.files.list(`${world.dir}/chains/0000/wal`), []);
  });

  test("the genesis was under way when an agent was killed: its chain is shipped, and uses its grant up", async () => {
    await using world = await World.make();
    const honest = world.vault.post.bind(world.vault);
    const line = slowLine(world);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await read(world, 4);
    await world.until(() => line.held.length > 0);
    await world.kill();
    await replaceKeys(world);
    arriveLate(world, line.arrive, honest);
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-grant");
    assert.equal(await world.files.stat("/keys/grant.key"), undefined);
    await world.newGrant();
    world.files.append("/logs/a.log", "two\n");
    await world.until(() => world.agent?.session !== undefined);
    await world.caughtUp();
    await world.stop();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
    assert.equal(reasons.length, 1);
  });

  test("while a grant is waited for, the vault gets what the old chain still holds", async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    world.files.append("/logs/a.log", "two\n");
    await read(world, 8);
    await world.stop();
    await replaceKeys(world);
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-grant");
    world.vault.away = false;
    await world.until(
      async () => (await world.verify()).bytes.get("/logs/a.log#0") === "one\ntwo\n",
    );
    assert.equal((await world.stop()).unsent, 0);
    await world.newGrant();
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
  });

  for (const when_silent of ["wait", "begin"] as const) {
    const does =
      when_silent === "wait" ? "waits with its files held open" : "goes on after a while";
    test(`while the vault is silent about blocks without a receipt, ${when_silent}: the next chain ${does}`, async () => {
      await using world = await World.make({
        config: (config) => ({ ...config, sink: { ...config.sink, when_silent } }),
      });
      world.files.append("/logs/a.log", "one\n");
      await world.start();
      await world.until(async () => (await world.verify()).bytes.has("/logs/a.log#0"));
      await world.caughtUp();
      const heal = loseAnswers(world);
      world.files.append("/logs/a.log", "two\n");
      const sent = async (): Promise<unknown> => (await world.verify()).bytes.get("/logs/a.log#0");
      await world.until(async () => (await sent()) === "one\ntwo\n");
      await world.kill();
      heal();
      world.vault.away = true;
      await replaceKeys(world);
      await world.newGrant();
      await world.start();
      if (when_silent === "wait") {
        await world.until(() => world.agent?.gauge.state === "needs-vault");
        world.files.append("/logs/gone.log", "held\n");
        await world.pass(2500);
        await world.files.unlink("/logs/gone.log");
        world.vault.away = false;
      }
      await world.until(() => world.agent?.session !== undefined);
      world.vault.away = false;
      await world.caughtUp();
      await world.stop();
      const { bytes, findings } = await world.verify();
      assert.deepEqual(worse(findings), []);
      // Who begins without asking may seal again what the vault has.
      const twice = when_silent === "wait" ? "" : "two\n";
      assert.equal(bytes.get("/logs/a.log#0"), `one\ntwo\n${twice}`);
      const held = when_silent === "wait" ? "held\n" : undefined;
      assert.equal(bytes.get("/logs/gone.log#0"), held);
    });
  }

  for (const which of ["first", "last"] as const) {
    test(`the ${which} block without a receipt is bent, though its frame is whole: what stands before it is shipped`, async () => {
      await using world = await World.make();
      world.files.append("/logs/a.log", "one\n");
      await world.start();
      await world.caughtUp();
      world.vault.away = true;
      world.files.append("/logs/a.log", "two\n");
      await read(world, 8);
      await world.stop();
      world.vault.away = false;
      const [receipted = 0] = [...world.vault.chains.values()].map(({ stored }) => stored.length);
      await bendBlock(world, which === "first" ? receipted : undefined);
      await replaceKeys(world);
      await world.newGrant();
      world.files.append("/logs/a.log", "three\n");
      await world.live();
      const { bytes, findings, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.deepEqual(gaps, []);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    });
  }

  test("a vault that takes nothing more of the old chain gets its bytes from the next one, once", async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    world.files.append("/logs/a.log", "two\n");
    await read(world, 8);
    await world.stop();
    world.vault.away = false;
    for (const chain of world.vault.chains.keys()) world.vault.refuses.add(chain);
    await replaceKeys(world);
    await world.newGrant();
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
  });

  test("an answer is lost after the vault took blocks of the old chain for longer than a silent one is waited for: nothing is sealed twice", async () => {
    await using world = await World.make({
      config: (config) => ({ ...config, sink: { ...config.sink, patience: 600 } }),
    });
    world.files.append("/logs/first.log", "first\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    const written = noise(40).join("");
    world.files.append("/logs/a.log", written);
    await read(world, written.length);
    await world.stop();
    world.vault.away = false;
    await replaceKeys(world);
    await world.newGrant();
    const post = world.vault.post.bind(world.vault);
    let posts = 0;
    world.vault.post = async (sent: Submission, signal: AbortSignal): Promise<Answer> => {
      await world.pass(300);
      // It takes a part of each request.
      const answer = await post({ ...sent, blocks: sent.blocks.slice(0, 4) }, signal);
      posts += 1;
      return posts === 4 ? { outcome: "transport", code: "connection-lost" } : answer;
    };
    await world.start();
    await world.until(() => world.agent?.session !== undefined, 20_000);
    assert.ok(posts > 4);
    await world.caughtUp();
    await world.stop();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0")?.length, written.length);
  });

  test("a stop while the rest of an old chain is shipped: the next start ships on", async () => {
    await using world = await World.make();
    world.files.append("/logs/first.log", "first\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    const written = noise(30).join("");
    world.files.append("/logs/gone.log", written);
    await read(world, written.length);
    await world.stop();
    await world.files.unlink("/logs/gone.log");
    world.vault.away = false;
    await replaceKeys(world);
    await world.newGrant();
    const post = world.vault.post.bind(world.vault);
    const stored = (): number[] =>
      [...world.vault.chains.values()].map((each) => each.stored.length);
    const before = stored()[0] ?? 0;
    let posts = 0;
    world.vault.post = async (sent: Submission, signal: AbortSignal): Promise<Answer> => {
      posts += 1;
      if (posts === 3) world.agent?.stop("test");
      // It takes a part of each request.
      if (posts < 4) return await post({ ...sent, blocks: sent.blocks.slice(0, 4) }, signal);
      return { outcome: "transport", code: "connection-lost" };
    };
    await world.start();
    await world.end();
    assert.deepEqual(stored(), [before + 8]);
    world.vault.post = post;
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.ok(bytes.get("/logs/gone.log#0") === written);
    assert.deepEqual(reasons, ["no key slot fits the newest block: blocks were lost"]);
    assert.equal(world.vault.chains.size, 2);
  });

  for (const [third, removed] of [
    [false, true],
    [true, true],
    [true, false],
  ]) {
    const file = removed ? "whose log is gone" : "whose log is there";
    test(`a chain without a receipt, ${file}, ${third ? "replaced by" : "kept beside"} another grant`, async () => {
      await using world = await World.make();
      world.files.append("/logs/a.log", "one\n");
      await world.live();
      await replaceKeys(world);
      await world.newGrant();
      world.vault.away = true;
      world.files.append("/logs/a.log", "two\n");
      await world.start();
      await read(world, 8);
      await world.stop();
      if (removed) await world.files.unlink("/logs/a.log");
      if (third) await world.newGrant();
      world.vault.away = false;
      world.files.append("/logs/b.log", "other\n");
      await world.live();
      const { findings, bytes, reasons } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
      assert.equal(bytes.get("/logs/b.log#0"), "other\n");
      assert.deepEqual(reasons, ["no key slot fits the newest block: blocks were lost"]);
      assert.ok(findings.some(({ code }) => code === "CHAIN_REPLACED"));
      assert.equal((await world.files.list(`${world.dir}/chains/0000/wal`))?.length ?? 0, 0);
    });
  }

  test("a chain replaced in the middle of taking over loses nothing of the chain before", async () => {
    await using world = await World.make();
    world.files.append("/logs/first.log", "first\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    const written = noise(30).join("");
    world.files.append("/logs/gone.log", written);
    await read(world, written.length);
    await world.stop();
    await world.files.unlink("/logs/gone.log");
    await replaceKeys(world);
    // Three grants in a row, each chain told to stop in the middle.
    for (const chain of ["0001", "0002", "0003"]) {
      await world.newGrant();
      let appends = 0;
      world.files.hook = (call, path) => {
        if (call !== "write" || !String(path).includes(`chains/${chain}/wal`)) return;
        appends += 1;
        if (appends === 4) world.agent?.stop("test");
      };
      await world.start();
      await world.end();
      world.files.hook = undefined;
      assert.equal(await world.files.stat(`${world.dir}/chains/${chain}/succeeded`), undefined);
    }
    await world.newGrant();
    world.vault.away = false;
    world.files.append("/logs/b.log", "other\n");
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.ok(bytes.get("/logs/gone.log#0") === written);
    assert.equal(bytes.get("/logs/first.log#0"), "first\n");
    assert.equal(world.vault.chains.size, 2);
    for (const chain of ["0000", "0001", "0002", "0003"]) {
      assert.equal((await world.files.list(`${world.dir}/chains/${chain}/wal`))?.length, 0, chain);
    }
  });

  test("what the vault takes of the old chain is not left out, though the next grant is narrower", async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "a\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    world.files.append("/logs/b.log", "only in the buffer\n");
    await world.until(() => (world.agent?.session?.tail.status().length ?? 0) === 2);
    await read(world, 19);
    await world.stop();
    await replaceKeys(world);
    await world.newGrant({ globs: ["/logs/a.log"] });
    world.vault.away = false;
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/b.log#0"), "only in the buffer\n");
    assert.deepEqual(reasons, ["no key slot fits the newest block: blocks were lost"]);
  });

  test("a chain whose answer was lost is named by the next one, and nothing is sealed twice", async () => {
    await using world = await World.make();
    const heal = loseAnswers(world);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await read(world, 4);
    await world.stop();
    await world.newGrant();
    heal();
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
    assert.deepEqual(reasons, ["grant-replaced"]);
  });

  test("while nobody knows whether the vault has a chain the next one waits, files held open", async () => {
    await using world = await World.make();
    const heal = loseAnswers(world);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await read(world, 4);
    await world.stop();
    heal();
    world.vault.away = true;
    await world.newGrant();
    world.files.append("/logs/gone.log", "held\n");
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-vault");
    await world.files.unlink("/logs/gone.log");
    world.vault.away = false;
    await world.until(() => world.vault.chains.size === 2);
    await world.caughtUp();
    await world.stop();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
    assert.equal(bytes.get("/logs/gone.log#0"), "held\n");
    assert.deepEqual(reasons, ["grant-replaced"]);
  });

  test("an answer that is no receipt of the chain is no answer: the next chain waits", async () => {
    await using world = await World.make();
    const heal = loseAnswers(world);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await read(world, 4);
    await world.stop();
    const note = new TextEncoder().encode("welcome\n");
    world.vault.post = async () => ({ outcome: "receipt", code: "receipt", note });
    await world.newGrant();
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-vault");
    heal();
    await world.caughtUp();
    await world.stop();
    const { findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, ["grant-replaced"]);
  });

  test("a chain that the vault never had is named by nobody", async () => {
    await using world = await World.make();
    world.vault.away = true;
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await read(world, 4);
    await world.stop();
    await replaceKeys(world);
    await world.newGrant();
    await world.start();
    await read(world, 4);
    world.vault.away = false;
    await world.caughtUp();
    await world.stop();
    const { bytes, reasons } = await world.verify();
    assert.deepEqual(reasons, []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
  });

  for (const globs of [[], ["/logs/**"]]) {
    const grant = globs.length > 0 ? "with globs" : "without globs";
    test(`files held while a grant is waited for are read, with one ${grant}`, async () => {
      await using world = await World.make({ globs });
      world.files.append("/logs/a.log", "one\n");
      await world.live();
      await replaceKeys(world);
      await world.start();
      await world.until(() => world.agent?.gauge.state === "needs-grant");
      world.files.append("/logs/a.log", "two\n");
      world.files.append("/logs/new.log", "new\n");
      await world.pass(2500);
      await world.files.unlink("/logs/a.log");
      await world.files.unlink("/logs/new.log");
      await world.newGrant({ globs });
      await world.until(() => world.agent?.session !== undefined);
      await world.caughtUp();
      await world.stop();
      const { bytes, findings, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.deepEqual(gaps, []);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
      assert.equal(bytes.get("/logs/new.log#0"), "new\n");
    });
  }

  test("files held outside the grant that comes are let go, counted and signed for", async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "one\n");
    await world.live();
    await replaceKeys(world);
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-grant");
    world.files.append("/logs/new.log", "not covered\n");
    await world.pass(2500);
    await world.files.unlink("/logs/new.log");
    await world.newGrant({ globs: ["/logs/a.log"] });
    await world.until(() => world.agent?.session !== undefined);
    await world.caughtUp();
    await world.stop();
    const { reasons, bytes } = await world.verify();
    assert.match(reasons.join(), /left out, as outside the grant: \/logs\/new\.log \(12 bytes\)$/);
    assert.equal(bytes.has("/logs/new.log#0"), false);
  });

  test("what a narrower grant left out of a chain that no vault took is sealed under a wider one", async () => {
    await using world = await World.make();
    world.files.append("/logs/a.log", "a\n");
    world.files.append("/logs/b.log", "b\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    world.files.append("/logs/b.log", "only buffered\n");
    await read(world, 16);
    await world.stop();
    await replaceKeys(world);
    await world.newGrant({ globs: ["/logs/a.log"] });
    await world.start();
    await world.until(() => world.agent?.session !== undefined);
    await world.pass(200);
    await world.stop();
    await replaceKeys(world, "0001");
    await world.newGrant();
    world.vault.away = false;
    world.files.append("/logs/b.log", "last\n");
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    // The receipted line not again, the others once.
    assert.equal(bytes.get("/logs/b.log#0"), "b\nonly buffered\nlast\n");
    assert.equal(bytes.get("/logs/a.log#0"), "a\n");
  });

  for (const [lost, file] of [
    ["the key", "keys"],
    ["the grant", "grant"],
  ]) {
    test(`what was sealed of a file outside a narrower grant is not sealed again under a wider one, when ${lost} of its chain is lost`, async () => {
      await using world = await World.make();
      world.files.append("/logs/a.log", "a\n");
      world.files.append("/logs/b.log", "b\n");
      await world.live();
      await replaceKeys(world);
      await world.newGrant({ globs: ["/logs/a.log"] });
      world.files.append("/logs/a.log", "again\n");
      world.files.append("/logs/b.log", "meanwhile\n");
      await world.live();
      await world.files.unlink(`${world.dir}/chains/0001/${file}`);
      await world.newGrant();
      world.files.append("/logs/b.log", "last\n");
      await world.live();
      const { bytes, findings, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.deepEqual(gaps, []);
      assert.equal(world.vault.chains.size, 3);
      assert.equal(bytes.get("/logs/b.log#0"), "b\nmeanwhile\nlast\n");
      assert.equal(bytes.get("/logs/a.log#0"), "a\nagain\n");
    });
  }

  test("a proxy that refuses says nothing of what the vault has: no chain is passed over for it", async () => {
    await using world = await World.make();
    const found = loseAnswers(world);
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.until(() =>
      [...world.vault.chains.values()].some(({ stored }) => stored.length > 1),
    );
    await world.kill();
    await replaceKeys(world);
    await world.newGrant();
    found();
    const post = world.vault.post.bind(world.vault);
    world.vault.post = async (): Promise<Answer> => ({ outcome: "refused", code: "http-403" });
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-vault", 15_000);
    world.vault.post = post;
    await world.until(() => world.vault.chains.size === 2, 15_000);
    await world.caughtUp();
    await world.stop();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(reasons.length, 1);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
  });

  test("another grant is taken while the vault refuses the chain, without a restart", async () => {
    await using world = await World.make();
    const post = world.vault.post.bind(world.vault);
    const first = Buffer.from(world.files.bytes("/keys/grant")).toString();
    world.vault.post = async (sent: Submission, signal: AbortSignal): Promise<Answer> => {
      const refused = sent.grant !== undefined && Buffer.from(sent.grant).toString() === first;
      if (refused) return { outcome: "refused", code: "http-403 GRANT_EXPIRED" };
      return await post(sent, signal);
    };
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.until(() => world.agent?.session?.shipper.status().state === "refused");
    world.files.append("/logs/gone.log", "held\n");
    await world.until(() => world.agent?.session?.tail.status().length === 2);
    await world.files.unlink("/logs/gone.log");
    await world.newGrant();
    await world.until(() => world.vault.chains.size === 1, 15_000);
    await world.caughtUp();
    await world.stop();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
    assert.equal(bytes.get("/logs/gone.log#0"), "held\n");
  });

  test("a clean stop with a full buffer declares what was found, deleted and never read", async () => {
    await using world = await World.make({
      config: (config) => ({ ...config, buffer: { max_bytes: 2 * 1024 * 1024 } }),
    });
    world.files.append("/logs/a.log", "one\n");
    await world.start();
    await world.caughtUp();
    world.vault.away = true;
    world.files.append("/logs/a.log", noise(60, 37_000).join(""));
    await world.until(() => world.agent?.gauge.state === "buffer-full", 20_000);
    world.files.append("/logs/late.log", "late\n");
    world.files.append("/logs/stays.log", "stays\n");
    await world.pass(2500);
    await world.files.unlink("/logs/late.log");
    await world.pass(2500);
    await world.stop();
    // Deleted while nobody is there: it was declared, so it is missed.
    await world.files.unlink("/logs/stays.log");
    world.vault.away = false;
    await world.live();
    const { gaps, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    const missing = gaps.map(({ key }) => key).sort();
    assert.deepEqual(missing, ["/logs/late.log#0", "/logs/stays.log#0"]);
  });

  test("blocks that were lost before anything was sent are a gap, not a chain that a vault is said to have", async () => {
    await using world = await World.make({
      maxChains: 9,
      config: (config) => ({
        ...config,
        buffer: { max_bytes: 2 * 1024 * 1024 },
        drain: { deadline: 1000, final: false },
      }),
    });
    world.vault.away = true;
    const text = noise(6).join("");
    const lines = text.split(/(?<=\n)/);
    world.files.append("/logs/a.log", lines.shift() ?? "");
    await world.start();
    let written = text.length - lines.join("").length;
    for (const line of lines) {
      await read(world, written);
      world.files.append("/logs/a.log", line);
      written += line.length;
    }
    await read(world, written);
    await world.stop();
    const wal = `${world.dir}/chains/0000/wal`;
    const [oldest, ...others] = (await world.files.list(wal)) ?? [];
    assert.ok(others.length > 1);
    await world.files.unlink(`${wal}/${String(oldest?.name)}`);
    world.vault.away = false;
    await world.live();
    const { bytes, findings, reasons, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, []);
    assert.equal(gaps.length, 1);
    const [{ to = 0 } = {}] = gaps;
    assert.ok(to > 0 && to < text.length);
    assert.equal(bytes.get("/logs/a.log#0"), text.slice(to));
  });
});
