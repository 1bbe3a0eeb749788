// What the vault's head tells: rollbacks of either side, forks, and how shipping goes on.

import assert from "node:assert/strict";
import test from "node:test";
import type { Answer } from "../../src/ship/sink.ts";
import { settle } from "../fakes/clock.ts";
import { TestChain } from "./chain.ts";
import { type Setup, ship } from "./setup.ts";
import { VaultModel } from "./vault-model.ts";

const grant = new Uint8Array([1, 2, 3]);
const events = ({ reports }: Setup): string[] => reports.map(({ event }) => event);

test("a vault that fell back gets the blocks again, and nothing is freed before it has them all", async () => {
  const chain = new TestChain(6);
  const vault = new VaultModel();
  await using all = ship(chain, vault, { grant });
  await settle();
  vault.stored.length = 2;
  chain.seal();
  await all.clock.advance(60_000);
  assert.deepEqual(vault.stored, chain.blocks);
  assert.deepEqual([events(all), all.freed, all.unusable], [["rollback"], [6, 7], []]);
  assert.equal(all.shipper.status().state, "ok");
});

test("while the vault catches up its small receipts move the work on, but are not saved", async () => {
  const chain = new TestChain(6, 1_500_000);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await all.clock.advance(10_000);
  assert.deepEqual(all.saved, [2, 4, 6]);
  vault.stored.length = 0;
  vault.requests.length = 0;
  chain.seal();
  await all.clock.advance(10_000);
  assert.deepEqual(
    vault.requests.map(({ from }) => from),
    [6, 0, 2, 4],
  );
  assert.deepEqual(all.saved, [2, 4, 6, 7]);
});

test("a vault that lost everything gets the grant with the genesis again", async () => {
  const chain = new TestChain(3);
  const vault = new VaultModel();
  await using all = ship(chain, vault, { grant });
  await settle();
  vault.stored.length = 0;
  vault.script = [{ outcome: "wrong-head", code: "unknown-chain", size: 0 }];
  chain.seal();
  await all.clock.advance(60_000);
  assert.deepEqual(vault.requests.at(-1), { from: 0, count: 4, grant: true, bytes: 2000 });
  assert.deepEqual(all.freed, [3, 4]);
});

test("drain does not end while a vault that fell back still lacks blocks", async () => {
  const chain = new TestChain(3);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  vault.stored.length = 1;
  chain.seal();
  vault.script = [undefined, { outcome: "transport", code: "dns" }];
  await all.clock.advance(1000);
  const drained = all.shipper.drain(10_000);
  await all.clock.advance(5000);
  assert.equal(await drained, true);
  assert.deepEqual(vault.stored, chain.blocks);
});

test("a vault that lost blocks which we no longer hold makes the chain unusable, and only after it said so thrice", async () => {
  const chain = new TestChain(6);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  chain.first = 4;
  const lost = vault.stored.splice(2);
  chain.seal();
  await all.clock.advance(1000);
  assert.deepEqual([events(all), all.unusable], [["rollback"], []]);
  await all.clock.advance(600_000);
  assert.deepEqual(all.unusable, ["sink-rollback"]);
  assert.ok(vault.requests.length < 40, `${vault.requests.length} attempts`);
  assert.equal(all.shipper.status().unusable, "sink-rollback");
  // Someone restores the vault from its backup: shipping goes on without a restart.
  vault.stored.push(...lost);
  await all.clock.advance(60_000);
  const status = all.shipper.status();
  assert.deepEqual([status.state, status.unusable, all.freed], ["ok", undefined, [6, 7]]);
});

test("a vault that is ahead of our newest receipt is asked for its receipt with one known block", async () => {
  const chain = new TestChain(5);
  const vault = new VaultModel();
  vault.stored = chain.blocks.slice(0, 4);
  vault.script = [() => vault.wrongHead()];
  await using all = ship(chain, vault);
  await all.clock.advance(5000);
  assert.deepEqual(
    vault.requests.map(({ from, count }) => [from, count]),
    [
      [0, 5],
      [3, 1],
      [4, 1],
    ],
  );
  assert.deepEqual([all.freed, events(all)], [[4, 5], []]);
});

test("a vault that only says it is ahead and never proves it changes nothing", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  vault.always = { outcome: "wrong-head", code: "wrong-head", size: 50 };
  await using all = ship(chain, vault);
  await all.clock.advance(600_000);
  assert.ok(vault.requests.length < 60, `${vault.requests.length} attempts`);
  assert.deepEqual(
    [all.freed, all.unusable, all.shipper.status().state, events(all)],
    [[], [], "refused", ["refused"]],
  );
  vault.always = undefined;
  await all.clock.advance(60_000);
  assert.deepEqual(all.freed, [2]);
});

test("a signed receipt for more than we sealed means that we fell back: nothing more is sent", async () => {
  const chain = new TestChain(2);
  const twin = new TestChain(3);
  const vault = new VaultModel();
  vault.stored = [...twin.blocks];
  await using all = ship(chain, vault);
  await settle();
  assert.deepEqual([all.unusable, all.saved, all.freed], [["agent-rollback"], [], []]);
  chain.seal();
  await all.clock.advance(600_000);
  assert.equal(vault.requests.length, 1);
  assert.equal(all.shipper.status().state, "agent-rollback");
  assert.equal(await all.shipper.drain(0), false);
});

