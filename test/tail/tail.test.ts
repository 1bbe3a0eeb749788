// The tail stage on files in memory and a clock that moves by itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader, type ReaderOptions } from "./reader.ts";

const log = "/log/app.log";

function world(): { files: FakeFiles; clock: AutoClock } {
  const files = new FakeFiles();
  files.put("/log/.keep", "");
  return { files, clock: new AutoClock() };
}

async function reading(
  put: (files: FakeFiles) => void,
  more: Partial<ReaderOptions> = {},
): Promise<{ files: FakeFiles; clock: AutoClock; reader: Reader }> {
  const { files, clock } = world();
  put(files);
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"], ...more });
  await reader.pull();
  return { files, clock, reader };
}

test("a file that is there at the start is declared, then read from its first byte", async () => {
  const { reader } = await reading((files) => files.put(log, "one\ntwo\n"));
  assert.deepEqual(reader.said(), ["source"]);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  const [record] = reader.records.values();
  assert.equal(record?.path, log);
  assert.equal(record?.generation, 0);
  assert.equal(record?.fingerprint_len, 8);
});

test("a file that appears later is read from its first byte", async () => {
  const { files, reader } = await reading(() => {});
  files.put(log, "one\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one"]);
});

test("start at end skips what is there at the first start and nothing that comes later", async () => {
  const sources = [{ name: "app", include: ["/log/*.log"], exclude: [], startAt: "end" as const }];
  const { files, reader } = await reading((f) => f.put(log, "old\n"), { sources });
  assert.deepEqual(reader.said(), ["source", "gap skipped"]);
  files.append(log, "new\n");
  files.put("/log/later.log", "whole\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines().sort(), ["new", "whole"]);
  await reader.tail.close();
  files.put("/log/between.log", "between\n");
  await reader.open();
  await reader.pull();
  assert.ok(reader.lines().includes("between"));
  assert.deepEqual([...reader.holes.values()].flat(), [{ from: 0, to: 4, cause: "skipped" }]);
});

test("what comes behind what is skipped and is cut before anybody read it is a gap", async () => {
  const sources = [{ name: "app", include: ["/log/*.log"], exclude: [], startAt: "end" as const }];
  const { files, reader } = await reading(() => undefined, { sources });
  await reader.tail.close();
  files.put(log, "old\n");
  reader.stated = [];
  await reader.open();
  files.append(log, "never read\n");
  await reader.tail.wait(3_000);
  await reader.tail.wait(3_000);
  files.cut(log, 0);
  await reader.tail.wait(3_000);
  files.append(log, "n\n");
  await reader.pullFor(7_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["n"]);
  assert.equal(reader.tail.stats().get("app")?.gapBytes, 11);
});

test("a last line without LF waits for it, and is handed over when it waited too long", async () => {
  const { files, clock, reader } = await reading((f) => f.put(log, "one\ntw"));
  assert.deepEqual(reader.lines(), ["one"]);
  await reader.pullFor(2_000);
  files.append(log, "o\nthr");
  await reader.pullFor(2_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  const begun = clock.mono();
  await reader.tail.wait(60_000);
  assert.ok(clock.mono() - begun <= 5_100_000, "wait() ends when the partial line is due");
  await reader.pull();
  assert.equal(reader.textAt(log), "one\ntwo\nthr");
  files.append(log, "ee\n");
  await reader.pullFor(3_000);
  assert.equal(reader.textAt(log), "one\ntwo\nthree\n");
});

test("a partial line that keeps growing is handed over by the age of its first bytes", async () => {
  const { files, reader } = await reading((f) => f.put(log, "a"));
  for (let step = 0; step < 8; step += 1) {
    files.append(log, "b");
    await reader.pullFor(1_000);
  }
  assert.ok(reader.textAt(log).length >= 4);
  assert.equal(reader.tail.stats().get("app")?.partials, 1);
});

test("a stretch without LF is cut at 262,144 bytes, whatever the room", async () => {
  const long = `${"x".repeat(600_000)}\nshort\n`;
  for (const room of [262_144, 300_000, 1 << 20]) {
    const { files, clock } = world();
    files.put(log, long);
    const reader = await Reader.start({ files, clock, include: ["/log/*.log"] }, room);
    await reader.pull();
    assert.equal(reader.textAt(log), long);
    let start = true;
    for (const { bytes } of reader.spans) {
      const lf = bytes.includes(10);
      if (start && !lf) assert.equal(bytes.length % 262_144, 0);
      start = lf || bytes.length % 262_144 === 0;
    }
  }
});

test("any bytes pass unchanged: NUL, CR, invalid UTF-8, empty lines", async () => {
  const bytes = Buffer.from([0, 10, 10, 13, 10, 0xff, 0xfe, 0xe2, 0x80, 10, 0xc0, 0x80, 10]);
  const { reader } = await reading((files) => files.put(log, bytes));
  assert.equal(reader.textAt(log), bytes.toString("latin1"));
});

test("a renamed file is read to its end and beyond while a new one takes its name", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "two\n");
  await files.rename(log, "/log/app.log.1");
  files.append("/log/app.log.1", "three\n");
  files.put(log, "new\n");
  await reader.pullFor(3_000);
  files.append("/log/app.log.1", "late\n");
  await reader.pullFor(3_000);
  assert.deepEqual([...reader.lines()].sort(), ["late", "new", "one", "three", "two"]);
  assert.deepEqual(reader.said(), ["source", "source"]);
  assert.equal(reader.tail.stats().get("app")?.rotated, 1);
});

