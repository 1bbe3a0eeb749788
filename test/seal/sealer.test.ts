import assert from "node:assert/strict";
import { test } from "node:test";
import { codesOf } from "../fakes/findings.ts";
import {
  addLines,
  begin,
  limits,
  newWorld,
  reopen,
  sourceIdFor,
  sourceRecord,
  verifyWal,
} from "./harness.ts";

const app = sourceRecord("app.log");

test("what is sealed verifies and gives the same bytes back", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  await sealer.addRecords([app]);
  const text = Array.from({ length: 20_000 }, (_, i) => `line ${i} ${"x".repeat(i % 90)}\n`).join(
    "",
  );
  await addLines(sealer, app, 0, text);
  await sealer.flush();
  const { report, findings, lines } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
  assert.equal(report.verdict, "VALID_WITH_FINDINGS");
  assert.equal(Buffer.from(lines).toString(), text);
  assert.ok(report.blocks > 2);
});

test("a run goes on where the one before was stopped", async () => {
  const world = newWorld();
  const first = await begin(world);
  await first.sealer.addRecords([app]);
  await addLines(first.sealer, app, 0, "one\ntwo\n");
  await first.sealer.addRecords([{ type: "stop", reason: "test" }]);
  await first.sealer.flush();
  await first.wal.close();
  const second = await reopen(world);
  assert.ok(typeof second === "object");
  assert.equal(second.sealer.positionOf(Buffer.from(sourceIdFor(app)).toString("hex")), 8);
  await addLines(second.sealer, app, 8, "three\n");
  await second.sealer.flush();
  const { findings, lines } = await verifyWal(world, second.wal);
  assert.deepEqual(codesOf(findings), ["DOWNTIME", "TAIL_UNCONFIRMED"]);
  assert.equal(Buffer.from(lines).toString(), "one\ntwo\nthree\n");
});

test("max_lines of one signs every line on its own", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world, { limits: { ...limits, maxLines: 1 } });
  await sealer.addRecords([app]);
  await addLines(sealer, app, 0, "a\nb\nc\n");
  await sealer.flush();
  const { report, findings } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
  assert.equal(report.blocks, 5);
});

test("a chain crosses snapshot blocks and segment ends and still verifies", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world, { limits: { ...limits, maxLines: 3 } });
  await sealer.addRecords([app]);
  const text = "0123456789\n".repeat(4000);
  await addLines(sealer, app, 0, text);
  await sealer.flush();
  const { report, findings, lines } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
  assert.equal(Buffer.from(lines).toString(), text);
  assert.ok(report.blocks > 1100);
  await wal.close();
  assert.ok(typeof (await reopen(world)) === "object");
});

test("a step of the wall clock is stated", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  world.clock.step(3_600_000_000);
  await sealer.addRecords([{ type: "heartbeat", sources: [] }]);
  await sealer.flush();
  const { findings } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["CLOCK_STEP_DECLARED", "TAIL_UNCONFIRMED"]);
});

test("a step of the wall clock just before a stop is stated before it", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  world.clock.step(3_600_000_000);
  await sealer.finish([{ type: "stop", reason: "test" }], "normal");
  await wal.close();
  const again = await reopen(world);
  assert.ok(typeof again === "object");
  await again.sealer.flush();
  const { findings } = await verifyWal(world, again.wal);
  assert.deepEqual(codesOf(findings), ["CLOCK_STEP_DECLARED", "DOWNTIME", "TAIL_UNCONFIRMED"]);
});

test("a final block ends the chain for good", async () => {
  const world = newWorld();
  const { sealer, wal } = await begin(world);
  await sealer.finish([{ type: "stop", reason: "retired" }], "final");
  const { findings } = await verifyWal(world, wal);
  assert.deepEqual(codesOf(findings), ["TAIL_UNCONFIRMED"]);
  await wal.close();
  assert.equal(await reopen(world), "lost");
});

test("a record that breaks a rule is refused and stops the sealer", async () => {
  const world = newWorld();
  const { sealer } = await begin(world);
  await assert.rejects(addLines(sealer, app, 0, "undeclared\n"), { code: "seal-refused" });
});

test("a receipt's hash is in the header of the block that states it, also when that block is full", async () => {
  const world = newWorld();
  const { sealer } = await begin(world, { limits: { ...limits, maxLines: 1 } });
  const hash = new Uint8Array(32).fill(9);
  await sealer.addReceipt("a note\n", 1, hash);
  await sealer.flush();
  const { header } = world.sealed.at(-1) ?? assert.fail("nothing sealed");
  assert.deepEqual(header.receiptHash, hash);
  assert.equal(header.receiptSize, 1);
});
