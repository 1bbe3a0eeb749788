import assert from "node:assert/strict";
import test from "node:test";
import { SealtailError } from "../../src/core/errors.ts";
import { setFailpointHook } from "../../src/host/failpoint.ts";
import type { Answer } from "../../src/ship/sink.ts";
import { FakeClock, settle } from "../fakes/clock.ts";
import { TestChain, VaultSigner } from "./chain.ts";
import { ship } from "./setup.ts";
import { VaultModel } from "./vault-model.ts";

const MiB = 1024 * 1024;
const grant = new Uint8Array([1, 2, 3]);
const transport: Answer = { outcome: "transport", code: "connection-refused" };

test("blocks go in order, together, with the grant until the first receipt, then without", async () => {
  const chain = new TestChain(3);
  const vault = new VaultModel();
  await using all = ship(chain, vault, { grant });
  await settle();
  assert.deepEqual(vault.stored, chain.blocks);
  chain.seal();
  await all.clock.advance(1000);
  assert.deepEqual(
    vault.requests.map(({ from, count, grant: with_ }) => [from, count, with_]),
    [
      [0, 3, true],
      [3, 1, false],
    ],
  );
  assert.deepEqual(
    [all.saved, all.freed],
    [
      [3, 4],
      [3, 4],
    ],
  );
  const status = all.shipper.status();
  assert.deepEqual([status.state, status.unreceiptedBlocks, status.receiptedSize], ["ok", 0, 4]);
});

test("a request holds at most 4 MiB, but always one block", async () => {
  const chain = new TestChain();
  for (const size of [3 * MiB, 1 * MiB, 1 * MiB, 8 * MiB + 60_000, 2 * MiB]) chain.seal(size);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await all.clock.advance(5000);
  assert.deepEqual(
    vault.requests.map(({ from, count }) => [from, count]),
    [
      [0, 2],
      [2, 1],
      [3, 1],
      [4, 1],
    ],
  );
  assert.deepEqual(all.saved.at(-1), 5);
});

test("after a pause a block goes at once; the next ones are collected for max_delay", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  assert.equal(vault.requests.length, 1);
  await all.clock.advance(1001);
  chain.seal();
  await settle();
  assert.equal(vault.requests.length, 2);
  chain.seal();
  await all.clock.advance(600);
  chain.seal();
  await all.clock.advance(399);
  assert.equal(vault.requests.length, 2);
  await all.clock.advance(1);
  assert.deepEqual(vault.requests.at(-1), { from: 2, count: 2, grant: false, bytes: 1000 });
});

test("a block that comes max_delay after the last request does not wait for others", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  for (let requests = 2; requests < 10; requests++) {
    await all.clock.advance(1000);
    chain.seal();
    await settle();
    assert.equal(vault.requests.length, requests);
  }
  await all.clock.advance(400);
  chain.seal();
  await all.clock.advance(599);
  assert.equal(vault.requests.length, 9);
  await all.clock.advance(1);
  assert.equal(vault.requests.length, 10);
});

test("4 MiB do not wait for more", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  for (let n = 0; n < 9; n++) chain.seal(MiB);
  await settle();
  assert.deepEqual(vault.requests[1]?.count, 4);
  assert.equal(all.clock.nextWakeMs, 1000);
});

test("flush sends what is there and goes back to collecting", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  chain.seal();
  await settle();
  assert.equal(vault.requests.length, 1);
  all.shipper.flush();
  await settle();
  assert.equal(vault.requests.length, 2);
  chain.seal();
  await settle();
  assert.equal(vault.requests.length, 2);
});

test("blocks that came while a request ran wait no longer than max_delay in all", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  const { promise, resolve } = Promise.withResolvers<void>();
  vault.gate = promise;
  await using all = ship(chain, vault);
  await settle();
  chain.seal();
  await all.clock.advance(5000);
  resolve();
  await settle();
  assert.deepEqual(
    vault.requests.map(({ from }) => from),
    [0, 1],
  );
});

