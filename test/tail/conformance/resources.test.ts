// Limits in small: descriptors, turns, pauses, idleness. The same in great are slow tests.

import assert from "node:assert/strict";
import fs from "node:fs";
import { type Files, systemFiles } from "../../../src/host/files.ts";
import { conform, lines } from "./place.ts";

const descriptorsTo = (dir: string): number =>
  fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(`${dir}/`);
    } catch {
      return false;
    }
  }).length;

conform(
  "more files than descriptors are all read in the end, also those that rotate",
  async (place) => {
    const names = Array.from({ length: 13 }, (_, n) => `${n}.log`);
    for (const name of names) place.put(name, `${name} 1\n`);
    const reader = await place.follow(["*.log"], { maxOpenFiles: 4 });
    for (let turn = 2; turn < 5; turn += 1) {
      for (const name of names) place.append(name, `${name} ${turn}\n`);
      await place.pass();
      assert.ok(descriptorsTo(place.dir) <= 4);
    }
    for (const name of names.slice(0, 3)) place.rename(name, `${name}.1`);
    for (const name of names.slice(0, 3)) place.append(`${name}.1`, `${name} late\n`);
    await place.pass(10_000);
    assert.equal(reader.lines().length, 13 * 4 + 3);
  },
);

conform("a file that never stops takes turns with quiet ones", async (place) => {
  const busy = "x".repeat(1_023);
  place.put("hot.log", `${busy}\n`.repeat(4_000));
  for (let n = 0; n < 5; n += 1) place.put(`quiet${n}.log`, "one\n");
  const reader = await place.follow(["*.log"]);
  const turns = reader.spans.map(({ path }) => path.includes("quiet"));
  assert.ok(turns.lastIndexOf(true) <= 12, `the last quiet file came ${turns.lastIndexOf(true)}th`);
});

conform("while nobody reads, discovery and rotation go on", async (place) => {
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"]);
  for (let turn = 0; turn < 4; turn += 1) {
    place.append("a.log", `end ${turn}\n`);
    await place.stall();
    place.rename("a.log", `old.${turn}`);
    place.put("a.log", `begin ${turn}\n`);
    await place.stall();
    place.unlink(`old.${turn}`);
  }
  assert.deepEqual(reader.lines(), ["one"]);
  assert.equal(reader.tail.stats().get("app")?.files, 5);
  await place.pass();
  assert.equal(reader.lines().length, 9);
});

conform("idle files cost one look per rescan, and no read", async (place) => {
  for (let n = 0; n < 20; n += 1) place.put(`${n}.log`, `${n}\n`);
  let looks = 0;
  let opened = 0;
  const counting: Files = {
    ...systemFiles,
    stat(path) {
      looks += 1;
      return systemFiles.stat(path);
    },
    open(path, mode, perm) {
      opened += 1;
      return systemFiles.open(path, mode, perm);
    },
  };
  await place.follow(["*.log"], { files: counting, hints: "none" });
  await place.pass(60_000);
  looks = 0;
  opened = 0;
  await place.pass(600_000);
  // A sweep every two seconds looks at each file and at the directory.
  assert.ok(looks <= 301 * 21, `${looks} looks in 300 sweeps`);
  assert.equal(opened, 0);
});

conform(
  "what a file is behind, and since when, is known per file and per source",
  async (place) => {
    place.put("a.log", "one\n");
    place.put("b.log", "one\n");
    const reader = await place.follow(["*.log"]);
    place.append("a.log", "12345\n");
    const since = place.clock.now();
    await place.stall();
    const row = reader.tail.status().find(({ path }) => path.endsWith("a.log"));
    assert.equal((row?.size ?? 0) - (row?.offset ?? 0), 6);
    assert.equal(reader.tail.stats().get("app")?.bytesBehind, 6);
    assert.ok((reader.tail.stats().get("app")?.oldestUnreadTime ?? 0) >= since);
    await place.pass();
    assert.equal(reader.tail.stats().get("app")?.bytesBehind, 0);
  },
);

conform("disk that a deleted file still takes is known, and given back", async (place) => {
  place.put("a.log", lines(0, 1_000));
  const reader = await place.follow(["*.log"]);
  place.unlink("a.log");
  await place.pass(5_000);
  assert.equal(reader.tail.stats().get("app")?.pinnedBytes, lines(0, 1_000).length);
  assert.equal(descriptorsTo(place.dir), 1);
  await place.pass(30_000);
  assert.equal(reader.tail.stats().get("app")?.pinnedBytes, 0);
  assert.equal(descriptorsTo(place.dir), 0);
  assert.deepEqual(reader.said(), ["source", "end deleted"]);
});

conform("a descriptor gone bad is renewed, and nothing is lost", async (place) => {
  place.put("a.log", "one\n");
  let bad = 0;
  const files: Files = {
    ...systemFiles,
    async open(path, mode, perm) {
      const file = await systemFiles.open(path, mode, perm);
      const made = bad;
      return Object.assign(Object.create(file), {
        stat: () => file.stat(),
        close: () => file.close(),
        read(into: Uint8Array, at: number, length: number, position: number) {
          if (made < bad) throw Object.assign(new Error("stale"), { code: "ESTALE" });
          return file.read(into, at, length, position);
        },
      });
    },
  };
  const reader = await place.follow(["*.log"], { files });
  place.append("a.log", "two\n");
  bad += 1;
  await place.pass(10_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.equal(reader.diag.phrases("error").length, 1);
});

conform("a file that can be opened and not asked what it is keeps no descriptor", async (place) => {
  place.put("a.log", "one\n");
  let isBad = false;
  const files: Files = {
    ...systemFiles,
    async open(path, mode, perm) {
      const file = await systemFiles.open(path, mode, perm);
      return Object.assign(Object.create(file), {
        async stat() {
          if (isBad) throw Object.assign(new Error("stale"), { code: "ESTALE" });
          return await file.stat();
        },
        close: () => file.close(),
        async read(into: Uint8Array, at: number, length: number, position: number) {
          if (isBad) throw Object.assign(new Error("stale"), { code: "ESTALE" });
          return await file.read(into, at, length, position);
        },
      });
    },
  };
  const reader = await place.follow(["*.log"], { files });
  isBad = true;
  place.append("a.log", "two\n");
  await place.pass(30_000);
  assert.ok(descriptorsTo(place.dir) <= 1, `${descriptorsTo(place.dir)} descriptors of one file`);
  isBad = false;
  await place.pass(10_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
});
