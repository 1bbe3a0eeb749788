// What every Files must do: run against the real one and against the fake.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SealtailError } from "../../src/core/errors.ts";
import { joinPath, pathBytes } from "../../src/host/file-error.ts";
import type { Files } from "../../src/host/files.ts";

/** Makes a Files and an empty directory in it. */
export type FilesMaker = () => Promise<{ files: Files; dir: string }>;

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

const withCode =
  (code: string) =>
  (error: SealtailError): boolean =>
    error.code === code;

async function contentOf(files: Files, path: string): Promise<string> {
  const file = await files.open(path, "read");
  const into = new Uint8Array(1000);
  const length = await file.read(into, 0, into.length, 0);
  await file.close();
  return Buffer.from(into.subarray(0, length)).toString();
}

async function make(files: Files, path: string, text: string): Promise<void> {
  const file = await files.open(path, "create");
  await file.write(bytes(text), 0);
  await file.close();
}

function openFileSuite(name: string, maker: FilesMaker): void {
  test(`${name}: what is written is read back, at any position`, async () => {
    const { files, dir } = await maker();
    const file = await files.open(`${dir}/a`, "create");
    await file.write(bytes("hello"), 0);
    await file.writev([bytes(" "), bytes(""), bytes("wor"), bytes("ld")], 5);
    await file.write(bytes("J"), 0);
    const into = new Uint8Array(8).fill(0x2e);
    assert.equal(await file.read(into, 1, 5, 6), 5);
    assert.equal(Buffer.from(into).toString(), ".world..");
    assert.equal(await file.read(into, 0, 8, 11), 0);
    assert.equal((await file.stat()).size, 11);
    await file.close();
    assert.equal(await contentOf(files, `${dir}/a`), "Jello world");
  });

  test(`${name}: a cut shortens, a cut behind the end stretches with zeros`, async () => {
    const { files, dir } = await maker();
    await make(files, `${dir}/a`, "abcdef");
    const file = await files.open(`${dir}/a`, "write");
    await file.truncate(2);
    await file.truncate(4);
    await file.write(bytes("z"), 6);
    await file.datasync();
    await file.sync();
    await file.close();
    assert.equal(await contentOf(files, `${dir}/a`), "ab\0\0\0\0z");
  });

  test(`${name}: a file closes twice, and is of no use afterwards`, async () => {
    const { files, dir } = await maker();
    const file = await files.open(`${dir}/a`, "create");
    await file.close();
    await file.close();
    await assert.rejects(file.write(bytes("x"), 0), withCode("io-error"));
  });

  test(`${name}: an open file outlives its name`, async () => {
    const { files, dir } = await maker();
    await make(files, `${dir}/a`, "one");
    const file = await files.open(`${dir}/a`, "write");
    await files.rename(`${dir}/a`, `${dir}/b`);
    await file.write(bytes("two"), 3);
    assert.equal(await contentOf(files, `${dir}/b`), "onetwo");
    await files.unlink(`${dir}/b`);
    assert.equal((await file.stat()).nlink, 0);
    const into = new Uint8Array(6);
    assert.equal(await file.read(into, 0, 6, 0), 6);
    await file.close();
  });

  test(`${name}: opening says what is in the way`, async () => {
    const { files, dir } = await maker();
    await make(files, `${dir}/a`, "x");
    await assert.rejects(files.open(`${dir}/a`, "create"), withCode("file-exists"));
    await assert.rejects(files.open(`${dir}/b`, "read"), withCode("file-missing"));
    await assert.rejects(files.open(`${dir}/b`, "write"), withCode("file-missing"));
    await assert.rejects(files.open(`${dir}/no/b`, "create"), withCode("file-missing"));
    await assert.rejects(files.open(`${dir}/a/b`, "create"), withCode("file-missing"));
  });
}

function namesSuite(name: string, maker: FilesMaker): void {
  test(`${name}: stat tells files apart for as long as they live`, async () => {
    const { files, dir } = await maker();
    await make(files, `${dir}/a`, "one");
    await make(files, `${dir}/b`, "two!");
    const a = await files.stat(`${dir}/a`);
    const b = await files.stat(`${dir}/b`);
    assert.ok(a && b);
    assert.deepEqual([a.kind, a.size, a.nlink, a.mode], ["file", 3, 1, 0o600]);
    assert.equal(a.dev, b.dev);
    assert.notEqual(a.ino, b.ino);
    await files.rename(`${dir}/a`, `${dir}/b`);
    assert.equal((await files.stat(`${dir}/b`))?.ino, a.ino);
    assert.equal(await files.stat(`${dir}/a`), undefined);
    assert.equal(await files.stat(`${dir}/b/c`), undefined);
    assert.equal((await files.stat(dir))?.kind, "dir");
  });

  test(`${name}: a directory lists its names in order, text or bytes`, async () => {
    const { files, dir } = await maker();
    assert.deepEqual(await files.list(dir), []);
    assert.equal(await files.list(`${dir}/no`), undefined);
    const odd = Uint8Array.of(0x61, 0xff, 0x2e);
    await make(files, `${dir}/b`, "");
    await make(files, `${dir}/ä`, "");
    await (await files.open(joinPath(dir, odd), "create")).close();
    await files.mkdir(`${dir}/sub/deep`, 0o700);
    const found = (await files.list(dir)) ?? [];
    assert.deepEqual(
      found.map((item) => [pathBytes(item.name).toString("latin1"), item.kind]),
      [
        ["a\xff.", "file"],
        ["b", "file"],
        ["sub", "dir"],
        [Buffer.from("ä").toString("latin1"), "file"],
      ],
    );
    assert.deepEqual(found[0]?.name, odd);
    assert.equal((await files.stat(joinPath(dir, odd)))?.kind, "file");
    await files.unlink(joinPath(dir, odd));
    assert.equal(await files.stat(joinPath(dir, odd)), undefined);
  });

  test(`${name}: directories are made with those above, and may be there`, async () => {
    const { files, dir } = await maker();
    await files.mkdir(`${dir}/a/b/c`, 0o700);
    await files.mkdir(`${dir}/a/b/c`, 0o700);
    await files.syncDir(`${dir}/a/b`);
    assert.equal((await files.stat(`${dir}/a/b/c`))?.mode, 0o700);
    await assert.rejects(files.unlink(`${dir}/no`), withCode("file-missing"));
    await assert.rejects(files.rename(`${dir}/no`, `${dir}/x`), withCode("file-missing"));
    const free = await files.freeBytes(dir);
    assert.ok(free > 0 && free <= (await files.diskBytes(dir)));
  });

  test(`${name}: a mode is set, a real path is told`, async () => {
    const { files, dir } = await maker();
    await make(files, `${dir}/a`, "x");
    await files.chmod(`${dir}/a`, 0o400);
    assert.equal((await files.stat(`${dir}/a`))?.mode, 0o400);
    const real = await files.realPath(`${dir}/a`);
    assert.ok(real && Buffer.from(real).toString().endsWith("/a"));
    assert.equal(await files.realPath(`${dir}/no`), undefined);
  });

  test(`${name}: a failed sync of a directory is unsafe`, async () => {
    const { files, dir } = await maker();
    await assert.rejects(files.syncDir(`${dir}/no`), withCode("sync-failed"));
  });
}

export function filesContract(name: string, maker: FilesMaker): void {
  openFileSuite(name, maker);
  namesSuite(name, maker);
}
