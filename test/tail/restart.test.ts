// What a new process makes of the sealed positions, whatever happened to the files meanwhile.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";

async function restarted(
  before: string,
  change: (files: FakeFiles) => void | Promise<void>,
  withFrontiers = false,
): Promise<{ files: FakeFiles; reader: Reader }> {
  const files = new FakeFiles();
  files.put(log, before);
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  await reader.pull();
  const lastBytes = withFrontiers ? reader.tail.lastBytes() : undefined;
  await reader.tail.close();
  await change(files);
  await reader.open({ resume: reader.resume(lastBytes) });
  await reader.pull();
  await reader.pullFor(7_000);
  return { files, reader };
}

test("reading goes on at the exact byte, in silence, and a partial line is completed once", async () => {
  const { reader } = await restarted("one\ntw", (files) => files.append(log, "o\nthree\n"));
  assert.deepEqual(reader.said(), ["source"]);
  assert.equal(reader.textAt(log), "one\ntwo\nthree\n");
});

test("an unfinished line that is written anew while nobody looks is no edit of sealed bytes", async () => {
  const change = (files: FakeFiles): void => {
    files.cut(log, 5);
    files.append(log, "hree\n");
  };
  const { reader } = await restarted("one\ntwo", change, true);
  assert.deepEqual(reader.said(), ["source"]);
  assert.equal(reader.textAt(log), "one\nthree\n");
});

test("a file renamed out of the pattern is found by what it is and read on", async () => {
  const { reader } = await restarted("one\n", async (files) => {
    files.append(log, "two\n");
    await files.rename(log, "/log/app.old");
    files.put(log, "new\n");
  });
  assert.deepEqual(reader.said(), ["source", "source"]);
  assert.deepEqual([...reader.lines()].sort(), ["new", "one", "two"]);
});

test("a file that is nowhere leaves a gap of unknown length", async () => {
  const { reader } = await restarted("one\n", async (files) => {
    files.append(log, "two\n");
    await files.unlink(log);
    files.put(log, "new\n");
  });
  assert.deepEqual(reader.said(), ["source", "gap rotated-away", "source"]);
  assert.deepEqual([...reader.holes.values()].flat(), [
    { from: 4, to: undefined, cause: "rotated-away" },
  ]);
});

test("a file shorter than its position was cut, and what was unread of it is unknown", async () => {
  const { reader } = await restarted("one\ntwo\n", (files) => files.put(log, "new\n"));
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["one", "two", "new"]);
});

test("other first bytes are another generation, however long the file is", async () => {
  const { reader } = await restarted("one\n", (files) => files.put(log, "1st\n2nd\n3rd\n"));
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["one", "1st", "2nd", "3rd"]);
});

test("with known last bytes, the same first bytes do not hide another content", async () => {
  const head = `${"h".repeat(1_100)}\n`;
  const change = (files: FakeFiles): void => files.put(log, `${head}1st\n2nd\n`);
  const { reader } = await restarted(`${head}one\n`, change, true);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  const blind = await restarted(`${head}one\n`, change, false);
  assert.deepEqual(blind.reader.said(), ["source"]);
});

test("a file written anew at any moment of the first looks is read from its start", async () => {
  for (const withFrontiers of [true, false]) {
    let reads = 0;
    for (let nth = 1; ; nth++) {
      reads = 0;
      const change = (files: FakeFiles): void => {
        files.append(log, "unread\n");
        files.hook = (call, path) => {
          if (call !== "read" || path !== log) return;
          reads += 1;
          if (reads === nth) files.put(log, "other\nbytes\nand\nmore\n");
        };
      };
      const { reader } = await restarted("one\ntwo\n", change, withFrontiers);
      if (reads < nth) break;
      const read = reader.lines().filter((line) => line !== "unread");
      const wanted = ["one", "two", "other", "bytes", "and", "more"];
      assert.deepEqual(read, wanted, `changed before read ${nth}, ${withFrontiers}`);
    }
    assert.ok(reads > 3, `${reads} reads`);
  }
});

test("an edit of a file's first bytes is stated once, not again by each process after it", async () => {
  const before = "line\n".repeat(400);
  const edit = async (files: FakeFiles): Promise<void> => {
    await (await files.open(log, "write")).write(Buffer.from("LINE"), 0);
  };
  const { files, reader } = await restarted(before, edit, true);
  assert.deepEqual(reader.said(), ["source", "rewritten"]);
  const lastBytes = JSON.parse(JSON.stringify(Object.fromEntries(reader.tail.lastBytes() ?? [])));
  await reader.tail.close();
  files.append(log, "more\n");
  await reader.open({ resume: reader.resume(new Map(Object.entries(lastBytes))) });
  await reader.pull();
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "rewritten"]);
  assert.equal(reader.textAt(log), `${before}more\n`);
});

test("growth that was seen at the start and lost before its first read is a gap", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  await reader.pull();
  const lastBytes = reader.tail.lastBytes();
  await reader.tail.close();
  files.append(log, "two\n");
  await reader.open({ resume: reader.resume(lastBytes) });
  let reads = 0;
  files.hook = (call, path) => {
    if (path !== log || call !== "read") return;
    reads += 1;
    // Two settle what became of the file, the third would bring its lines.
    if (reads === 3) files.put(log, "another, and longer\n");
  };
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["one", "another, and longer"]);
});

/** The log was copied and cut while nobody looked, and already holds more than was read of it. */
const copiedAndLonger = (files: FakeFiles): void => {
  files.put("/log/app.log.1", "one\ntwo\nthree\n");
  files.put(log, "another\n");
};

