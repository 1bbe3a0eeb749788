// One kind of damage, one name, one count of survivors.
//
// Each case starts from three synced segments of four frames (0–3, 4–7, 8–11; a frame takes 116
// bytes), hurts one thing and opens the log. Whatever is left must open, read and grow as if
// nothing had been.

import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrameHeader } from "../../src/wal/frame.ts";
import { segmentName } from "../../src/wal/segment.ts";
import { FakeFiles } from "../fakes/files.ts";
import { allOf, asideDir, contentOf, fillSegment, openLog, textOf, walDir } from "./log.ts";

const frame = 116;
const path = (first: number): string => `${walDir}/${segmentName(first)}`;

function bend(files: FakeFiles, first: number, at: number): void {
  const bytes = files.bytes(path(first));
  bytes[at] = (bytes[at] ?? 0) ^ 0x10;
  files.put(path(first), bytes);
}

function overwrite(files: FakeFiles, first: number, at: number, bytes: Uint8Array): void {
  const content = files.bytes(path(first));
  content.set(bytes, at);
  files.put(path(first), content);
}

function encoded(index: number): Uint8Array {
  const content = contentOf(index);
  return new Uint8Array(Buffer.concat([encodeFrameHeader(index, [content]), content]));
}

interface Case {
  readonly name: string;
  readonly hurt: (files: FakeFiles) => void | Promise<void>;
  /** Frames 0 … survivors − 1 are left. */
  readonly survivors: number;
  /** Segment, offset and reason of the damage told, first only; none: it was no damage. */
  readonly damage?: readonly [number, number, string];
  /** Segment and offset of the torn end. */
  readonly torn?: readonly [number, number];
  /** How many files are kept aside. */
  readonly aside: number;
}

const newest = 8;

const torn: Case[] = [
  {
    name: "torn_last_frame",
    hurt: (files) => files.cut(path(newest), 4 * frame - 1),
    survivors: 11,
    torn: [newest, 3 * frame],
    aside: 1,
  },
  {
    name: "torn_in_header",
    hurt: (files) => files.cut(path(newest), 3 * frame + 7),
    survivors: 11,
    torn: [newest, 3 * frame],
    aside: 1,
  },
  {
    name: "cut_between_frames",
    hurt: (files) => files.cut(path(newest), 3 * frame),
    survivors: 11,
    aside: 0,
  },
  {
    name: "zero_filled_tail",
    hurt: (files) => files.append(path(newest), new Uint8Array(5000)),
    survivors: 12,
    torn: [newest, 4 * frame],
    aside: 0,
  },
  {
    name: "zeros_in_place_of_the_last_frame",
    hurt: (files) => overwrite(files, newest, 3 * frame, new Uint8Array(frame)),
    survivors: 11,
    torn: [newest, 3 * frame],
    aside: 0,
  },
  {
    name: "bad_checksum_in_last_frame",
    hurt: (files) => bend(files, newest, 4 * frame - 1),
    survivors: 11,
    torn: [newest, 3 * frame],
    aside: 1,
  },
  {
    name: "garbage_at_the_end",
    hurt: (files) => files.append(path(newest), "garbage ".repeat(100)),
    survivors: 12,
    torn: [newest, 4 * frame],
    aside: 1,
  },
  {
    name: "huge_length_at_the_end",
    hurt: (files) => files.append(path(newest), Uint8Array.of(0xff, 0xff, 0xff, 0xff, 1, 2, 3)),
    survivors: 12,
    torn: [newest, 4 * frame],
    aside: 1,
  },
  {
    name: "stale_frame_behind_the_end",
    hurt: (files) => files.append(path(newest), encoded(5)),
    survivors: 12,
    torn: [newest, 4 * frame],
    aside: 1,
  },
  {
    name: "empty_newest_segment",
    hurt: (files) => files.put(path(12), ""),
    survivors: 12,
    aside: 0,
  },
  {
    name: "newest_segment_without_a_whole_frame",
    hurt: (files) => files.put(path(12), encoded(12).subarray(0, 50)),
    survivors: 12,
    torn: [12, 0],
    aside: 1,
  },
];

