// Which files are followed, when they are found and from which byte they are read.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { test } from "node:test";
import type { Clock } from "../../../src/host/clock.ts";
import { systemClock } from "../../../src/host/clock.ts";
import { systemFiles } from "../../../src/host/files.ts";
import type { HintSource } from "../../../src/tail/hints.ts";
import { Reader } from "../reader.ts";
import { conform, Place } from "./place.ts";

const atEnd = (place: Place, glob: string) => ({
  sources: [{ name: "app", include: [place.path(glob)], exclude: [], startAt: "end" as const }],
});

conform("a file that appears is read from its first byte", async (place) => {
  const reader = await place.follow(["*.log"]);
  place.put("a.log", "one\ntwo\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "two"]);
});

conform("a hint makes a new file known long before the next rescan", async (place) => {
  const reader = await place.follow(["*.log"], { clock: systemClock, rescanMs: 600_000 });
  // The watch is set up in the background: until then a hint can be missed.
  await reader.tail.wait(300);
  place.put("a.log", "one\n");
  await reader.until(() => reader.lines().length === 1);
});

conform("start at end skips what is there, states it, and reads all that comes", async (place) => {
  place.put("a.log", "old\n");
  const reader = await place.follow(["*.log"], atEnd(place, "*.log"));
  place.append("a.log", "new\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["new"]);
  assert.deepEqual(reader.said(), ["source", "gap skipped"]);
});

conform("start at end never skips a file that appears later, nor an empty one", async (place) => {
  place.put("empty.log", "");
  const reader = await place.follow(["*.log"], atEnd(place, "*.log"));
  place.put("later.log", "whole\n");
  place.append("empty.log", "from the start\n");
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["from the start", "whole"]);
  assert.deepEqual(reader.said(), ["source", "source"]);
});

conform("start at end does not count at a later start", async (place) => {
  const options = atEnd(place, "*.log");
  place.put("a.log", "old\n");
  const reader = await place.follow(["*.log"], options);
  await place.down(() => fs.writeFileSync(place.path("b.log"), "made while down\n"));
  assert.ok(reader.lines().includes("made while down"));
});

conform("an exclude pattern beats every include pattern", async (place) => {
  place.unfollowed(/debug/);
  place.put("a.log", "a\n");
  place.put("debug.log", "no\n");
  const include = [place.path("*.log"), place.path("debug.log")];
  const exclude = ["debug*"];
  const sources = [{ name: "app", include, exclude, startAt: "beginning" as const }];
  const reader = await place.follow([], { sources });
  await place.pass();
  assert.deepEqual(reader.lines(), ["a"]);
});

conform("directories, pipes, sockets and devices that match are left alone", async (place) => {
  place.put("a.log", "a\n");
  place.mkdir("dir.log");
  execFileSync("mkfifo", [place.path("pipe.log")]);
  fs.symlinkSync("/dev/zero", place.path("device.log"));
  fs.symlinkSync("/nowhere", place.path("dangling.log"));
  const net = await import("node:net");
  const server = net.createServer().listen(place.path("socket.log"));
  try {
    const reader = await place.follow(["*.log"]);
    await place.pass(10_000);
    assert.deepEqual(reader.lines(), ["a"]);
    assert.equal(reader.tail.status().length, 1);
  } finally {
    server.close();
  }
});

conform("a file that several patterns, links and directories lead to is one", async (place) => {
  place.mkdir("real");
  place.put("real/a.log", "one\n");
  fs.symlinkSync("real", place.path("alias"));
  fs.symlinkSync("real/a.log", place.path("b.log"));
  fs.linkSync(place.path("real/a.log"), place.path("c.log"));
  const reader = await place.follow(["*.log", "real/*.log", "*/a.log", "**/*.log"]);
  place.append("b.log", "two\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.equal(reader.records.size, 1);
});

test("two that follow one file get every line each", async () => {
  const [place, other] = [new Place(), new Place()];
  try {
    place.put("a.log", "one\n");
    const first = await place.follow(["a.log"]);
    const include = [place.path("a.log")];
    other.reader = await Reader.start({ clock: other.clock, files: systemFiles, include });
    place.append("a.log", "two\n");
    await place.pass();
    await other.pass();
    assert.deepEqual(first.lines(), ["one", "two"]);
    assert.deepEqual(other.reader.lines(), ["one", "two"]);
  } finally {
    await place.close();
    await other.close();
  }
});

conform(
  "directories that patterns mean are found when they are made, level by level",
  async (place) => {
    const reader = await place.follow(["*/logs/*/app.log"]);
    for (const step of ["x", "x/logs", "x/logs/1", "y/logs/2", "y/other/3"]) {
      place.mkdir(step);
      await place.pass();
    }
    place.unfollowed(/other/);
    place.put("x/logs/1/app.log", "x1\n");
    place.put("y/logs/2/app.log", "y2\n");
    place.put("y/other/3/app.log", "no\n");
    await place.pass();
    assert.deepEqual(reader.lines().sort(), ["x1", "y2"]);
  },
);

conform("what is not there yet is waited for without a complaint", async (place) => {
  const reader = await place.follow(["later/deep/*.log"]);
  await place.pass(60_000);
  place.mkdir("later/deep");
  place.put("later/deep/a.log", "one\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one"]);
  const told = reader.diag.lines.map(({ level, fields }) => [level, fields["code"]]);
  assert.deepEqual(told, [["info", "source-empty"]]);
});

conform("a file that may not be read is told of once, and read when it may", async (place) => {
  place.put("a.log", "one\n");
  fs.chmodSync(place.path("a.log"), 0);
  await place.unprivileged(async () => {
    const reader = await place.follow(["*.log"]);
    await place.pass(60_000);
    assert.deepEqual(reader.lines(), []);
    assert.equal(reader.diag.phrases("error").length, 1);
    assert.equal(reader.tail.status()[0]?.state, "unreadable");
    place.privileged(() => fs.chmodSync(place.path("a.log"), 0o644));
    await place.pass();
    assert.deepEqual(reader.lines(), ["one"]);
  });
});

conform(
  "a directory that may not be listed condemns nothing, and is read when it may",
  async (place) => {
    place.mkdir("in");
    place.put("in/a.log", "one\n");
    fs.chmodSync(place.path("in"), 0);
    await place.unprivileged(async () => {
      const reader = await place.follow(["in/*.log"]);
      await place.pass(60_000);
      place.privileged(() => fs.chmodSync(place.path("in"), 0o755));
      await place.pass();
      place.privileged(() => fs.appendFileSync(place.path("in/a.log"), "two\n"));
      await place.pass();
      place.privileged(() => {
        fs.chmodSync(place.path("in"), 0);
        fs.appendFileSync(place.path("in/a.log"), "three\n");
      });
      await place.pass(60_000);
      place.privileged(() => fs.chmodSync(place.path("in"), 0o755));
      await place.pass();
      assert.deepEqual(reader.lines(), ["one", "two", "three"]);
      assert.deepEqual(reader.said(), ["source"]);
    });
  },
);

conform("circles of links between directories end", async (place) => {
  place.mkdir("a");
  place.mkdir("b");
  fs.symlinkSync("../b", place.path("a/to-b"));
  fs.symlinkSync("../a", place.path("b/to-a"));
  fs.symlinkSync("self", place.path("self"));
  place.put("a/x.log", "x\n");
  place.put("b/y.log", "y\n");
  const reader = await place.follow(["**/*.log"]);
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["x", "y"]);
});

