import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { test } from "node:test";
import {
  makeDirDurably,
  readWhole,
  unlinkIfPresent,
  writeFileDurably,
} from "../../src/host/durable.ts";
import { parentOf } from "../../src/host/file-error.ts";
import { systemFiles } from "../../src/host/files.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles, type FileCall } from "../fakes/files.ts";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

function fresh(): FakeFiles {
  const files = new FakeFiles();
  files.put("/d/other", "");
  files.syncAll();
  return files;
}

async function textOf(files: FakeFiles, path: string): Promise<string | undefined> {
  const found = await readWhole(files, path, 100);
  return found && Buffer.from(found).toString();
}

test("a file written durably outlives a crash at once, under any seed", async () => {
  for (const seed of [undefined, 1, 2, 3]) {
    const files = fresh();
    await writeFileDurably(files, "/d/a", bytes("one"));
    await writeFileDurably(files, "/d/a", bytes("two"));
    files.crash(seed);
    assert.equal(await textOf(files, "/d/a"), "two");
    assert.equal(await files.stat("/d/a.tmp"), undefined);
  }
});

test("a crash between any two calls leaves the old content or the new, whole", async () => {
  for (let stopAt = 1; stopAt < 12; stopAt++) {
    for (const seed of [undefined, 1, 2, 3, 4, 5]) {
      const files = fresh();
      await writeFileDurably(files, "/d/a", bytes("old content"));
      let left = stopAt;
      files.hook = (call: FileCall) => {
        left -= call === "close" ? 0 : 1;
        if (left <= 0) throw new Error("power cut");
      };
      await writeFileDurably(files, "/d/a", bytes("new")).catch(() => undefined);
      files.hook = undefined;
      files.crash(seed);
      assert.match((await textOf(files, "/d/a")) ?? "", /^(old content|new)$/);
      await writeFileDurably(files, "/d/a", bytes("again"));
      assert.equal(await textOf(files, "/d/a"), "again");
    }
  }
});

for (const variant of ["failed", "persisted"] as const) {
  test(`a sync that ${variant} is unsafe, whichever it is`, async () => {
    for (const call of ["sync", "syncDir"] as const) {
      const files = new FaultyFiles(fresh(), { call, nth: 1, variant });
      const write = writeFileDurably(files, "/d/a", bytes("x"));
      await assert.rejects(write, { code: "sync-failed", kind: "unsafe" });
    }
  });
}

test("directories made durably are there after a crash, all the way up", async () => {
  const files = fresh();
  await makeDirDurably(files, "/d/x/y/z", 0o700);
  await makeDirDurably(files, "/d/x/y/z", 0o700);
  files.crash();
  assert.equal((await files.stat("/d/x/y/z"))?.kind, "dir");
});

test("so they are where whoever made them was killed, at whatever call, and somebody goes on", async () => {
  for (let left = 0, killed = true; killed; left += 1) {
    const files = fresh();
    let calls = left;
    files.hook = () => {
      calls -= 1;
      if (calls < 0) throw Object.assign(new Error("killed"), { code: "EIO" });
    };
    killed = await makeDirDurably(files, "/d/x/y/z").then(
      () => false,
      () => true,
    );
    files.hook = undefined;
    await makeDirDurably(files, "/d/x/y/z");
    files.crash();
    assert.equal((await files.stat("/d/x/y/z"))?.kind, "dir", `killed after ${left} calls`);
  }
});

test("reading whole knows missing files and refuses what is too large", async () => {
  const files = fresh();
  files.put("/d/a", "12345");
  assert.equal(await readWhole(files, "/d/no", 5), undefined);
  assert.equal((await readWhole(files, "/d/a", 5))?.length, 5);
  assert.equal((await readWhole(files, "/d/other", 5))?.length, 0);
  await assert.rejects(readWhole(files, "/d/a", 4), { code: "file-too-large" });
});

test("a file that is gone already is fine to delete", async () => {
  const files = fresh();
  await unlinkIfPresent(files, "/d/no");
  await unlinkIfPresent(files, "/d/other");
  assert.equal(await files.stat("/d/other"), undefined);
});

test("the parent of a path, text or bytes", () => {
  const table = [
    ["/a/b", "/a"],
    ["/a", "/"],
    ["a", "."],
    ["a/b/", "a"],
  ] as const;
  for (const [path, parent] of table) assert.equal(parentOf(path), parent);
  assert.deepEqual(parentOf(bytes("/a/b")), bytes("/a"));
  assert.equal(parentOf(bytes("/a")), "/");
});

test("a directory that the kernel refuses to make is an error, not a loop", {
  skip: !existsSync("/proc/self"),
}, async () => {
  await assert.rejects(makeDirDurably(systemFiles, "/proc/sealtail/a"), { code: "file-missing" });
});

test("a directory that was there is fine where its file system syncs no directories", {
  skip: !existsSync("/proc/self"),
}, async () => {
  await makeDirDurably(systemFiles, "/proc/self");
  // Nothing failed that would end the process.
  await systemFiles.syncDir(tmpdir());
});
