// A tail that outlives its chain: what another chain knows of the files is where they go on, and no
// file that is open is closed for it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { hex } from "../../src/core/bytes.ts";
import type { SourceRecord } from "../../src/core/record.ts";
import { SourceTable } from "../../src/core/sources.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { unreadOutside } from "../../src/tail/go-on.ts";
import { refOf } from "../../src/tail/identity.ts";
import type { TailOptions } from "../../src/tail/item.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";
const all = (): boolean => true;

async function follow(
  content: string,
  more: Partial<TailOptions> = {},
): Promise<{ files: FakeFiles; reader: Reader }> {
  const files = new FakeFiles();
  files.put(log, content);
  const options = { files, clock: new AutoClock(), include: ["/log/*.log"], ...more };
  const reader = await Reader.start(options);
  return { files, reader };
}

/** What another chain holds of the one source that was read. */
function known(
  reader: Reader,
  offset: number,
): { id: string; record: SourceRecord; offset: number } {
  const [[id, record] = []] = [...reader.records];
  assert.ok(id !== undefined && record !== undefined);
  return { id, record, offset };
}

function atThat(reader: Reader, offset: number): void {
  const { record } = known(reader, offset);
  reader.table.restore([{ record: record as never, offset }]);
  reader.pieces.clear();
  reader.spans = [];
}

test("a deleted file is read again through its descriptor from where the next chain has it", async () => {
  const { files, reader } = await follow("one\ntwo\n");
  await reader.pull();
  files.append(log, "three\n");
  await reader.tail.wait(3000);
  await files.unlink(log);
  await reader.tail.wait(3000);
  const resume = [known(reader, 4)];
  await reader.tail.goOn({ resume, firstStart: false, scope: all });
  atThat(reader, 4);
  await reader.pullFor(10_000);
  assert.equal(reader.textAt(log), "two\nthree\n");
  assert.deepEqual([...reader.holes.values()], []);
});

test("a file where both chains agree is read on without a word", async () => {
  const { files, reader } = await follow("one\n");
  await reader.pull();
  const said = reader.said().length;
  await reader.tail.goOn({ resume: [known(reader, 4)], firstStart: false, scope: all });
  files.append(log, "two\n");
  await reader.pullFor(5000);
  assert.equal(reader.said().length, said);
  assert.equal(reader.textAt(log), "one\ntwo\n");
});

test("a held file that nothing was sealed of is read from its beginning, also where starts skip", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const sources = [{ name: "app", include: ["/log/*.log"], exclude: [], startAt: "end" as const }];
  const reader = await Reader.start({ files, clock: new AutoClock(), sources });
  await reader.tail.goOn({ resume: [], firstStart: false, scope: all });
  await reader.pullFor(5000);
  assert.equal(reader.textAt(log), "one\n");
});

test("a source that the chain does not know any more is declared anew and read whole", async () => {
  const { reader } = await follow("one\n");
  await reader.pull();
  await reader.tail.goOn({ resume: [], firstStart: false, scope: all });
  reader.table.restore([]);
  reader.spans = [];
  await reader.pullFor(5000);
  assert.equal(reader.textAt(log), "one\n");
});

test("what is outside the next grant is counted, and let go", async () => {
  const { files, reader } = await follow("one\n");
  files.put("/log/b.log", "bb\n");
  await reader.tail.wait(5000);
  const scope = (path: string): boolean => path !== "/log/b.log";
  assert.deepEqual([...unreadOutside(reader.tail.followed, scope)], [["/log/b.log", 3]]);
  await reader.tail.goOn({ resume: [], firstStart: false, scope });
  await reader.pullFor(5000);
  assert.deepEqual(reader.lines(), ["one"]);
});