test("a chain of renames loses nothing", async () => {
  const { files, reader } = await reading((f) => f.put(log, "0\n"));
  for (let turn = 1; turn < 8; turn += 1) {
    for (let n = 6; n >= 1; n -= 1) {
      const from = `/log/app.log.${n}`;
      if (await files.stat(from)) await files.rename(from, `/log/app.log.${n + 1}`);
    }
    files.append(log, `late ${turn}\n`);
    await files.rename(log, "/log/app.log.1");
    files.put(log, `${turn}\n`);
    if (turn % 3 === 0) await reader.pullFor(2_500);
  }
  await reader.pullFor(2_500);
  const want = ["0"];
  for (let turn = 1; turn < 8; turn += 1) want.push(`late ${turn}`, `${turn}`);
  // Files that lived and were renamed between two looks match no pattern and were never seen.
  const seen = new Set(reader.lines());
  assert.ok(seen.has("0") && seen.has("7") && seen.has("late 1") && seen.has("late 4"));
  assert.equal(seen.size, reader.lines().length);
  assert.ok([...seen].every((line) => want.includes(line)));
});

test("a deleted file is read to its end, then its end is stated once it is quiet", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "two\nrest");
  await files.unlink(log);
  files.put(log, "other\n");
  await reader.pullFor(3_000);
  assert.ok(reader.lines().includes("two"));
  for (let n = 0; n < 20; n += 1) await reader.pullFor(1_000);
  const [id] = reader.records.keys();
  assert.equal(reader.text(id ?? ""), "one\ntwo\nrest");
  assert.deepEqual(reader.ends.get(id ?? ""), {
    type: "end",
    source: id,
    size: 12,
    cause: "deleted",
  });
  assert.deepEqual(reader.said(), ["source", "source", "end deleted"]);
  assert.ok(reader.textAt(log).includes("other"));
});

test("a file cut to nothing after it was read ends, and starts again with its next bytes", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\ntwo\n"));
  files.cut(log, 0);
  await reader.pullFor(5_000);
  assert.deepEqual(reader.said(), ["source"]);
  files.append(log, "new\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  assert.deepEqual(reader.lines(), ["one", "two", "new"]);
  assert.equal([...reader.records.values()].at(1)?.generation, 1);
});

test("a file cut with unread bytes leaves a gap, told at once", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "unread\n");
  await reader.tail.wait(3_000);
  await reader.tail.wait(1_000);
  files.cut(log, 0);
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated"]);
  files.append(log, "new\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["one", "new"]);
  assert.equal(reader.tail.stats().get("app")?.gapBytes, 7);
});

test("a file cut and grown past its position between looks is seen by the bytes before it", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\ntwo\n"));
  files.cut(log, 0);
  files.append(log, "1st\n2nd\n3rd\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  assert.deepEqual(reader.lines(), ["one", "two", "1st", "2nd", "3rd"]);
});

test("unread bytes that were seen, cut and overwritten by more are a gap", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "unread\n");
  await reader.tail.wait(3_000);
  await reader.tail.wait(1_000);
  files.cut(log, 0);
  files.append(log, "much longer than before\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["one", "much longer than before"]);
});

test("bytes that were seen and never read, overwritten by as many or more, are a gap", async () => {
  for (const next of ["other-1\n", "other-1\nother-2\n"]) {
    const { files, reader } = await reading(() => undefined);
    files.put(log, "first-1\n");
    await reader.tail.wait(5_000);
    await reader.tail.wait(1_000);
    files.put(log, next);
    await reader.tail.wait(3_000);
    await reader.pullFor(3_000);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
    assert.deepEqual(reader.lines(), next.trim().split("\n"));
  }
});

