// Files that cannot be looked at or read for a while, and what is lost of them unread.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

const log = "/log/app.log";
const include = ["/log/*.log"];

test("a file that cannot be looked at when we start is not taken for gone", async () => {
  for (const link of [false, true]) {
    const files = new FakeFiles();
    files.put("/log/.keep", "");
    files.put(link ? "/data/target" : log, "one\n");
    if (link) files.symlink("/data/target", log);
    const faulty = new FaultyFiles(files);
    const reader = await Reader.start({ files: faulty, clock: new AutoClock(), include });
    await reader.pull();
    await reader.tail.close();
    faulty.arm({ call: "stat", nth: 1, variant: "failed", path: log, times: 8 });
    await reader.open();
    await reader.pull();
    assert.deepEqual(reader.said(), ["source"]);
    files.append(link ? "/data/target" : log, "two\n");
    await reader.pullFor(30_000);
    assert.deepEqual(reader.said(), ["source"]);
    assert.deepEqual(reader.lines(), ["one", "two"]);
  }
});

test("a link that leads in circles does not keep others from being given up", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  files.symlink("/log/circle.log", "/log/circle.log");
  const reader = await Reader.start({ files, clock: new AutoClock(), include });
  await reader.pull();
  await reader.tail.close();
  files.remove(log);
  await reader.open();
  await reader.pullFor(5_000);
  assert.deepEqual(reader.said(), ["source", "gap rotated-away"]);
});

test("what a resumed file held unread when it was emptied lies in a gap at once", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const reader = await Reader.start({ files, clock: new AutoClock(), include });
  await reader.pull();
  await reader.tail.close();
  files.append(log, "two\n");
  await reader.open();
  // Nobody reads: a full disk, say.
  await reader.tail.wait(3_000);
  files.cut(log, 0);
  await reader.tail.wait(3_000);
  await reader.pull();
  assert.deepEqual(reader.said(), ["source", "gap truncated"]);
});

test("what a resumed file held unread when its end was cut off lies in a gap", async () => {
  const files = new FakeFiles();
  files.put(log, "one\n");
  const reader = await Reader.start({ files, clock: new AutoClock(), include });
  await reader.pull();
  await reader.tail.close();
  files.append(log, "two\nthree\n");
  await reader.open();
  await reader.tail.wait(3_000);
  files.cut(log, 8);
  await reader.tail.wait(3_000);
  await reader.pull();
  assert.deepEqual(reader.said(), ["source", "gap truncated", "source", "gap skipped"]);
  assert.deepEqual(reader.lines(), ["one", "two"]);
});

test("a read that fails while it is settled what happened to a file loses no statement", async () => {
  const changes: [string, (files: FakeFiles) => void, string[]][] = [
    [
      "cut and written again",
      (files) => files.put(log, "new content\n"),
      ["source", "gap truncated"],
    ],
    ["cut unread", (files) => files.cut(log, 8), ["source", "gap truncated"]],
  ];
  for (const [name, change, first] of changes) {
    for (let nth = 1; nth <= 8; nth += 1) {
      const files = new FakeFiles();
      files.put(log, "one\n");
      const faulty = new FaultyFiles(files);
      const reader = await Reader.start({ files: faulty, clock: new AutoClock(), include });
      await reader.pull();
      files.append(log, "two\nthree\n");
      await reader.tail.wait(3_000);
      change(files);
      faulty.arm({ call: "read", nth, variant: "failed" });
      for (let turn = 0; turn < 20; turn += 1) await reader.pullFor(500);
      assert.deepEqual(reader.said().slice(0, 2), first, `${name}, read ${nth}`);
      const sources = reader.said().filter((each) => each === "source");
      assert.equal(sources.length, 2, `${name}, read ${nth}`);
    }
  }
});

test("a file that is cut while it is looked at has begun again once, and nothing is claimed to be lost", async () => {
  const files = new FakeFiles();
  const content = "one of several lines\n".repeat(100);
  files.put(log, content);
  const reader = await Reader.start({ files, clock: new AutoClock(), include });
  await reader.pull();
  // Touched: to be settled. While that is done, it is cut and written again.
  files.put(log, content);
  let left = 1;
  files.hook = (call) => {
    if (call === "read" && left-- === 1) files.put(log, "other content\n");
  };
  for (let turn = 0; turn < 10; turn += 1) await reader.pullFor(500);
  assert.deepEqual(reader.said(), ["source", "end restarted", "source"]);
  assert.equal(reader.lines().at(-1), "other content");
});

/** Fails a test that sleeps again and again without letting time pass. */
class PatientClock extends AutoClock {
  sleeps = 0;

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps += 1;
    assert.ok(this.sleeps < 1_000, "it waits for nothing, again and again");
    return super.sleep(ms, signal);
  }
}

test("a last line without LF in a file that cannot be read is no reason to spin", async () => {
  const files = new FakeFiles();
  files.put(log, "one\ntw");
  const clock = new PatientClock();
  const faulty = new FaultyFiles(files);
  const reader = await Reader.start({ files: faulty, clock, include });
  await reader.pull();
  faulty.arm({ call: "read", nth: 1, variant: "failed", times: 1_000_000 });
  await reader.pullFor(20_000);
  assert.deepEqual(reader.lines(), ["one"]);
  faulty.disarm();
  await reader.pullFor(3_000);
  assert.deepEqual(reader.lines(), ["one", "tw"]);
});

/** Cuts the log just before it is read for the `nth` time. */
class CuttingFiles extends FaultyFiles {
  readonly #tree: FakeFiles;
  readonly #size: number;
  #reads: number;

  constructor(tree: FakeFiles, nth: number, size: number) {
    super(tree);
    this.#tree = tree;
    this.#reads = nth;
    this.#size = size;
  }

  override do<T>(...args: Parameters<FaultyFiles["do"]>): Promise<T> {
    const [call, path] = args;
    if (call === "read" && String(path) === log) {
      this.#reads -= 1;
      if (this.#reads === 0) this.#tree.cut(log, this.#size);
    }
    return super.do(...args) as Promise<T>;
  }
}

test("what is cut off while NULs are looked for at a file's end is no NULs, but lies in a gap", async () => {
  for (const nth of [1, 2, 3]) {
    const files = new FakeFiles();
    files.put(log, "one\ntwo\nthree\n");
    const cutting = new CuttingFiles(files, nth, 4);
    const reader = await Reader.start({ files: cutting, clock: new AutoClock(), include });
    // Nobody reads at first.
    await reader.tail.wait(1_000);
    await reader.pullFor(5_000);
    assert.deepEqual(reader.said(), ["source", "gap truncated", "source"], `${nth}`);
    assert.deepEqual(reader.lines(), ["one"]);
  }
});
