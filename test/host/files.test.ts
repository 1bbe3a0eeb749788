// The real file system and the fake one keep the same contract.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { SealtailError } from "../../src/core/errors.ts";
import { fileError, showPath, syncError } from "../../src/host/file-error.ts";
import { systemFiles } from "../../src/host/files.ts";
import { filesContract } from "../contract/files.ts";
import { FakeFiles } from "../fakes/files.ts";

const root = mkdtempSync(join(tmpdir(), "sealtail-files-"));
after(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function freshDir(): string {
  count += 1;
  const dir = join(root, `d${count}`);
  execFileSync("mkdir", [dir]);
  return dir;
}

filesContract("real files", async () => ({ files: systemFiles, dir: freshDir() }));

filesContract("fake files", async () => {
  const files = new FakeFiles();
  await files.mkdir("/disk/state", 0o700);
  return { files, dir: "/disk/state" };
});

test("directories with one missing parent are made side by side", async () => {
  for (let round = 0; round < 50; round += 1) {
    const dir = freshDir();
    // One begins a little later: the parent comes in any moment of its own attempt.
    const make = async (name: string, turns: number): Promise<void> => {
      for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
      await systemFiles.mkdir(`${dir}/parent/${name}`, 0o700);
    };
    await Promise.all([make("a", 0), make("b", round % 10), make("c", round % 7)]);
    assert.equal((await systemFiles.list(`${dir}/parent`))?.length, 3);
  }
});

test("real and fake files follow links, and list them as links", async () => {
  const dir = freshDir();
  writeFileSync(join(dir, "a"), "text");
  symlinkSync(join(dir, "a"), join(dir, "l"));
  const fake = new FakeFiles();
  fake.put("/d/a", "text");
  fake.symlink("/d/a", "/d/l");
  for (const [files, at] of [[systemFiles, dir] as const, [fake, "/d"] as const]) {
    const target = await files.stat(`${at}/a`);
    assert.equal((await files.stat(`${at}/l`))?.ino, target?.ino);
    const kinds = (await files.list(at))?.map((item) => item.kind);
    assert.deepEqual(kinds, ["file", "link"]);
    assert.deepEqual(await files.realPath(`${at}/l`), await files.realPath(`${at}/a`));
  }
});

test("a pipe opens for reading without waiting for a writer", { timeout: 5000 }, async () => {
  const path = join(freshDir(), "pipe");
  execFileSync("mkfifo", [path]);
  const file = await systemFiles.open(path, "read");
  assert.equal((await file.stat()).kind, "other");
  await file.close();
});

test("a birth time and an inode are told in full", async () => {
  const path = join(freshDir(), "a");
  writeFileSync(path, "");
  const info = await systemFiles.stat(path);
  assert.equal(typeof info?.birthNs, "bigint");
  assert.equal(typeof info?.ino, "bigint");
});

const asRoot = process.getuid?.() === 0;

test("a file system that reports no size is not one without room", async () => {
  for (const bytes of [
    await systemFiles.freeBytes("/proc"),
    await systemFiles.diskBytes("/proc"),
  ]) {
    assert.equal(bytes, Number.POSITIVE_INFINITY);
  }
});

test("what the user may not do is permission-denied", { skip: asRoot }, async () => {
  const path = join(freshDir(), "a");
  writeFileSync(path, "");
  chmodSync(path, 0);
  const denied = { code: "permission-denied" };
  await assert.rejects(systemFiles.open(path, "read"), denied);
});

test("system errors become stable codes with the path as their place", () => {
  const table: [string, string][] = [
    ["ENOSPC", "disk-full"],
    ["EDQUOT", "disk-full"],
    ["EMFILE", "too-many-open-files"],
    ["ENFILE", "too-many-open-files"],
    ["EACCES", "permission-denied"],
    ["EROFS", "permission-denied"],
    ["EIO", "io-error"],
    ["ENOENT", "file-missing"],
  ];
  for (const [errno, code] of table) {
    const cause = Object.assign(new Error(errno), { code: errno });
    const error: SealtailError = fileError("write the file", "/a b", cause);
    assert.deepEqual([error.code, error.place, error.cause], [code, "/a%20b", cause]);
    assert.equal(syncError("sync the file", "/a", cause).code, "sync-failed");
    assert.equal(syncError("sync the file", "/a", error).kind, "unsafe");
  }
});

test("a path is shown in printable characters only", () => {
  assert.equal(showPath("/var/ä%\n"), "/var/%c3%a4%25%0a");
  assert.equal(showPath(Uint8Array.of(0x2f, 0xff)), "/%ff");
});
