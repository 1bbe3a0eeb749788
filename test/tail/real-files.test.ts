// The tail stage on a real file system: identity, links, special files, hints, permissions.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import { systemFiles } from "../../src/host/files.ts";
import { blocksPath, headersPath, receiptPath } from "../../src/store/layout.ts";
import type { TailOptions } from "../../src/tail/item.ts";
import { segmentName } from "../../src/wal/segment.ts";
import { Reader } from "./reader.ts";

interface Place {
  readonly dir: string;
  start(include: string[], more?: Partial<TailOptions>): Promise<Reader>;
  put(name: string, text: string): void;
  append(name: string, text: string): void;
}

function place(t: TestContext): Place {
  const dir = fs.mkdtempSync(join(tmpdir(), "sealtail-tail-"));
  const readers: Reader[] = [];
  t.after(async () => {
    for (const reader of readers) await reader.tail.close();
    fs.rmSync(dir, { recursive: true, force: true });
  });
  return {
    dir,
    async start(include, more = {}) {
      const options = { clock: systemClock, files: systemFiles, rescanMs: 100, ...more };
      const reader = await Reader.start({
        ...options,
        include: include.map((glob) => join(dir, glob)),
      });
      readers.push(reader);
      await reader.pull();
      return reader;
    },
    put: (name, text) => fs.writeFileSync(join(dir, name), text),
    append: (name, text) => fs.appendFileSync(join(dir, name), text),
  };
}

test("only plain files that the patterns mean are read, and a pipe blocks nothing", async (t) => {
  const { dir, put, start } = place(t);
  put("a.log", "a\n");
  put("a.log.gz", "no\n");
  put("skip.log", "no\n");
  put(".hidden.log", "no\n");
  put("comma,[1] {x}.log", "odd\n");
  fs.mkdirSync(join(dir, "dir.log"));
  execFileSync("mkfifo", [join(dir, "pipe.log")]);
  const exclude = ["skip.*", "*.gz"];
  const sources = [
    { name: "app", include: [join(dir, "*.log*")], exclude, startAt: "beginning" as const },
  ];
  const reader = await start([], { sources });
  assert.deepEqual(reader.lines().sort(), ["a", "odd"]);
});

test("a path with pattern characters can be given as it is", async (t) => {
  const { put, start } = place(t);
  put("app[1].log", "one\n");
  put("app1.log", "other\n");
  const reader = await start(["app[1].log"]);
  assert.deepEqual(reader.lines().sort(), ["one", "other"]);
});

test("directories made later are found, several levels down", async (t) => {
  const { dir, put, start } = place(t);
  const reader = await start(["**/*.log"]);
  fs.mkdirSync(join(dir, "a/b/c"), { recursive: true });
  put("a/b/c/deep.log", "deep\n");
  await reader.until(() => reader.lines().length === 1);
  assert.deepEqual(reader.lines(), ["deep"]);
});

test("overlapping patterns, hard links and links are one file, of the first source", async (t) => {
  const { dir, put, append, start } = place(t);
  put("a.log", "one\n");
  fs.linkSync(join(dir, "a.log"), join(dir, "b.log"));
  fs.symlinkSync(join(dir, "a.log"), join(dir, "c.log"));
  const source = (name: string, glob: string) => ({
    name,
    include: [join(dir, glob), join(dir, "*.log")],
    exclude: [],
    startAt: "beginning" as const,
  });
  const reader = await start([], { sources: [source("first", "b*"), source("second", "a*")] });
  append("c.log", "two\n");
  await reader.until(() => reader.lines().length === 2);
  await reader.pullFor(300);
  assert.deepEqual(reader.lines(), ["one", "two"]);
  assert.deepEqual(
    [...reader.records.values()].map(({ name }) => name),
    ["first"],
  );
  assert.ok(reader.diag.phrases("warn").includes("several sources match one file"));
});

test("links to files and directories are followed, and a circle of links ends", async (t) => {
  const { dir, put, start } = place(t);
  fs.mkdirSync(join(dir, "in/real"), { recursive: true });
  put("in/real/a.log", "a\n");
  put("outside", "b\n");
  fs.symlinkSync(join(dir, "in"), join(dir, "in/real/loop"));
  fs.symlinkSync(join(dir, "outside"), join(dir, "in/link.log"));
  const reader = await start(["in/**/*.log"]);
  assert.deepEqual(reader.lines().sort(), ["a", "b"]);
});

