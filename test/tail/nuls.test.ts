// Writers that extend their files with NULs and fill them in place: memory-mapped appenders, and
// whoever takes room in advance.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";
const include = ["/log/*.log"];
const mebi = 1024 * 1024;

/** A file that is written to in place, seen by no clock where `quiet`: as a map is. */
class Region {
  readonly files: FakeFiles = new FakeFiles();
  readonly quiet: boolean;
  at = 0;

  constructor(quiet = false) {
    this.quiet = quiet;
    this.files.put(log, "");
  }

  extend(size: number): void {
    const node = this.files.node(log);
    node?.bytes.change(size, undefined);
    if (node !== undefined) this.files.touch(node);
  }

  put(text: string, at = this.at): void {
    const node = this.files.node(log);
    node?.bytes.change(at, Buffer.from(text));
    if (node !== undefined && !this.quiet) this.files.touch(node);
    this.at = Math.max(this.at, at + text.length);
  }
}

test("a file that begins with a hole is known by it: written anew while the agent was down, it is read anew", async () => {
  for (const told of ["first", "after a cut"]) {
    const files = new FakeFiles();
    files.put(log, told === "first" ? `${"\0".repeat(90)}one\n` : "before\n");
    const reader = await Reader.start({ files, clock: new AutoClock(), include });
    await reader.pullFor(3_000);
    if (told !== "first") {
      files.put(log, `${"\0".repeat(90)}one\n`);
      await reader.pullFor(3_000);
    }
    assert.match(reader.lines().at(-1) ?? "", /^\0+one$/, told);
    await reader.tail.close();
    files.put(log, `anew\n${"x".repeat(100)}\n`);
    // No cache, and the newest sealed bytes are gone from the buffer.
    await reader.open();
    await reader.pullFor(3_000);
    assert.deepEqual(reader.lines().slice(-2), ["anew", "x".repeat(100)], told);
  }
});

test("a search through a long run of NULs gives way to whoever reads, again and again", async () => {
  class SlowClock extends AutoClock {
    override mono(): number {
      this.pass(10);
      return super.mono();
    }
  }
  const region = new Region();
  region.extend(64 * mebi);
  const reader = await Reader.start({ files: region.files, clock: new SlowClock(), include });
  const kinds: (string | undefined)[] = [];
  do kinds.push((await reader.tail.next(reader.room))?.kind);
  while (kinds.at(-1) !== undefined);
  assert.ok(kinds.length > 3, `${kinds}`);
  assert.deepEqual([...new Set(kinds)], ["pause", undefined]);
  assert.equal(reader.tail.status()[0]?.offset, 0);
});

const event = (n: number): string => `event ${n} ${"x".repeat(n % 50)}\n`;

async function follow(region: Region): Promise<{ reader: Reader; clock: AutoClock }> {
  const clock = new AutoClock();
  const reader = await Reader.start({ files: region.files, clock, include });
  await reader.pull();
  return { reader, clock };
}

for (const quiet of [false, true]) {
  const how = quiet ? "without a word of it in its times" : "as times tell";
  test(`a mapped log is sealed exactly once, ${how}`, async () => {
    const region = new Region(quiet);
    const { reader } = await follow(region);
    const said: string[] = [];
    let size = 0;
    for (let n = 0; n < 3_000; n += 1) {
      if (region.at + 100 > size) {
        size += 64 * 1024;
        region.extend(size);
      }
      region.put(event(n));
      said.push(event(n).slice(0, -1));
      if (n % 100 === 0) await reader.pullFor(300);
      if (n === 1_000 || n === 2_000) await reader.pullFor(8_000);
    }
    await reader.pullFor(8_000);
    assert.equal(reader.lines().length, 3_000);
    const [numbers] = [...reader.tail.stats().values()];
    assert.equal(numbers?.bytesBehind, size - region.at);
    region.extend(region.at);
    await reader.pullFor(8_000);
    assert.deepEqual(reader.lines(), said);
    assert.deepEqual(reader.said(), ["source"]);
    assert.equal(reader.tail.stats().get("app")?.bytesBehind, 0);
  });
}

