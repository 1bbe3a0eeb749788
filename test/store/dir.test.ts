// The directory store: the contract, what it mends, and what disks do to it.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { headLength } from "../../src/core/block.ts";
import type { SealtailError } from "../../src/core/errors.ts";
import { type Files, systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { openDirStore, readDirStore } from "../../src/store/dir.ts";
import type { Store } from "../../src/store/store.ts";
import { storeContract } from "../contract/store.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { blockOf, blocksOf, chainId, contentOf, grant, joined, receiptOver } from "./blocks.ts";

const made: string[] = [];
after(async () => {
  for (const dir of made) await rm(dir, { recursive: true, force: true });
});

async function newDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "store-test-"));
  made.push(dir);
  return dir;
}

const day = 86_400_000_000;

function openIn(files: Files, dir: string, bytes = 8_388_608, now = () => 0): Promise<Store> {
  const limits = { bytes, ageMicros: day };
  return openDirStore({ files, suite, now, dir, asideDir: "/aside", limits });
}

storeContract("directory", async (bytes) => {
  const dir = join(await newDir(), "deep/store");
  return {
    store: await openIn(systemFiles, dir, bytes),
    reopen: () => openIn(systemFiles, dir, bytes),
  };
});

storeContract("directory in memory", async (bytes) => {
  const files = new FakeFiles();
  return {
    store: await openIn(files, "/store", bytes),
    reopen: () => openIn(files, "/store", bytes),
  };
});

const first = `/store/chains/${chainId}/0000000000000000.blocks`;

test("complete objects, grants and headers are read-only, the growing object is not", async () => {
  const dir = await newDir();
  const store = await openIn(systemFiles, dir, 5000);
  const writer = await store.create(chainId, grant);
  await writer.append(blocksOf(0, 1030));
  const base = `${dir}/chains/${chainId}`;
  const names = (await readdir(base)).filter((name) => name.endsWith(".blocks"));
  const modes = await Promise.all(names.map(async (name) => (await stat(`${base}/${name}`)).mode));
  assert.deepEqual(new Set(modes.slice(0, -1).map((mode) => mode & 0o777)), new Set([0o444]));
  assert.equal(modes.at(-1)! & 0o222, 0o200);
  for (const name of ["grant", "headers/0000000000000000"]) {
    assert.equal((await stat(`${base}/${name}`)).mode & 0o222, 0, name);
  }
});

test("an object is complete after a day, and another one begins", async () => {
  const files = new FakeFiles();
  let now = 1_700_000_000_000_000;
  const store = await openIn(files, "/store", 8_388_608, () => now);
  const writer = await store.create(chainId, grant);
  await writer.append(blocksOf(0, 2));
  now += day - 1;
  await writer.append(blocksOf(2, 3));
  now += 1;
  await writer.append(blocksOf(3, 5));
  const blocks = await store.reader(chainId).blocks();
  assert.deepEqual(
    blocks.map(({ firstBlock }) => firstBlock),
    [0, 3],
  );
});

const torn: readonly (readonly [name: string, hurt: (files: FakeFiles) => void, left: number])[] = [
  ["half a head behind it", (files) => files.append(first, new Uint8Array(100)), 5],
  ["zeros behind it", (files) => files.append(first, new Uint8Array(5000)), 5],
  ["half a block behind it", (files) => files.append(first, joined([blockOf(5)]).slice(0, -1)), 5],
  ["a block that is not next", (files) => files.append(first, joined([blockOf(7)])), 5],
  [
    "a block whose payload was lost",
    (files) => {
      const bytes = joined([blockOf(5), blockOf(6)]);
      bytes.fill(0, headLength, headLength + 40);
      files.append(first, bytes);
    },
    5,
  ],
  ["the last byte missing", (files) => files.cut(first, files.bytes(first).length - 1), 4],
];
for (const [name, hurt, left] of torn) {
  test(`a chain with ${name} is cut back to whole blocks, and the rest is kept aside`, async () => {
    const files = new FakeFiles();
    const writer = await (await openIn(files, "/store")).create(chainId, grant);
    await writer.append(blocksOf(0, 5));
    hurt(files);
    const before = files.bytes(first);
    const store = await openIn(files, "/store");
    assert.equal((await store.reader(chainId).newest()).size, left, "whoever reads before knows");
    const opened = await store.open(chainId);
    assert.equal(opened?.writer.size, left);
    const kept = left * (headLength + 40);
    assert.equal(opened?.report.cutBytes, before.length - kept);
    assert.deepEqual(files.bytes(`/aside/${chainId}-${left}.torn`), before.slice(kept));
    await opened?.writer.append(blocksOf(left, 8));
    assert.deepEqual(await contentOf(store.reader(chainId)), joined(blocksOf(0, 8)));
  });
}

test("what a receipt covers is never cut: the chain is damaged", async () => {
  const files = new FakeFiles();
  const store = await openIn(files, "/store");
  const writer = await store.create(chainId, grant);
  await writer.append(blocksOf(0, 5));
  files.cut(first, files.bytes(first).length - 1);
  const length = files.bytes(first).length;
  // Who opens it judged the receipt: a store knows no vault's keys.
  const opened = await (await openIn(files, "/store")).open(chainId, { durable: 5 });
  assert.match(opened?.report.damage ?? "", /covers 5 blocks, and only 4/);
  assert.equal(files.bytes(first).length, length);
});

