// An agent without state whose subject has a chain at the vault goes on where the newest receipt
// leaves that chain, if the chain is genuine and nobody else's.

import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { ChainsSeen } from "../../src/agent/chains-seen.ts";
import type { AgentConfig } from "../../src/agent/config.ts";
import { formatVerifierKey } from "../../src/core/note.ts";
import { Refused } from "../../src/host/http-reader.ts";
import { createKey } from "../../src/host/keys.ts";
import { systemRandom as random } from "../../src/host/random.ts";
import type { Answer } from "../../src/ship/sink.ts";
import { ChainDamaged } from "../../src/ship/vault-reads.ts";
import { FakeClock } from "../fakes/clock.ts";
import { worse } from "../fakes/findings.ts";
import { World } from "./world.ts";

type Options = Parameters<typeof World.make>[0];
const volatile = (config: AgentConfig): AgentConfig => ({
  ...config,
  drain: { ...config.drain, final: true },
});

/** A life that seals one line of a.log; its state is gone afterwards. */
async function lived(options: Options = {}): Promise<World> {
  const world = await World.make(options);
  world.asks = true;
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  await world.loseState();
  return world;
}

const said = (world: World): unknown[] => world.diag.lines.map(({ fields }) => fields["code"]);

/** A life that seals one line of a.log; where the vault is silent the next one waits. */
async function waiting(): Promise<World> {
  const config: NonNullable<Options>["config"] = (each) => ({
    ...each,
    sink: { ...each.sink, when_silent: "wait" },
  });
  const world = await World.make({ maxChains: 9, config });
  world.asks = true;
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  return world;
}

async function loseBuffer({ dir, files }: World): Promise<void> {
  const wal = `${dir}/chains/0000/wal`;
  for (const { name } of (await files.list(wal)) ?? []) {
    await files.unlink(`${wal}/${String(name)}`);
  }
}

/** The vault cannot show a chain, says so, and takes no block of it. */
function damage({ vault }: World, chain: string): void {
  vault.states.set(chain, "damaged");
  vault.wordless.add(chain);
  const { reads } = vault;
  const { heads, blocks } = reads;
  reads.heads = async (id, from, count) => {
    if (id === chain) throw new ChainDamaged();
    return await heads(id, from, count);
  };
  reads.blocks = async function* (id, from, count) {
    if (id === chain) throw new ChainDamaged();
    yield* blocks(id, from, count);
  };
  const post = vault.post.bind(vault);
  vault.post = async (sent, signal) =>
    sent.chainId === chain
      ? { outcome: "throttled", code: "http-503 chain-damaged" }
      : post(sent, signal);
}

function hideFirst({ vault: { reads, wordless } }: World, chain: string): void {
  wordless.add(chain);
  const { blocks } = reads;
  reads.blocks = async function* (id, from, count) {
    if (id === chain && from === 0) throw new Refused(500, "no");
    yield* blocks(id, from, count);
  };
}

/** Two lives that ask the vault; between them the first chain's keys were lost. */
async function liveTwice(world: World): Promise<void> {
  world.asks = true;
  world.files.append("/logs/a.log", "one\n");
  await world.live();
  await world.files.unlink(`${world.dir}/chains/0000/keys`);
  world.files.append("/logs/a.log", "two\n");
  await world.live();
}