test("an outage is retried for ever with growing waits, without memory, and heals by itself", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  vault.always = transport;
  await using all = ship(chain, vault);
  await all.clock.advance(3_600_000);
  const tries = vault.requests.length;
  // An hour of waits of 15 s on average; far fewer than a busy loop, far more than giving up.
  assert.ok(tries > 120 && tries < 500, `${tries} attempts`);
  const down = all.shipper.status();
  assert.deepEqual(
    [down.state, down.code, down.inFlightBytes, down.unreceiptedBlocks, down.oldestUnreceiptedTime],
    ["unreachable", "connection-refused", 0, 2, 0],
  );
  assert.equal(down.consecutiveFailures, tries);
  assert.deepEqual([all.saved, all.freed], [[], []]);
  assert.deepEqual(
    all.reports.map(({ event }) => event),
    ["unreachable"],
  );
  assert.equal(all.diag.phrases("warn").length, 1);
  vault.always = undefined;
  await all.clock.advance(30_000);
  const up = all.shipper.status();
  assert.deepEqual(
    [up.state, up.code, up.consecutiveFailures, up.retryTime, up.oldestUnreceiptedTime],
    ["ok", "", 0, undefined, undefined],
  );
  assert.deepEqual(all.freed, [2]);
});

test("a lost connection or two is no sink record", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  vault.script = [transport, transport];
  await using all = ship(chain, vault);
  await all.clock.advance(10_000);
  assert.deepEqual([all.freed, all.reports], [[2], []]);
});

test("a peer's Retry-After is waited for, and visible as throttled", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.script = [{ outcome: "throttled", code: "http-429", retryAfterMs: 40_000 }];
  await using all = ship(chain, vault);
  await all.clock.advance(39_999);
  assert.equal(vault.requests.length, 1);
  const { state, retryTime } = all.shipper.status();
  assert.equal(state, "throttled");
  assert.ok(retryTime !== undefined && retryTime > all.clock.now());
  await all.clock.advance(5000);
  assert.deepEqual(all.freed, [1]);
});

test("a vault that asks for patience for long, with outages between, is told as one outage", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.script = [transport, transport];
  vault.always = { outcome: "throttled", code: "http-503 disk-full", retryAfterMs: 10_000 };
  await using all = ship(chain, vault);
  const began = all.clock.now();
  await all.clock.advance(120_000);
  assert.deepEqual(all.reports, [
    { event: "unreachable", since: began, detail: "http-503 disk-full" },
  ]);
});

test("a refusal frees nothing, is told once, and ends when the vault changes its mind", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.always = { outcome: "refused", code: "http-403 grant-expired" };
  await using all = ship(chain, vault);
  await all.clock.advance(600_000);
  assert.ok(vault.requests.length < 40, `${vault.requests.length} attempts`);
  assert.deepEqual(
    [
      all.freed,
      all.shipper.status().state,
      all.reports.map(({ event, detail }) => [event, detail]),
    ],
    [[], "refused", [["refused", "http-403 grant-expired"]]],
  );
  vault.always = undefined;
  await all.clock.advance(60_000);
  assert.deepEqual([all.freed, all.shipper.status().state], [[1], "ok"]);
});

test("a batch that is too large, or holds one bad block, is cut smaller until the rest is through", async () => {
  const chain = new TestChain(16, MiB / 4);
  const vault = new VaultModel();
  const limit =
    (refused: Answer, test_: (from: number, count: number) => boolean) =>
    (sent: { blocks: readonly Uint8Array[] }): Answer | undefined => {
      const { from } = vault.requests.at(-1)!;
      return test_(from, sent.blocks.length) ? refused : undefined;
    };
  const tooLarge = limit({ outcome: "refused", code: "http-413" }, (_from, count) => count > 2);
  vault.script = Array.from({ length: 12 }, () => tooLarge);
  const badBlock = limit(
    { outcome: "refused", code: "http-422 BAD_SIGNATURE" },
    (from, count) => from <= 13 && from + count > 13,
  );
  await using all = ship(chain, vault);
  await all.clock.advance(60_000);
  assert.ok((all.freed.at(-1) ?? 0) >= 4);
  vault.script = Array.from({ length: 1000 }, () => badBlock);
  await all.clock.advance(3_600_000);
  assert.equal(vault.stored.length >= 12, true);
  chain.seal();
  await all.clock.advance(60_000);
  assert.equal(all.freed.at(-1), vault.stored.length);
});