test("a headers object that a crash prevented is written at the next opening", async () => {
  const files = new FakeFiles();
  files.hook = (call, path) => {
    if (call === "create" && String(path).includes("headers")) throw new Error("power cut");
  };
  const writer = await (await openIn(files, "/store")).create(chainId, grant);
  await assert.rejects(writer.append(blocksOf(0, 1030)));
  files.hook = undefined;
  files.crash();
  const store = await openIn(files, "/store");
  const opened = await store.open(chainId);
  assert.equal(opened?.report.headersWritten, 1);
  assert.equal(opened?.writer.size, 1024);
  await opened?.writer.append(blocksOf(1024, 1030));
  assert.deepEqual(await contentOf(store.reader(chainId)), joined(blocksOf(0, 1030)));
});

for (const call of ["datasync", "syncDir"] as const) {
  for (const variant of ["failed", "persisted"] as const) {
    test(`a ${call} that ${variant === "failed" ? "fails" : "fails, but persisted,"} is unsafe`, async () => {
      const inner = new FakeFiles();
      const files = new FaultyFiles(inner);
      const writer = await (await openIn(files, "/store")).create(chainId, grant);
      files.arm({ call, variant, nth: 1 });
      await assert.rejects(writer.append(blocksOf(0, 2)), isUnsafe);
      await assert.rejects(writer.append(blocksOf(0, 2)), withCode("store-reopen"));
      inner.crash();
      const opened = await (await openIn(inner, "/store")).open(chainId);
      const kept = (opened?.writer.size ?? -1) === 2;
      assert.equal(
        kept,
        variant === "persisted" && call === "syncDir",
        String(opened?.writer.size),
      );
    });
  }
}

for (const variant of ["failed", "partly", "persisted"] as const) {
  test(`a write that runs into a full disk (${variant}) leaves whole blocks behind`, async () => {
    const inner = new FakeFiles();
    const files = new FaultyFiles(inner);
    const store = await openIn(files, "/store");
    const writer = await store.create(chainId, grant);
    await writer.append(blocksOf(0, 3));
    files.arm({ call: "write", variant, nth: 1, errno: "ENOSPC" });
    await assert.rejects(writer.append(blocksOf(3, 6)), withCode("disk-full"));
    const opened = await store.open(chainId);
    const size = opened?.writer.size ?? 0;
    assert.ok(size >= 3 && size <= 6);
    await opened?.writer.append(blocksOf(size, 8));
    assert.deepEqual(await contentOf(store.reader(chainId)), joined(blocksOf(0, 8)));
  });
}

function isUnsafe(error: SealtailError): boolean {
  return error.kind === "unsafe";
}

function withCode(code: string): (error: SealtailError) => boolean {
  return (error) => error.code === code;
}

class PowerCut extends Error {}

test("the power fails at any call: what was appended to the end is there, whole and in order", async () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 8 });
  const life = fc.record({
    appends: sizes,
    calls: fc.nat(90),
    seed: fc.option(fc.integer({ min: 0, max: 2 ** 31 }), { nil: undefined }),
    receipts: fc.boolean(),
  });
  const lives = fc.array(life, { minLength: 1, maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(lives, fc.constantFrom(700, 3000, 100_000), async (all, bytes) => {
      const files = new FakeFiles();
      let durable = 0;
      let most = 0;
      for (const { appends, calls, seed, receipts } of all) {
        let left = calls;
        files.hook = () => {
          left -= 1;
          if (left < 0) throw new PowerCut();
        };
        try {
          const store = await openIn(files, "/store", bytes);
          const known = await store.open(chainId);
          const writer = known?.writer ?? (await store.create(chainId, grant));
          assert.equal(known?.report.damage, undefined);
          assert.ok(writer.size >= durable, `${writer.size} of ${durable}`);
          durable = writer.size;
          for (const count of appends) {
            most = Math.max(most, durable + count);
            await writer.append(blocksOf(durable, durable + count));
            durable += count;
            if (receipts) await store.writeReceipt(chainId, receiptOver(durable));
          }
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
        }
        files.hook = undefined;
        files.crash(seed);
      }
      const store = await openIn(files, "/store", bytes);
      const opened = await store.open(chainId);
      assert.equal(opened?.report.damage, undefined);
      const size = opened?.writer.size ?? 0;
      assert.ok(size >= durable && size <= most, `${size}, durable ${durable}, most ${most}`);
      assert.deepEqual(await contentOf(store.reader(chainId)), joined(blocksOf(0, size)));
    }),
    { numRuns: 250 },
  );
});

test("a copy of a store is read without being changed", async () => {
  const files = new FakeFiles();
  const writer = await (await openIn(files, "/store")).create(chainId, grant);
  await writer.append(blocksOf(0, 5));
  files.append(first, new Uint8Array(77));
  files.hook = (call) => {
    if (!["open", "read", "stat", "linkStat", "close", "list"].includes(call))
      throw new Error(call);
  };
  const reader = readDirStore(files, "/store").reader(chainId);
  assert.equal((await reader.newest()).size, 5);
  assert.equal((await contentOf(reader)).length, 5 * (headLength + 40) + 77);
});
