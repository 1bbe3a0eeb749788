// What the watch knows after a restart, a restored or lost store, and a write that failed.

import assert from "node:assert/strict";
import { chmod, cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { formatNote, parseNote } from "../../src/core/note.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Admin } from "../fakes/admin.ts";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FakeFiles } from "../fakes/files.ts";
import { NoteSigner } from "../fakes/signers.ts";
import { chainOf, gist, Rig } from "./rig.ts";

const heartbeat: Item = say({ type: "heartbeat", sources: [] });
const openGaps = (cause: string): string => `sealtail_vault_open_gaps{cause="${cause}"}`;

async function acknowledge(rig: Rig, note: Uint8Array): Promise<string> {
  const body = note as Uint8Array<ArrayBuffer>;
  return gist(await rig.direct("/v1/acknowledgements", { method: "POST", body }));
}

/** A chain that has begun and follows a file. */
function follower(label: string): {
  chain: ChainBuilder;
  gap(cause: "truncated" | "unreadable"): Item;
} {
  const chain = chainOf(label);
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record), lines(id, "a\n")]);
  return { chain, gap: (cause) => say({ type: "gap", source: id, from: 2, to: 9, cause }) };
}

test("a chain that was stopped is still stopped after a restart, and stays acknowledged", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("stopped");
  chain.begin();
  chain.stop();
  await rig.post(chain);
  const state = async (): Promise<unknown[]> => {
    await rig.vault.surveyed;
    const { state } = await rig.json(`/v1/chains/${chain.name}`);
    const ends = ["stopped", "silent"].map((end) => rig.metric(`sealtail_vault_${end}_chains`));
    return [state, ...(await Promise.all(ends))];
  };
  assert.deepEqual(await state(), ["stopped", 1, 0]);
  await rig.restart();
  assert.deepEqual(await state(), ["stopped", 1, 0], "with the index");
  await rig.close();
  await rm(`${rig.dir}/state/findings.ndjson`);
  await rig.open();
  assert.deepEqual(await state(), ["stopped", 1, 0], "without the index");
  const note = new Admin().says({ chain: chain.name, code: "STOPPED", below: 2 });
  assert.equal(await acknowledge(rig, note), "200");
  await rig.restart();
  assert.deepEqual(await state(), ["stopped", 0, 0], "acknowledged");
});

/** What an operator does who knows that nothing better is left of the store. */
async function forgetNotes(rig: Rig): Promise<void> {
  await rm(`${rig.dir}/state/chains`, { recursive: true });
}

test("what was found in a chain that is stored no more is not open", async () => {
  await using rig = await Rig.start();
  const { chain, gap } = follower("gone");
  chain.seal([gap("truncated")]);
  await rig.post(chain);
  await rig.close();
  await rm(`${rig.store}/chains/${chain.name}`, { recursive: true });
  await forgetNotes(rig);
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(openGaps("truncated")), 0);
});

test("blocks that a restored store lost are open no more, and other ones in their place are", async () => {
  await using rig = await Rig.start();
  const { chain, gap } = follower("restored");
  await rig.post(chain);
  await rig.close();
  await cp(rig.store, `${rig.dir}/yesterday`, { recursive: true });
  await rig.open();
  const other = chain.twin([gap("unreadable"), say({ type: "heartbeat", sources: [] })]);
  chain.seal([gap("truncated")]);
  chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(2))), "200");
  assert.equal(await rig.metric(openGaps("truncated")), 1);
  await rig.close();
  await rm(rig.store, { recursive: true });
  await cp(`${rig.dir}/yesterday`, rig.store, { recursive: true });
  await forgetNotes(rig);
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(openGaps("truncated")), 0);
  assert.equal(gist(await rig.post(chain, [other])), "200");
  assert.equal(await rig.metric(openGaps("unreadable")), 1);
});

test("a gap in a block that stayed of a write that failed is open without a restart", async () => {
  const files = new FakeFiles();
  const objects = { bytes: 1, ageMicros: 1e15 };
  await using rig = await Rig.start({ files, limits: { objects } });
  const { chain, gap } = follower("half-stored");
  await rig.post(chain);
  await rig.vault.surveyed;
  chain.seal([gap("truncated")]);
  chain.seal([heartbeat]);
  // One object per block: the gap's is written, the next one is not.
  files.hook = (call, path) => {
    const full = call === "create" && String(path).endsWith("0000000000000003.blocks");
    if (full) throw Object.assign(new Error("no room"), { code: "ENOSPC" });
  };
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(2))), "503 disk-full");
  files.hook = undefined;
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(2))), "200");
  const until = Date.now() + 10_000;
  while ((await rig.metric("sealtail_vault_chains_unwatched")) !== 0) assert.ok(Date.now() < until);
  assert.equal(await rig.metric(openGaps("truncated")), 1);
});