test("a file that the grants of one chain left out is read whole under the next that covers it", async () => {
  const { reader } = await follow("one\n");
  await reader.pull();
  await reader.tail.goOn({ resume: [], firstStart: false, scope: () => false });
  await reader.pullFor(5000);
  await reader.tail.goOn({ resume: [], firstStart: false, scope: all });
  reader.table.restore([]);
  reader.spans = [];
  await reader.pullFor(5000);
  assert.equal(reader.textAt(log), "one\n");
  assert.deepEqual([...reader.holes.values()], []);
});

test("a file that was let go and is back is read whole where another chain goes on", async () => {
  for (const backBefore of [true, false]) {
    const { files, reader } = await follow("one\n", { maxOpenFiles: 1, idleCloseMs: 0 });
    files.put("/log/other.log", "needs a descriptor\n");
    await reader.pullFor(30_000);
    await files.rename(log, "/elsewhere");
    await reader.pullFor(60_000);
    assert.equal(reader.said().at(-1), "end deleted");
    if (backBefore) await files.rename("/elsewhere", log);
    if (backBefore) for (let i = 0; i < 5; i += 1) await reader.tail.wait(3000);
    await reader.tail.goOn({ resume: [], firstStart: false, scope: all });
    if (!backBefore) await files.rename("/elsewhere", log);
    reader.table.restore([]);
    reader.spans = [];
    reader.holes.clear();
    await reader.pullFor(60_000);
    assert.equal(reader.textAt(log), "one\n");
    assert.deepEqual([...reader.holes.values()], []);
  }
});

test("a source whose file is nowhere any more is a gap once the next chain is known", async () => {
  const { reader } = await follow("one\n");
  await reader.pull();
  const record = { ...known(reader, 4).record, ino: "77", path: "/log/gone.log" };
  const table = new SourceTable(nativeSuite);
  const id = table.declare(record as never, 4);
  await reader.tail.goOn({
    resume: [known(reader, 4), { id, record, offset: 4 }],
    firstStart: false,
    scope: all,
  });
  reader.table.declare(record as never, 4);
  await reader.pullFor(5000);
  assert.deepEqual([...reader.holes], [[id, [{ from: 4, to: undefined, cause: "rotated-away" }]]]);
});

test("of a file that the next chain knows under two names the source goes on that was read further", async () => {
  for (const isRestarted of [false, true]) {
    for (const isFirst of [false, true]) {
      const { files, reader } = await follow("one\ntwo\n");
      await reader.pull();
      const ours = known(reader, 4);
      const record = { ...ours.record, path: "/log/link.log" };
      const id = refOf(nativeSuite, record).hex;
      const theirs = { id, record, offset: 8 };
      const resume = isFirst ? [theirs, ours] : [ours, theirs];
      reader.table.restore(resume.map((item) => ({ ...item, record: item.record as never })));
      if (isRestarted) await reader.open({ resume, firstStart: false });
      else await reader.tail.goOn({ resume, firstStart: false, scope: all });
      files.append(log, "three\n");
      await reader.pullFor(5000);
      assert.deepEqual(reader.lines(), ["one", "two", "three"]);
      assert.equal(reader.textAt("/log/link.log"), "three\n");
      const hole = { from: 4, to: undefined, cause: "rotated-away" };
      assert.deepEqual([...reader.holes], [[ours.id, [hole]]]);
    }
  }
});

test("what is owed is kept where the next chain can take it, and found again otherwise", async () => {
  for (const at of [8, 4]) {
    const { files, reader } = await follow("one\ntwo\n");
    await reader.pull();
    await files.unlink(log);
    // Long enough to be let go: its end is owed, and nobody takes it.
    for (let i = 0; i < 60; i += 1) await reader.tail.wait(60_000);
    await reader.tail.goOn({ resume: [known(reader, at)], firstStart: false, scope: all });
    atThat(reader, at);
    await reader.pullFor(5000);
    assert.equal(reader.said().at(-1), at === 8 ? "end deleted" : "gap rotated-away");
  }
});

