// Somebody puts things into the vault's store, or takes them away for a while: no false alarm
// stays, nothing that was not checked is used, and a chain is not blamed for what lies beside it.

import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { concat, hex } from "../../src/core/bytes.ts";
import { systemClock } from "../../src/host/clock.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { hurried } from "./hurried.ts";
import { chainOf, gist, Rig } from "./rig.ts";

async function play(rig: Rig, label: string, blocks = 12): Promise<ChainBuilder> {
  const chain = chainOf(label);
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  while (chain.length < blocks) {
    const snapshot = chain.length % 1024 === 0 ? [chain.snapshot()] : [];
    chain.seal([...snapshot, lines(id, `line ${chain.length}\n`)]);
  }
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.vault.surveyed;
  return chain;
}

const folderOf = (rig: Rig, { name }: ChainBuilder): string => join(rig.store, "chains", name);

test("a planted fork proof is no fork to anybody's alarm", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "accused");
  const other = await play(rig, "other");
  const head = ({ bytes }: { bytes: Uint8Array }): Uint8Array => bytes.subarray(0, headLength);
  mkdirSync(join(folderOf(rig, chain), "forks"));
  for (const [block, hash] of [
    [0, "a"],
    [3, "b"],
  ] as const) {
    const proof = concat(head(chain.blocks[block]!), head(other.blocks[block]!));
    const name = `${block.toString(16).padStart(16, "0")}-${hash.repeat(64)}`;
    writeFileSync(join(folderOf(rig, chain), "forks", name), proof);
  }
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 0);
  const { forks, open } = await rig.json(`/v1/chains/${chain.name}`);
  assert.deepEqual([forks, open], [0, []]);
  assert.equal(rig.diag.lines.filter(({ phrase }) => phrase.includes("fork proof")).length, 2);
});

test("junk among the proofs of forks hides no fork", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "crowded", 5);
  const twin = chain.twin([chain.snapshot()]);
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(-1))), "200");
  mkdirSync(join(folderOf(rig, chain), "forks"));
  const hashes = ["0123456789abcdef", "f"].join("");
  for (const [at, digit] of [...hashes].entries()) {
    const name = `${"0".repeat(15)}${at % 5}-${digit.repeat(64)}`;
    writeFileSync(join(folderOf(rig, chain), "forks", name), "");
  }
  // Under the very name that the proof is to have.
  const own = `${"0".repeat(15)}5-${hex(twin.hash)}`;
  writeFileSync(join(folderOf(rig, chain), "forks", own), "");
  assert.equal(gist(await rig.post(chain, [twin])), "409 fork FORK");
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  assert.equal((await rig.json(`/v1/chains/${chain.name}`))["forks"], 1);
});

test("a chain that was away at the start is damaged no longer than it is away", async () => {
  await using rig = await Rig.start({ clock: hurried });
  const chain = await play(rig, "away");
  await rig.close();
  const folder = folderOf(rig, chain);
  renameSync(folder, `${folder}.away`);
  await rig.open();
  await rig.vault.surveyed;
  const state = async (): Promise<unknown> => (await rig.json(`/v1/chains/${chain.name}`))["state"];
  assert.equal(await state(), "damaged");
  renameSync(`${folder}.away`, folder);
  while ((await state()) !== "active") await systemClock.sleep(10);
});

test("a strange receipt in the store makes no chain damaged, and proves nothing", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "mine");
  const other = await play(rig, "theirs");
  const plant: (() => void)[] = [
    () =>
      copyFileSync(join(folderOf(rig, other), "receipt"), join(folderOf(rig, chain), "receipt")),
    () => writeFileSync(join(folderOf(rig, chain), "receipt"), ""),
  ];
  for (const planted of plant) {
    await rig.close();
    rmSync(join(rig.dir, "state", "chains"), { recursive: true });
    planted();
    await rig.open();
    const proof = `/v1/chains/${chain.name}/lines/3/proof`;
    // The vault may have signed one of its own by now.
    assert.match(gist(await rig.direct(proof)), /^404 not-found$|^200$/);
    assert.equal(gist(await rig.post(chain)), "200");
    assert.equal(gist(await rig.direct(proof)), "200");
  }
});