test("bytes seen of the next generation and cut while the copy was read are a gap", async () => {
  const change = (files: FakeFiles): void => {
    copiedAndLonger(files);
    files.hook = (call, path) => {
      if (call !== "read" || !String(path).startsWith(log)) return;
      reads += 1;
      if (reads === nth) files.cut(log, 0);
    };
  };
  let reads = 0;
  let nth = Number.POSITIVE_INFINITY;
  const whole = await restarted("one\n", change, true);
  assert.deepEqual(whole.reader.lines(), ["one", "two", "three", "another"]);
  assert.deepEqual(whole.reader.said(), ["source", "end restarted", "source"]);
  const most = reads;
  for (nth = 1; nth < most; nth += 1) {
    reads = 0;
    const { files, reader } = await restarted("one\n", change, true);
    files.append(log, "later\n");
    await reader.pullFor(7_000);
    const lines = reader.lines();
    const said = reader.said();
    if (lines.includes("another")) continue;
    assert.deepEqual(lines, ["one", "two", "three", "later"], `cut before read ${nth}`);
    assert.deepEqual(said, ["source", "gap truncated", "source"], `cut before read ${nth}`);
  }
});

test("a copy that cannot be read to its end leaves a gap", async () => {
  const { reader } = await restarted(
    "one\n",
    (files) => {
      copiedAndLonger(files);
      let reads = 0;
      files.hook = (call, path) => {
        if (call !== "read" || path !== "/log/app.log.1") return;
        reads += 1;
        // Three tell that it is one, and where it ends.
        if (reads === 4) files.put("/log/app.log.1", "");
      };
    },
    true,
  );
  assert.deepEqual(reader.lines(), ["one", "another"]);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.equal([...reader.tail.stats().values()][0]?.gapBytes, 10);
});

test("NULs in a copy are no bytes of the log where a power cut may have left them", async () => {
  for (const behind of ["", "two\n"]) {
    const hole = "\0".repeat(20 - behind.length);
    const change = (files: FakeFiles): void => {
      files.put("/log/app.log.1", `one\ntwo\n${hole}${behind}`);
      files.put(log, "new\n");
    };
    const { reader } = await restarted("one\n", change, true);
    assert.deepEqual(reader.lines(), ["one", "two", "new"]);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
    assert.equal([...reader.tail.stats().values()][0]?.gapBytes, 20);
  }
});

test("a file emptied meanwhile starts again with its next bytes", async () => {
  const { files, reader } = await restarted("one\n", (f) => f.cut(log, 0));
  assert.deepEqual(reader.said(), ["source"]);
  files.append(log, "new\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});

test("a source that is no longer configured is closed as skipped", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  await reader.pull();
  const sources = [
    { name: "other", include: ["/log/*.txt"], exclude: [], startAt: "beginning" as const },
  ];
  await reader.open({ sources });
  await reader.pull();
  assert.deepEqual(reader.said(), ["source", "gap skipped"]);
});

test("a source that has another name now goes on with its files, rotated ones too", async () => {
  const files = new FakeFiles();
  for (const path of [log, "/log/b.log", "/log/c.log"]) files.put(path, "one\n");
  const clock = new AutoClock();
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"] });
  await reader.pull();
  files.append(log, "two\n");
  files.append("/log/b.log", "three\n");
  files.move("/log/b.log", "/log/b.log.1");
  files.append("/log/c.log", "four\n");
  files.move("/log/c.log", "/log/moved.txt");
  const include = ["/log/a*.log", "/log/b*.log", "/log/*.txt"];
  await reader.open({ sources: [{ name: "other", include, exclude: [], startAt: "beginning" }] });
  await reader.pull();
  assert.deepEqual(reader.lines().sort(), ["four", "one", "one", "one", "three", "two"]);
  assert.deepEqual(reader.said(), ["source", "source", "source"]);
  const numbers = reader.tail.stats().get("other");
  assert.equal(numbers?.files, 3);
  assert.equal(numbers?.readSpans, 3);
  // One that is let go and found again is known, too.
  files.move(log, "/else");
  await reader.pullFor(600_000);
  files.move("/else", log);
  await reader.pullFor(600_000);
  assert.equal(reader.lines().filter((line) => line === "two").length, 1);
});

test("a directory that cannot be listed at the start condemns no source", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const faulty = new FaultyFiles(files);
  const clock = new AutoClock();
  const reader = await Reader.start({ files: faulty, clock, include: ["/log/*.log"] });
  await reader.pull();
  await files.rename(log, "/log/app.old");
  faulty.arm({ call: "list", nth: 1, variant: "failed", errno: "EACCES", times: 6 });
  files.append("/log/app.old", "two\n");
  await reader.open();
  await reader.pull();
  assert.deepEqual(reader.said(), ["source"]);
  await reader.pullFor(30_000);
  assert.deepEqual(reader.said(), ["source"]);
  assert.deepEqual(reader.lines(), ["one", "two"]);
});

test("a file that cannot be opened is told of once, and read when it can be", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const faulty = new FaultyFiles(files, {
    call: "open",
    nth: 1,
    variant: "failed",
    errno: "EACCES",
    times: 5,
  });
  const clock = new AutoClock();
  const reader = await Reader.start({ files: faulty, clock, include: ["/log/*.log"] });
  await reader.pullFor(60_000);
  assert.deepEqual(reader.lines(), ["one"]);
  const told = reader.diag.phrases("error").filter((phrase) => phrase.includes("cannot be read"));
  assert.equal(told.length, 1);
  assert.equal(reader.tail.stats().get("app")?.unreadable, 1);
});