suite("an agent without state", () => {
  test("whose chain was ended with its pod goes on at its positions, linked", async () => {
    await using world = await lived({ config: volatile });
    // Between the pods: a line that is still there, and one whose file is gone.
    world.files.append("/logs/a.log", "two\n");
    await world.newGrant();
    await world.live();
    const { bytes, findings, reasons, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
    assert.deepEqual(reasons, ["retired"]);
    assert.deepEqual(gaps, []);
    assert.equal(world.vault.chains.size, 2);
  });

  for (const { when_silent, patience, answers, name } of [
    { when_silent: "begin", patience: 0, answers: 0, name: "" },
    { when_silent: "begin", patience: 60_000, answers: 1, name: ", and does not answer at once" },
    { when_silent: "wait", patience: 0, answers: 2, name: ", as late as it answers" },
  ] as const) {
    test(`goes on behind all that a vault has which was killed and shows an older receipt${name}`, async () => {
      await using world = await lived({
        maxChains: 9,
        config: (config) => ({ ...config, sink: { ...config.sink, when_silent, patience } }),
      });
      const { vault } = world;
      const fresh = vault.reads.receipt;
      const failed: Answer[] = [
        { outcome: "server-error", code: "http-502" },
        { outcome: "refused", code: "http-403" },
      ].slice(0, answers) as Answer[];
      let signed = false;
      vault.reads.receipt = async (id) =>
        signed ? fresh(id) : vault.chains.get(id)?.receipt(id, 1);
      const post = vault.post.bind(vault);
      vault.post = async (sent, signal) => {
        const failure = failed.shift();
        if (failure !== undefined) return failure;
        signed = true;
        return post(sent, signal);
      };
      world.files.append("/logs/a.log", "two\n");
      await world.live();
      const { bytes, findings, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
      assert.deepEqual(gaps, []);
      assert.equal(failed.length, 0);
    });
  }

  test("goes on for a chain that a killed vault stored and never gave a receipt for", async () => {
    await using world = await lived({ maxChains: 9 });
    const { vault } = world;
    const { receipt } = vault.reads;
    const post = vault.post.bind(vault);
    vault.reads.receipt = async () => undefined;
    vault.post = async (sent, signal) => {
      vault.reads.receipt = receipt;
      return post(sent, signal);
    };
    world.files.append("/logs/a.log", "two\n");
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, ["the state directory was lost"]);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
  });

  for (const lost of ["receipt", "newest block"] as const) {
    test(`waits for a vault that was killed again after it answered, and does not show its ${lost}`, async () => {
      await using world = await waiting();
      await world.loseState();
      const { vault } = world;
      const { receipt, blocks, size } = vault.reads;
      const [own = ""] = vault.chains.keys();
      const newest = (await size(own)) - 1;
      vault.reads.receipt = async (id) => vault.chains.get(id)?.receipt(id, 1);
      if (lost === "newest block") {
        vault.reads.blocks = async function* (id, from, count) {
          if (from < newest) yield* blocks(id, from, count);
        };
      }
      world.files.append("/logs/a.log", "two\n");
      await world.start();
      await world.until(() => world.agent?.gauge.waits === "predecessor-unknown");
      Object.assign(vault.reads, { receipt, blocks });
      await world.until(() => vault.chains.size === 2);
      await world.caughtUp();
      await world.stop();
      assert.equal((await world.verify()).bytes.get("/logs/a.log#0"), "one\ntwo\n");
    });
  }

  for (const reason of ["fork", "agent-rollback"]) {
    test(`whose chain is over for ${reason}, and lost its buffer, goes on where the vault leaves it`, async () => {
      await using world = await waiting();
      await loseBuffer(world);
      world.files.put(`${world.dir}/chains/0000/replaced`, `${reason}\n`);
      world.files.append("/logs/a.log", "two\n");
      await world.start();
      await world.until(() => world.vault.chains.size === 2, 400_000);
      await world.caughtUp();
      await world.stop();
      assert.equal((await world.verify()).bytes.get("/logs/a.log#0"), "one\ntwo\n");
    });
  }

  test("goes on behind an older receipt, and says so, where the vault gives no other", async () => {
    await using world = await lived({ maxChains: 9 });
    const { vault } = world;
    const [own] = vault.chains.keys();
    const post = vault.post.bind(vault);
    vault.post = async (sent, signal) =>
      sent.chainId === own ? { outcome: "server-error", code: "http-500" } : post(sent, signal);
    await world.live();
    assert.deepEqual((await world.verify()).reasons, ["the state directory was lost"]);
    assert.ok(said(world).includes("predecessor-unknown"));
  });

  test("declares a gap for what was rotated away between two pods", async () => {
    await using world = await lived({ config: volatile });
    world.files.append("/logs/a.log", "two\n");
    await world.files.unlink("/logs/a.log");
    world.files.append("/logs/b.log", "other\n");
    await world.newGrant();
    await world.live();
    const { findings, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(gaps, [{ key: "/logs/a.log#0", from: 4, to: undefined }]);
  });

  test("links the third life to the second, never to the first again", async () => {
    await using world = await lived({ maxChains: 9 });
    for (const line of ["two\n", "three\n"]) {
      world.files.append("/logs/a.log", line);
      await world.live();
      await world.loseState();
    }
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    assert.equal(reasons.length, 2);
  });

  test("never takes the chain of another host that shares its grant, nor of one that lives", async () => {
    for (const { maxChains, state } of [
      { maxChains: 9, state: "stopped" },
      { maxChains: 1, state: "active" },
    ]) {
      await using world = await lived({ maxChains });
      world.host = "another";
      for (const id of world.vault.chains.keys()) world.vault.states.set(id, state);
      if (maxChains === 1) await world.newGrant();
      await world.live();
      assert.deepEqual((await world.verify()).reasons, [], state);
    }
  });

  test("takes no chain of another agent on its host, to which blocks still come", async () => {
    await using world = await lived({ maxChains: 9 });
    const [other] = world.vault.chains.keys();
    world.vault.states.set(other as string, "active");
    const honest = world.vault.reads.chainsOf;
    let more = 0;
    world.vault.reads.chainsOf = async (subject) =>
      (await honest(subject)).map((each) => ({ ...each, size: each.size + more++ }));
    world.files.append("/logs/a.log", "two\n");
    await world.start();
    await world.until(() => world.vault.chains.size === 2, 20_000);
    await world.caughtUp();
    await world.stop();
    assert.ok(said(world).includes("predecessor-lives"));
    const { bytes, reasons, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, []);
    assert.equal(bytes.get("/logs/a.log#0"), "one\none\ntwo\n");
  });

  test("waits, files held, until its own chain of a moment ago is silent, and goes on for it", async () => {
    await using world = await lived({ maxChains: 9 });
    const [own] = world.vault.chains.keys();
    world.vault.states.set(own as string, "active");
    world.files.append("/logs/a.log", "two\n");
    world.files.append("/logs/gone.log", "held\n");
    await world.start();
    await world.until(() => world.agent?.gauge.state === "needs-vault");
    await world.pass(300);
    await world.files.unlink("/logs/gone.log");
    assert.equal(world.vault.chains.size, 1);
    world.vault.states.set(own as string, "silent");
    await world.until(() => world.vault.chains.size === 2);
    await world.caughtUp();
    await world.stop();
    const { bytes, reasons, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, ["the state directory was lost"]);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
    assert.equal(bytes.get("/logs/gone.log#0"), "held\n");
  });

  test("judges whether a chain lives by what comes behind a last request, for three minutes at most", async () => {
    const clock = new FakeClock();
    const seen = new ChainsSeen(clock);
    const looks: readonly (readonly [string, string, number, number, string])[] = [
      ["a", "silent", 1, 0, "gone"],
      ["b", "stopped", 1, 0, "gone"],
      // What was on its way when its agent died.
      ["c", "active", 1, 0, "wait"],
      ["c", "active", 2, 2, "wait"],
      ["c", "active", 2, 9, "wait"],
      ["c", "silent", 2, 60, "gone"],
      ["d", "active", 1, 0, "wait"],
      ["d", "active", 3, 30, "wait"],
      ["d", "active", 4, 60, "lives"],
      ["d", "silent", 4, 60, "lives"],
      // A last request that was long under way.
      ["f", "active", 1, 0, "wait"],
      ["f", "active", 2, 170, "wait"],
      ["f", "active", 2, 170, "wait"],
      ["f", "active", 2, 10, "gone"],
      ["e", "unknown", 0, 0, "wait"],
      ["e", "active", 9, 60, "wait"],
      ["e", "active", 9, 59, "wait"],
      ["e", "active", 9, 62, "gone"],
    ];
    for (const [id, state, size, seconds, fate] of looks) {
      await clock.advance(seconds * 1000);
      const chain = { id, state, size, seenAt: 0, words: undefined };
      assert.equal(seen.fateOf(chain), fate, `${id} ${state} ${seconds}`);
    }
  });

  test("takes the chain that another host left, where both grants are for one chain", async () => {
    await using world = await lived();
    world.host = "another";
    await world.newGrant();
    await world.live();
    const { reasons, bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, ["the state directory was lost"]);
    assert.equal(bytes.get("/logs/a.log#0"), "one\n");
  });

  test("goes on behind the newest snapshot of a long chain", async () => {
    await using world = await World.make({
      maxChains: 9,
      config: (config) => ({ ...config, seal: { ...config.seal, max_lines: 1 } }),
    });
    world.asks = true;
    world.files.append("/logs/a.log", "x\n".repeat(1100));
    await world.start();
    await world.until(
      () => (world.agent?.session?.shipper.status().receiptedSize ?? 0) > 1100,
      60_000,
    );
    await world.caughtUp();
    await world.stop();
    await world.loseState();
    world.files.append("/logs/a.log", "last\n");
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), `${"x\n".repeat(1100)}last\n`);
  });

  for (const [name, lose] of [
    ["since its agent's start", false],
    ["since the chain before", true],
  ] as const) {
    test(`loses no line of a file that was quiet ${name}, was cut back to its first bytes and grew`, async () => {
      await using world = await World.make({ maxChains: 9 });
      world.asks = true;
      world.files.append("/logs/a.log", "one\n");
      await world.live();
      world.files.append("/logs/a.log", "two\n");
      world.files.append("/logs/same.log", "same\n");
      await world.live();
      if (lose) await world.loseState();
      world.files.append("/logs/b.log", "busy\n");
      await world.live();
      await world.loseState();
      world.files.cut("/logs/a.log", 4);
      world.files.append("/logs/a.log", "three\nfour\n");
      world.files.append("/logs/same.log", "more\n");
      await world.live();
      const { bytes, findings, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.deepEqual(gaps, [{ key: "/logs/a.log#0", from: 8, to: undefined }]);
      assert.equal(bytes.get("/logs/a.log#1"), "one\nthree\nfour\n");
      assert.equal(bytes.get("/logs/same.log#0"), "same\nmore\n");
    });
  }

  test("skips nothing of files that start at their end", async () => {
    await using world = await lived({
      maxChains: 9,
      config: (config) => ({
        ...config,
        sources: config.sources.map((each) => ({ ...each, start_at: "end" as const })),
      }),
    });
    world.files.append("/logs/a.log", "two\n");
    world.files.append("/logs/b.log", "new\n");
    await world.live();
    const { bytes, findings } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(bytes.get("/logs/a.log#0"), "two\n");
    assert.equal(bytes.get("/logs/b.log#0"), "new\n");
  });

  for (const lost of ["state", "buffer"] as const) {
    test(`of whose ${lost} nothing is left passes over a chain that the vault calls damaged, aloud`, async () => {
      await using world = await waiting();
      const [own] = world.vault.chains.keys();
      damage(world, own as string);
      if (lost === "state") await world.loseState();
      else await loseBuffer(world);
      world.files.append("/logs/a.log", "two\n");
      await world.start();
      await world.until(() => world.vault.chains.size === 2);
      await world.caughtUp();
      await world.stop();
      assert.equal(said(world).filter((code) => code === "predecessor-refused").length, 1);
      assert.match(String((await world.verify()).bytes.get("/logs/a.log#0")), /two\n$/);
    });
  }

  for (const [name, hide] of [
    ["which the vault calls damaged", (world: World, id: string) => damage(world, id)],
    [
      "whose first block the vault fails to show",
      (world: World, id: string) => hideFirst(world, id),
    ],
  ] as const) {
    test(`goes on with its chain beside one ${name}`, async () => {
      await using world = await waiting();
      const [other] = world.vault.chains.keys();
      await world.loseState();
      // Another host's, and no one's predecessor.
      world.host = "another";
      world.vault.states.set(other as string, "active");
      await world.live();
      await world.loseState();
      hide(world, other as string);
      world.files.append("/logs/a.log", "two\n");
      await world.live();
      const { reasons, findings } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.deepEqual(reasons, ["the state directory was lost"]);
      assert.ok(said(world).includes("predecessor-refused"));
    });
  }

  test("waits for a vault that fails to show any chain", async () => {
    await using world = await waiting();
    const [own] = world.vault.chains.keys();
    const honest = world.vault.reads.blocks;
    hideFirst(world, own as string);
    await world.loseState();
    await world.start();
    await world.until(() => said(world).includes("predecessor-unknown"));
    assert.equal(world.agent?.gauge.waits, "predecessor-unknown");
    world.vault.reads.blocks = honest;
    await world.until(() => world.vault.chains.size === 2);
    await world.caughtUp();
    await world.stop();
    assert.equal((await world.verify()).bytes.get("/logs/a.log#0"), "one\n");
  });

  const lies: readonly (readonly [string, (world: World) => void | Promise<void>])[] = [
    [
      "a bent block",
      (world) => {
        for (const { stored } of world.vault.chains.values()) {
          const block = stored.at(-1) as Uint8Array;
          block[block.length - 1] = (block.at(-1) ?? 0) ^ 1;
        }
      },
    ],
    [
      "a receipt of another chain",
      (world) => {
        const honest = world.vault.reads.receipt;
        world.vault.reads.receipt = async (id) => {
          const note = await honest(id);
          return note && Buffer.from(Buffer.from(note).toString().replace(id, "0".repeat(64)));
        };
      },
    ],
    [
      "fewer blocks than receipted",
      (world) => {
        world.vault.reads.blocks = async function* () {};
      },
    ],
    [
      "no receipt",
      (world) => {
        world.vault.reads.receipt = async () => undefined;
      },
    ],
    [
      "another's genesis",
      (world) => {
        const honest = world.vault.reads.heads;
        world.vault.reads.heads = async (id, from, count) => {
          const heads = (await honest(id, from, count)).slice();
          if (from === 0) heads[300] = (heads[300] ?? 0) ^ 1;
          return heads;
        };
      },
    ],
    [
      "a grant of a root that is not ours",
      async (world) => {
        const { files } = world;
        const other = await createKey({
          files,
          random,
          path: "/keys/other",
          name: "root",
          type: 1,
        });
        const root_keys = [formatVerifierKey(other.key)];
        world.config = { ...world.config, trust: { ...world.config.trust, root_keys } };
      },
    ],
  ];
  for (const [name, lie] of lies) {
    test(`begins alone, and says why, where the vault shows ${name}`, async () => {
      await using world = await lived({ maxChains: 9 });
      await lie(world);
      const before = new Set(world.vault.chains.keys());
      world.files.append("/logs/a.log", "two\n");
      await world.start();
      await world.until(() => world.vault.chains.size > before.size);
      await world.caughtUp();
      await world.stop();
      assert.ok(said(world).includes("predecessor-refused"), JSON.stringify(said(world)));
      assert.deepEqual((await world.verify()).reasons, []);
    });
  }

  test("begins alone and says so while the vault cannot be asked, or waits, as it is told", async () => {
    for (const when_silent of ["begin", "wait"] as const) {
      await using world = await lived({
        maxChains: 9,
        config: (config) => ({ ...config, sink: { ...config.sink, when_silent } }),
      });
      world.vault.away = true;
      world.files.append("/logs/a.log", "two\n");
      world.files.append("/logs/gone.log", "held\n");
      await world.start();
      await world.until(() => said(world).includes("predecessor-unknown"));
      assert.equal(
        when_silent === "begin",
        world.agent?.gauge.chainsBegun === 1 || when_silent === "begin",
      );
      await world.pass(300);
      if (when_silent === "wait") await world.files.unlink("/logs/gone.log");
      world.vault.away = false;
      await world.until(() => world.vault.chains.size === 2);
      await world.caughtUp();
      await world.stop();
      const { bytes, reasons, findings } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(reasons.length, when_silent === "wait" ? 1 : 0);
      assert.equal(bytes.get("/logs/gone.log#0"), "held\n");
      const again = when_silent === "wait" ? "" : "one\n";
      assert.equal(bytes.get("/logs/a.log#0"), `one\n${again}two\n`);
    }
  });

  test("but for a receipt asks where its chain stands, and goes on there", async () => {
    await using world = await World.make({ maxChains: 9 });
    world.asks = true;
    world.files.append("/logs/a.log", "one\n");
    await world.live();
    await loseBuffer(world);
    world.files.append("/logs/a.log", "two\n");
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(reasons, ["the buffer was deleted"]);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\n");
  });

  test("of its newest chain goes on for that, not again for the one before", async () => {
    await using world = await World.make({ maxChains: 9 });
    await liveTwice(world);
    world.files.node(`${world.dir}/chains`)?.change([{ name: "0001", node: undefined }]);
    world.files.append("/logs/a.log", "three\n");
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(reasons.length, 2);
    assert.equal(reasons.at(-1), "its folder in the state directory was lost");
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
    assert.equal(world.vault.chains.size, 3);
  });

  test("but for the blocks of a chain that the vault has goes on for that chain, not again for the one before", async () => {
    await using world = await World.make({ maxChains: 9 });
    await liveTwice(world);
    for (const name of ["keys", "receipt", "succeeded", "origin"]) {
      await world.files.unlink(`${world.dir}/chains/0001/${name}`);
    }
    world.files.append("/logs/a.log", "three\n");
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(reasons.length, 2);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
  });

  test("but for the blocks of a chain goes on for it, though the folder of the one before is lost as well", async () => {
    await using world = await World.make({ maxChains: 9 });
    await liveTwice(world);
    for (const name of ["keys", "receipt", "succeeded"]) {
      await world.files.unlink(`${world.dir}/chains/0001/${name}`);
    }
    world.files.node(`${world.dir}/chains`)?.change([{ name: "0000", node: undefined }]);
    world.files.append("/logs/a.log", "three\n");
    await world.live();
    const { bytes, findings, reasons } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.equal(reasons.length, 2);
    assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
  });

  for (const [lost, files] of [
    ["what its narrow chain went on from", ["origin", "keys"]],
    ["that and the chain's grant", ["origin", "grant"]],
    ["a bit of what its narrow chain went on from", ["keys"]],
    ["its state", []],
  ] as const) {
    test(`seals no file again that an older chain holds, where ${lost} was lost`, async () => {
      await using world = await World.make({ maxChains: 9 });
      world.asks = true;
      world.files.append("/logs/a.log", "one\n");
      world.files.append("/logs/c.log", "sealed\n");
      await world.live();
      await world.files.unlink(`${world.dir}/chains/0000/keys`);
      await world.newGrant({ maxChains: 9, globs: ["/logs/a*"] });
      world.files.append("/logs/a.log", "two\n");
      await world.live();
      if (lost === "its state") await world.loseState();
      if (lost.startsWith("a bit")) {
        const origin = `${world.dir}/chains/0001/origin`;
        const text = Buffer.from(world.files.bytes(origin)).toString();
        assert.ok(text.includes('"offset":7'));
        world.files.put(origin, text.replaceAll('"offset":7', '"offset":5'));
      }
      for (const file of files) await world.files.unlink(`${world.dir}/chains/0001/${file}`);
      await world.newGrant({ maxChains: 9 });
      world.files.append("/logs/a.log", "three\n");
      await world.live();
      const { bytes, findings, reasons, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(reasons.length, 2);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
      assert.equal(bytes.get("/logs/c.log#0"), "sealed\n");
      assert.deepEqual(gaps, []);
    });
  }

  test("loses no line of a file that a narrow chain passed over, was cut back and grew", async () => {
    await using world = await World.make({ maxChains: 9 });
    world.asks = true;
    world.files.append("/logs/a.log", "one\n");
    world.files.append("/logs/c.log", "first\n");
    await world.live();
    world.files.append("/logs/c.log", "second\n");
    await world.live();
    await world.files.unlink(`${world.dir}/chains/0000/keys`);
    await world.newGrant({ maxChains: 9, globs: ["/logs/a*"] });
    world.files.append("/logs/a.log", "two\n");
    await world.live();
    await world.loseState();
    await world.newGrant({ maxChains: 9 });
    world.files.cut("/logs/c.log", 6);
    world.files.append("/logs/c.log", "third\nfourth\n");
    await world.live();
    const { bytes, findings, gaps } = await world.verify();
    assert.deepEqual(worse(findings), []);
    assert.deepEqual(gaps, [{ key: "/logs/c.log#0", from: 13, to: undefined }]);
    assert.equal(bytes.get("/logs/c.log#1"), "first\nthird\nfourth\n");
  });

  for (const lost of ["keys", "grant"]) {
    test(`seals no file again that an older chain holds, where a narrow chain that no vault has lost its ${lost} and what it went on from`, async () => {
      await using world = await World.make({ maxChains: 9 });
      world.asks = true;
      world.files.append("/logs/a.log", "one\n");
      world.files.append("/logs/c.log", "sealed\n");
      await world.live();
      await world.files.unlink(`${world.dir}/chains/0000/keys`);
      await world.newGrant({ maxChains: 9, globs: ["/logs/a*"] });
      world.files.append("/logs/a.log", "two\n");
      world.vault.away = true;
      await world.start();
      await world.until(() => {
        const files = world.agent?.session?.tail.status() ?? [];
        return files.some(({ path, offset }) => path === "/logs/a.log" && offset === 8);
      });
      await world.stop();
      world.vault.away = false;
      for (const file of ["origin", lost]) {
        await world.files.unlink(`${world.dir}/chains/0001/${file}`);
      }
      await world.newGrant({ maxChains: 9 });
      world.files.append("/logs/a.log", "three\n");
      await world.live();
      const { bytes, findings, reasons, gaps } = await world.verify();
      assert.deepEqual(worse(findings), []);
      assert.equal(reasons.length, 1);
      assert.equal(bytes.get("/logs/a.log#0"), "one\ntwo\nthree\n");
      assert.equal(bytes.get("/logs/c.log#0"), "sealed\n");
      assert.deepEqual(gaps, []);
    });
  }
});
