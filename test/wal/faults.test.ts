// What a disk does to a log that is open. Faults come in pairs: failed, and failed but persisted.

import assert from "node:assert/strict";
import { test } from "node:test";
import { segmentName } from "../../src/wal/segment.ts";
import type { Wal } from "../../src/wal/wal.ts";
import { type Fault, FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { allOf, contentOf, fillSegment, openLog, textOf, walDir } from "./log.ts";

interface World {
  readonly disk: FakeFiles;
  readonly files: FaultyFiles;
  readonly wal: Wal;
}

/** Two synced frames in one segment. */
async function world(): Promise<World> {
  const disk = new FakeFiles();
  const files = new FaultyFiles(disk);
  const wal = await openLog(files);
  await fillSegment(wal, 2);
  return { disk, files, wal };
}

/** Plays `story` in many worlds, each ended by another crash, and checks what that leaves. */
async function expectAfterCrash(
  story: (world: World) => Promise<void>,
  salts: readonly number[],
): Promise<void> {
  for (const seed of [undefined, ...Array.from({ length: 40 }, (_, i) => i)]) {
    const played = await world();
    await story(played);
    played.disk.crash(seed);
    await expectFrames(played.disk, salts);
  }
}

/** Opens the log and checks that it holds the frames 0, 1, … of these attempts. */
async function expectFrames(disk: FakeFiles, salts: readonly number[]): Promise<void> {
  const wal = await openLog(disk);
  assert.deepEqual(wal.damage, []);
  const frames = await allOf(wal);
  const want = salts.map((salt, index) => textOf(contentOf(index, 100, salt)));
  assert.deepEqual(
    frames.map((frame) => textOf(frame.bytes)),
    want,
  );
}

const variants = ["failed", "partly", "persisted"] as const;

for (const startsSegment of [false, true]) {
  const where = startsSegment ? "the first frame of a segment" : "a frame";
  for (const variant of variants) {
    test(`a disk that fills up at ${where} (${variant}) leaves no trace of it`, async () => {
      const full = { code: "disk-full" };
      for (const rolls of [false, true]) {
        const story = async ({ files, wal }: World): Promise<void> => {
          files.arm({ call: "write", nth: 1, variant, errno: "ENOSPC" });
          const lost = wal.append(2, [contentOf(2, 100, 1)], { startsSegment });
          await assert.rejects(lost, full);
          assert.equal(wal.next, 2);
          await wal.append(2, [contentOf(2, 100, 2)]);
          await wal.append(3, [contentOf(3)], { startsSegment: rolls });
          await wal.sync();
        };
        await expectAfterCrash(story, [0, 0, 2, 0]);
      }
    });

    test(`a crash after ${where} that failed (${variant}) finds what was synced`, async () => {
      const story = async ({ files, wal }: World): Promise<void> => {
        files.arm({ call: "write", nth: 1, variant, errno: "EIO" });
        const append = wal.append(2, [contentOf(2)], { startsSegment });
        await assert.rejects(append, { code: "io-error" });
        await wal.sync();
      };
      await expectAfterCrash(story, [0, 0]);
    });
  }
}

test("a half frame that cannot be cut off yet blocks appends until it can", async () => {
  const { disk, files, wal } = await world();
  files.arm({ call: "write", nth: 1, variant: "partly", errno: "ENOSPC" });
  files.arm({ call: "truncate", nth: 1, variant: "failed", times: 2 });
  await assert.rejects(wal.append(2, [contentOf(2)]), { code: "disk-full" });
  await assert.rejects(wal.append(2, [contentOf(2)]), { code: "io-error" });
  await wal.append(2, [contentOf(2, 100, 1)]);
  await wal.sync();
  disk.crash();
  await expectFrames(disk, [0, 0, 1]);
});

for (const variant of ["failed", "persisted"] as const) {
  test(`a new segment whose file cannot be made (${variant}) leaves no name behind`, async () => {
    const { disk, files, wal } = await world();
    files.arm({ call: "create", nth: 1, variant, errno: "ENOSPC" });
    const first = wal.append(2, [contentOf(2)], { startsSegment: true });
    await assert.rejects(first, { code: "disk-full" });
    assert.deepEqual((await disk.list(walDir))?.length, 1);
    await wal.append(2, [contentOf(2, 100, 1)], { startsSegment: true });
    await wal.sync();
    disk.crash();
    await expectFrames(disk, [0, 0, 1]);
  });

  test(`a leftover segment that cannot be deleted yet (${variant}) blocks appends`, async () => {
    const story = async ({ files, wal }: World): Promise<void> => {
      files.arm({ call: "write", nth: 1, variant: "persisted", errno: "ENOSPC" });
      files.arm({ call: "unlink", nth: 1, variant });
      const first = wal.append(2, [contentOf(2)], { startsSegment: true });
      await assert.rejects(first, { code: "disk-full" });
      await wal.append(2, [contentOf(2, 100, 1)]);
      await wal.sync();
    };
    await expectAfterCrash(story, [0, 0, 1]);
  });

  const syncs: { name: string; fault: Fault; startsSegment: boolean }[] = [
    { name: "datasync", fault: { call: "datasync", nth: 1, variant }, startsSegment: false },
    {
      name: "sync of a new segment",
      fault: { call: "sync", nth: 1, variant },
      startsSegment: true,
    },
    { name: "sync of its name", fault: { call: "syncDir", nth: 1, variant }, startsSegment: true },
  ];
  for (const { name, fault, startsSegment } of syncs) {
    test(`after a ${name} that ${variant}, every call throws that same error`, async () => {
      const { disk, files, wal } = await world();
      await wal.append(2, [contentOf(2)], { startsSegment });
      files.arm(fault);
      let first: unknown;
      await assert.rejects(wal.sync(), (error: { code: string; kind: string }) => {
        first = error;
        return error.code === "sync-failed" && error.kind === "unsafe";
      });
      const same = (error: unknown): boolean => error === first;
      await assert.rejects(wal.sync(), same);
      await assert.rejects(wal.append(3, [contentOf(3)]), same);
      await assert.rejects(wal.freeBelow(1), same);
      await assert.rejects(wal.read(0, 100), same);
      assert.equal(files.struck, 1);
      // The frame may be there or not; what was synced before is.
      disk.crash();
      const again = await openLog(disk);
      assert.ok(again.next === 2 || again.next === 3);
      assert.deepEqual(again.damage, []);
    });
  }

  test(`a sync before a new segment that ${variant} is unsafe as well`, async () => {
    const { files, wal } = await world();
    await wal.append(2, [contentOf(2)]);
    files.arm({ call: "datasync", nth: 1, variant });
    const append = wal.append(3, [contentOf(3)], { startsSegment: true });
    await assert.rejects(append, { code: "sync-failed" });
    await assert.rejects(wal.append(3, [contentOf(3)]), { code: "sync-failed" });
  });

  test(`a deletion that ${variant} is tried again by the next call`, async () => {
    const { disk, files, wal } = await world();
    await fillSegment(wal, 2);
    files.arm({ call: "unlink", nth: 1, variant });
    await assert.rejects(wal.freeBelow(2), { code: "io-error" });
    assert.equal(wal.first, 0);
    await wal.freeBelow(2);
    assert.deepEqual([wal.first, (await wal.read(2, 1000)).length], [2, 2]);
    disk.crash();
    assert.equal((await openLog(disk)).first, 2);
  });

  test(`a sync in open() that ${variant} opens nothing`, async () => {
    for (const call of ["sync", "syncDir"] as const) {
      const { disk, wal } = await world();
      await wal.close();
      const files = new FaultyFiles(disk, { call, nth: 1, variant });
      await assert.rejects(openLog(files), { code: "sync-failed" });
      assert.equal((await openLog(disk)).next, 2);
    }
  });
}

test("a disk that is really full takes whole frames only, and goes on when it has room", async () => {
  const { disk, wal } = await world();
  disk.capacity = disk.used() + 3 * 116 + 50;
  let refused = 0;
  while (refused < 3) {
    await wal.append(wal.next, [contentOf(wal.next)]).catch((error: { code: string }) => {
      assert.equal(error.code, "disk-full");
      refused += 1;
    });
    await wal.sync();
  }
  assert.equal(wal.next, 5);
  assert.equal(disk.bytes(`${walDir}/${segmentName(0)}`).length, 5 * 116);
  disk.capacity = Number.POSITIVE_INFINITY;
  await wal.append(5, [contentOf(5)]);
  await wal.sync();
  disk.crash();
  await expectFrames(disk, [0, 0, 0, 0, 0, 0]);
});

for (const errno of ["EIO", "EMFILE"] as const) {
  test(`a read that fails with ${errno} can be tried again`, async () => {
    const { files, wal } = await world();
    const call = errno === "EIO" ? "read" : "open";
    files.arm({ call, nth: 1, variant: "failed", errno });
    await assert.rejects(wal.read(0, 1000), {
      code: errno === "EIO" ? "io-error" : "too-many-open-files",
    });
    assert.equal((await wal.read(0, 1000)).length, 2);
  });
}

test("a file that stands where a new segment belongs is not deleted", async () => {
  const { disk, wal } = await world();
  disk.put(`${walDir}/${segmentName(2)}`, "whose is this?");
  const append = wal.append(2, [contentOf(2)], { startsSegment: true });
  await assert.rejects(append, { code: "file-exists" });
  assert.equal(disk.bytes(`${walDir}/${segmentName(2)}`).length, 14);
  await wal.append(2, [contentOf(2)]);
});
