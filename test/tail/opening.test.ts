// What is learnt of a file while it is opened, or looked for: each look counts.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Path } from "../../src/host/file-error.ts";
import type { OpenFile } from "../../src/host/files.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";

/** Calls `at` before each look at the log's size, with how many there were. */
class Looks extends FaultyFiles {
  at: (looks: number) => void = () => {};
  #looks = 0;

  override do<T>(
    call: FileCall,
    path: Path,
    work: () => Promise<T>,
    half?: () => Promise<unknown>,
  ): Promise<T> {
    if (call === "stat" && String(path) === log) {
      this.at(this.#looks);
      this.#looks += 1;
    }
    return super.do(call, path, work, half);
  }
}

test("what two looks at a file saw is a gap if it is gone at the third, also while it is opened", async () => {
  for (let first = 1; first < 8; first += 1) {
    const disk = new FakeFiles();
    disk.put("/log/.keep", "");
    const files = new Looks(disk);
    const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
    disk.put(log, "one\n");
    files.at = (looks) => {
      if (looks === first) disk.append(log, "two\n");
      if (looks === first + 2) disk.put(log, "12345\n");
    };
    await reader.tail.wait(5_000);
    await reader.pullFor(20_000);
    assert.deepEqual(reader.lines(), ["12345"], `look ${first}`);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"], `look ${first}`);
  }
});

/** Calls `after` behind each look at what lies where the log is meant to be. */
class Glances extends FaultyFiles {
  after: (ino: bigint, opened: boolean) => void = () => {};

  override async stat(path: Path): ReturnType<FaultyFiles["stat"]> {
    const info = await super.stat(path);
    if (String(path) === log && info !== undefined) this.after(info.ino, false);
    return info;
  }

  override async open(...[path, mode]: Parameters<FaultyFiles["open"]>): Promise<OpenFile> {
    const file = await super.open(path, mode);
    if (String(path) === log) this.after((await file.stat()).ino, true);
    return file;
  }
}

test("a file that is seen in another one's place and taken away at once is a gap", async () => {
  const disk = new FakeFiles();
  disk.put(log, "one\n");
  const files = new Glances(disk);
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  await reader.pullFor(1_000);
  disk.append(log, "two\n");
  await reader.pullFor(100);
  const first = (await disk.stat(log))?.ino;
  disk.move(log, "/log/app.log.1");
  disk.put(log, "three\n");
  files.after = (ino) => {
    if (ino !== first) disk.move(log, "/away");
  };
  await reader.pullFor(60_000);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.deepEqual(reader.said().slice(-2), ["source", "gap rotated-away"]);
});

test("a file that is opened in another one's place and taken away at once is a gap", async () => {
  const disk = new FakeFiles();
  disk.put("/log/.keep", "");
  const files = new Glances(disk);
  const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
  disk.put(log, "one\n");
  const first = (await disk.stat(log))?.ino;
  files.after = (ino, opened) => {
    if (ino === first && !opened) {
      disk.move(log, "/log/app.log.1");
      disk.put(log, "two\n");
    } else if (ino !== first) disk.move(log, "/away");
  };
  await reader.pullFor(60_000);
  assert.deepEqual(reader.lines(), ["one"]);
  assert.ok(reader.said().includes("gap rotated-away"));
});

test("a file that was cut between the two looks before it is followed has a gap", async () => {
  const disk = new FakeFiles();
  disk.put(log, "one\n");
  const files = new Looks(disk);
  const options = { files, clock: new AutoClock(), include: ["/log/*.log"] };
  const reader = await Reader.start(options);
  await reader.pull();
  const resume = reader.resume();
  await reader.tail.close();
  // Where the one to be gone on with is, is not known: what is found may be that.
  disk.move(log, "/away");
  disk.put(log, "a content that is seen\n");
  let seen = 0;
  files.at = () => {
    seen += 1;
    if (seen === 2) disk.cut(log, 0);
    if (seen === 3) disk.put(log, "another, which is longer than that\n");
  };
  await reader.open({ resume, firstStart: false });
  await reader.pullFor(5_000);
  const [, id = ""] = [...reader.records.keys()];
  assert.deepEqual(reader.lines().slice(1), ["another, which is longer than that"]);
  assert.deepEqual(reader.holes.get(id), [{ from: 0, to: undefined, cause: "truncated" }]);
});

test("a look at what a path leads to counts as one at the file", async () => {
  for (let cutAt = 1; cutAt < 8; cutAt += 1) {
    const disk = new FakeFiles();
    disk.put(log, "a content that is seen\n");
    const files = new Looks(disk);
    let seen = 0;
    files.at = () => {
      if (seen === cutAt) disk.cut(log, 2);
      if (seen === cutAt + 1) disk.append(log, "another, which is longer than that\n");
      seen += 1;
    };
    const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
    while (seen < cutAt + 3) await reader.tail.wait(1_000);
    await reader.pullFor(5_000);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"], `look ${cutAt}`);
  }
});

test("a file that grows while it is opened was not cut", async () => {
  for (let grows = 1; grows < 8; grows += 1) {
    const disk = new FakeFiles();
    disk.put(log, "one\n");
    const files = new Looks(disk);
    files.at = (looks) => {
      if (looks === grows) disk.append(log, "two\n");
    };
    const reader = await Reader.start({ files, clock: new AutoClock(), include: ["/log/*.log"] });
    for (let left = 5; left > 0; left -= 1) await reader.tail.wait(1_000);
    await reader.pullFor(5_000);
    assert.deepEqual(
      [reader.lines(), reader.said()],
      [["one", "two"], ["source"]],
      `look ${grows}`,
    );
  }
});