const damaged: Case[] = [
  {
    name: "bad_checksum_in_middle",
    hurt: (files) => bend(files, newest, frame + 50),
    survivors: 9,
    damage: [newest, frame, "bad-checksum"],
    aside: 1,
  },
  {
    name: "bad_checksum_in_older_segment",
    hurt: (files) => bend(files, 4, 2 * frame + 50),
    survivors: 6,
    damage: [4, 2 * frame, "bad-checksum"],
    aside: 2,
  },
  {
    name: "bad_checksum_in_first_frame",
    hurt: (files) => bend(files, 0, 20),
    survivors: 0,
    damage: [0, 0, "bad-checksum"],
    aside: 3,
  },
  {
    name: "bad_length",
    hurt: (files) => bend(files, newest, 3),
    survivors: 8,
    damage: [newest, 0, "bad-checksum"],
    aside: 1,
  },
  {
    name: "length_past_the_end",
    hurt: (files) => overwrite(files, newest, frame, Uint8Array.of(0, 0x20, 0, 0)),
    survivors: 9,
    damage: [newest, frame, "torn"],
    aside: 1,
  },
  {
    name: "huge_length",
    hurt: (files) => overwrite(files, newest, frame, Uint8Array.of(0x7f, 0xff, 0xff, 0xff)),
    survivors: 9,
    damage: [newest, frame, "bad-length"],
    aside: 1,
  },
  {
    name: "zeroed_frame_in_middle",
    hurt: (files) => overwrite(files, newest, frame, new Uint8Array(frame)),
    survivors: 9,
    damage: [newest, frame, "bad-length"],
    aside: 1,
  },
  {
    name: "frame_of_another_place",
    hurt: (files) => overwrite(files, newest, frame, encoded(77)),
    survivors: 9,
    damage: [newest, frame, "wrong-index"],
    aside: 1,
  },
  {
    name: "torn_older_segment",
    hurt: (files) => files.cut(path(4), 3 * frame + 60),
    survivors: 7,
    damage: [4, 3 * frame, "torn"],
    aside: 2,
  },
  {
    name: "older_segment_cut_between_frames",
    hurt: (files) => files.cut(path(4), 2 * frame),
    survivors: 6,
    damage: [8, 0, "missing-frames"],
    aside: 1,
  },
  {
    name: "missing_middle_segment",
    hurt: (files) => files.unlink(path(4)),
    survivors: 4,
    damage: [8, 0, "missing-frames"],
    aside: 1,
  },
  {
    name: "empty_middle_segment",
    hurt: (files) => files.cut(path(4), 0),
    survivors: 4,
    damage: [4, 0, "missing-frames"],
    aside: 1,
  },
  {
    name: "segment_with_wrong_first_index",
    hurt: (files) => files.rename(path(8), path(9)),
    survivors: 8,
    damage: [9, 0, "missing-frames"],
    aside: 1,
  },
  {
    name: "segment_whose_name_is_taken_already",
    hurt: (files) => files.rename(path(8), path(7)),
    survivors: 8,
    damage: [7, 0, "overlapping-frames"],
    aside: 1,
  },
  {
    name: "segment_that_holds_another_one",
    hurt: (files) => files.put(path(8), files.bytes(path(4))),
    survivors: 8,
    torn: [8, 0],
    aside: 1,
  },
];

const strange: Case[] = [
  {
    name: "garbage_file_name_in_the_directory",
    hurt: (files) => {
      files.put(`${walDir}/core.1234`, "x");
      files.put(`${walDir}/0.wal`, "x");
      files.put(`${walDir}/000000000000000G.wal`, "x");
      files.put(`${walDir}/ffffffffffffffff.wal`, "x");
    },
    survivors: 12,
    aside: 0,
  },
  {
    name: "directory_named_like_a_segment",
    hurt: (files) => files.mkdir(path(20), 0o700),
    survivors: 12,
    aside: 0,
  },
  {
    name: "missing_oldest_segment",
    hurt: (files) => files.unlink(path(0)),
    survivors: 12,
    aside: 0,
  },
];

const place = (segment: number, offset: number, reason: string): object => ({
  segment: segmentName(segment),
  offset,
  reason,
});

async function hurtLog({ hurt }: Case): Promise<FakeFiles> {
  const files = new FakeFiles();
  const wal = await openLog(files);
  for (let segment = 0; segment < 3; segment++) await fillSegment(wal, 4);
  await wal.close();
  await hurt(files);
  return files;
}

async function asideBytes(files: FakeFiles): Promise<Uint8Array[]> {
  const kept = (await files.list(asideDir)) ?? [];
  return kept.map(({ name }) => files.bytes(`${asideDir}/${name}`));
}