test("room taken while nobody reads, and given back, is no loss", async () => {
  const region = new Region();
  region.put("one\n");
  const { reader } = await follow(region);
  region.extend(mebi);
  await reader.tail.wait(3_000);
  region.put("two\n");
  await reader.tail.wait(3_000);
  region.extend(region.at);
  await reader.tail.wait(3_000);
  await reader.pullFor(8_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.deepEqual(reader.said(), ["source"]);
});

test("room that begins in the middle of a line is filled in there", async () => {
  const region = new Region();
  region.put("one\ntw");
  region.extend(mebi);
  const { reader } = await follow(region);
  await reader.pullFor(3_000);
  region.put("o\nthree\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "two", "three"]);
  region.put("fo");
  // An unfinished line is sealed as it is after a while; the NULs behind it are not.
  await reader.pullFor(20_000);
  region.put("ur\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "two", "three", "four"]);
  assert.deepEqual(reader.said(), ["source"]);
});

test("NULs that are held back are unread and have no age: nobody waits for them", async () => {
  const region = new Region();
  region.put("one\n");
  const { reader } = await follow(region);
  region.extend(4096);
  await reader.pullFor(10_000);
  const behind = reader.tail.stats().get("app");
  assert.equal(behind?.bytesBehind, 4092);
  assert.equal(behind?.oldestUnreadTime, undefined);
  assert.equal(reader.tail.status()[0]?.unreadSince, undefined);
});

test("NULs are data once something stands behind them", async () => {
  const region = new Region();
  region.put("one\n");
  const { reader } = await follow(region);
  region.extend(200_000);
  await reader.pullFor(10_000);
  assert.deepEqual(reader.lines(), ["one"]);
  region.files.append(log, "two\n");
  await reader.pullFor(10_000);
  assert.equal(reader.textAt(log), `one\n${"\0".repeat(200_000 - 4)}two\n`);
});

test("two writers fill their parts in any order, and each line is sealed once", async () => {
  const region = new Region();
  region.extend(mebi);
  const { reader } = await follow(region);
  const expected: string[] = [];
  let at = 0;
  for (let n = 0; n < 40; n += 1) {
    const [first, second] = [event(2 * n), event(2 * n + 1)];
    region.put(second, at + first.length);
    await reader.pullFor(n % 8 === 0 ? 600 : 100);
    region.put(first, at);
    await reader.pullFor(100);
    at += first.length + second.length;
    expected.push(first.slice(0, -1), second.slice(0, -1));
  }
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), expected);
  assert.deepEqual(reader.said(), ["source"]);
});

test("a part that is slowly filled in from its start is waited for", async () => {
  const region = new Region();
  region.extend(mebi);
  const { reader } = await follow(region);
  region.put("behind\n", 40);
  await reader.pullFor(300);
  for (let n = 0; n < 4; n += 1) {
    region.put(`slow ${n} ..\n`, n * 10);
    await reader.pullFor(8_000);
  }
  assert.equal(reader.textAt(log), Buffer.from(region.files.bytes(log).subarray(0, 47)).toString());
  assert.deepEqual(reader.said(), ["source"]);
});

test("a line with NULs in it, as UTF-16 has them, is not waited for", async () => {
  const region = new Region();
  const { reader } = await follow(region);
  const text = Buffer.from("one\ntwo\n", "utf16le").toString("latin1");
  region.files.append(log, Buffer.from(text, "latin1"));
  await reader.pullFor(300);
  assert.equal(reader.textAt(log), text.slice(0, -1));
  await reader.pullFor(6_000);
  assert.equal(reader.textAt(log), text);
});

test("the last byte of a region is filled in after a pause, too", async () => {
  const region = new Region();
  region.extend(64);
  const { reader } = await follow(region);
  region.put(`${"x".repeat(62)}\n`);
  await reader.pullFor(20_000);
  region.extend(128);
  region.put("one\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["x".repeat(62), "one"]);
});

test("a deleted file's NULs are sealed as they are, and then its end is stated", async () => {
  const region = new Region();
  region.put("one\n");
  region.extend(300_000);
  const { reader } = await follow(region);
  await reader.pullFor(3_000);
  region.files.remove(log);
  await reader.pullFor(20_000);
  assert.equal(reader.textAt(log), `one\n${"\0".repeat(300_000 - 4)}`);
  assert.deepEqual(reader.said(), ["source", "end deleted"]);
});

test("a stop leaves NULs at the end for the next start", async () => {
  const region = new Region();
  region.put("one\n");
  region.extend(mebi);
  const { reader } = await follow(region);
  await reader.pullFor(1_000);
  reader.tail.drain();
  for (let turn = 0; !reader.tail.drained; turn += 1) {
    assert.ok(turn < 100);
    await reader.pullFor(500);
  }
  assert.equal(reader.textAt(log), "one\n");
  const lastBytes = reader.tail.lastBytes();
  await reader.tail.close();
  region.put("two\n");
  await reader.open({ resume: reader.resume(lastBytes) });
  await reader.pullFor(8_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.deepEqual(reader.said(), ["source"]);
});

/** Fails where somebody asks for the time again and again without letting any pass. */
class WatchedClock extends AutoClock {
  #asked = 0;

  override mono(): number {
    this.#asked += 1;
    assert.ok(this.#asked < 100_000, "somebody spins");
    return super.mono();
  }
}

/** A file whose first hole is filled in slowly, when the agent is told to stop. */
async function stopWhileFilled(gone: boolean): Promise<{ region: Region; reader: Reader }> {
  const region = new Region();
  region.extend(mebi);
  const clock = new WatchedClock();
  const reader = await Reader.start({ files: region.files, clock, include });
  await reader.pull();
  region.put("behind\n", 40);
  await reader.pullFor(300);
  region.put("one\n", 0);
  await reader.pullFor(3_000);
  if (gone) region.files.remove(log);
  reader.tail.drain();
  for (let turn = 0; !reader.tail.drained; turn += 1) {
    assert.ok(turn < 100);
    await reader.pullFor(500);
  }
  return { region, reader };
}

test("a stop does not wait for a hole that is being filled in, and leaves it for the next start", async () => {
  const { region, reader } = await stopWhileFilled(false);
  assert.deepEqual(reader.lines(), ["one"]);
  const lastBytes = reader.tail.lastBytes();
  await reader.tail.close();
  region.put(`${"x".repeat(35)}\n`, 4);
  await reader.open({ resume: reader.resume(lastBytes) });
  await reader.pullFor(8_000);
  assert.deepEqual(reader.lines(), ["one", "x".repeat(35), "behind"]);
});

test("a stop takes what a deleted file holds as it is", async () => {
  const { reader } = await stopWhileFilled(true);
  const owed = await reader.tail.farewell(true);
  assert.equal(reader.textAt(log).slice(0, 47), `one\n${"\0".repeat(36)}behind\n`);
  assert.deepEqual(owed, []);
});

test("room that is given back after a stop took it as it is begins no other generation", async () => {
  const region = new Region();
  region.put("one\n");
  region.extend(1_000);
  const { reader } = await follow(region);
  await reader.pullFor(3_000);
  const node = region.files.node(log);
  region.files.remove(log);
  await reader.tail.wait(1_000);
  reader.tail.drain();
  await reader.pullFor(50);
  assert.equal(reader.textAt(log), `one\n${"\0".repeat(1_000 - 4)}`);
  node?.bytes.change(4, undefined);
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "end deleted"]);
});

test("start_at: end skips what is there and not the room behind it", async () => {
  const region = new Region();
  region.put("old\n");
  region.extend(mebi);
  const { files } = region;
  const clock = new AutoClock();
  const sources = [{ name: "app", include, exclude: [], startAt: "end" as const }];
  const reader = await Reader.start({ files, clock, sources });
  await reader.pullFor(3_000);
  region.put("new\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["new"]);
  assert.deepEqual(reader.said(), ["source", "gap skipped"]);
});

test("NULs of before the first start are skipped, also where they become data after a restart", async () => {
  for (const restarts of [false, true]) {
    const files = new FakeFiles();
    files.put("/log/app.log", `old\n${"\0".repeat(4096)}`);
    const clock = new AutoClock();
    const sources = [{ name: "app", include, exclude: [], startAt: "end" as const }];
    const reader = await Reader.start({ files, clock, sources });
    await reader.pullFor(3_000);
    if (restarts) {
      const lastBytes = reader.tail.lastBytes();
      await reader.tail.close();
      await reader.open({ resume: reader.resume(lastBytes) });
      await reader.pullFor(3_000);
    }
    files.append("/log/app.log", "new\n");
    await reader.pullFor(8_000);
    assert.deepEqual(reader.lines(), ["new"]);
    assert.deepEqual(reader.said(), ["source", "gap skipped", "gap skipped"]);
  }
});

test("sealed bytes that are changed in place beside held NULs are rewritten", async () => {
  const region = new Region();
  region.put(`${"a line before the others\n".repeat(80)}one\ntwo\n`);
  region.extend(mebi);
  const { reader } = await follow(region);
  await reader.pullFor(3_000);
  region.put("TWO", region.at - 4);
  await reader.pullFor(3_000);
  region.put("three\n");
  await reader.pullFor(3_000);
  assert.deepEqual(reader.said(), ["source", "rewritten"]);
  assert.deepEqual(reader.lines().slice(-3), ["one", "two", "three"]);
});

for (const room of ["given back", "taken again"]) {
  test(`a quiet file that is written anew just as long, its room ${room}, is read anew among many directories`, async () => {
    const region = new Region();
    const { files } = region;
    for (let n = 0; n < 300; n += 1) await files.mkdir(`/log/${n}`, 0o700);
    region.put("one\n");
    region.extend(mebi);
    const clock = new AutoClock();
    const reader = await Reader.start({ files, clock, include: ["/log/**/*.log"], rescanMs: 50 });
    await reader.pull();
    await reader.pullFor(20_000);
    files.put(log, `two\n${"\0".repeat(room === "given back" ? 0 : 2 * mebi)}`);
    await reader.pullFor(10_000);
    assert.deepEqual(reader.lines(), ["one", "two"]);
  });
}

test("a gibibyte of NULs is searched once, and looking at it stays cheap", async () => {
  const region = new Region();
  region.put("one\n");
  const node = region.files.node(log);
  const { reader } = await follow(region);
  let read = 0;
  // Only its size is so large: the bytes behind the first megabyte are made up here.
  const size = 1024 * mebi;
  const open = region.files.open.bind(region.files);
  const stat = region.files.stat.bind(region.files);
  const big = <T extends { size: number } | undefined>(info: T): T => info && { ...info, size };
  region.files.stat = async (path) => (path === log ? big(await stat(path)) : await stat(path));
  region.files.open = async (path, mode) => {
    const file = await open(path, mode);
    const own = file.read.bind(file);
    const ownStat = file.stat.bind(file);
    file.stat = async () => big(await ownStat());
    file.read = async (into, at, length, position) => {
      into.fill(0, at, at + length);
      await own(into, at, length, position);
      const count = Math.max(0, Math.min(length, size - position));
      read += count;
      return count;
    };
    return file;
  };
  await reader.open();
  if (node !== undefined) region.files.touch(node);
  await reader.pullFor(3_000);
  assert.ok(read < 1.2 * size, `${read} bytes`);
  for (let second = 0; second < 100; second += 1) {
    if (second % 10 === 0) region.put(event(second));
    await reader.pullFor(1_000);
  }
  assert.equal(reader.lines().length, 11);
  // Never the whole again at once: slices, a few megabytes a second at most.
  assert.ok(read < 3.5 * size, `${read} bytes`);
  read = 0;
  await reader.pullFor(600_000);
  await reader.pullFor(20_000);
  assert.ok(read < 1.5 * size, `${read} bytes while it rests`);
});

test("room that is added to room makes no data of it", async () => {
  const region = new Region();
  const { reader } = await follow(region);
  region.put(event(1));
  region.extend(2_000);
  await reader.pullFor(8_000);
  region.extend(6_000);
  await reader.pullFor(8_000);
  assert.equal(reader.lines().length, 1);
  region.put(event(2));
  await reader.pullFor(8_000);
  assert.deepEqual(
    reader.lines(),
    [event(1), event(2)].map((text) => text.slice(0, -1)),
  );
});

test("after a cut, NULs are not skipped for those that were there at the start", async () => {
  const files = new FakeFiles();
  files.put("/log/a.log", `old\n${"\0".repeat(100)}`);
  const sources = [{ name: "app", include: ["/log/*.log"], exclude: [], startAt: "end" as const }];
  const reader = await Reader.start({ files, clock: new AutoClock(), sources });
  await reader.pullFor(7_000);
  files.cut("/log/a.log", 0);
  files.append("/log/a.log", `new\n${"\0".repeat(60)}`);
  await reader.pullFor(7_000);
  files.append("/log/a.log", `${"\0".repeat(60)}more\n`);
  await reader.pullFor(7_000);
  const skipped = [...reader.holes.values()].flat().filter(({ cause }) => cause === "skipped");
  assert.deepEqual(skipped, [{ from: 0, to: 4, cause: "skipped" }]);
  assert.ok(reader.lines().some((line) => line.endsWith("\0more")));
});

test("what was filled in where it could not be read, and was cut then, is a gap", async () => {
  const region = new Region();
  region.put("one\n");
  region.extend(4000);
  const faulty = new FaultyFiles(region.files);
  const reader = await Reader.start({ files: faulty, clock: new AutoClock(), include });
  await reader.pull();
  await reader.pullFor(3_000);
  faulty.arm({ call: "read", nth: 1, variant: "failed", errno: "EIO", times: 1000 });
  region.put("two\n");
  await reader.pullFor(3_000);
  faulty.disarm();
  region.files.put(log, "");
  await reader.pullFor(8_000);
  region.files.put(log, "three\n");
  await reader.pullFor(8_000);
  assert.deepEqual(reader.lines(), ["one", "three"]);
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source"]);
});
