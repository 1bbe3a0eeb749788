import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemFiles } from "../../src/host/files.ts";
import { segmentName } from "../../src/wal/segment.ts";
import { FakeFiles } from "../fakes/files.ts";
import { allOf, contentOf, fillSegment, openLog, textOf, walDir } from "./log.ts";

async function names(files: FakeFiles): Promise<unknown[]> {
  return ((await files.list(walDir)) ?? []).map((item) => item.name);
}

test("an empty log says so and takes any first index", async () => {
  const wal = await openLog(new FakeFiles());
  assert.deepEqual([wal.first, wal.next, wal.bytes, wal.wantsSegment], [0, 0, 0, true]);
  assert.equal(wal.firstIndexOfNewestSegment, undefined);
  assert.deepEqual(await wal.read(0, 100), []);
  await wal.sync();
  await wal.append(41, [contentOf(41)]);
  assert.deepEqual([wal.first, wal.next, wal.firstIndexOfNewestSegment], [41, 42, 41]);
});

test("frames come back in order, joined from their parts, only once they are synced", async () => {
  const wal = await openLog(new FakeFiles());
  await wal.append(0, [contentOf(0), new Uint8Array(0), contentOf(1)]);
  await wal.append(1, [contentOf(2)]);
  assert.deepEqual(await wal.read(0, 1000), []);
  await wal.sync();
  const frames = await wal.read(0, 1000);
  assert.deepEqual(
    frames.map((frame) => [frame.index, textOf(frame.bytes)]),
    [
      [0, textOf(contentOf(0)) + textOf(contentOf(1))],
      [1, textOf(contentOf(2))],
    ],
  );
  assert.equal(wal.bytes, 16 + 200 + 16 + 100);
});

test("an index that is not the next one is refused and changes nothing", async () => {
  const wal = await openLog(new FakeFiles());
  await fillSegment(wal, 2);
  await assert.rejects(wal.append(1, [contentOf(1)]), RangeError);
  await assert.rejects(wal.append(3, [contentOf(3)]), RangeError);
  await assert.rejects(wal.append(2, []), RangeError);
  await wal.append(2, [contentOf(2)]);
  assert.equal(wal.next, 3);
});

test("a segment begins where the caller says, and is wanted by size", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files, { segmentBytes: 300 });
  await fillSegment(wal, 2);
  assert.equal(wal.wantsSegment, false);
  await wal.append(2, [contentOf(2)]);
  assert.equal(wal.wantsSegment, true);
  await wal.append(3, [contentOf(3)]);
  await wal.append(4, [contentOf(4)], { startsSegment: true });
  assert.deepEqual(await names(files), [segmentName(0), segmentName(4)]);
  assert.equal(wal.firstIndexOfNewestSegment, 4);
  // The old segment was synced before the new one was made.
  assert.equal(wal.durableNext, 4);
});

test("a segment that is asked for begins early, and its beginning lets the one before go", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  wal.wantSegment();
  await fillSegment(wal, 3);
  assert.equal(wal.wantsSegment, false);
  wal.wantSegment();
  assert.equal(wal.wantsSegment, true);
  await fillSegment(wal, 1);
  assert.equal(wal.wantsSegment, false);
  await wal.freeBelow(4);
  assert.deepEqual([wal.first, wal.next, wal.segmentCount], [3, 4, 1]);
});

test("a log opens again with all its frames, after a close and after a crash", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  for (let segment = 0; segment < 3; segment++) await fillSegment(wal, 4);
  await wal.close();
  await assert.rejects(wal.sync(), TypeError);
  for (let round = 0; round < 2; round++) {
    const again = await openLog(files);
    assert.deepEqual([again.first, again.next, again.bytes], [0, 12, 12 * 116]);
    assert.deepEqual(again.damage, []);
    const frames = await allOf(again);
    assert.deepEqual(
      frames.map((frame) => textOf(frame.bytes)),
      frames.map((_, i) => textOf(contentOf(i))),
    );
    files.crash();
  }
});

test("what open() found is durable when it returns", async () => {
  const files = new FakeFiles();
  const first = await openLog(files);
  await fillSegment(first, 1);
  await first.append(1, [contentOf(1)]);
  await first.close();
  const second = await openLog(files);
  assert.equal(second.next, 2);
  files.crash();
  assert.equal((await openLog(files)).next, 2);
});

