// What a vault tells of its chains without being asked for their blocks: the host of the newest
// run, and the chain before, as the chain itself says.

import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { hex } from "../../src/core/bytes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { wordsAfter } from "../../src/vault/chain-words.ts";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig, suite } from "./rig.ts";

const before = "ab".repeat(32);
const named = {
  ...{ type: "predecessor", chain: before, size: 3, root: "cd".repeat(32) },
  ...{ reason: "lost", positions: [] },
};

/** A genesis whose start and predecessor records are these. */
function begins(label: string, start: JsonObject, ...more: JsonObject[]): ChainBuilder {
  const chain = chainOf(label);
  const run = hex(chain.runId);
  const config = say({ type: "config", config: {} });
  const first = say({ type: "start", run, version: "1", labels: {}, ...start });
  chain.seal([first, config, chain.snapshot({ config: {} }), ...more.map(say)]);
  return chain;
}

/** The next run, on `host`. */
function restarts(chain: ChainBuilder, host: string): void {
  chain.newRun();
  const start = { type: "start", run: hex(chain.runId), version: "1", host, labels: {} };
  chain.seal([say(start), chain.snapshot()]);
}

const heartbeat = say({ type: "heartbeat", sources: [] });

/** What the list and the detail say, both. */
async function told(rig: Rig, { name }: ChainBuilder): Promise<unknown[]> {
  const { chains } = (await rig.json("/v1/chains")) as { chains: Record<string, unknown>[] };
  const listed = chains.find(({ chain }) => chain === name) ?? {};
  const detail = await rig.json(`/v1/chains/${name}`);
  const words = ({ host, predecessor }: Record<string, unknown>): unknown[] => [host, predecessor];
  assert.deepEqual(words(detail), words(listed));
  return words(listed);
}

const indexOf = (rig: Rig): string => join(rig.dir, "state", "chains.ndjson");

/** The same vault after each kind of end, and with each kind of index. */
const lives: Record<string, (rig: Rig, older: string) => void> = {
  "that was stopped": () => {},
  "whose index was lost": (rig) => rmSync(indexOf(rig)),
  "that was killed, its index being older": (rig, older) => writeFileSync(indexOf(rig), older),
  "of an earlier build": (rig) => {
    const text = readFileSync(indexOf(rig), "utf8");
    writeFileSync(indexOf(rig), text.replaceAll(/,"words":\{[^}]*\}/g, ""));
  },
  "whose index was written by others": (rig) => {
    const text = readFileSync(indexOf(rig), "utf8");
    writeFileSync(indexOf(rig), text.replaceAll(/"words":\{[^}]*\}/g, '"words":{"host":7}'));
  },
};

for (const [which, comes] of Object.entries(lives)) {
  for (const grows of [false, true]) {
    const how = grows ? ", also where a block comes first" : "";
    test(`a vault ${which} tells the newest host and the predecessor of each chain${how}`, async () => {
      await using rig = await Rig.start();
      const chain = begins("one", { host: "first" }, named);
      assert.equal(gist(await rig.post(chain)), "200");
      assert.deepEqual(await told(rig, chain), ["first", before]);
      await rig.restart();
      await rig.vault.surveyed;
      const older = readFileSync(indexOf(rig), "utf8");
      assert.match(older, /"host":"first"/);
      for (let at = 0; at < 5; at += 1) chain.seal([heartbeat]);
      restarts(chain, "second");
      chain.seal([heartbeat]);
      assert.equal(gist(await rig.post(chain)), "200");
      assert.deepEqual(await told(rig, chain), ["second", before]);
      await rig.close();
      comes(rig, older);
      await rig.open();
      if (grows) {
        chain.seal([heartbeat]);
        assert.equal(gist(await rig.post(chain, chain.blocks.slice(-1))), "200");
      }
      assert.deepEqual(await told(rig, chain), ["second", before]);
      await rig.vault.surveyed;
      assert.deepEqual(await told(rig, chain), ["second", before]);
    });
  }
}

test("a chain that names no host, or a name that no machine has, and no chain before it, says nothing", async () => {
  await using rig = await Rig.start();
  const chain = begins("long-host", { host: "x".repeat(256) });
  assert.equal(gist(await rig.post(chain)), "200");
  assert.deepEqual(await told(rig, chain), [null, null]);
  await rig.close();
  rmSync(indexOf(rig));
  await rig.open();
  assert.deepEqual(await told(rig, chain), [null, null]);
});

test("a first block that cannot be read says nothing, and keeps no block from being taken", () => {
  const chain = begins("junk", { host: "first" }, named);
  const { header, head } = chain.blocks[0] as BuiltBlock;
  for (const payload of [new Uint8Array(0), new Uint8Array(99)]) {
    const words = wordsAfter(suite, undefined, undefined, [{ header, head, payload }]);
    assert.deepEqual(words, { run: hex(header.runId), host: null, predecessor: null });
  }
});

test("a request with the first blocks of several runs tells of the newest", async () => {
  await using rig = await Rig.start();
  const chain = begins("one", { host: "first" }, named);
  restarts(chain, "second");
  restarts(chain, "third");
  chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain)), "200");
  assert.deepEqual(await told(rig, chain), ["third", before]);
});

test("a block that rots where nobody reads it makes no chain damaged in the list alone", async () => {
  const files = new FakeFiles();
  await using rig = await Rig.start({ files });
  const chain = begins("rotten", { host: "first" });
  // Who looks back begins with the snapshot of the second object.
  while (chain.blocks.length < 1024) chain.seal([heartbeat]);
  chain.seal([chain.snapshot()]);
  for (let at = 0; at < 1200; at += 300) {
    assert.equal(gist(await rig.post(chain, chain.blocks.slice(at, at + 300))), "200");
  }
  await rig.vault.surveyed;
  await rig.close();
  await files.unlink(`${rig.dir}/state/chains.ndjson`);
  const object = `${rig.store}/chains/${chain.name}/0000000000000000.blocks`;
  // As rot does: neither size nor times change.
  const at = headLength + 40;
  files.node(object)?.bytes.change(at, Buffer.of((files.bytes(object)[at] ?? 0) ^ 1));
  await rig.open();
  await rig.vault.surveyed;
  const stateNow = async (): Promise<unknown> =>
    (await rig.json(`/v1/chains/${chain.name}`))["state"];
  assert.deepEqual(await told(rig, chain), [undefined, undefined]);
  assert.equal(await stateNow(), "active");
  assert.equal(gist(await rig.post(chain, [chain.seal([heartbeat])])), "200");
  await told(rig, chain);
  assert.equal(await stateNow(), "active");
});
