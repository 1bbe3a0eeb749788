// Heads of chains come back from the store as they were, however long the chain is.

import assert from "node:assert/strict";
import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import { systemFiles } from "../../src/host/files.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { type ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { TestVault } from "../fakes/signers.ts";
import { chainOf, gist, problemOf, Rig, receiptOf, signersOf, suite } from "./rig.ts";

const heartbeat: Item = say({ type: "heartbeat", sources: [] });

/** Seals blocks up to `length`, with snapshots where they must stand. */
function grow(chain: ChainBuilder, length: number, items: () => readonly Item[]): void {
  if (chain.length === 0) chain.begin();
  while (chain.length < length) {
    const due = chain.length % 1024 === 0;
    chain.seal(due ? [chain.snapshot(), ...items()] : items());
  }
}

async function verdictOf(rig: Rig, chain: ChainBuilder): Promise<string[]> {
  const codes: string[] = [];
  const report = await verifyChain(readDirStore(systemFiles, rig.store).reader(chain.name), {
    ...{ suite, roots: [testRoot.key], vaults: [testVault.keys] },
    report: ({ code }) => codes.push(code),
  });
  return [report.verdict, ...codes];
}

test("a chain goes on after a restart, wherever its newest snapshot stands", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("long", { time: (Math.floor(Date.now() / 1000) - 5000) * 1_000_000 });
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  let line = 0;
  const items = (): Item[] => [lines(id, `line ${line++}\n`)];
  const stops = [1, 2, 5, 1023, 1024, 1025, 1027];
  let sent = 0;
  for (const stop of stops) {
    grow(chain, stop, items);
    if (stop === 5 || stop === 1027) {
      chain.stop();
      chain.restart([heartbeat]);
    }
    const answer = await rig.post(chain, chain.blocks.slice(sent));
    assert.equal(gist(answer), "200", `at ${stop}`);
    sent = chain.length;
    assert.deepEqual(
      [receiptOf(answer).size, hex(receiptOf(answer).root)],
      [sent, hex(chain.roots[sent]!)],
    );
    await rig.restart();
  }
  const detail = await rig.json(`/v1/chains/${chain.name}`);
  assert.deepEqual(
    [detail["size"], detail["root"], detail["head"]],
    [chain.length, hex(chain.roots.at(-1)!), hex(chain.blocks.at(-1)!.hash)],
  );
  const names = await readdir(`${rig.store}/chains/${chain.name}`);
  assert.deepEqual(
    names.filter((name) => name.endsWith(".blocks")),
    ["0000000000000000.blocks", "0000000000000400.blocks"],
  );
  assert.deepEqual(await readdir(`${rig.store}/chains/${chain.name}/headers`), [
    "0000000000000000",
  ]);
  await rig.close();
  assert.deepEqual(await verdictOf(rig, chain), ["VALID_WITH_FINDINGS", "DOWNTIME", "DOWNTIME"]);
});

test("a request of a thousand blocks crosses objects and ranges", async () => {
  await using rig = await Rig.start({
    limits: { objects: { bytes: 40_000, ageMicros: 1e12 } },
  });
  const chain = chainOf("big", { time: (Math.floor(Date.now() / 1000) - 5000) * 1_000_000 });
  grow(chain, 1100, () => [heartbeat]);
  assert.equal(receiptOf(await rig.post(chain)).size, 1100);
  assert.ok((await readdir(`${rig.store}/chains/${chain.name}`)).length > 15);
  await rig.close();
  assert.deepEqual(await verdictOf(rig, chain), ["VALID"]);
});

test("heads that found no room come back when they are needed", async () => {
  await using rig = await Rig.start({ limits: { headBytes: 1 } });
  const chains = ["a", "b", "c", "d"].map((label) => chainOf(label));
  for (const chain of chains) chain.begin();
  for (const chain of chains) assert.equal(gist(await rig.post(chain)), "200");
  for (let round = 0; round < 3; round++) {
    for (const chain of chains) {
      const next = chain.seal([heartbeat]);
      assert.equal(gist(await rig.post(chain, [next])), "200");
    }
  }
  assert.ok(((await rig.metric("sealtail_vault_heads_open")) ?? 9) <= 1);
  assert.ok(((await rig.metric("sealtail_vault_heads_replayed_total")) ?? 0) >= 12);
});

