// A grant begins no more chains than it allows, and only while its dates hold: whoever can write
// into the store, take things out of it, or kill the vault in between.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { base64 } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { storeChain } from "../fakes/chain-store.ts";
import { FakeFiles } from "../fakes/files.ts";
import { type Answer, chainOf, gist, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** Chains of one grant that is good for one of them. */
function ofOneGrant(...labels: string[]): ChainBuilder[] {
  return labels.map((label) => {
    const chain = chainOf(label, { grantKey: "shared", terms: { subject: "pay" } });
    chain.begin();
    const { id, record } = chain.source("/var/log/app.log");
    chain.seal([say(record), lines(id, `${label}\n`)]);
    return chain;
  });
}

/** Puts a chain into the store without a receipt. */
function plant(rig: Rig, chain: ChainBuilder): void {
  for (const [name, bytes] of storeChain(new Map(), chain, { receipt: undefined })) {
    mkdirSync(dirname(join(rig.store, name)), { recursive: true });
    writeFileSync(join(rig.store, name), bytes);
  }
}

const again = (rig: Rig, chain: ChainBuilder): Promise<Answer> =>
  rig.post(chain, chain.blocks.slice(-1));

async function receipted(rig: Rig, chains: readonly ChainBuilder[]): Promise<number> {
  const answers = chains.map(({ name }) => rig.direct(`/v1/chains/${name}/receipt`));
  return (await Promise.all(answers)).filter(({ status }) => status === 200).length;
}

describe("of two chains that somebody puts into the store under a grant for one", () => {
  for (const path of ["", "/lines"]) {
    test(`one gets a receipt, though both were read before (${path || "the chain"})`, async () => {
      await using rig = await Rig.start();
      await rig.close();
      const chains = ofOneGrant("one", "two");
      for (const chain of chains) plant(rig, chain);
      await rig.open();
      await Promise.all(chains.map(({ name }) => rig.direct(`/v1/chains/${name}${path}`)));
      const answers = await Promise.all(chains.map((chain) => again(rig, chain)));
      assert.deepEqual(answers.map(gist).sort(), ["200", "403 grant-refused GRANT_REUSED"]);
      await rig.vault.surveyed;
      assert.equal(await receipted(rig, chains), 1);
    });
  }

  test("one gets a receipt where the vault runs, and no third one begins", async () => {
    await using rig = await Rig.start();
    const [one, two, three] = ofOneGrant("one", "two", "three") as [
      ChainBuilder,
      ChainBuilder,
      ChainBuilder,
    ];
    for (const chain of [one, two]) plant(rig, chain);
    assert.equal(gist(await rig.post(one)), "200");
    assert.equal(gist(await rig.post(two)), "403 grant-refused GRANT_REUSED");
    assert.equal(gist(await rig.post(three)), "403 grant-refused GRANT_REUSED");
    assert.equal(await receipted(rig, [one, two, three]), 1);
  });
});

describe("a grant's dates hold for the first receipt", () => {
  const clockAhead = (): { clock: typeof systemClock; ahead: { micros: number } } => {
    const ahead = { micros: 0 };
    return { ahead, clock: { ...systemClock, now: () => systemClock.now() + ahead.micros } };
  };
  const days = 86_400_000_000;

  test("not only for the moment in which somebody first reads the chain", async () => {
    const { clock, ahead } = clockAhead();
    await using rig = await Rig.start({ clock });
    await rig.close();
    const [chain] = ofOneGrant("late") as [ChainBuilder];
    plant(rig, chain);
    ahead.micros = -2 * days;
    await rig.open();
    // Nobody else asks for a receipt of it within a minute.
    const refused = "stored chain without a receipt can't begin any more";
    while (!rig.diag.lines.some(({ phrase }) => phrase === refused)) await systemClock.sleep(5);
    ahead.micros = 0;
    assert.equal(gist(await rig.direct(`/v1/chains/${chain.name}/lines`)), "200");
    ahead.micros = 100 * days;
    const next = chain.seal([heartbeat]);
    assert.equal(gist(await rig.post(chain, [next])), "403 grant-refused GRANT_EXPIRED");
    assert.equal(await receipted(rig, [chain]), 0);
    const blocks = await rig.direct(
      `/v1/store/chains/${chain.name}/object?name=${"0".repeat(16)}.blocks`,
    );
    assert.equal(
      blocks.bytes.length,
      chain.blocks.slice(0, 2).reduce((n, b) => n + b.bytes.length, 0),
    );
  });

  test("also where the body took until they were over", async () => {
    const { clock, ahead } = clockAhead();
    await using rig = await Rig.start({ clock });
    const [chain] = ofOneGrant("slow") as [ChainBuilder];
    const [genesis, rest] = chain.blocks.map(({ bytes }) => bytes);
    const body = new ReadableStream<Uint8Array>({
      async start(controller) {
        controller.enqueue(genesis as Uint8Array);
        await systemClock.sleep(100);
        ahead.micros = 100 * days;
        controller.enqueue(rest as Uint8Array);
        controller.close();
      },
    });
    const answer = await rig.direct(`/v1/chains/${chain.name}/blocks`, {
      ...{ method: "POST", body, duplex: "half" },
      headers: { "sealtail-grant": base64(chain.grant) },
    } as RequestInit);
    assert.equal(gist(answer), "403 grant-refused GRANT_EXPIRED");
    assert.deepEqual(readdirSync(join(rig.store, "chains")), []);
  });
});

test("a chain that is stored just as its grant ends gets a receipt of the moment before", async () => {
  const ahead = { micros: 0 };
  const clock = { ...systemClock, now: () => systemClock.now() + ahead.micros };
  const files = new FakeFiles();
  await using rig = await Rig.start({ clock, files });
  const [chain] = ofOneGrant("just") as [ChainBuilder];
  files.hook = (call, path) => {
    const stored = call === "datasync" && String(path).endsWith(".blocks");
    if (stored) ahead.micros = 100 * 86_400_000_000;
  };
  const answer = await rig.post(chain);
  files.hook = undefined;
  assert.equal(gist(answer), "200");
  assert.ok(receiptOf(answer).time <= chain.terms.notAfter);
});

describe("a copy of a shared grant uses nothing of it", () => {
  const plants: Record<string, (folder: string, chain: ChainBuilder) => void> = {
    "beside a receipt that is none": (folder) => writeFileSync(join(folder, "receipt"), "x"),
    "beside the genesis of another chain": (folder, chain) =>
      writeFileSync(join(folder, `${"0".repeat(16)}.blocks`), chain.blocks[0]!.bytes),
    "beside a fork that is none": (folder) => {
      mkdirSync(join(folder, "forks"));
      writeFileSync(join(folder, "forks", "x"), "x");
    },
  };
  for (const [where, put] of Object.entries(plants)) {
    test(where, async () => {
      await using rig = await Rig.start();
      const [first, second] = ["one", "two"].map((label) => {
        const chain = chainOf(label, { grantKey: "shared", terms: { maxChains: 2 } });
        chain.begin();
        return chain;
      }) as [ChainBuilder, ChainBuilder];
      assert.equal(gist(await rig.post(first)), "200");
      await rig.close();
      const folder = join(rig.store, "chains", "a".repeat(64));
      mkdirSync(folder);
      writeFileSync(join(folder, "grant"), first.grant);
      put(folder, first);
      await rig.open();
      assert.equal(gist(await rig.post(second)), "200");
    });
  }
});

describe("a chain that used a grant up keeps it used", () => {
  const folderOf = (rig: Rig, { name }: ChainBuilder): string => join(rig.store, "chains", name);
  const other = chainOf("another", { grantKey: "another" });
  other.begin();
  const harm: Record<string, (folder: string, chain: ChainBuilder) => void> = {
    "it is deleted": (folder) => rmSync(folder, { recursive: true }),
    "it is renamed": (folder, { name }) => renameSync(folder, folder.replace(name, "0".repeat(64))),
    "its grant is deleted": (folder) => rmSync(join(folder, "grant")),
    "a folder takes its grant's place": (folder) => {
      rmSync(join(folder, "grant"));
      mkdirSync(join(folder, "grant"));
    },
    "another grant takes its grant's place": (folder) => {
      rmSync(join(folder, "grant"));
      writeFileSync(join(folder, "grant"), other.grant);
    },
    "all but its grant is deleted": (folder) => {
      for (const name of readdirSync(folder))
        if (name !== "grant") rmSync(join(folder, name), { recursive: true });
    },
  };
  for (const [what, hurt] of Object.entries(harm)) {
    for (const indexed of [true, false]) {
      test(`though ${what}${indexed ? "" : ", and the vault was killed before it wrote its index"}`, async () => {
        await using rig = await Rig.start();
        const [first, second] = ofOneGrant("one", "two") as [ChainBuilder, ChainBuilder];
        assert.equal(gist(await rig.post(first)), "200");
        for (const life of [1, 2]) {
          await rig.close();
          if (life === 1) hurt(folderOf(rig, first), first);
          if (!indexed) rmSync(join(rig.dir, "state", "chains.ndjson"), { force: true });
          await rig.open();
          assert.equal(gist(await rig.post(second)), "403 grant-refused GRANT_REUSED");
          await rig.vault.surveyed;
          const { chains } = await rig.json("/v1/chains?subject=pay");
          const seen = (chains as { chain: string }[]).map(({ chain }) => chain);
          assert.deepEqual(
            seen.filter((id) => id === first.name),
            [first.name],
          );
        }
      });
    }
  }
});
