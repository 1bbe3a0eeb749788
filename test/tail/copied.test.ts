// A log that is copied and cut at any moment of the looks at it, against what was read and stated.
//
// - Whoever writes and rotates does one step before some of the calls that reach the file system.
// - A gap is stated where a line is missing and nowhere else; a line that a look showed, and that
//   nobody kept, lies in a gap.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { CopyingWorld, onRead } from "./copying-world.ts";
import { Reader } from "./reader.ts";
import { runWorld } from "./run-world.ts";

const log = "/log/app.log";

/** Plays the first of all worlds, or those that were asked for. */
async function play(lossy: boolean, usual: number): Promise<void> {
  const given = process.env["SEALTAIL_SEED"];
  const first = Number(given ?? 1);
  const count = given === undefined ? usual : Number(process.env["SEALTAIL_WORLDS"] ?? 1);
  for (let seed = first; seed < first + count; seed += 1)
    await runWorld(new CopyingWorld(seed, lossy), seed, 60);
}

test("a log copied and cut at any moment has gaps where lines are missing, and only there", async () => {
  await play(false, 40);
});

test("a log copied and cut while a chain is waited for has gaps where lines are missing", async () => {
  await play(true, 40);
});

/** A log of which a first content was read. */
async function following(
  text: string,
  files: FakeFiles = new FakeFiles(),
): Promise<{ files: FakeFiles; reader: Reader }> {
  files.put(log, text);
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  await reader.pull();
  return { files, reader };
}

/** Before the nth read of the log. */
function before(files: FakeFiles, nth: number, change: () => void): void {
  let reads = 0;
  files.hook = (call, path) => {
    if (call !== "read" || path !== log) return;
    reads += 1;
    if (reads === nth) change();
  };
}

test("growth that was seen shortly before the log was copied and cut is no gap", async () => {
  let reached = true;
  for (let nth = 1; reached; nth += 1) {
    const { files, reader } = await following("one\n");
    files.append(log, "two\n");
    reached = false;
    before(files, nth, () => {
      reached = true;
      files.append(log, "three\n");
      files.put(`${log}.1`, files.bytes(log));
      files.cut(log, 0);
      files.append(log, "4\n");
      // The next content is seen to grow before the doubt is settled.
      before(files, 2, () => files.append(log, "5\n"));
    });
    await reader.pullFor(3_000);
    if (!reached) break;
    files.hook = undefined;
    await reader.pullFor(3_000);
    assert.deepEqual(reader.lines().slice(0, 4), ["one", "two", "three", "4"], `read ${nth}`);
    const said = reader.said().filter((each) => each !== "source");
    assert.ok(
      said.every((each) => each === "end restarted"),
      `before read ${nth}: ${said}`,
    );
  }
});

test("another content that was seen after the copy was made, and cut as well, is a gap", async () => {
  const { files, reader } = await following("one\n");
  files.append(log, "two\nthree\nfour\n");
  files.put(`${log}.1`, files.bytes(log));
  files.put(log, "between them\n");
  before(files, 1, () => {
    // The copy is rotated on, and is none the younger for it.
    files.move(`${log}.1`, `${log}.2`);
    files.put(`${log}.1`, files.bytes(log));
    files.put(log, "new\n");
  });
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "two", "three", "four", "new"]);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});

/** A log of which a longer rest was seen and not read was copied, cut, and holds other bytes now. */
async function cutBeforeRead(): Promise<{ files: FakeFiles; reader: Reader }> {
  const { files, reader } = await following("one\n");
  files.append(log, "two\nthree\n");
  // Read next, before the next poll.
  await reader.tail.wait(3_100);
  files.put(`${log}.1`, files.bytes(log));
  files.put(log, "between\n");
  return { files, reader };
}

function copyAndCut(files: FakeFiles): void {
  files.put(`${log}.1`, files.bytes(log));
  files.cut(log, 0);
}

/** They were copied and cut as well. */
function cutAgain(files: FakeFiles): void {
  files.move(`${log}.1`, `${log}.2`);
  copyAndCut(files);
  files.append(log, "new\n");
}

test("another content that was not shorter than what was read, and was cut between two looks, is a gap", async () => {
  const { files, reader } = await cutBeforeRead();
  await reader.tail.wait(3_000);
  cutAgain(files);
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "two", "three", "new"]);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});

test("another content that was not shorter than what was read, and was cut during a look, is a gap", async () => {
  for (let nth = 1; nth < 9; nth += 1) {
    const { files, reader } = await cutBeforeRead();
    let reads = 0;
    files.hook = (call, path) => {
      if (path !== log || reads === nth) return;
      if (call === "read") reads += 1;
      if (reads === nth) cutAgain(files);
    };
    await reader.pull();
    await reader.pullFor(3_000);
    const isLost = !reader.lines().includes("between");
    assert.equal(reader.said().includes("gap truncated"), isLost, `read ${nth}`);
  }
});