test("a saved receipt for more than we hold says the same without a request", async () => {
  const chain = new TestChain(2);
  const twin = new TestChain(3);
  const vault = new VaultModel();
  vault.stored = [...twin.blocks];
  const newest = { note: vault.receipt(chain.id), size: 3 };
  await using all = ship(chain, vault, { receipts: { newest, save: async () => undefined } });
  await settle();
  assert.deepEqual([all.unusable, vault.requests.length], [["agent-rollback"], 0]);
});

test("another block at our height is a fork: retried slowly, told once, nothing freed", async () => {
  const chain = new TestChain(2);
  chain.seal(500, 1);
  const twin = new TestChain(2);
  twin.seal(500, 2);
  const vault = new VaultModel();
  vault.stored = [...twin.blocks];
  await using all = ship(chain, vault);
  await all.clock.advance(600_000);
  assert.ok(vault.requests.length < 40, `${vault.requests.length} attempts`);
  assert.deepEqual([all.freed, all.unusable, events(all)], [[], ["fork"], ["fork"]]);
  assert.equal(all.shipper.status().state, "fork");
});

test("what is said without proof ends no chain before it was said for as long as sink.patience", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  vault.always = { outcome: "fork", code: "fork" };
  await using all = ship(chain, vault, { patienceMs: 600_000 });
  await all.clock.advance(599_000);
  assert.ok(vault.requests.length > 3);
  assert.deepEqual([all.unusable, all.shipper.status().state], [[], "fork"]);
  // The address was another vault's, for a while.
  vault.always = undefined;
  await all.clock.advance(120_000);
  assert.deepEqual([all.unusable, all.freed, all.shipper.status().state], [[], [2], "ok"]);
  // What was said before does not count any more.
  vault.always = { outcome: "fork", code: "fork" };
  chain.seal();
  await all.clock.advance(590_000);
  assert.deepEqual(all.unusable, []);
  await all.clock.advance(120_000);
  assert.deepEqual(all.unusable, ["fork"]);
});

for (const [what, wrong] of [
  ["a fork", { outcome: "fork", code: "fork" }],
  ["an unknown chain", { outcome: "wrong-head", code: "unknown-chain", size: 0 }],
] as const satisfies readonly (readonly [string, Answer])[]) {
  test(`${what} that is spoken of before and after a long outage did not last meanwhile`, async () => {
    const chain = new TestChain(3);
    const vault = new VaultModel();
    await using all = ship(chain, vault, { patienceMs: 600_000 });
    await settle();
    if (wrong.outcome === "wrong-head") chain.first = 3;
    chain.seal();
    vault.script = [() => wrong];
    vault.always = { outcome: "transport", code: "connection-refused" };
    await all.clock.advance(700_000);
    vault.script = [() => wrong, () => wrong];
    await all.clock.advance(120_000);
    assert.equal(vault.script.length, 0);
    assert.deepEqual(all.unusable, []);
    vault.always = wrong;
    await all.clock.advance(900_000);
    assert.equal(all.unusable.length, 1);
  });
}

test("signed roots that are not ours are a fork after the third time", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  const root = new Uint8Array(32).fill(9);
  const note = vault.signer.receipt(chain.id, 2, root);
  vault.always = { outcome: "receipt", code: "receipt", note };
  await using all = ship(chain, vault);
  await settle();
  assert.deepEqual(all.unusable, []);
  await all.clock.advance(600_000);
  assert.deepEqual([all.unusable, all.freed], [["fork"], []]);
});

test("a head with another root than ours at that size is a fork", async () => {
  const chain = new TestChain(3);
  const vault = new VaultModel();
  const root = new Uint8Array(32).fill(9);
  vault.always = { outcome: "wrong-head", code: "wrong-head", size: 2, root };
  await using all = ship(chain, vault);
  await all.clock.advance(60_000);
  assert.deepEqual([all.unusable, all.shipper.status().code], [["fork"], "vault-root"]);
});

/** What a vault says after a receipt for 4 blocks, in a chain of 5. */
const shrunk: readonly (readonly [name: string, age: number, state: string, event: string])[] = [
  ["signed later is the vault's rollback", 100, "rollback", "rollback"],
  ["signed earlier is an old answer", -100, "refused", "refused"],
];
for (const [name, age, state, event] of shrunk) {
  test(`a smaller receipt ${name}, and nothing is freed by it`, async () => {
    const chain = new TestChain(4);
    const vault = new VaultModel();
    await using all = ship(chain, vault);
    await settle();
    const note = vault.signer.receipt(chain.id, 2, chain.roots[2]!, vault.time + age);
    chain.seal();
    vault.script = [{ outcome: "receipt", code: "receipt", note } satisfies Answer];
    await all.clock.advance(1000);
    assert.deepEqual([events(all), all.freed.slice(0, 1)], [[event], [4]]);
    assert.equal(all.saved.includes(2), false);
    await all.clock.advance(60_000);
    assert.deepEqual([all.freed, all.shipper.status().state], [[4, 5], "ok"]);
    assert.ok(state === event);
  });
}

test("a sink that comes and goes is told at most once a minute", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  for (let second = 0; second < 120; second++) {
    chain.seal();
    vault.script = [{ outcome: "refused", code: "http-401" }, undefined];
    await all.clock.advance(1000);
  }
  assert.ok(events(all).length <= 3, `${events(all).length} reports`);
});
