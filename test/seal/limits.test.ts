// A sealer where something is large, full or at its limit.

import assert from "node:assert/strict";
import { test } from "node:test";
import { equalBytes } from "../../src/core/bytes.ts";
import { limits as formatLimits } from "../../src/core/header.ts";
import { signer } from "../../src/host/keys.ts";
import { signingSeed } from "../../src/seal/key-state.ts";
import { cutBytes } from "../../src/tail/read.ts";
import { codesOf } from "../fakes/findings.ts";
import { seededNumbers } from "../fakes/random.ts";
import { addLines, begin, limits, newWorld, reopen, sourceRecord, verifyWal } from "./harness.ts";

const app = sourceRecord("app.log");
test("a snapshot of 10,000 sources leaves room for the longest line", async () => {
  const world = newWorld();
  const first = await begin(world);
  for (let i = 0; i < 10_000; i++) await first.sealer.addRecords([sourceRecord(`file-${i}.log`)]);
  await first.sealer.flush();
  await first.wal.close();
  const second = await reopen(world);
  assert.ok(typeof second === "object");
  assert.ok((await second.sealer.room()).length >= cutBytes);
  const text = "x".repeat(150_000);
  await addLines(second.sealer, sourceRecord("file-77.log"), 0, text);
  await second.sealer.flush();
  const { findings, lines } = await verifyWal(world, second.wal);
  assert.deepEqual(codesOf(findings), ["RESTART_UNCLEAN", "TAIL_UNCONFIRMED"]);
  assert.equal(Buffer.from(lines).toString(), text);
});

test("a span that goes on behind a large snapshot still fits", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world, { limits: { ...limits, maxLines: 5000 } });
  for (let i = 0; i < 3000; i++) await sealer.addRecords([sourceRecord(`file-${i}.log`)]);
  await sealer.addRecords([app]);
  // Every segment of this log begins with a snapshot of a megabyte.
  let at = 0;
  for (let i = 0; i < 8; i++) {
    const text = `${"y".repeat(i)}\n`.repeat(12_000);
    await addLines(sealer, app, at, text);
    at += text.length;
  }
  await sealer.flush();
  const { findings, lines } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
  assert.equal(lines.length, at);
});

test("lines of any length and few a block come back as they were", async () => {
  const random = seededNumbers(3);
  for (const maxLines of [1, 2, 7]) {
    const world = newWorld();
    const { sealer, wal } = await begin(world, { limits: { ...limits, maxLines } });
    await sealer.addRecords([app]);
    let text = "";
    for (let i = 0; i < 60; i++) {
      const length = random() < 0.05 ? cutBytes + Math.floor(random() * 3) - 1 : random() * 40;
      text += `${"z".repeat(length)}\n`;
    }
    await addLines(sealer, app, 0, text);
    await sealer.flush();
    const { findings, lines } = await verifyWal(world, wal);
    assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
    assert.equal(Buffer.from(lines).toString(), text);
  }
});

test("a block never holds more envelopes than the format allows", async () => {
  const world = newWorld();
  const maxLines = formatLimits.count;
  const { sealer, wal } = await begin(world, {
    limits: { ...limits, maxBytes: 7 * 1024 * 1024, maxLines },
  });
  await sealer.addRecords([app]);
  await addLines(sealer, app, 0, "\n".repeat(maxLines - 2));
  world.clock.step(5000);
  await sealer.addRecords([sourceRecord("b"), sourceRecord("c"), sourceRecord("d")]);
  await sealer.flush();
  const { findings } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["CLOCK_STEP_DECLARED", "TAIL_UNCONFIRMED"]);
});

test("the last block is final also where every record closes a block", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world, { limits: { ...limits, maxLines: 1 } });
  await sealer.finish([{ type: "stop", reason: "retired" }], "final");
  assert.equal(world.sealed.at(-1)?.header.kind, "final");
  const { findings } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
});

const slotsWith = (bytes: Uint8Array): number[] =>
  [0, 1].filter((slot) => bytes.subarray(slot * 4096, slot * 4096 + 64).some((byte) => byte !== 0));

test("a crash between a final block and the end of its keys is made up for at the next start", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  await sealer.addRecords([app]);
  await sealer.flush();
  const before = world.files.bytes("/state/keys").slice();
  await sealer.finish([{ type: "stop", reason: "retired" }], "final");
  await wal.close();
  world.files.put("/state/keys", before);
  assert.equal(await reopen(world), "lost");
  assert.equal(await world.files.stat("/state/keys"), undefined);
});

test("after recovery the key file holds no secret that signed a block", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  await sealer.addRecords([app]);
  await sealer.flush();
  const behind = world.files.bytes("/state/keys").slice();
  await addLines(sealer, app, 0, "one\n");
  await sealer.flush();
  await wal.close();
  // As a crash between the sync of the blocks and that of the next key leaves it.
  world.files.put("/state/keys", behind);
  const next = await reopen(world);
  assert.ok(typeof next === "object");
  const kept = world.files.bytes("/state/keys");
  const nextPub = world.sealed.at(-1)?.header.nextPub ?? assert.fail("nothing sealed");
  const slots = slotsWith(kept);
  assert.equal(slots.length, 1);
  const secret = kept.subarray((slots[0] ?? 0) * 4096 + 16).slice(0, 32);
  assert.ok(equalBytes(signer(signingSeed(secret)).publicKey, nextPub));
});

test("whoever waits for a full disk can be told not to", async () => {
  const world = newWorld();
  const { sealer } = await begin(world);
  await sealer.addRecords([app]);
  world.files.capacity = 0;
  const closing = assert.rejects(sealer.flush(), { code: "disk-full" });
  await world.clock.advance(5000);
  sealer.waitNoLonger();
  await world.clock.advance(2000);
  await closing;
});

test("a pipeline that failed says so without being asked to seal", async () => {
  const world = newWorld();
  const { sealer } = await begin(world);
  await sealer.addRecords([app]);
  world.files.hook = (call) => {
    if (call === "datasync") throw Object.assign(new Error("io"), { code: "EIO" });
  };
  await assert.rejects(sealer.flush(), { code: "sync-failed" });
  assert.throws(() => sealer.check(), { code: "sync-failed" });
});