test("before a stop, unread bytes that were seen and cut off are a gap", async () => {
  for (const next of ["next\n", "other-1\nother-2\n"]) {
    const { files, reader } = await reading(() => undefined);
    files.put(log, "first-1\nfirst-2\n");
    await reader.tail.wait(5_000);
    await reader.tail.wait(1_000);
    files.put(log, next);
    await reader.tail.wait(3_000);
    const said = (await reader.tail.farewell(true)).flat();
    assert.deepEqual(
      said.map((each) => each.type),
      ["source", "gap", "source"],
    );
  }
});

test("a hole of NULs left by a writer that did not append is read as what it is", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\ntwo\n"));
  const file = await files.open(log, "write");
  await file.truncate(0);
  await file.write(Buffer.from("three\n"), 8);
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  assert.equal(reader.textAt(log), `one\ntwo\n${"\0".repeat(8)}three\n`);
});

test("an edit in place of sealed bytes is stated, and reading goes on", async () => {
  const { files, reader } = await reading((f) => f.put(log, "head\n"));
  files.append(log, "one\ntwo\nsix\n");
  await reader.pullFor(3_000);
  const file = await files.open(log, "write");
  await file.write(Buffer.from("SIX"), 13);
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "rewritten"]);
  const [, rewritten] = reader.stated;
  assert.deepEqual(rewritten, {
    type: "rewritten",
    source: [...reader.records.keys()][0],
    from: 13,
    to: 16,
  });
  files.append(log, "more\n");
  await reader.pullFor(3_000);
  assert.equal(reader.textAt(log), "head\none\ntwo\nsix\nmore\n");
});

test("an unread end that was cut off is a gap, and what was read is not read again", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\ntwo\n"));
  files.append(log, "gone\n");
  await reader.tail.wait(3_000);
  files.cut(log, 8);
  files.append(log, "new\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source", "gap skipped"]);
  assert.deepEqual(reader.lines(), ["one", "two", "new"]);
});

test("touching a file states nothing", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\n"));
  const file = await files.open(log, "write");
  await file.write(Buffer.from("one\n"), 0);
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source"]);
});

test("empty files are followed without a word", async () => {
  const { files, reader } = await reading((f) => {
    f.put("/log/a.log", "");
    f.put("/log/b.log", "");
  });
  assert.deepEqual(reader.said(), []);
  assert.equal(reader.tail.status().length, 2);
  files.append("/log/a.log", "same\n");
  files.append("/log/b.log", "same\n");
  await reader.pullFor(3_000);
  assert.equal(reader.records.size, 2);
  assert.deepEqual(reader.lines(), ["same", "same"]);
});

test("a hot file gives way to others after 256 KiB, and takes the whole room when alone", async () => {
  const line = `${"y".repeat(99)}\n`;
  const { reader } = await reading((files) => {
    files.put("/log/hot.log", line.repeat(40_000));
    files.put("/log/quiet.log", "one\n");
    files.put("/log/quiet2.log", "two\n");
  });
  const order = reader.spans.map(({ path, bytes }) => [path, bytes.length] as const);
  const others = order.findIndex(([path]) => path === "/log/quiet2.log");
  assert.ok(others <= 5, `quiet files came ${others}th`);
  assert.ok((order[0]?.[1] ?? 0) <= 262_144);
  const alone = order.at(-2)?.[1] ?? 0;
  assert.ok(alone > 262_144, `alone it read ${alone}`);
});

test("while nobody reads, renames are followed and nothing is lost", async () => {
  const { files, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "two\n");
  await reader.tail.wait(3_000);
  await files.rename(log, "/log/gone");
  files.put(log, "three\n");
  await reader.tail.wait(3_000);
  await files.unlink("/log/gone");
  await files.unlink(log);
  files.put(log, "four\n");
  for (let n = 0; n < 30; n += 1) await reader.tail.wait(1_000);
  assert.deepEqual(reader.lines(), ["one"]);
  await reader.pull();
  assert.deepEqual([...reader.lines()].sort(), ["four", "one", "three", "two"]);
});

test("a file cut and written twice while nobody reads leaves a gap for what came between", async () => {
  const { files, reader } = await reading((f) => f.put(log, "the first lines\nof all\n"));
  files.put(log, "between\n");
  await reader.tail.wait(3_000);
  files.put(log, "last\n");
  await reader.tail.wait(3_000);
  await reader.pull();
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["the first lines", "of all", "last"]);
});