test("a chain whose old blocks were changed is not taken for looked at", async () => {
  await using rig = await Rig.start();
  const { chain, gap } = follower("changed");
  chain.seal([gap("truncated")]);
  await rig.post(chain);
  await rig.close();
  const [file] = (await readdir(`${rig.store}/chains/${chain.name}`)).filter((name) =>
    name.endsWith(".blocks"),
  );
  const path = `${rig.store}/chains/${chain.name}/${file}`;
  const bytes = await readFile(path);
  // In the payload of block 1.
  const at = (chain.blocks[0] as BuiltBlock).bytes.length + headLength + 20;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await chmod(path, 0o644);
  await writeFile(path, bytes);
  await rm(`${rig.dir}/state/findings.ndjson`);
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await rig.metric("sealtail_vault_chains_unwatched"), 1);
});

test("an index that is larger than any may be keeps no vault from starting", async () => {
  await using rig = await Rig.start();
  const { chain, gap } = follower("large");
  chain.seal([gap("truncated")]);
  await rig.post(chain);
  await rig.close();
  await truncate(`${rig.dir}/state/findings.ndjson`, 257 * 1024 * 1024);
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(openGaps("truncated")), 1);
});

test("nobody makes another acknowledgement out of one by adding signature lines", async () => {
  await using rig = await Rig.start();
  const { chain, gap } = follower("more-lines");
  chain.seal([gap("truncated")]);
  await rig.post(chain);
  const note = new Admin().says({ chain: chain.name, code: "GAP_DECLARED", below: 3 });
  const { text, signatures } = parseNote(note, 100_000);
  const more = formatNote(text, [...signatures, new NoteSigner("mallory").sign(text)]);
  const want = "422 acknowledgement-refused NON_CANONICAL";
  assert.equal(await acknowledge(rig, Buffer.from(more)), want);
  assert.deepEqual((await rig.json("/v1/acknowledgements"))["acknowledgements"], []);
  for (let round = 0; round < 2; round += 1) assert.equal(await acknowledge(rig, note), "200");
  assert.equal(((await rig.json("/v1/acknowledgements"))["acknowledgements"] as []).length, 1);
});

test("a fork that is proven after others were acknowledged is open, at whatever block, and stays so", async () => {
  // Proofs bear the real time; to them the acknowledgement is made 400 s ago.
  const clock = { ...systemClock, now: () => systemClock.now() - 400e6 };
  await using rig = await Rig.start({ clock });
  const { chain } = follower("forks");
  const early = chain.twin([say({ type: "stop", reason: "twin" })]);
  chain.seal([heartbeat]);
  const late = chain.twin([say({ type: "stop", reason: "twin" })]);
  chain.seal([heartbeat]);
  await rig.post(chain);
  assert.equal(gist(await rig.post(chain, [late])), "409 fork FORK");
  const time = Math.floor(clock.now() / 1e6);
  const note = new Admin().says({ chain: chain.name, code: "FORK", below: 4, time });
  assert.equal(await acknowledge(rig, note), "200");
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 0);
  assert.equal(gist(await rig.post(chain, [early])), "409 fork FORK");
  for (const round of ["live", "after a restart"]) {
    await rig.vault.surveyed;
    const { open } = (await rig.json(`/v1/chains/${chain.name}/findings`)) as {
      open: { code: string; blocks: number[] }[];
    };
    const blocks = open.find(({ code }) => code === "FORK")?.blocks ?? [];
    assert.ok(blocks.includes(early.header.blockNo), round);
    await rig.restart();
  }
});

test("a kept acknowledgement that is too long or no text keeps neither vault nor list from working", async () => {
  await using rig = await Rig.start();
  const { chain, gap } = follower("spoiled");
  chain.seal([gap("truncated")]);
  await rig.post(chain);
  const note = new Admin().says({ chain: chain.name, code: "GAP_DECLARED", below: 3 });
  assert.equal(await acknowledge(rig, note), "200");
  await rig.close();
  const name = (digit: string): string =>
    `${rig.store}/acknowledgements/${"0".repeat(16)}-${digit.repeat(64)}`;
  await writeFile(name("a"), new Uint8Array(20_000));
  await writeFile(name("b"), Uint8Array.of(0xff, 0xfe));
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(openGaps("truncated")), 0);
  const { acknowledgements } = await rig.json("/v1/acknowledgements");
  assert.equal((acknowledgements as string[]).at(-1), Buffer.from(note).toString());
  const warned = rig.diag.lines.filter(({ phrase }) => phrase.includes("kept acknowledgement"));
  assert.equal(warned.length, 2);
});

test("a vault that was away calls a chain silent only once it listened for as long as the chain promised", async () => {
  const clock = new FakeClock();
  await using rig = await Rig.start({ files: new FakeFiles(), clock });
  const chain = chainOf("heard", {}, clock.now() / 1e6);
  chain.maxSilenceMs = 60_000;
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  const state = async (): Promise<unknown> => (await rig.json(`/v1/chains/${chain.name}`))["state"];
  await rig.close();
  await clock.advance(600_000);
  await rig.open();
  assert.equal(await state(), "active", "no agent could reach it");
  await clock.advance(60_000);
  assert.equal(await state(), "active");
  await clock.advance(1000);
  assert.equal(await state(), "silent");
});
