// Files that no pattern means any more: what was read of them stays sealed, whatever they hold now.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";
const rotated = "/log/app.log.1";
const text = `${"first line\n".repeat(4)}`;

async function rotatedAway(): Promise<{ files: FakeFiles; reader: Reader }> {
  const files = new FakeFiles();
  files.put(log, text);
  const clock = new AutoClock();
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"] });
  await reader.pull();
  return { files, reader };
}

async function rename(files: FakeFiles, reader: Reader): Promise<void> {
  await files.rename(log, rotated);
  files.put(log, "next\n");
  await reader.pullFor(7_000);
}

const noise = (length: number): Buffer => Buffer.alloc(length, "\x01noise\x02\n", "latin1");

async function overwrite(files: FakeFiles, bytes: Buffer): Promise<void> {
  const file = await files.open(rotated, "write");
  await file.write(bytes, 0);
  await file.close();
}

const gapped = (reader: Reader): boolean => reader.said().some((each) => each.startsWith("gap"));

test("a rotated file that is overwritten is rewritten, and its noise is not sealed", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  await overwrite(files, Buffer.alloc(text.length, "noise\n"));
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "source", "rewritten"]);
  assert.ok(!reader.lines().some((line) => line.includes("noise")));
  await files.unlink(rotated);
  await reader.pullFor(60_000);
  assert.deepEqual(reader.said().slice(3), ["end deleted"]);
});

test("a rotated file that is overwritten over its end is rewritten, and ends", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  for (let pass = 0; pass < 3; pass++) {
    await overwrite(files, noise(4096));
    await reader.pullFor(7_000);
  }
  assert.deepEqual(reader.said(), ["source", "source", "rewritten", "end restarted"]);
  assert.ok(!reader.lines().some((line) => line.includes("noise")));
});

test("a rotated file that is overwritten while nobody looks is rewritten, without a gap", async () => {
  for (const withFrontiers of [false, true]) {
    const { files, reader } = await rotatedAway();
    await rename(files, reader);
    const frontiers = withFrontiers ? reader.tail.frontiers() : undefined;
    await reader.tail.close();
    await overwrite(files, noise(text.length));
    await reader.open({ resume: reader.resume(frontiers) });
    await reader.pull();
    await reader.pullFor(7_000);
    assert.deepEqual(reader.said(), ["source", "source", "rewritten"]);
    assert.ok(!reader.lines().some((line) => line.includes("noise")));
  }
});

test("a rotated file that is cut and filled with noise ends, and begins no other generation", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  files.cut(rotated, 0);
  files.append(rotated, noise(20).toString("latin1"));
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "source", "end restarted"]);
  assert.ok(!reader.lines().some((line) => line.includes("noise")));
});

test("a file that ended outside of the pattern and is put back is read as another generation", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  files.cut(rotated, 0);
  files.append(rotated, "\x01anew\n");
  await reader.pullFor(7_000);
  assert.ok(!reader.lines().includes("\x01anew"));
  await files.rename(rotated, "/log/other.log");
  await reader.pullFor(7_000);
  assert.equal(reader.lines().filter((line) => line === "\x01anew").length, 1);
  assert.ok(!gapped(reader));
  assert.equal([...reader.records.values()].at(-1)?.generation, 1);
});

test("unread bytes of a rotated file that is overwritten are a gap", async () => {
  const { files, reader } = await rotatedAway();
  await files.rename(log, rotated);
  files.append(rotated, "unread line\n");
  await reader.tail.wait(3_000);
  await reader.tail.wait(3_000);
  await overwrite(files, noise(text.length + 12));
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "rewritten", "gap truncated"]);
  assert.ok(!reader.lines().some((line) => line.includes("noise")));
});

test("what a writer adds to a rotated file is read on", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  files.append(rotated, "late\n");
  await reader.pullFor(7_000);
  assert.ok(reader.lines().includes("late"));
  assert.deepEqual(reader.said(), ["source", "source"]);
});

test("a rotated file that its writer cuts and writes lines to is read as another generation", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  files.cut(rotated, 0);
  files.append(rotated, "of its old writer\n");
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said().slice(2), ["end restarted", "source"]);
  assert.ok(reader.lines().includes("of its old writer"));
});

test("what an old writer goes on with behind a hole in a rotated file is sealed", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  // Cut under a writer without O_APPEND, which goes on at its old place.
  files.cut(rotated, 0);
  await overwrite(files, Buffer.concat([Buffer.alloc(text.length), Buffer.from("old writer\n")]));
  await reader.pullFor(7_000);
  assert.ok(reader.lines().some((line) => line.includes("old writer")));
});
