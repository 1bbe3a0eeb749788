// What stays open until somebody acknowledges it: gaps, silences, stops, forks; and who never came.

import assert from "node:assert/strict";
import { readdir, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import type { FindingCode } from "../../src/core/fault.ts";
import { systemClock } from "../../src/host/clock.ts";
import { Admin } from "../fakes/admin.ts";
import type { ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { type Answer, chainOf, gist, Rig } from "./rig.ts";

const heartbeat: Item = say({ type: "heartbeat", sources: [] });
const gaps = 'sealtail_vault_open_gaps{cause="truncated"}';

/** A chain with a gap in block 1. */
function chainWithGap(label: string, cause = "truncated"): ChainBuilder {
  const chain = chainOf(label, { time: (Math.floor(Date.now() / 1000) - 5000) * 1_000_000 });
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  const gap = { type: "gap", source: id, from: 2, to: 9, cause } as const;
  chain.seal([say(record), lines(id, "a\n"), say(gap)]);
  return chain;
}

async function acknowledge(rig: Rig, note: Uint8Array): Promise<Answer> {
  const body = note as Uint8Array<ArrayBuffer>;
  return await rig.direct("/v1/acknowledgements", { method: "POST", body });
}

async function openIn(rig: Rig, chain: ChainBuilder): Promise<unknown> {
  return (await rig.json(`/v1/chains/${chain.name}/findings`))["open"];
}

test("a declared gap stays open over restarts until it is acknowledged, and then stays closed", async () => {
  await using rig = await Rig.start();
  const chain = chainWithGap("gap");
  await rig.post(chain);
  assert.deepEqual(await openIn(rig, chain), [
    { code: "GAP_DECLARED", reason: "truncated", blocks: [1] },
  ]);
  assert.equal(await rig.metric(gaps), 1);
  const [listed] = (await rig.json("/v1/chains"))["chains"] as { open: string[] }[];
  assert.deepEqual(listed?.open, ["GAP_DECLARED"]);
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(gaps), 1);
  const note = new Admin().says({ chain: chain.name, code: "GAP_DECLARED", below: 2 });
  assert.equal(gist(await acknowledge(rig, note)), "200");
  assert.equal(await rig.metric(gaps), 0);
  assert.deepEqual(await openIn(rig, chain), []);
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(gaps), 0);
  const { acknowledgements } = await rig.json("/v1/acknowledgements");
  assert.deepEqual(acknowledgements, [Buffer.from(note).toString()]);
});

test("gaps and other findings are counted as their blocks are stored, and not again at a restart", async () => {
  await using rig = await Rig.start();
  const found = 'sealtail_vault_gaps_total{cause="truncated"}';
  assert.equal(await rig.metric(found), 0);
  const chain = chainWithGap("counted");
  await rig.post(chain);
  await rig.post(chain);
  assert.equal(await rig.metric(found), 1);
  assert.equal(await rig.metric('sealtail_vault_gaps_total{cause="unreadable"}'), 0);
  assert.equal(await rig.metric('sealtail_vault_findings_total{code="source_rewritten"}'), 0);
  await rig.restart();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(found), 0);
});

test("what is open is found again in the store when the index is lost or damaged", async () => {
  await using rig = await Rig.start();
  const chain = chainWithGap("found-again");
  while (chain.length < 1030) {
    chain.seal(chain.length === 1024 ? [chain.snapshot(), heartbeat] : [heartbeat]);
  }
  assert.equal(gist(await rig.post(chain, chain.blocks.slice(0, 2))), "200");
  for (let from = 2; from < chain.blocks.length; from += 500) {
    assert.equal(gist(await rig.post(chain, chain.blocks.slice(from, from + 500))), "200");
  }
  const index = `${rig.dir}/state/findings.ndjson`;
  for (const spoil of [() => rm(index), () => writeFile(index, "{")]) {
    await rig.close();
    await spoil();
    await rig.open();
    await rig.vault.surveyed;
    assert.equal(await rig.metric(gaps), 1);
    assert.equal(await rig.metric("sealtail_vault_chains_unwatched"), 0);
  }
});

test("a gap behind an acknowledged one opens again", async () => {
  await using rig = await Rig.start();
  const chain = chainWithGap("twice");
  await rig.post(chain);
  const admin = new Admin();
  await acknowledge(rig, admin.says({ chain: chain.name, code: "GAP_DECLARED", below: 2 }));
  const [source] = [...chain.sources];
  const id = (source as { id: string }).id;
  chain.seal([say({ type: "gap", source: id, from: 9, to: 12, cause: "rotated-away" })]);
  await rig.post(chain, chain.blocks.slice(2));
  assert.deepEqual(await openIn(rig, chain), [
    { code: "GAP_DECLARED", reason: "rotated-away", blocks: [2] },
  ]);
});

test("what the configuration left out on purpose is nothing to acknowledge", async () => {
  await using rig = await Rig.start();
  const chain = chainWithGap("skipped", "skipped");
  await rig.post(chain);
  assert.deepEqual(await openIn(rig, chain), []);
});