test("a file cut, written, and cut again before anybody saw what it held leaves a gap", async () => {
  const { files, reader } = await reading((f) => f.put(log, "the first lines\nof all\n"));
  files.put(log, "between\n");
  let cut = false;
  files.hook = (call, path) => {
    if (path !== log || call !== "read" || cut) return;
    // Its size was seen, its bytes were not.
    files.put(log, "");
    cut = true;
  };
  await reader.tail.wait(3_000);
  assert.ok(cut);
  files.put(log, "last\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["the first lines", "of all", "last"]);
});

test("what is left of a file that is cut twice while nobody reads is no loss", async () => {
  const { files, reader } = await reading((f) => f.put(log, "the first lines\nof all\n"));
  files.put(log, "the first lines\n");
  await reader.tail.wait(3_000);
  files.put(log, "the first");
  await reader.tail.wait(3_000);
  files.put(log, "last\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
});

test("wait does not return at once for what was ready before", async () => {
  const { files, clock, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "two\n");
  await reader.tail.wait(3_000);
  const begun = clock.mono();
  await reader.tail.wait(1_000);
  assert.equal(clock.mono() - begun, 1_000_000);
});

test("drain hands over partial lines, states deleted files and says when it is over", async () => {
  const { files, clock, reader } = await reading((f) => f.put(log, "one\ntw"));
  files.put("/log/b.log", "b\n");
  await reader.pullFor(3_000);
  await files.unlink("/log/b.log");
  reader.tail.drain();
  files.put("/log/c.log", "just made");
  const begun = clock.mono();
  while (!reader.tail.drained) {
    await reader.pull();
    if (!reader.tail.drained) await reader.tail.wait(5_000);
    assert.ok(clock.mono() - begun < 5_000_000);
  }
  assert.ok(clock.mono() - begun >= 500_000);
  assert.equal(reader.textAt(log), "one\ntw");
  assert.equal(reader.textAt("/log/c.log"), "just made");
  assert.ok(reader.said().includes("end deleted"));
});

test("lag is known in bytes and in time, and falls as it is read", async () => {
  const { files, clock, reader } = await reading((f) => f.put(log, "one\n"));
  files.append(log, "two\n");
  await reader.tail.wait(3_000);
  const first = clock.now();
  files.append(log, "three\n");
  await reader.tail.wait(3_000);
  const behind = reader.tail.stats().get("app");
  assert.equal(behind?.bytesBehind, 10);
  assert.ok((behind?.oldestUnreadTime ?? 0) <= first);
  const [id] = reader.records.keys();
  assert.deepEqual(reader.tail.heartbeat(), [{ source: id, size: 14, offset: 4 }]);
  await reader.pull();
  assert.equal(reader.tail.stats().get("app")?.bytesBehind, 0);
  assert.equal(reader.tail.stats().get("app")?.oldestUnreadTime, undefined);
  assert.deepEqual(reader.tail.heartbeat(), [{ source: id, size: 14, offset: 14 }]);
  assert.deepEqual(reader.tail.heartbeat(), []);
});

test("a file that was rotated before its first line keeps the name that the grant covers", async () => {
  const files = new FakeFiles();
  const clock = new AutoClock();
  files.put("/log/app.log", "");
  const scope = (path: string): boolean => path === "/log/app.log";
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"], scope });
  await reader.pull();
  await files.rename("/log/app.log", "/log/app.log.1");
  await reader.pullFor(5_000);
  files.append("/log/app.log.1", "late\n");
  await reader.pullFor(5_000);
  assert.equal(reader.textAt("/log/app.log"), "late\n");
  assert.deepEqual(
    reader.stated.map((each) => ("path" in each ? each.path : each.type)),
    ["/log/app.log"],
  );
});

test("a file that may not be declared yet waits, and is read from its start later", async () => {
  const files = new FakeFiles();
  files.put("/log/a.log", "a\n");
  let room = false;
  const mayDeclare = (): boolean => room;
  const clock = new AutoClock();
  const reader = await Reader.start({ files, clock, include: ["/log/*.log"], mayDeclare });
  await reader.pullFor(5_000);
  assert.deepEqual(reader.said(), []);
  files.append("/log/a.log", "b\n");
  await files.rename("/log/a.log", "/log/a.old");
  await reader.pullFor(5_000);
  room = true;
  await reader.pullFor(5_000);
  assert.deepEqual([...reader.lines()], ["a", "b"]);
});
