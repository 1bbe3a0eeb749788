// A CHAIN that is a subject, and looks like the beginning of a chain's id: a tenant's number, a
// date. Anybody can make a chain of their own whose id begins so.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { test } from "node:test";
import { ChainBuilder, type ChainSetup } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { storeChain } from "../fakes/chain-store.ts";
import { NoteSigner } from "../fakes/signers.ts";
import { Rig } from "../vault/rig.ts";
import { CommandDir, keyWords } from "./command.ts";

function chainOf(label: string, subject: string, setup: ChainSetup = {}): ChainBuilder {
  const chain = new ChainBuilder(label, { terms: { subject }, ...setup });
  chain.begin();
  const { id, record } = chain.source("/a");
  chain.seal([say(record), lines(id, `${label}\n`)]);
  return chain;
}

/** Lays chains down in `store`, and in a bundle made of it. */
function lay(dir: CommandDir, chains: readonly ChainBuilder[]): void {
  dir.keys();
  for (const chain of chains) {
    for (const [name, bytes] of storeChain(new Map(), chain)) dir.write(`store/${name}`, bytes);
  }
  const tar = ["--format=ustar", "-C", dir.path("store"), "-cf", dir.path("b.tar"), "chains"];
  assert.equal(spawnSync("tar", tar).status, 0);
}

const at = ["--at", "2026-01-01T00:00:30Z"];
const commandsOf = (way: string, word: string): Record<string, string[]> => ({
  verify: ["verify", way, word, ...keyWords, ...at],
  lines: ["lines", way, word, ...keyWords],
  "lines --raw": ["lines", way, word, "--raw", ...keyWords],
  prove: ["prove", way, word, "4", ...keyWords],
  export: ["export", way, word, "-o", "x.tar"],
});

const stranger = chainOf("stranger", "else");
const digits = stranger.name.slice(0, 6);
const meant = chainOf("meant", digits);
const foreign = chainOf("foreign", digits, { root: new NoteSigner("another-root", 1) });

for (const [what, chain] of Object.entries({ "a trusted root": meant, "another root": foreign })) {
  test(`a subject of digits, granted by ${what}, is not hidden by a chain whose id begins so`, async () => {
    await using rig = await Rig.start();
    using dir = new CommandDir();
    lay(dir, [stranger, chain]);
    rmSync(rig.store, { recursive: true, force: true });
    cpSync(dir.path("store"), rig.store, { recursive: true });
    for (const way of ["store", "b.tar", rig.vault.url]) {
      for (const [name, words] of Object.entries(commandsOf(way, digits))) {
        const ran = await dir.quick(words);
        assert.deepEqual([ran.code, ran.out], [2, ""], `${name} ${way}: ${ran.err}`);
        assert.match(ran.err, /chain-ambiguous/);
        assert.ok(ran.err.includes(`subject:${digits}`), ran.err);
        assert.ok(ran.err.includes(stranger.name.slice(0, 16)), ran.err);
      }
    }
  });
}

test("a word says whether it is an id or a subject", async () => {
  using dir = new CommandDir();
  lay(dir, [stranger, meant]);
  const said = {
    ...{ [`subject:${digits}`]: "meant", [meant.name]: "meant" },
    ...{ [`id:${digits}`]: "stranger", [stranger.name.slice(0, 7)]: "stranger" },
    ...{ [`id:${stranger.name}`]: "stranger", "subject:else": "stranger", else: "stranger" },
  };
  for (const [word, line] of Object.entries(said)) {
    for (const [name, words] of Object.entries(commandsOf("store", word))) {
      const ran = await dir.quick(words);
      assert.equal(ran.code, 0, `${name} ${word}: ${ran.err}${ran.out}`);
      if (name.startsWith("lines")) assert.ok(ran.out.includes(line), `${name} ${word}`);
      rmSync(dir.path("x.tar"), { force: true });
    }
  }
});

test("the beginning of an id is doubted beside a chain whose subject nobody can tell", async () => {
  using dir = new CommandDir();
  lay(dir, [stranger, chainOf("bent", "bent", { root: new NoteSigner("another-root", 1) })]);
  const ran = async (name: string, word: string): Promise<number | null> =>
    (await dir.quick(commandsOf("store", word)[name] ?? [])).code;
  assert.deepEqual(await Promise.all(["verify", "lines"].map((each) => ran(each, digits))), [6, 1]);
  assert.equal(await ran("prove", digits), 2);
  for (const word of [`id:${digits}`, stranger.name, stranger.name.slice(0, 16)]) {
    assert.equal(await ran("verify", word), 0);
    assert.equal(await ran("lines", word), 0);
    assert.equal(await ran("prove", word), 0);
  }
});