test("over a slow line batches get smaller until the vault has the patience for one", async () => {
  const chain = new TestChain(16, MiB / 4);
  const vault = new VaultModel();
  const slow = { outcome: "throttled", code: "http-408 too-slow" } as const;
  vault.script = Array.from({ length: 20_000 }, () => (sent: { blocks: readonly Uint8Array[] }) => {
    return sent.blocks.length > 2 ? slow : undefined;
  });
  await using all = ship(chain, vault);
  await all.clock.advance(3_600_000);
  assert.equal(all.freed.at(-1), 16);
});

test("the same receipt again is no progress and no busy loop", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  await using all = ship(chain, vault);
  await settle();
  const old = vault.receipt(chain.id);
  chain.seal();
  vault.always = { outcome: "receipt", code: "receipt", note: old };
  await all.clock.advance(120_000);
  assert.ok(vault.requests.length < 40, `${vault.requests.length} attempts`);
  const { state, code } = all.shipper.status();
  assert.deepEqual([state, code, all.freed], ["refused", "receipt-stale", [2]]);
  vault.always = undefined;
  await all.clock.advance(30_000);
  assert.deepEqual(all.freed, [2, 3]);
});

test("a receipt for part of what was sent frees that part, and the rest follows", async () => {
  const chain = new TestChain(4);
  const vault = new VaultModel();
  vault.script = [(sent) => vault.take({ ...sent, blocks: sent.blocks.slice(0, 1) })];
  await using all = ship(chain, vault);
  await all.clock.advance(1000);
  assert.deepEqual(all.freed, [1, 4]);
});

test("receipts of strangers, for strangers and of wrong roots free nothing", async () => {
  const chain = new TestChain(3);
  const other = new TestChain(3, 500, 9);
  const vault = new VaultModel();
  const { signer } = vault;
  const root = chain.roots[3]!;
  const notes: readonly (readonly [note: Uint8Array, code: string, state: string])[] = [
    [new VaultSigner("vault.example", 90).receipt(chain.id, 3, root), "receipt-forged", "refused"],
    [new VaultSigner("other", 90).receipt(chain.id, 3, root), "receipt-untrusted", "refused"],
    [signer.receipt(other.id, 3, other.roots[3]!), "receipt-foreign", "refused"],
    [signer.receipt(chain.id, 3, other.roots[3]!), "receipt-root", "fork"],
    [signer.receipt(chain.id, 3, root).subarray(0, 100), "receipt-malformed", "refused"],
    [new Uint8Array(0), "receipt-malformed", "refused"],
  ];
  for (const [note, code, state] of notes) {
    vault.script = [{ outcome: "receipt", code: "receipt", note }];
    await using all = ship(chain, vault);
    await settle();
    const status = all.shipper.status();
    assert.deepEqual([status.code, status.state, all.saved, all.freed], [code, state, [], []]);
    assert.equal(status.lastOutcome, "bad-receipt");
    await all.clock.advance(60_000);
    assert.deepEqual([all.freed, all.shipper.status().state], [[3], "ok"], code);
  }
});

test("a receipt is saved before anybody hears of it; a save that fails frees nothing and ends the run", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  const broken = new SealtailError("sync-failed", "couldn't sync the file");
  const save = (): Promise<void> => Promise.reject(broken);
  await using all = ship(chain, vault, { receipts: { newest: undefined, save } });
  await assert.rejects(all.running, broken);
  assert.deepEqual(all.freed, []);
  assert.equal(await all.shipper.drain(1000), false);
});

test("a crash between answer and save sends the same blocks again and gets a receipt again", async () => {
  const chain = new TestChain(2);
  const vault = new VaultModel();
  setFailpointHook((name) => {
    if (name === "ship-after-answer") throw new Error("crash");
  });
  try {
    await using dead = ship(chain, vault, { grant });
    await assert.rejects(dead.running, /crash/);
    assert.deepEqual([dead.saved, vault.stored.length], [[], 2]);
  } finally {
    setFailpointHook(undefined);
  }
  await using all = ship(chain, vault, { grant });
  await settle();
  assert.deepEqual([all.freed, vault.stored.length], [[2], 2]);
});