test("read takes as many frames as fit, at least one, across segments, from anywhere", async () => {
  const wal = await openLog(new FakeFiles());
  for (let segment = 0; segment < 3; segment++) await fillSegment(wal, 4);
  const indexes = async (from: number, maxBytes: number): Promise<number[]> =>
    (await wal.read(from, maxBytes)).map((frame) => frame.index);
  assert.deepEqual(await indexes(0, 1), [0]);
  assert.deepEqual(await indexes(0, 299), [0, 1]);
  assert.deepEqual(await indexes(2, 300), [2, 3, 4]);
  assert.deepEqual(await indexes(3, 399), [3, 4, 5]);
  assert.deepEqual(await indexes(6, 50), [6]);
  assert.deepEqual(await indexes(1, 10_000), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  assert.deepEqual(await indexes(12, 100), []);
  assert.deepEqual(await indexes(11, 100), [11]);
  for (const frame of await wal.read(5, 300)) {
    assert.deepEqual(Buffer.from(frame.bytes), Buffer.from(contentOf(frame.index)));
  }
});

test("frames handed out keep their bytes while the log goes on", async () => {
  const wal = await openLog(new FakeFiles());
  await fillSegment(wal, 4);
  const [first] = await wal.read(0, 100);
  await wal.read(1, 300);
  await fillSegment(wal, 4);
  assert.equal(textOf(first?.bytes ?? new Uint8Array(0)), textOf(contentOf(0)));
});

test("reading on costs one large read per segment, not one per frame", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  for (let segment = 0; segment < 2; segment++) await fillSegment(wal, 50);
  let reads = 0;
  files.hook = (call) => {
    if (call === "read") reads += 1;
  };
  assert.equal((await wal.read(0, 20_000)).length, 100);
  assert.equal(reads, 2);
});

test("frames larger than a batch are read whole", async () => {
  const wal = await openLog(new FakeFiles());
  const big = new Uint8Array(3_000_000).fill(7);
  await wal.append(0, [contentOf(0)]);
  await wal.append(1, [big, big]);
  await wal.append(2, [contentOf(2)]);
  await wal.sync();
  assert.deepEqual(
    (await wal.read(0, 1000)).map((frame) => frame.index),
    [0],
  );
  assert.deepEqual(
    (await wal.read(1, 1000)).map((frame) => frame.bytes.length),
    [6_000_000],
  );
  assert.deepEqual(
    (await allOf(wal)).map((frame) => frame.index),
    [0, 1, 2],
  );
});

test("only whole segments below the index go, oldest first, and never the newest", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  for (let segment = 0; segment < 3; segment++) await fillSegment(wal, 4);
  await wal.freeBelow(3);
  assert.equal(wal.first, 0);
  await wal.freeBelow(4);
  assert.deepEqual([wal.first, wal.bytes], [4, 8 * 116]);
  await wal.freeBelow(1000);
  assert.deepEqual([wal.first, wal.next], [8, 12]);
  await assert.rejects(wal.read(7, 100), RangeError);
  files.crash();
  assert.equal((await openLog(files)).first, 8);
});

test("the newest segment is not enough while its frames could still be lost", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  await fillSegment(wal, 2);
  await wal.append(2, [contentOf(2)], { startsSegment: true });
  await wal.freeBelow(3);
  files.crash();
  const again = await openLog(files);
  assert.deepEqual([again.first, again.next], [0, 2]);
});

test("a crash between two deletions leaves no hole", async () => {
  for (let stopAt = 0; stopAt < 8; stopAt++) {
    for (const seed of [undefined, 1, 2, 3, 4]) {
      const files = new FakeFiles();
      const wal = await openLog(files);
      for (let segment = 0; segment < 5; segment++) await fillSegment(wal, 2);
      let left = stopAt;
      files.hook = () => {
        left -= 1;
        if (left < 0) throw new Error("power cut");
      };
      await wal.freeBelow(8).catch(() => undefined);
      files.hook = undefined;
      files.crash(seed);
      const again = await openLog(files);
      assert.deepEqual([again.next, again.damage], [10, []]);
    }
  }
});

test("a segment being read may be freed meanwhile", async () => {
  const wal = await openLog(new FakeFiles());
  for (let segment = 0; segment < 3; segment++) await fillSegment(wal, 4);
  await wal.read(0, 100);
  await wal.freeBelow(8);
  assert.deepEqual(
    (await wal.read(8, 100)).map((frame) => frame.index),
    [8],
  );
});

test("calls queue: appends and syncs started together keep their order", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  const work: Promise<void>[] = [];
  for (let index = 0; index < 20; index++) {
    work.push(wal.append(index, [contentOf(index)], { startsSegment: index % 7 === 0 }));
    if (index % 5 === 4) work.push(wal.sync());
  }
  await Promise.all(work);
  files.crash();
  assert.equal((await openLog(files)).next, 20);
});

test("each sync tells how long it took, and there is none without need", async () => {
  const took: number[] = [];
  const wal = await openLog(new FakeFiles(), { onSync: (micros) => took.push(micros) });
  await fillSegment(wal, 3);
  await wal.sync();
  assert.equal(took.length, 1);
});

test("the log works on real files", async () => {
  const state = mkdtempSync(join(tmpdir(), "sealtail-wal-"));
  try {
    const dir = join(state, "wal");
    const wal = await openLog(systemFiles, { dir });
    for (let segment = 0; segment < 3; segment++) await fillSegment(wal, 4);
    await wal.freeBelow(4);
    assert.equal((await allOf(wal)).length, 8);
    await wal.close();
    const again = await openLog(systemFiles, { dir });
    assert.deepEqual([again.first, again.next], [4, 12]);
    assert.deepEqual(readdirSync(dir), [segmentName(4), segmentName(8)]);
    await again.close();
  } finally {
    rmSync(state, { recursive: true });
  }
});