test("a run id that was used before the head came back is still refused", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("runs");
  chain.begin();
  const used = chain.runId;
  chain.stop();
  chain.restart();
  chain.stop();
  await rig.post(chain);
  await rig.restart();
  chain.newRun();
  chain.runId = used;
  const again = chain.twin([chain.start(), chain.snapshot()]);
  assert.equal(gist(await rig.post(chain, [again])), "422 block-refused RUN_ID_REUSED");
});

test("a receipt recorded long after it was given is compared with the store", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("receipts");
  grow(chain, 10, () => [heartbeat]);
  const early = Buffer.from((await rig.post(chain)).bytes).toString();
  grow(chain, 100, () => [heartbeat]);
  await rig.post(chain, chain.blocks.slice(10));
  const wrong = chain.vault.receipt(
    chain.id,
    10,
    new Uint8Array(32),
    Math.floor(Date.now() / 1000),
  );
  const bad = chain.twin([say({ type: "receipt", note: wrong })]);
  assert.equal(gist(await rig.post(chain, [bad])), "422 block-refused RECEIPT_MISMATCH");
  const good = chain.seal([say({ type: "receipt", note: early })]);
  assert.equal(gist(await rig.post(chain, [good])), "200");
});

test("stored blocks that were changed make the chain damaged: no writes, and others go on", async () => {
  await using rig = await Rig.start();
  const [chain, other] = [chainOf("damaged"), chainOf("fine")];
  for (const each of [chain, other]) {
    each.begin();
    each.seal([heartbeat]);
    await rig.post(each);
  }
  await rig.close();
  const path = `${rig.store}/chains/${chain.name}/0000000000000000.blocks`;
  const bytes = await readFile(path);
  bytes[bytes.length - 3]! ^= 1;
  await chmod(path, 0o600);
  await writeFile(path, bytes);
  await rig.open();
  await rig.vault.surveyed;
  const next = chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, [next])), "503 chain-damaged");
  assert.equal(gist(await rig.post(other, [other.seal([heartbeat])])), "200");
  const detail = await rig.json(`/v1/chains/${chain.name}`);
  assert.equal(detail["state"], "damaged");
  assert.equal(await rig.metric('sealtail_vault_chains{state="damaged"}'), 1);
  assert.equal(await rig.metric('sealtail_vault_chains{state="active"}'), 1);
  assert.deepEqual((await readFile(path)).length, bytes.length);
});

test("a vault with other keys under the same name says so, and the right keys make it go on", async () => {
  const chain = chainOf("other-keys");
  await using rig = await Rig.start();
  grow(chain, 4, () => [heartbeat]);
  const note = Buffer.from((await rig.post(chain)).bytes).toString();
  const recorded = chain.seal([say({ type: "receipt", note })]);
  assert.equal(gist(await rig.post(chain, [recorded])), "200");
  rig.signers = signersOf(new TestVault(testVault.name, "made anew"));
  await rig.restart();
  const next = chain.seal([heartbeat]);
  const answer = await rig.post(chain, [next]);
  assert.equal(gist(answer), "503 vault-keys-changed");
  assert.match(String(problemOf(answer)["detail"]), /kept receipt is signed by other keys/);
  rig.signers = signersOf(testVault);
  await rig.restart();
  assert.equal(gist(await rig.post(chain, [next])), "200");
});

test("a block that fails inside is refused each time, and nothing about it is remembered", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("again");
  chain.begin();
  await rig.post(chain);
  const bad = chain.twin([lines("00".repeat(16), "undeclared\n")]);
  for (let i = 0; i < 5; i++) {
    const answer = await rig.post(chain, [bad]);
    assert.equal(gist(answer), "422 block-refused SOURCE_UNDECLARED");
    assert.equal(problemOf(answer)["block"], 1);
  }
  assert.equal(
    await rig.metric('sealtail_vault_verification_failures_total{check="source_undeclared"}'),
    5,
  );
  const good = chain.seal([say({ type: "heartbeat", sources: [] })]);
  assert.equal(gist(await rig.post(chain, [good])), "200");
  assert.equal(gist(await rig.post(chain, [bad])), "409 fork FORK");
});
