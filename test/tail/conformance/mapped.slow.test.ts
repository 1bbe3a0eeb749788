// A real memory-mapped appender: whatever is told of its writes, each event is sealed once.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { systemClock as clock } from "../../../src/host/clock.ts";
import { Place } from "./place.ts";

// Regions of 1 MiB, filled in place, with two pauses; cut to its length at the end.
const appender = `
import mmap, os, sys, time
path, region = sys.argv[1], 1 << 20
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
size, at, map = 0, 0, None
for n in range(3000):
    line = ("event %d %s\\n" % (n, "x" * 700)).encode()
    done = 0
    while done < len(line):
        if at == size:
            size += region
            os.ftruncate(fd, size)
            map = mmap.mmap(fd, region, offset=size - region)
        start = at - (size - region)
        part = line[done:done + size - at]
        map[start:start + len(part)] = part
        done += len(part)
        at += len(part)
    if n % 50 == 0: time.sleep(0.02)
    if n in (1000, 2000): time.sleep(8)
os.ftruncate(fd, at)
`;

test("a mapped appender that pauses loses nothing, and nothing is said of it", async () => {
  const place = new Place();
  try {
    const reader = await place.follow(["*.log"], { clock });
    const writer = spawn("python3", ["-c", appender, place.path("a.log")], { stdio: "inherit" });
    const over = once(writer, "exit");
    let running = true;
    over.then(() => {
      running = false;
    });
    while (running) await reader.pullFor(200);
    await reader.until(() => reader.lines().length === 3_000, 20_000);
    const numbers = reader.lines().map((line) => Number(line.split(" ")[1]));
    assert.deepEqual(
      numbers,
      numbers.map((_, n) => n),
    );
    await reader.pullFor(8_000);
    assert.deepEqual(reader.said(), ["source"]);
    assert.equal(reader.tail.stats().get("app")?.bytesBehind, 0);
  } finally {
    await place.close();
  }
});
