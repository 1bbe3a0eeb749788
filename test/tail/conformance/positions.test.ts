// Where reading goes on after a stop, whatever happened to files and positions meanwhile.

import assert from "node:assert/strict";
import fs from "node:fs";
import { type Files, systemFiles } from "../../../src/host/files.ts";
import { conform, lines } from "./place.ts";

conform("reading goes on at the exact byte, again and again", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  for (let turn = 1; turn < 6; turn += 1) {
    await place.down(() => place.append("a.log", lines(turn * 10, turn * 10 + 10)));
    place.append("a.log", `while up ${turn}\n`);
    await place.pass();
  }
  assert.deepEqual(reader.said(), ["source"]);
  assert.equal(reader.lines().length, 65);
});

conform("what was read but not sealed is read again", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  place.append("a.log", lines(10, 20));
  await place.stall();
  // Handed over, but the process dies before it is sealed: the table of sources knows nothing.
  const item = await reader.tail.next(reader.room);
  assert.equal(item?.kind, "span");
  await place.down(() => place.append("a.log", lines(20, 25)));
  assert.equal(reader.lines().length, 25);
});

conform("statements that were not sealed are made again", async (place) => {
  const reader = await place.follow(["*.log"]);
  place.put("a.log", lines(0, 10));
  await place.stall();
  assert.equal((await reader.tail.next(reader.room))?.kind, "statements");
  await place.down(() => {});
  assert.deepEqual(reader.said(), ["source"]);
});

conform("a partial line at the stop is completed once", async (place) => {
  place.put("a.log", "one\ntw");
  const reader = await place.follow(["*.log"]);
  assert.deepEqual(reader.lines(), ["one"]);
  await place.down(() => place.append("a.log", "o\nthr"));
  await place.pass();
  await place.down(() => place.append("a.log", "ee\n"));
  assert.deepEqual(reader.lines(), ["one", "two", "three"]);
});

conform(
  "a partial line sealed by a drain goes on in the next run, byte for byte",
  async (place) => {
    place.put("a.log", "one\ntw");
    const reader = await place.follow(["*.log"]);
    reader.tail.drain();
    while (!reader.tail.drained) {
      await reader.pull();
      if (!reader.tail.drained) await reader.tail.wait(1_000);
    }
    await place.down(() => place.append("a.log", "o\n"));
    assert.equal(reader.textAt(place.path("a.log")), "one\ntwo\n");
    assert.deepEqual(reader.said(), ["source"]);
  },
);

conform(
  "a file seen empty before the stop is another generation, though the same bytes come",
  async (place) => {
    place.put("a.log", "same\n");
    const reader = await place.follow(["*.log"]);
    place.cut("a.log");
    await place.pass();
    reader.tail.drain();
    while (!reader.tail.drained) {
      await reader.pull();
      if (!reader.tail.drained) await reader.tail.wait(1_000);
    }
    assert.deepEqual(reader.said(), ["source", "end restarted"]);
    await place.down(() => place.append("a.log", "same\n"));
    assert.deepEqual(reader.lines(), ["same", "same"]);
    // The same file, the same first bytes: the closed source is opened again, under the same id.
    assert.equal(reader.records.size, 1);
    place.forget();
  },
);

conform(
  "a partial line whose file is cut while we are down is not glued to another",
  async (place) => {
    place.put("a.log", "one\ntw");
    const reader = await place.follow(["*.log"]);
    await place.down(() => {
      place.cut("a.log");
      place.append("a.log", "another file by now\n");
    });
    assert.deepEqual(reader.lines(), ["one", "another file by now"]);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  },
);

conform("a file that grows while it is judged after a start has lost nothing", async (place) => {
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  let armed = 3;
  const files: Files = {
    ...systemFiles,
    async open(path, mode, perm) {
      const file = await systemFiles.open(path, mode, perm);
      return Object.assign(Object.create(file), {
        stat: () => file.stat(),
        close: () => file.close(),
        read(into: Uint8Array, at: number, length: number, position: number) {
          if (armed-- > 0) place.append("a.log", `meanwhile ${armed}\n`);
          return file.read(into, at, length, position);
        },
      });
    },
  };
  await place.down(() => place.append("a.log", "down\n"), { files });
  await place.pass();
  assert.deepEqual(reader.said(), ["source"]);
  assert.equal(reader.lines().length, 14);
});