for (const row of [...torn, ...damaged, ...strange]) {
  test(`${row.name}: ${row.survivors} frames survive, what is broken is kept aside`, async () => {
    const files = await hurtLog(row);
    const wal = await openLog(files);
    assert.equal(wal.next, row.survivors);
    assert.deepEqual(wal.damage[0], row.damage && place(...row.damage));
    assert.deepEqual(wal.torn, row.torn && place(...row.torn, "torn"));
    assert.equal((await files.list(asideDir))?.length ?? 0, row.aside);

    // The repair is durable, whole, and there is nothing left to repair.
    await wal.close();
    const aside = await asideBytes(files);
    files.crash();
    assert.deepEqual(await asideBytes(files), aside);
    const again = await openLog(files);
    assert.deepEqual([again.first, again.next], [wal.first, wal.next]);
    assert.deepEqual([again.damage, again.torn], [[], undefined]);
    assert.equal((await files.list(asideDir))?.length ?? 0, row.aside);

    // And it grows on.
    await fillSegment(again, 2);
    const frames = await allOf(again);
    assert.deepEqual(
      frames.map((one) => textOf(one.bytes)),
      frames.map((_, i) => textOf(contentOf(again.first + i))),
    );
  });

  test(`${row.name}: a crash at any call of the repair is repaired by the next`, async () => {
    // The order in which changes reach the disk matters most where several files change.
    const seeds = row.aside > 1 ? [undefined, 1, 2, 3] : [undefined, 1];
    for (const seed of seeds) {
      for (let stopAt = 0; await repairCutShort(row, stopAt, seed); stopAt++);
    }
  });
}

/** Lets the power fail at one call of the repair. False: the repair was done before that call. */
async function repairCutShort(
  row: Case,
  stopAt: number,
  seed: number | undefined,
): Promise<boolean> {
  const files = await hurtLog(row);
  files.syncAll();
  let left = stopAt;
  files.hook = () => {
    left -= 1;
    if (left < 0) throw new Error("power cut");
  };
  const cut = await openLog(files).then(
    () => false,
    () => true,
  );
  files.hook = undefined;
  files.crash(seed);
  const again = await openLog(files);
  assert.equal(again.next, row.survivors);
  return cut;
}

test("everything behind damage is told, and kept aside whole and scrubbed", async () => {
  const files = await hurtLog({ ...(damaged[1] as Case) });
  const scrubbed: number[] = [];
  const scrub = (bytes: Uint8Array): void => {
    scrubbed.push(bytes.length);
    bytes.fill(0x2a, 0, 10);
  };
  const wal = await openLog(files, { scrub });
  assert.deepEqual(wal.damage[1], place(8, 0, "behind-damage"));
  assert.deepEqual(scrubbed, [2 * frame, 4 * frame]);
  const kept = (await files.list(asideDir)) ?? [];
  assert.deepEqual(
    kept.map((item) => item.name),
    ["0000000000000004-000000e8-damaged", "0000000000000008-00000000-damaged"],
  );
  for (const { name } of kept) {
    const text = textOf(files.bytes(`${asideDir}/${name}`));
    assert.ok(text.startsWith("*".repeat(10)));
  }
});

test("only the newest eight torn ends are kept aside, damage for good", async () => {
  const files = await hurtLog({ ...(damaged[0] as Case) });
  await openLog(files);
  for (let round = 0; round < 12; round++) {
    files.append(path(newest), `torn ${round}`);
    await openLog(files);
  }
  const kept = ((await files.list(asideDir)) ?? []).map((item) => String(item.name));
  assert.equal(kept.filter((name) => name.includes("damaged")).length, 1);
  const texts = kept
    .filter((name) => name.includes("torn"))
    .map((name) => textOf(files.bytes(`${asideDir}/${name}`)));
  assert.deepEqual(texts.sort(), [4, 5, 6, 7, 8, 9, 10, 11].map((n) => `torn ${n}`).sort());
});

test("a full disk keeps no log with a torn end from opening, but keeps one with damage", async () => {
  const tornFiles = await hurtLog({ ...(torn[0] as Case) });
  tornFiles.capacity = tornFiles.used();
  assert.equal((await openLog(tornFiles)).next, 11);
  const damagedFiles = await hurtLog({ ...(damaged[1] as Case) });
  damagedFiles.capacity = damagedFiles.used() + 100;
  await assert.rejects(openLog(damagedFiles), { code: "disk-full" });
  damagedFiles.capacity = Number.POSITIVE_INFINITY;
  assert.equal((await openLog(damagedFiles)).next, 6);
});

test("a frame that rots while the log is open is wal-corrupt when read", async () => {
  const files = new FakeFiles();
  const wal = await openLog(files);
  await fillSegment(wal, 4);
  bend(files, 0, 2 * frame + 50);
  assert.equal((await wal.read(0, 1000)).length, 2);
  assert.equal((await wal.read(1, 1000)).length, 1);
  await assert.rejects(wal.read(2, 1000), { code: "wal-corrupt", kind: "unsafe" });
});