test("after a restart the newest receipted block asks once more, then what no receipt covers goes", async () => {
  const chain = new TestChain(5);
  const vault = new VaultModel();
  vault.stored = chain.blocks.slice(0, 3);
  const newest = { note: vault.receipt(chain.id), size: 3 };
  chain.first = 2;
  await using all = ship(chain, vault, { receipts: { newest, save: async () => undefined } });
  await settle();
  assert.deepEqual(vault.requests, [
    { from: 2, count: 1, grant: false, bytes: 500 },
    { from: 3, count: 2, grant: false, bytes: 1000 },
  ]);
  assert.deepEqual(all.freed, [5]);
});

test("a vault that is ahead of a restored copy is noticed before anything new is sent", async () => {
  const chain = new TestChain(5);
  const vault = new VaultModel();
  vault.stored = chain.blocks.slice(0, 5);
  const ahead = vault.receipt(chain.id);
  vault.stored = chain.blocks.slice(0, 3);
  const newest = { note: vault.receipt(chain.id), size: 3 };
  const restored = new TestChain(3);
  restored.blocks.splice(0, 3, ...chain.blocks.slice(0, 3));
  vault.always = { outcome: "receipt", code: "receipt", note: ahead };
  const store = { receipts: { newest, save: async () => undefined } };
  await using all = ship(restored, vault, store);
  const greeted = all.shipper.greeted(900);
  await settle();
  await greeted;
  assert.equal(all.shipper.status().unusable, "agent-rollback");
  assert.deepEqual(
    vault.requests.map(({ from, count }) => [from, count]),
    [[2, 1]],
  );
});

test("a vault that does not answer holds the first block up for no longer than asked", async () => {
  const chain = new TestChain(3);
  const vault = new VaultModel();
  const newest = { note: vault.receipt(chain.id), size: 3 };
  vault.always = transport;
  await using all = ship(chain, vault, { receipts: { newest, save: async () => undefined } });
  const greeted = all.shipper.greeted(900);
  await all.clock.advance(1000);
  await greeted;
});

test("a root that our tree no longer knows is taken from our own block; without one nothing is freed", async () => {
  const chain = new TestChain(3);
  const vault = new VaultModel();
  vault.script = [(sent) => vault.take({ ...sent, blocks: sent.blocks.slice(0, 2) })];
  const tree = { rootAt: () => undefined };
  await using all = ship(chain, vault, { tree });
  await all.clock.advance(120_000);
  assert.deepEqual([all.freed, all.shipper.status().code], [[2], "root-unknown"]);
});

test("drain sends at once, retries fast, and says when everything is receipted", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.script = [{ outcome: "throttled", code: "http-503", retryAfterMs: 600_000 }];
  await using all = ship(chain, vault);
  await settle();
  const drained = all.shipper.drain(20_000);
  vault.script = [transport, transport, transport];
  await all.clock.advance(8000);
  assert.equal(await drained, true);
  assert.deepEqual(all.freed, [1]);
  assert.equal(all.clock.sleepers, 0);
});

test("drain ends at its deadline, without a receipt and without an error", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.always = transport;
  await using all = ship(chain, vault);
  let done: boolean | undefined;
  void all.shipper.drain(5000).then((complete) => {
    done = complete;
  });
  await all.clock.advance(4999);
  assert.equal(done, undefined);
  await all.clock.advance(1);
  assert.equal(done, false);
  assert.ok(vault.requests.length > 3 && vault.requests.length < 40);
});

test("drain gives up a request that hangs in time for another try", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.gate = new Promise(() => undefined);
  await using all = ship(chain, vault);
  await all.clock.advance(60_000);
  assert.equal(vault.requests.length, 1);
  const drained = all.shipper.drain(15_000);
  await all.clock.advance(4900);
  vault.gate = undefined;
  await all.clock.advance(2200);
  assert.equal(await drained, true);
});

