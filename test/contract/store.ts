// What every Store must do: run against each one there is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { concat } from "../../src/core/bytes.ts";
import type { SealtailError } from "../../src/core/errors.ts";
import type { Store } from "../../src/store/store.ts";
import {
  allOf,
  blockOf,
  blocksOf,
  chainId,
  contentOf,
  grant,
  joined,
  receiptOver,
} from "../store/blocks.ts";

/** An empty store, and another opening of the same one. */
export interface StorePlace {
  readonly store: Store;
  readonly reopen: () => Promise<Store>;
}

/** Makes a store whose objects are complete at `objectBytes`. */
export type StoreMaker = (objectBytes: number) => Promise<StorePlace>;

const large = 8 * 1024 * 1024;
const other = "cd".repeat(32);

function writingSuite(name: string, make: StoreMaker): void {
  test(`${name}: a chain is there as soon as its grant is, and is empty`, async () => {
    const { store } = await make(large);
    assert.deepEqual(await store.chainIds(), []);
    assert.equal(await store.open(chainId), undefined);
    assert.equal(await store.reader(chainId).grant(), undefined);
    assert.deepEqual(await store.reader(chainId).newest(), { size: 0, head: undefined });
    const writer = await store.create(chainId, grant);
    assert.equal(writer.size, 0);
    await store.create(other, grant);
    assert.deepEqual(await store.chainIds(), [chainId, other]);
    assert.deepEqual(await store.reader(chainId).grant(), grant);
    assert.deepEqual(await store.reader(chainId).blocks(), []);
    assert.equal((await store.open(chainId))?.writer.size, 0);
    assert.ok((await store.freeBytes()) > 0);
  });

  test(`${name}: what is appended is there at once, in order, and after opening anew`, async () => {
    const { store, reopen } = await make(large);
    const writer = await store.create(chainId, grant);
    await writer.append(blocksOf(0, 1));
    await writer.append(blocksOf(1, 7));
    assert.equal(writer.size, 7);
    assert.deepEqual(await contentOf(store.reader(chainId)), joined(blocksOf(0, 7)));
    const again = await (await reopen()).open(chainId);
    assert.deepEqual(again?.report, { cutBytes: 0, headersWritten: 0, damage: undefined });
    assert.equal(again?.writer.size, 7);
    await again?.writer.append(blocksOf(7, 9));
    const blocks = await store.reader(chainId).blocks();
    assert.deepEqual([blocks.length, blocks[0]?.firstBlock], [1, 0]);
    assert.deepEqual(await contentOf(store.reader(chainId)), joined(blocksOf(0, 9)));
  });

  test(`${name}: objects are complete at their size and never cross 1,024 blocks`, async () => {
    const { store, reopen } = await make(100_000);
    const writer = await store.create(chainId, grant);
    await writer.append(blocksOf(0, 700));
    await writer.append(blocksOf(700, 2100));
    const reader = store.reader(chainId);
    const objects = await reader.blocks();
    let expected = 0;
    for (const object of objects) {
      assert.equal(object.firstBlock, expected);
      const size = await object.size();
      assert.ok(size <= 100_000 + headLength + 40, `object of ${size} bytes`);
      expected += size / (headLength + 40);
      assert.ok(Math.floor(object.firstBlock / 1024) === Math.floor((expected - 1) / 1024));
    }
    assert.equal(expected, 2100);
    assert.deepEqual(await contentOf(reader), joined(blocksOf(0, 2100)));
    const headers = await reader.headers();
    assert.deepEqual(
      headers.map(({ firstBlock }) => firstBlock),
      [0, 1024],
    );
    const heads = concat(...blocksOf(1024, 2048).map(({ head }) => head));
    assert.deepEqual(await allOf(headers[1]!.open()), heads);
    assert.equal((await (await reopen()).open(chainId))?.writer.size, 2100);
  });

  test(`${name}: a block larger than an object has one of its own`, async () => {
    const { store } = await make(1000);
    const writer = await store.create(chainId, grant);
    await writer.append([blockOf(0), blockOf(1, 5000), blockOf(2)]);
    const blocks = await store.reader(chainId).blocks();
    assert.deepEqual(
      blocks.map(({ firstBlock }) => firstBlock),
      [0, 2],
    );
  });

  test(`${name}: the kept receipt is the last one written`, async () => {
    const { store } = await make(large);
    await store.create(chainId, grant);
    assert.equal(await store.reader(chainId).receipt(), undefined);
    for (const size of [1, 2]) await store.writeReceipt(chainId, receiptOver(size));
    assert.deepEqual(await store.reader(chainId).receipt(), receiptOver(2));
  });

  test(`${name}: a fork is kept once, whatever lay under its name`, async () => {
    const { store } = await make(large);
    await store.create(chainId, grant);
    const proof = new Uint8Array(2 * headLength).fill(7);
    for (let block = 0; block < 6; block++) {
      const hash = "ef".repeat(32);
      const other = proof.slice(block);
      if (block > 0) await store.writeFork(chainId, { block, hash, proof: other });
      assert.equal(await store.writeFork(chainId, { block, hash, proof }), true);
      assert.equal(await store.writeFork(chainId, { block, hash, proof }), false);
    }
    const forks = await store.reader(chainId).forks();
    assert.equal(forks.length, 6);
    assert.equal(forks[3]?.firstBlock, 3);
    assert.deepEqual(await allOf(forks[3]!.open()), proof);
  });
}