test("a generation that was declared, and written anew before it was read, is a gap", async () => {
  const { files, reader } = await following("one\n");
  files.put(log, "other\n");
  await reader.tail.wait(3_000);
  while (!reader.said().includes("end restarted")) await reader.step();
  files.put(log, "and another one\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "and another one"]);
  assert.deepEqual(reader.said().slice(2), ["source", "gap truncated", "source"]);
});

test("another content that a read finds shorter than a look did was cut", async () => {
  for (let nth = 1; nth < 6; nth += 1) {
    const { files, reader } = await following("a line of twenty-one\n".repeat(10));
    copyAndCut(files);
    files.append(log, "between them\n");
    let [looks, reads] = [0, 0];
    files.hook = (call, path) => {
      if (path !== log) return;
      if (call === "stat") looks += 1;
      if (call === "read" && looks > 0) reads += 1;
      if (call === "read" && looks > 0 && reads === nth) files.put(log, "new\n");
      // No look shows how short it was.
      if (call === "stat" && reads >= nth && files.bytes(log).length === 4)
        files.append(log, "more than there was between them\n");
    };
    await reader.tail.wait(3_000);
    await reader.tail.wait(3_000);
    for (let left = 5; left > 0; left -= 1) await reader.pullFor(1_000);
    assert.equal(reader.lines().at(-1), "more than there was between them", `read ${nth}`);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"], `read ${nth}`);
  }
});

test("what is left of a file that was cut is not taken for old where nothing old is left", async () => {
  const { files, reader } = await following("a line of twenty-one\n".repeat(100));
  files.put(log, "of the next content\n");
  await reader.tail.wait(1_000);
  await reader.tail.wait(1_000);
  files.cut(log, 0);
  await reader.tail.wait(1_000);
  files.append(log, "new\n");
  await reader.pullFor(3_000);
  assert.equal(reader.lines().at(-1), "new");
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});

test("bytes that only a read showed before the log was cut are in its copy, or in a gap", async () => {
  for (const kept of [true, false]) {
    const files = new FakeFiles();
    let done = false;
    onRead(files, (end) => {
      if (done || end < 14) return;
      done = true;
      if (kept) files.put(`${log}.1`, "one\ntwo\nthree\nfour\n");
      else files.put(`${log}.1`, "one\ntwo\n");
      files.cut(log, 0);
    });
    const { reader } = await following("one\n", files);
    files.append(log, "two\n");
    await reader.tail.wait(3_000);
    before(files, 1, () => files.append(log, "three\n"));
    await reader.pull();
    files.append(log, "new\n");
    await reader.pullFor(3_000);
    assert.ok(done);
    const lines = kept ? ["one", "two", "three", "four", "new"] : ["one", "two", "new"];
    assert.deepEqual(reader.lines(), lines);
    const said = kept ? "end restarted" : "gap truncated";
    assert.deepEqual(reader.said(), ["source", said, "source"]);
  }
});

test("a log that grows while its head is looked at, and is cut then, is no log that was cut back", async () => {
  const files = new FakeFiles();
  let looking = false;
  onRead(files, (end) => {
    if (!looking || end < 19) return;
    looking = false;
    files.put(`${log}.1`, files.bytes(log));
    files.put(log, "new content\n");
  });
  const { reader } = await following("one\n", files);
  // Written to without growing: a doubt.
  files.append(log, "");
  before(files, 2, () => {
    looking = true;
    files.append(log, "two\nthree\nfour\n");
  });
  await reader.pullFor(6_000);
  assert.deepEqual(reader.lines(), ["one", "two", "three", "four", "new content"]);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

test("a copy that is rotated on while it is looked for is found under its new name", async () => {
  const { files, reader } = await following("one\n");
  files.append(log, "two\n");
  files.put(`${log}.1`, files.bytes(log));
  files.put(log, "3\n");
  files.hook = (call, path) => {
    if (call !== "open" || path !== `${log}.1`) return;
    files.hook = undefined;
    files.move(`${log}.1`, `${log}.2`);
  };
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "two", "3"]);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

for (const [name, copies] of [
  ["two copies", [`${log}.1`, `${log}.2`]],
  ["a copy and a compressed one", [`${log}-1`, `${log}-2.xz`]],
] as const) {
  for (const down of [true, false]) {
    const how = down ? "while the agent is down" : "between two looks";
    test(`what a log held that was cut twice ${how}, with ${name}, is read or in a gap`, async () => {
      const { files, reader } = await following("one\n");
      const lastBytes = reader.tail.lastBytes();
      if (down) await reader.tail.close();
      for (const [at, text] of ["one\ntwo\n", "three\n"].entries()) {
        files.put(copies[at] as string, text);
        files.put(log, "");
      }
      files.append(log, "four\n");
      if (down) await reader.open({ resume: reader.resume(lastBytes) });
      await reader.pullFor(7_000);
      assert.deepEqual(reader.lines(), ["one", "two", "four"]);
      assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
    });
  }
}