conform("a position beyond the end of the file is never read from", async (place) => {
  place.put("a.log", lines(0, 100));
  const reader = await place.follow(["*.log"]);
  await place.down(() => place.put("a.log", "short\n"));
  assert.equal(reader.lines().at(-1), "short");
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});

conform(
  "a file with the same first kilobytes and another end does not inherit a position",
  async (place) => {
    const head = lines(0, 300);
    place.put("a.log", `${head}one\n`);
    const reader = await place.follow(["*.log"]);
    await place.down(() => place.put("a.log", `${head}another\nmore\n`));
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
    assert.equal(reader.lines().length, 301 + 302);
  },
);

conform(
  "a renamed file keeps its position over restarts, a deleted one does not",
  async (place) => {
    place.put("a.log", "a\n");
    place.put("b.log", "b\n");
    const reader = await place.follow(["*.log"]);
    await place.down(() => {
      place.rename("a.log", "a.log.1");
      place.unlink("b.log");
      place.put("b.log", "b\n");
    });
    place.append("a.log.1", "late\n");
    await place.pass();
    assert.deepEqual(reader.lines().sort(), ["a", "b", "b", "late"]);
  },
);

conform(
  "without the advisory cache only a rewritten file can be missed, never a line",
  async (place) => {
    place.put("a.log", lines(0, 300));
    const reader = await place.follow(["*.log"]);
    await reader.tail.close();
    place.rename("a.log", "a.log.1");
    place.append("a.log.1", "late\n");
    place.put("a.log", lines(0, 10));
    await reader.open();
    await place.pass();
    assert.equal(reader.lines().length, 311);
  },
);

conform(
  "a source that is no longer configured is closed, and what was unread is stated",
  async (place) => {
    place.put("a.log", "one\n");
    const reader = await place.follow(["*.log"]);
    await place.down(() => place.append("a.log", "two\n"), {
      sources: [
        { name: "other", include: [place.path("*.txt")], exclude: [], startAt: "beginning" },
      ],
    });
    await place.pass();
    assert.deepEqual(reader.said(), ["source", "gap skipped"]);
  },
);

conform(
  "a file that left the pattern while we were down is read to its end all the same",
  async (place) => {
    place.put("a.log", "one\n");
    const reader = await place.follow(["*.log"]);
    const sources = [
      { name: "app", include: [place.path("b*.log")], exclude: [], startAt: "beginning" as const },
    ];
    await place.down(() => place.append("a.log", "two\n"), { sources });
    await place.pass();
    assert.deepEqual(reader.lines(), ["one", "two"]);
  },
);

conform("rotations in each of many restarts leave nothing out", async (place) => {
  place.put("a.log", "");
  const reader = await place.follow(["*.log"]);
  for (let turn = 0; turn < 8; turn += 1) {
    place.append("a.log", `before ${turn}\n`);
    if (turn % 2 === 0) await place.pass();
    else await place.stall();
    await place.down(() => {
      place.append("a.log", `down ${turn}\n`);
      for (let n = turn; n >= 1; n -= 1) place.rename(`a.log.${n}`, `a.log.${n + 1}`);
      place.rename("a.log", "a.log.1");
      place.append("a.log.1", `late ${turn}\n`);
      place.put("a.log", `new ${turn}\n`);
    });
  }
  await place.pass();
  assert.equal(reader.lines().length, 32);
  assert.deepEqual(new Set(reader.said()), new Set(["source"]));
});

conform("a stop in the middle of reading from a copy is no loss", async (place) => {
  place.unfollowed(/\.1$/);
  place.put("a.log", lines(0, 10));
  const reader = await place.follow(["*.log"]);
  place.append("a.log", lines(10, 20));
  place.sh("cp a.log a.log.1; truncate -s 0 a.log; echo new > a.log");
  await place.stall();
  // The doubt, then a span from the copy that is never sealed.
  for (let n = 0; n < 3; n += 1) await reader.tail.next(reader.room);
  const marks = reader.tail.lastBytes() ?? new Map();
  await reader.tail.close();
  for (const [id, mark] of marks) if (mark.offset !== lines(0, 10).length) marks.delete(id);
  await reader.open({ resume: reader.resume(marks) });
  await place.pass();
  assert.equal(reader.lines().filter((line) => line === "new").length, 1);
  fs.rmSync(place.path("a.log.1"));
});