test("a silent chain and a stopped one are open until acknowledged, and no longer than they last", async () => {
  let shift = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + shift };
  await using rig = await Rig.start({ clock });
  const [silent, stopped] = [chainOf("silent"), chainOf("stopped")];
  silent.begin();
  await rig.post(silent);
  stopped.begin();
  stopped.stop();
  await rig.post(stopped);
  assert.equal(await rig.metric("sealtail_vault_stopped_chains"), 1);
  assert.equal(await rig.metric("sealtail_vault_silent_chains"), 0);
  shift = 120e6;
  assert.equal(await rig.metric("sealtail_vault_silent_chains"), 1);
  const admin = new Admin();
  const time = Math.floor(clock.now() / 1e6);
  const ends: [ChainBuilder, FindingCode, number][] = [
    [silent, "CHAIN_STALLED", 1],
    [stopped, "STOPPED", 2],
  ];
  for (const [chain, code, below] of ends) {
    const note = admin.says({ chain: chain.name, code, below, time });
    assert.equal(gist(await acknowledge(rig, note)), "200");
  }
  assert.equal(await rig.metric("sealtail_vault_silent_chains"), 0);
  assert.equal(await rig.metric("sealtail_vault_stopped_chains"), 0);
  silent.seal([heartbeat], { time: silent.time + 130e6 });
  assert.equal(gist(await rig.post(silent, silent.blocks.slice(1))), "200");
  shift += 120e6;
  assert.equal(await rig.metric("sealtail_vault_silent_chains"), 1, "silent again is open again");
});

test("a fork is open until it is acknowledged, and stays proven", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("fork");
  chain.begin();
  const twin = chain.twin([say({ type: "stop", reason: "twin" })]);
  chain.seal([heartbeat]);
  await rig.post(chain);
  assert.equal(gist(await rig.post(chain, [twin])), "409 fork FORK");
  assert.equal(await rig.metric("sealtail_vault_open_forks"), 1);
  const note = new Admin().says({ chain: chain.name, code: "FORK", below: 2 });
  assert.equal(gist(await acknowledge(rig, note)), "200");
  for (const round of ["live", "after a restart"]) {
    await rig.vault.surveyed;
    assert.equal(await rig.metric("sealtail_vault_open_forks"), 0, round);
    assert.equal((await readdir(`${rig.store}/chains/${chain.name}/forks`)).length, 1);
    await rig.restart();
  }
});

test("expected chains that are not active are counted as missing", async () => {
  const expect = [
    { subject: "pay-*", chains: 2 },
    { subject: "web", chains: 1 },
  ];
  await using rig = await Rig.start({ config: { expect } });
  const missing = (subject: string): Promise<number | undefined> =>
    rig.metric(`sealtail_vault_expected_chains_missing{subject="${subject}"}`);
  assert.deepEqual([await missing("pay-*"), await missing("web")], [2, 1]);
  const chain = chainOf("pay-1");
  chain.begin();
  await rig.post(chain);
  assert.deepEqual([await missing("pay-*"), await missing("web")], [1, 1]);
});

test("an acknowledgement that does not count is refused, and closes nothing", async () => {
  await using rig = await Rig.start();
  const chain = chainWithGap("refused");
  await rig.post(chain);
  const admin = new Admin();
  const terms = { chain: chain.name, code: "GAP_DECLARED", below: 2 } as const;
  const now = Math.floor(Date.now() / 1000);
  const rows: readonly (readonly [want: string, note: Uint8Array])[] = [
    ["422 acknowledgement-refused GRANT_WRONG_ROLE", new Admin({ role: "read" }).says(terms)],
    ["422 acknowledgement-refused GRANT_WRONG_AUDIENCE", admin.says({ ...terms, audience: "x" })],
    ["422 acknowledgement-refused", admin.says({ ...terms, below: 3 })],
    ["422 acknowledgement-refused", admin.says({ ...terms, time: now - 3600 })],
    ["422 acknowledgement-refused MALFORMED", Buffer.from("nothing")],
    ["404 unknown-chain", admin.says({ ...terms, chain: "00".repeat(32) })],
    ["413 body-too-large", new Uint8Array(20_000)],
  ];
  for (const [want, note] of rows) assert.equal(gist(await acknowledge(rig, note)), want);
  assert.equal(await rig.metric(gaps), 1);
  assert.deepEqual((await rig.json("/v1/acknowledgements"))["acknowledgements"], []);
});

test("a kept acknowledgement that somebody changed closes nothing after a restart", async () => {
  await using rig = await Rig.start();
  const chain = chainWithGap("changed");
  await rig.post(chain);
  const note = new Admin().says({ chain: chain.name, code: "GAP_DECLARED", below: 2 });
  await acknowledge(rig, note);
  await rig.close();
  const folder = `${rig.store}/acknowledgements`;
  const [name] = await readdir(folder);
  await rm(`${folder}/${name}`);
  await writeFile(`${folder}/${name}`, Buffer.from(note).toString().replace("below 2", "below 1"));
  await rm(`${rig.dir}/state/findings.ndjson`);
  await rig.open();
  await rig.vault.surveyed;
  assert.equal(await rig.metric(gaps), 1);
});