test("before the end a deleted file that nobody could read is a gap, and a found one is declared", async () => {
  const { files, reader } = await follow("read\n");
  await reader.pull();
  files.put("/log/gone.log", "0123456789\n");
  files.put("/log/there.log", "xx\n");
  await reader.tail.wait(5000);
  await files.unlink("/log/gone.log");
  await reader.tail.wait(5000);
  const groups = await reader.tail.farewell(true);
  const said = groups.map((group) => group.map((each) => [each.type, "to" in each && each.to]));
  assert.deepEqual(
    said.sort(),
    [
      [
        ["source", false],
        ["gap", false],
      ],
      [["source", false]],
    ].sort(),
  );
  const [declared] = groups
    .flat()
    .filter((each) => each.type === "source" && each.path.includes("there"));
  assert.ok(declared?.type === "source");
  assert.equal(declared.fingerprint, hex(nativeSuite.sha256(Buffer.from("xx\n"))));
});

test("a file rotated to a name that the next chain may not hold is declared under the one it knows", async () => {
  const { files, reader } = await follow("one\n");
  await reader.pull();
  files.move(log, `${log}.1`);
  await reader.tail.wait(5000);
  const scope = (path: string): boolean => path === log;
  await reader.tail.goOn({ resume: [known(reader, 4)], firstStart: false, scope });
  files.cut(`${log}.1`, 0);
  files.append(`${log}.1`, "two\nthree\n");
  await reader.pullFor(5000);
  const paths = [...reader.records.values()].map(({ path }) => path);
  assert.deepEqual(paths, [log, log]);
});

test("what an older chain knew of a file before it was written anew is no loss to a newer chain", async () => {
  const { files, reader } = await follow("a first generation\n");
  await reader.pull();
  const old = known(reader, 19);
  files.cut(log, 0);
  files.append(log, "the next\n");
  await reader.pullFor(5000);
  const resume = reader.resume();
  assert.equal(resume[0]?.offset, 9);
  // After a restart the buffer only reaches to the first generation. A vault knows more.
  await reader.open({ resume: [old], firstStart: false });
  await reader.tail.wait(3000);
  const said = reader.said().length;
  await reader.tail.goOn({ resume, firstStart: false, scope: all });
  await reader.pullFor(5000);
  assert.deepEqual(reader.said().slice(said), []);
  files.append(log, "more\n");
  await reader.pullFor(5000);
  assert.deepEqual(reader.lines(), ["a first generation", "the next", "more"]);
});

test("a file that was written anew and rotated before a newer chain tells what it was is read", async () => {
  const { files, reader } = await follow("a first generation\n");
  await reader.pull();
  const resume = [known(reader, 19)];
  await reader.tail.close();
  files.cut(log, 0);
  files.append(log, "the next\n");
  // After a restart nobody here knows the file. A vault does.
  await reader.open({ resume: [], firstStart: false });
  await reader.tail.wait(3000);
  files.move(log, `${log}.1`);
  await reader.tail.wait(3000);
  await reader.tail.goOn({ resume, firstStart: false, scope: all });
  await reader.pullFor(5000);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
  assert.deepEqual(reader.lines(), ["a first generation", "the next"]);
});

test("what was seen of a file before it was cut is missing, also where only an older chain was known then", async () => {
  const { files, reader } = await follow("a first generation\n");
  await reader.pull();
  const old = known(reader, 19);
  files.cut(log, 0);
  files.append(log, "the next\n");
  await reader.pullFor(5000);
  const resume = reader.resume();
  files.append(log, "unread\n");
  await reader.open({ resume: [old], firstStart: false });
  await reader.tail.wait(3000);
  files.cut(log, 9);
  await reader.tail.wait(3000);
  await reader.tail.goOn({ resume, firstStart: false, scope: all });
  await reader.pullFor(5000);
  assert.deepEqual(reader.said().slice(-3), ["gap truncated", "source", "gap skipped"]);
});