test("a name that is not UTF-8 is matched, read and recorded byte by byte", async (t) => {
  const { dir, start } = place(t);
  const name = Buffer.concat([
    Buffer.from(`${dir}/é`),
    Buffer.from([0xff, 0x0a]),
    Buffer.from(".log"),
  ]);
  fs.writeFileSync(name, "bytes\n");
  const reader = await start(["é*.log"]);
  assert.deepEqual(reader.lines(), ["bytes"]);
  assert.ok([...reader.records.values()][0]?.path.endsWith("/%c3%a9%ff%0a.log"));
});

test("a path deleted and made again at once is a new file, though the inode may be the same", async (t) => {
  const { dir, put, start } = place(t);
  put("a.log", "same text\n");
  const reader = await start(["*.log"], { maxOpenFiles: 1, idleCloseMs: 0 });
  await reader.pullFor(300);
  fs.unlinkSync(join(dir, "a.log"));
  put("a.log", "same text\n");
  await reader.until(() => reader.lines().length === 2);
  assert.equal(reader.records.size, 2);
});

test("own files are refused, also behind a link", async (t) => {
  const { dir, put, start } = place(t);
  fs.mkdirSync(join(dir, "state/sub"), { recursive: true });
  put("state/own.log", "no\n");
  put("state/sub/own.log", "no\n");
  put("a.log", "yes\n");
  fs.symlinkSync(join(dir, "state"), join(dir, "link"));
  fs.symlinkSync(join(dir, "state/own.log"), join(dir, "b.log"));
  fs.mkdirSync(join(dir, "state2"));
  put("state2/fine.log", "fine\n");
  const reader = await start(["**/*.log"], { refuse: [join(dir, "state")] });
  await reader.pullFor(300);
  assert.deepEqual(reader.lines().sort(), ["fine", "yes"]);
  const codes = reader.diag.lines.map(({ fields }) => fields["code"]);
  assert.equal(codes.filter((code) => code === "self-ingest").length, 3);
});

test("a vault's store and another agent's state are refused, each said once; a log beside them is not", async (t) => {
  const { dir, put, start } = place(t);
  const store = join(dir, "store/chains", "ab".repeat(32));
  const state = join(dir, "state/chains/0000");
  for (const each of [join(store, "headers"), join(state, "wal"), join(dir, "chains/0001")]) {
    fs.mkdirSync(each, { recursive: true });
  }
  put(`store/${blocksPath("ab".repeat(32), 0)}`, "sealed\n");
  put(`store/${headersPath("ab".repeat(32), 0)}`, "head\n");
  put(`store/${receiptPath("ab".repeat(32))}`, "receipt\n");
  put(`state/chains/0000/wal/${segmentName(7)}`, "frames\n");
  put("state/chains/0000/keys", "secret\n");
  fs.symlinkSync(join(state, "keys"), join(dir, "innocent.log"));
  put("chains/0001/app.log", "a chain of shops\n");
  put("chains/0001/receipt.log", "thank you\n");
  const reader = await start(["**/*"]);
  await reader.pullFor(300);
  assert.deepEqual(reader.lines().sort(), ["a chain of shops", "thank you"]);
  const said = reader.diag.lines.filter(({ fields }) => fields["code"] === "self-ingest");
  assert.deepEqual(said.map(({ fields }) => fields["path"]).sort(), [
    fs.realpathSync(join(dir, "state/chains")),
    fs.realpathSync(join(dir, "store/chains")),
  ]);
});

test("chokidar's hints make a change known long before the rescan", async (t) => {
  const { dir, put, append, start } = place(t);
  put("a.log", "one\n");
  const reader = await start(["*.log"], { rescanMs: 600_000, hints: undefined });
  await new Promise((resolve) => setTimeout(resolve, 300));
  append("a.log", "two\n");
  await reader.until(() => reader.lines().length === 2, 3_000);
  fs.renameSync(join(dir, "a.log"), join(dir, "a.log.1"));
  append("a.log.1", "three\n");
  put("a.log", "four\n");
  await reader.until(() => reader.lines().length === 4, 3_000);
  assert.deepEqual(reader.lines().sort(), ["four", "one", "three", "two"]);
});

test("more files than descriptors are all read in the end", async (t) => {
  const { put, append, start } = place(t);
  for (let n = 0; n < 40; n += 1) put(`${n}.log`, `${n}\n`);
  const reader = await start(["*.log"], { maxOpenFiles: 4 });
  for (let n = 0; n < 40; n += 1) append(`${n}.log`, `late ${n}\n`);
  await reader.until(() => reader.lines().length === 80);
  const numbers = reader.tail.stats().get("app");
  assert.ok((numbers?.openFiles ?? 99) <= 4);
  assert.equal(reader.records.size, 40);
});
