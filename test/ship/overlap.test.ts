import assert from "node:assert/strict";
import test from "node:test";
import { SealtailError } from "../../src/core/errors.ts";
import type { ReceiptStore } from "../../src/ship/contract.ts";
import type { Answer } from "../../src/ship/sink.ts";
import { settle } from "../fakes/clock.ts";
import { TestChain } from "./chain.ts";
import { ship } from "./setup.ts";
import { VaultModel } from "./vault-model.ts";

const MiB = 1024 * 1024;
const transport: Answer = { outcome: "transport", code: "connection-refused" };

/** Blocks of which no two fit into a request. */
function largeBlocks(count: number): TestChain {
  return new TestChain(count, 3 * MiB);
}

/** A disk that takes its time: a save ends when it is told to. */
class SlowReceipts implements ReceiptStore {
  readonly newest: undefined;
  readonly begun: number[] = [];
  #ends: (() => void)[] = [];

  async save(_note: Uint8Array, { size }: { readonly size: number }): Promise<void> {
    this.begun.push(size);
    await new Promise<void>((resolve) => this.#ends.push(resolve));
  }

  async end(): Promise<void> {
    this.#ends.shift()?.();
    await settle();
  }
}

test("the next batch is read while one is on its way", async () => {
  const chain = largeBlocks(3);
  const vault = new VaultModel();
  const { promise, resolve } = Promise.withResolvers<void>();
  vault.gate = promise;
  await using all = ship(chain, vault);
  await settle();
  assert.deepEqual([vault.requests.length, chain.reads], [1, 2]);
  resolve();
  await all.clock.advance(5000);
  assert.deepEqual([all.freed, chain.reads], [[1, 2, 3], 3]);
});

test("while a receipt is saved the next blocks go, and nothing is freed before it is saved", async () => {
  const chain = largeBlocks(3);
  const vault = new VaultModel();
  const receipts = new SlowReceipts();
  await using all = ship(chain, vault, { receipts, maxDelayMs: 0 });
  await settle();
  assert.deepEqual([receipts.begun, all.freed, vault.requests.length], [[1], [], 2]);
  assert.equal(all.shipper.status().receiptedSize, 0);
  await receipts.end();
  assert.deepEqual([receipts.begun, all.freed, vault.requests.length], [[1, 2], [1], 3]);
  await receipts.end();
  await receipts.end();
  assert.deepEqual([receipts.begun, all.freed, vault.stored.length], [[1, 2, 3], [1, 2, 3], 3]);
  assert.equal(all.shipper.status().state, "ok");
});

test("a receipt that finds no room is asked for again, and the sink is not said to be well", async () => {
  const chain = largeBlocks(3);
  const vault = new VaultModel();
  let room = false;
  const full = new SealtailError("disk-full", "no space is left");
  const save = async (): Promise<void> => {
    if (!room) throw full;
  };
  await using all = ship(chain, vault, { receipts: { newest: undefined, save } });
  await all.clock.advance(120_000);
  const { state, code, receiptedSize, consecutiveFailures } = all.shipper.status();
  assert.deepEqual([state, code, receiptedSize], ["unreachable", "disk-full", 0]);
  assert.ok(consecutiveFailures > 2 && consecutiveFailures < 60, `${consecutiveFailures}`);
  assert.deepEqual(all.freed, []);
  room = true;
  await all.clock.advance(60_000);
  assert.deepEqual([all.freed.at(-1), all.shipper.status().state], [3, "ok"]);
  const said = all.diag.phrases("info").filter((each) => each === "the sink takes blocks");
  assert.equal(said.length, 1);
});

test("what was read ahead is let go when an attempt fails", async () => {
  const chain = largeBlocks(2);
  const vault = new VaultModel();
  vault.script = [transport];
  await using all = ship(chain, vault);
  await settle();
  assert.deepEqual([vault.requests.length, chain.reads], [1, 2]);
  await all.clock.advance(30_000);
  assert.deepEqual(all.freed, [1, 2]);
  // Both again: one for the attempt, one ahead of it.
  assert.equal(chain.reads, 4);
});

test("a shipper is closed when the receipt that it has is saved", async () => {
  const chain = largeBlocks(1);
  const receipts = new SlowReceipts();
  const all = ship(chain, new VaultModel(), { receipts });
  await settle();
  let closed = false;
  const closing = all.shipper.close().then(() => {
    closed = true;
  });
  await settle();
  assert.deepEqual([receipts.begun, closed], [[1], false]);
  await receipts.end();
  await closing;
  assert.deepEqual(all.freed, [1]);
});

test("a failed sync of a receipt is told at once, although the next request hangs", async () => {
  const chain = largeBlocks(3);
  const vault = new VaultModel();
  const save = async (): Promise<void> => {
    vault.gate = new Promise(() => {});
    await Promise.resolve();
    throw new SealtailError("sync-failed", "EIO");
  };
  const all = ship(chain, vault, { maxDelayMs: 0, receipts: { newest: undefined, save } });
  const before = all.clock.mono();
  await assert.rejects(all.running, { code: "sync-failed" });
  assert.equal(all.clock.mono(), before);
  assert.deepEqual(all.freed, []);
});

test("who is told to end while the buffer cannot be read for want of a descriptor ends", async () => {
  const chain = largeBlocks(2);
  const all = ship(chain, new VaultModel());
  const { promise, reject } = Promise.withResolvers<never>();
  chain.read = () => promise;
  await settle();
  const closed = all.shipper.close();
  reject(new SealtailError("too-many-open-files", "EMFILE"));
  await closed;
  await all.running;
});