function readingSuite(name: string, make: StoreMaker): void {
  test(`${name}: heads and whole blocks are found by number, in any range`, async () => {
    const { store } = await make(60_000);
    const writer = await store.create(chainId, grant);
    const all = blocksOf(0, 2500);
    await writer.append(all);
    const reader = store.reader(chainId);
    const newest = await reader.newest();
    assert.deepEqual([newest.size, newest.head], [2500, all[2499]?.head]);
    const stretches = [
      [0, 1],
      [0, 1024],
      [5, 1000],
      [1023, 1025],
      [1000, 2100],
      [2490, 2500],
    ];
    for (const [from = 0, to = 0] of stretches) {
      assert.deepEqual(await allOf(reader.wholeBlocks(from, to)), joined(all.slice(from, to)));
      const heads = await reader.heads(from, to - from);
      const end = Math.min(to, Math.floor(from / 1024) * 1024 + 1024);
      assert.deepEqual(heads, concat(...all.slice(from, end).map(({ head }) => head)));
    }
    assert.equal((await reader.heads(2499, 10)).length, headLength);
    assert.equal((await reader.heads(2500, 10)).length, 0);
    assert.equal((await reader.heads(5000, 10)).length, 0);
    await assert.rejects(
      allOf(reader.wholeBlocks(2499, 2501)),
      (error: SealtailError) => error.code === "store-cut-short",
    );
    assert.equal((await allOf(reader.wholeBlocks(3, 3))).length, 0);
  });

  test(`${name}: a part of an object is read alone`, async () => {
    const { store } = await make(large);
    const writer = await store.create(chainId, grant);
    await writer.append([blockOf(0, 900_000)]);
    const [object] = await store.reader(chainId).blocks();
    const whole = joined([blockOf(0, 900_000)]);
    for (const [start, end] of [
      [0, 0],
      [0, 1],
      [447, 449],
      [300_000, 700_001],
      [1, 9e9],
    ] as const) {
      assert.deepEqual(await allOf(object!.open({ start, end })), whole.slice(start, end));
    }
  });

  test(`${name}: who reads while blocks are appended sees whole blocks up to some moment`, async () => {
    const { store } = await make(20_000);
    const writer = await store.create(chainId, grant);
    let done = false;
    const writing = (async (): Promise<void> => {
      for (let at = 0; at < 400; at += 8) await writer.append(blocksOf(at, at + 8));
      done = true;
    })();
    const whole = joined(blocksOf(0, 400));
    for (let last = 0; !done; ) {
      const { size } = await store.reader(chainId).newest();
      assert.ok(size >= last);
      last = size;
      const content = await allOf(store.reader(chainId).wholeBlocks(0, size));
      assert.deepEqual(content, whole.slice(0, content.length));
      assert.equal(content.length, size * (headLength + 40));
    }
    await writing;
  });
}

export function storeContract(name: string, make: StoreMaker): void {
  writingSuite(name, make);
  readingSuite(name, make);
}
