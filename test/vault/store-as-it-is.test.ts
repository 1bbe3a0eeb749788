// What a vault shows of its store is what lies in the directory, whatever somebody did to it.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { remoteSource } from "../../src/cli/remote-source.ts";
import type { VerifiableSource } from "../../src/core/chain-source.ts";
import { systemFiles } from "../../src/host/files.ts";
import { readDirStore } from "../../src/store/dir.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { codes, judge } from "../verify/judging.ts";
import { chainOf, gist, Rig } from "./rig.ts";

async function said(source: VerifiableSource) {
  const { verdict, all, unchecked } = await judge(source);
  return { verdict, all: codes(all), unchecked };
}

async function bothWays(rig: Rig) {
  const source = await remoteSource(rig.vault.url, undefined);
  try {
    return { far: await said(source), near: await said(readDirStore(systemFiles, rig.store)) };
  } finally {
    await source.close();
  }
}

async function stored(rig: Rig, blocks = 2): Promise<ChainBuilder> {
  const chain = chainOf("pay");
  const { id, record } = chain.source("/a");
  chain.begin([say(record)]);
  while (chain.length < blocks) chain.seal([lines(id, `line ${chain.length}\n`)]);
  assert.equal(gist(await rig.post(chain)), "200");
  return chain;
}

const now = (): number => Math.floor(Date.now() / 1000);

const harms: Record<string, readonly [harm: (path: string, chain: ChainBuilder) => void, RegExp]> =
  {
    "one bit of a signature changed": [
      (path) => {
        const text = readFileSync(path, "utf8");
        const at = text.indexOf("vault.example ") + 30;
        writeFileSync(
          path,
          text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1),
        );
      },
      /^INVALID/,
    ],
    "no receipt's text": [(path) => writeFileSync(path, "x"), /^INVALID/],
    "a folder in its place": [
      (path) => {
        rmSync(path);
        mkdirSync(path);
      },
      /^INDETERMINATE/,
    ],
    "another root, signed by the vault": [
      (path, { vault, id, roots }) =>
        writeFileSync(path, vault.receipt(id, 2, roots[1] as Uint8Array, now())),
      /^INVALID/,
    ],
    "another root over fewer blocks, signed by the vault": [
      (path, { vault, id, roots }) =>
        writeFileSync(path, vault.receipt(id, 1, roots[2] as Uint8Array, now())),
      /^INVALID/,
    ],
    "more blocks than there are, signed by the vault": [
      (path, { vault, id, roots }) =>
        writeFileSync(path, vault.receipt(id, 9, roots[1] as Uint8Array, now())),
      /^INCOMPLETE/,
    ],
    "nothing in its place": [(path) => rmSync(path), /^VALID_WITH_FINDINGS/],
  };

for (const [what, [harm, verdict]] of Object.entries(harms)) {
  test(`a stored receipt with ${what} is shown as it is, also after a restart`, async () => {
    await using rig = await Rig.start();
    const chain = await stored(rig);
    assert.equal((await bothWays(rig)).far.verdict, "VALID");
    harm(`${rig.store}/chains/${chain.name}/receipt`, chain);
    for (const restart of [false, true]) {
      if (restart) await rig.restart();
      const { near, far } = await bothWays(rig);
      assert.match(near.verdict, verdict);
      assert.deepEqual(far, near);
    }
  });
}

test("a receipt that was just given is stored before it is shown", async () => {
  await using rig = await Rig.start();
  const chain = await stored(rig);
  for (let more = 0; more < 3; more += 1) {
    chain.seal([say({ type: "heartbeat", sources: [] })]);
    assert.equal(gist(await rig.post(chain, chain.blocks.slice(-1))), "200");
    const { near, far } = await bothWays(rig);
    assert.deepEqual([far.verdict, far.all], ["VALID", []]);
    assert.deepEqual(near, far);
  }
});