test("a stored receipt that claims more blocks, and that nobody signed, makes no chain damaged", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "claimed", 5);
  const path = join(folderOf(rig, chain), "receipt");
  const [origin, , ...rest] = readFileSync(path, "utf8").split("\n");
  const claims = [
    [origin, "9999", ...rest],
    [origin, "9999", rest[0], "", "\u2014 evil.example aaaaaaaa", ""],
  ];
  for (const claim of claims) {
    await rig.close();
    rmSync(join(rig.dir, "state", "chains", chain.name, "checked"), { force: true });
    writeFileSync(path, claim.join("\n"));
    await rig.open();
    const next = chain.seal([say({ type: "heartbeat", sources: [] })]);
    assert.equal(gist(await rig.post(chain, [next])), "200");
    assert.equal((await rig.json(`/v1/chains/${chain.name}`))["size"], chain.length);
  }
});

test("a link in the place of a chain's folder is not followed: the chain is damaged until it is gone", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "linked", 1030);
  const [folder, elsewhere] = [join(folderOf(rig, chain), "headers"), join(rig.dir, "elsewhere")];
  const newest = chain.blocks.slice(-1);
  const putLink = (): void => {
    renameSync(folder, elsewhere);
    symlinkSync(elsewhere, folder);
  };
  const putBack = (): void => {
    unlinkSync(folder);
    renameSync(elsewhere, folder);
  };
  for (const away of [() => rig.restart(), async () => undefined]) {
    putLink();
    await away();
    assert.equal(gist(await rig.post(chain, newest)), "503 chain-damaged");
    assert.equal(
      gist(await rig.direct(`/v1/chains/${chain.name}/lines/3/proof`)),
      "503 chain-damaged",
    );
    putBack();
    assert.equal(gist(await rig.post(chain, newest)), "200");
  }
});

test("a link in the place of a chain's own folder is not followed either, once somebody looks", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "moved", 5);
  const [folder, elsewhere] = [folderOf(rig, chain), join(rig.dir, "elsewhere")];
  const next = [chain.seal([say({ type: "heartbeat", sources: [] })])];
  renameSync(folder, elsewhere);
  symlinkSync(elsewhere, folder);
  assert.match(gist(await rig.post(chain, chain.blocks.slice(0, 1))), /^503/);
  assert.match(gist(await rig.post(chain, next)), /^503/);
  await rig.restart();
  assert.match(gist(await rig.post(chain, next)), /^503/);
  unlinkSync(folder);
  renameSync(elsewhere, folder);
  assert.equal(gist(await rig.post(chain, next)), "200");
});

test("a vault does not start on a store whose folders are links", async () => {
  for (const name of ["chains", "acknowledgements"]) {
    await using rig = await Rig.start();
    await rig.close();
    const [folder, elsewhere] = [join(rig.store, name), join(rig.dir, "elsewhere")];
    mkdirSync(elsewhere);
    rmSync(folder, { recursive: true, force: true });
    symlinkSync(elsewhere, folder);
    await assert.rejects(rig.open(), /is a link, which is not followed/);
  }
});

test("a chain does not grow through a link in the place of a folder that it has not made yet", async () => {
  await using rig = await Rig.start();
  const chain = await play(rig, "early", 1020);
  const elsewhere = join(rig.dir, "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(folderOf(rig, chain), "headers"));
  const more = Array.from({ length: 10 }, () =>
    chain.seal([
      ...(chain.length === 1024 ? [chain.snapshot()] : []),
      say({ type: "heartbeat", sources: [] }),
    ]),
  );
  assert.match(gist(await rig.post(chain, more)), /^503/);
  assert.deepEqual(readdirSync(elsewhere), []);
  rmSync(join(folderOf(rig, chain), "headers"));
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(1019))), "200");
});