conform("how old a file is, or says it is, changes nothing", async (place) => {
  const day = 86_400;
  place.put("old.log", "old\n");
  place.put("future.log", "future\n");
  fs.utimesSync(place.path("old.log"), day, day);
  fs.utimesSync(place.path("future.log"), 4_000_000_000, 4_000_000_000);
  const reader = await place.follow(["*.log"]);
  place.append("old.log", "revived\n");
  place.append("future.log", "now\n");
  fs.utimesSync(place.path("old.log"), day, day);
  await place.pass();
  assert.deepEqual(reader.lines().sort(), ["future", "now", "old", "revived"]);
  assert.equal(reader.said().length, 2);
});

conform("a wall clock that steps back changes nothing but the times", async (place) => {
  let step = 0;
  const { clock } = place;
  const stepping: Clock = {
    now: () => clock.now() + step,
    mono: () => clock.mono(),
    sleep: (ms, signal) => clock.sleep(ms, signal),
  };
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"], { clock: stepping });
  step = -86_400_000_000;
  place.append("a.log", "two\n");
  await place.pass();
  step = 86_400_000_000;
  place.append("a.log", "three\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "two", "three"]);
});

conform("commas, dots, double slashes and spaces in a path mean nothing special", async (place) => {
  place.mkdir("a,b c");
  place.put("a,b c/x.log", "x\n");
  place.put("a,b c/..data.log", "dots\n");
  const reader = await place.follow(["./a,b c//../a,b c/x.log", "a,b c/..data.log"]);
  assert.deepEqual(reader.lines().sort(), ["dots", "x"]);
});

conform("without any hint the rescan finds everything", async (place) => {
  const reader = await place.follow(["*.log"], { hints: "none" });
  place.put("a.log", "one\n");
  await place.pass(2_500);
  place.rename("a.log", "a.log.1");
  place.append("a.log.1", "late\n");
  place.put("a.log", "two\n");
  await place.pass(2_500);
  assert.deepEqual(reader.lines().sort(), ["late", "one", "two"]);
});

conform("hints that lie, or come too often, or fail change nothing", async (place) => {
  const lying: HintSource = ({ onHint }) => ({
    watch() {
      for (let n = 0; n < 3_000; n += 1) onHint(place.path(`${n}`));
      onHint(place.path("a.log"));
      onHint("/dev/zero");
      onHint("/");
      onHint(undefined);
    },
    resting: false,
    complete: false,
    close: () => Promise.resolve(),
  });
  place.put("a.log", "one\n");
  const reader = await place.follow(["*.log"], { hints: lying });
  place.append("a.log", "two\n");
  await place.pass();
  assert.deepEqual(reader.lines(), ["one", "two"]);
});

conform("a directory that is deleted and made again is watched again", async (place) => {
  place.mkdir("in");
  const reader = await place.follow(["in/*.log"], { clock: systemClock, rescanMs: 700 });
  await reader.tail.wait(200);
  place.sh("rm -r in; mkdir in; echo one > in/a.log");
  await reader.until(() => reader.lines().length === 1);
  // A sweep has just been; only a hint can tell of a file before the next one.
  await reader.tail.wait(100);
  const began = systemClock.mono();
  place.put("in/b.log", "two\n");
  await reader.until(() => reader.lines().length === 2);
  assert.ok(systemClock.mono() - began < 500_000);
});