test("drain of nothing is done at once", async () => {
  const chain = new TestChain(1);
  await using all = ship(chain, new VaultModel());
  await settle();
  assert.equal(await all.shipper.drain(1000), true);
});

test("a request that trickles for ever is cut after three minutes", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.gate = new Promise(() => undefined);
  await using all = ship(chain, vault);
  await all.clock.advance(180_000);
  assert.equal(all.shipper.status().lastOutcome, "timeout");
});

test("close cuts a running request, leaves no timer behind, and works twice", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.gate = new Promise(() => undefined);
  await using all = ship(chain, vault);
  await settle();
  assert.equal(all.shipper.status().inFlightBytes, 500);
  await all.shipper.close();
  await all.shipper.close();
  await all.running;
  assert.deepEqual([all.clock.sleepers, all.freed, vault.requests.length], [0, [], 1]);
});

test("close during a long wait returns at once", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  vault.always = { outcome: "throttled", code: "http-503", retryAfterMs: 600_000 };
  await using all = ship(chain, vault);
  await settle();
  await all.shipper.close();
  assert.equal(all.clock.sleepers, 0);
});

test("the clock's difference to the vault's is measured from the middle of the request", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  const clock = new FakeClock();
  const vaultTime = clock.now() - 10_000_000;
  vault.script = [(sent) => ({ ...vault.take(sent), vaultTime })];
  await using all = ship(chain, vault, { clock });
  await settle();
  assert.equal(all.shipper.status().clockSkew, 9_500_000);
});

test("the oldest unreceipted line is that of the first block without a receipt", async () => {
  const chain = new TestChain(5);
  const vault = new VaultModel();
  vault.script = [(sent) => vault.take({ ...sent, blocks: sent.blocks.slice(0, 3) })];
  vault.always = transport;
  await using all = ship(chain, vault);
  await all.clock.advance(5000);
  assert.equal(all.shipper.status().oldestUnreceiptedTime, 3_000_000);
});

test("a sink that comes and goes is said a few times a minute, with what was held back", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  await using all = ship(chain, vault, { maxDelayMs: 0 });
  await settle();
  for (let n = 0; n < 50; n++) {
    vault.script = [{ outcome: "transport", code: "connection-lost" }];
    chain.seal();
    await all.clock.advance(1000);
  }
  const said = (): number => all.diag.lines.filter(({ level }) => level !== "debug").length;
  assert.equal(vault.requests.length, 101);
  assert.equal(said(), 6);
  await all.clock.advance(60_000);
  vault.script = [{ outcome: "transport", code: "connection-lost" }];
  chain.seal();
  await all.clock.advance(1000);
  const [, ...later] = all.diag.lines.filter(({ level }) => level !== "debug").slice(5);
  assert.deepEqual(
    later.map(({ level, fields }) => [level, fields["unsaid"]]),
    [
      ["warn", 47],
      ["info", undefined],
    ],
  );
});

test("another reason for the same state is said", async () => {
  const vault = new VaultModel();
  vault.script = ["dns", "dns", "connection-refused", "connection-refused", "tls-untrusted"].map(
    (code) => ({ outcome: "transport", code }),
  );
  await using all = ship(new TestChain(1), vault);
  await all.clock.advance(60_000);
  const said = all.diag.lines.filter(({ level }) => level !== "debug");
  assert.deepEqual(
    said.map(({ fields }) => fields["code"]),
    ["dns", "connection-refused", "tls-untrusted", undefined],
  );
});

test("a drain gives a vault that is merely slow all the time that is left", async () => {
  const chain = new TestChain(1);
  const vault = new VaultModel();
  const clock = new FakeClock();
  const post = vault.post.bind(vault);
  vault.post = async (sent, signal) => {
    await clock.sleep(8000, signal);
    return signal.aborted ? { outcome: "timeout", code: "aborted" } : post(sent, signal);
  };
  await using all = ship(chain, vault, { clock });
  const drained = all.shipper.drain(20_000);
  await all.clock.advance(20_000);
  assert.equal(await drained, true);
});
