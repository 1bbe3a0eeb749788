// Files that no pattern means any more: what was read of them stays sealed, whatever they hold now.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { SourceRecord } from "../../src/core/record.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { refOf } from "../../src/tail/identity.ts";
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
    const lastBytes = withFrontiers ? reader.tail.lastBytes() : undefined;
    await reader.tail.close();
    await overwrite(files, noise(text.length));
    await reader.open({ resume: reader.resume(lastBytes) });
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

test("a rotated file that is overwritten with longer text is rewritten, and ends", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  for (let pass = 1; pass < 4; pass++) {
    await overwrite(files, Buffer.alloc(text.length + 10 * pass, "other text\n"));
    await reader.pullFor(7_000);
  }
  assert.deepEqual(reader.said(), ["source", "source", "rewritten", "end restarted"]);
  assert.ok(!reader.lines().some((line) => line.includes("other")));
});

test("a rotated file that is cut and written anew ends, and begins no other generation", async () => {
  for (const left of [0, 11, 22]) {
    for (const [length, looks] of [
      [4, 0],
      [text.length, 0],
      [400, 0],
      [4, 1],
      [400, 1],
    ] as const) {
      const { files, reader } = await rotatedAway();
      await rename(files, reader);
      files.cut(rotated, left);
      if (looks > 0) await reader.pullFor(7_000);
      files.cut(rotated, 0);
      files.append(rotated, "x".repeat(length - 1).concat("\n"));
      await reader.pullFor(7_000);
      assert.deepEqual(
        reader.said().filter((each) => each !== "rewritten"),
        length === text.length && looks === 0
          ? ["source", "source"]
          : ["source", "source", "end restarted"],
      );
      assert.ok(!reader.lines().some((line) => line.includes("xxx")));
    }
  }
});

test("a rotated file that is overwritten while the agent is down is rewritten, and no gap", async () => {
  for (const bytes of [noise(4096), noise(9), Buffer.alloc(text.length + 9, "other text\n")]) {
    const { files, reader } = await rotatedAway();
    await rename(files, reader);
    const lastBytes = reader.tail.lastBytes();
    await reader.tail.close();
    if (bytes.length < text.length) files.cut(rotated, 0);
    await overwrite(files, bytes);
    await reader.open({ resume: reader.resume(lastBytes) });
    await reader.pullFor(7_000);
    const said = bytes.length < text.length ? [] : ["rewritten"];
    assert.deepEqual(reader.said(), ["source", "source", ...said, "end restarted"]);
    assert.ok(!reader.lines().some((line) => /noise|other/.test(line)));
  }
});

test("a rotated file of which no first bytes were known, overwritten while the agent is down, ends", async () => {
  const { files, reader } = await rotatedAway();
  await reader.tail.close();
  // Declared before a stop, when nothing could be read of it.
  const nothing = { fingerprint_len: 0, fingerprint: hex(nativeSuite.sha256(new Uint8Array(0))) };
  const [known] = reader.resume();
  const { record, hex: source } = refOf(nativeSuite, {
    ...(known?.record as SourceRecord),
    ...{ generation: 1, ...nothing },
  });
  assert.equal(reader.table.apply("source", record as unknown as JsonObject), undefined);
  await reader.open({ resume: [{ id: source, record, offset: 0, lastBytes: undefined }] });
  await reader.pull();
  await rename(files, reader);
  const lastBytes = reader.tail.lastBytes();
  await reader.tail.close();
  await overwrite(files, noise(4096));
  await reader.open({ resume: reader.resume(lastBytes) });
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said().slice(-2), ["rewritten", "end restarted"]);
});

test("where nobody knows how a file left the pattern, what it holds instead is a generation", async () => {
  const { files, reader } = await rotatedAway();
  await reader.tail.close();
  // Cut and written to under its own name, and then rotated: these are lines of the log.
  files.cut(log, 0);
  files.append(log, "begun in the pattern\n");
  await files.rename(log, rotated);
  await reader.open({ resume: reader.resume() });
  await reader.pullFor(7_000);
  assert.ok(reader.lines().includes("begun in the pattern"));
});

test("a log that is cut, written to and rotated between two looks is read", async () => {
  const { files, reader } = await rotatedAway();
  files.cut(log, 0);
  files.append(log, "begun in the pattern\n");
  await files.rename(log, rotated);
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  assert.ok(reader.lines().includes("begun in the pattern"));
  await overwrite(files, noise(300));
  await reader.pullFor(7_000);
  assert.ok(!reader.lines().some((line) => line.includes("noise")));
});

test("a log that was rotated while it was empty is read when its writer goes on", async () => {
  const { files, reader } = await rotatedAway();
  files.cut(log, 0);
  await reader.pullFor(7_000);
  await files.rename(log, rotated);
  await reader.pullFor(7_000);
  files.append(rotated, "of its old writer\n");
  await reader.pullFor(7_000);
  assert.ok(reader.lines().includes("of its old writer"));
});

test("lines that a writer added to a rotated file before it was overwritten stay sealed", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  files.append(rotated, "late\n");
  await reader.pullFor(7_000);
  await overwrite(files, noise(300));
  await reader.pullFor(7_000);
  assert.ok(reader.lines().includes("late"));
  assert.deepEqual(reader.said(), ["source", "source", "rewritten", "end restarted"]);
});

test("a new file with the number of one that was rotated, overwritten and deleted is read", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  await overwrite(files, noise(300));
  await reader.pullFor(7_000);
  const node = files.node(rotated);
  await files.rename(rotated, "/log/fresh.log");
  assert.ok(node !== undefined);
  files.cut("/log/fresh.log", 0);
  files.append("/log/fresh.log", "unrelated\n");
  await reader.pullFor(7_000);
  assert.equal(reader.lines().filter((line) => line === "unrelated").length, 1);
});

test("a rotated file that is put back and cut while the agent is down is a log again", async () => {
  const { files, reader } = await rotatedAway();
  await rename(files, reader);
  const lastBytes = reader.tail.lastBytes();
  await reader.tail.close();
  await files.rename(rotated, "/log/other.log");
  files.cut("/log/other.log", 0);
  files.append("/log/other.log", "begun in the pattern\n");
  await reader.open({ resume: reader.resume(lastBytes) });
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "source", "gap truncated", "source"]);
  assert.ok(reader.lines().includes("begun in the pattern"));
});

test("a rotated file that begins as its log does is no copy of it", async () => {
  const { files, reader } = await rotatedAway();
  await files.rename(log, rotated);
  files.put(log, text.slice(0, 22));
  await reader.pullFor(7_000);
  files.cut(log, 0);
  files.append(log, "after\n");
  await reader.pullFor(7_000);
  assert.deepEqual(reader.lines(), [
    ...text.trim().split("\n"),
    ...Array(2).fill("first line"),
    "after",
  ]);
});
