// What lies in a store and seems to be a part of it, but is nothing that can be read.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdir,
  mkdtemp,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, describe, test } from "node:test";
import { remoteSource } from "../../src/cli/remote-source.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { openBundle } from "../../src/store/bundle.ts";
import { readDirStore } from "../../src/store/dir.ts";
import type { SourceReport } from "../../src/verify/all.ts";
import { chosenOf } from "../../src/verify/chosen.ts";
import { CommandDir } from "../cli/command.ts";
import { ChainBuilder, testRoot } from "../fakes/chain-builder.ts";
import { type StoreFiles, storeChain } from "../fakes/chain-store.ts";
import { Rig } from "../vault/rig.ts";
import { judge } from "../verify/judging.ts";

const made: string[] = [];
after(async () => {
  for (const dir of made) await rm(dir, { recursive: true, force: true });
});

function chainOf(label: string): ChainBuilder {
  const chain = new ChainBuilder(label);
  chain.begin();
  return chain;
}

const [a, b] = [chainOf("a"), chainOf("b")];

async function stored(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "unread-test-"));
  made.push(dir);
  const files: StoreFiles = new Map();
  for (const chain of [a, b]) storeChain(files, chain);
  for (const [name, bytes] of files) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), bytes);
  }
  return dir;
}

async function judged(dir: string): Promise<SourceReport> {
  return await judge(readDirStore(systemFiles, dir));
}

async function withFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, "");
}

async function folderInstead(path: string): Promise<void> {
  await rm(path);
  await mkdir(path);
}

async function saysSo(dir: string, text: string): Promise<void> {
  const { verdict, unchecked } = await judged(dir);
  assert.deepEqual(
    unchecked.filter((each) => each.startsWith("chains")),
    [text],
  );
  assert.equal(verdict, "INDETERMINATE");
}

describe("a directory store", () => {
  test("says that it does not follow a chain's folder that is a link", async () => {
    const dir = await stored();
    await rename(join(dir, "chains", b.name), join(dir, "elsewhere"));
    await symlink(join(dir, "elsewhere"), join(dir, "chains", b.name));
    await saysSo(dir, `chains/${b.name} is a link, which is not followed`);
  });

  test("follows no link in the place of the folder of all chains", async () => {
    const dir = await stored();
    await rename(join(dir, "chains"), join(dir, "elsewhere"));
    await symlink(join(dir, "elsewhere"), join(dir, "chains"));
    await saysSo(dir, "chains is a link, which is not followed");
    const store = readDirStore(systemFiles, dir);
    assert.deepEqual(await store.chainIds(), []);
    assert.equal(await store.reader(b.name).grant(), undefined);
    assert.deepEqual(await store.reader(b.name).unread(), [
      "chains is a link, which is not followed",
    ]);
  });

  test("says that a chain's name is in other letters, or that of a file", async () => {
    const dir = await stored();
    const upper = b.name.toUpperCase();
    await rename(join(dir, "chains", b.name), join(dir, "chains", upper));
    await saysSo(dir, `chains/${upper} is not in lower case`);
    const other = await stored();
    await rm(join(other, "chains", b.name), { recursive: true });
    await writeFile(join(other, "chains", b.name), "");
    await saysSo(other, `chains/${b.name} is a file, not a folder`);
  });

  test("says what has an object's name and is a pipe, a folder, or a link", async () => {
    const base = `chains/${b.name}`;
    const name = `${base}/00000000000000ff.blocks`;
    const cases: readonly [string, (path: string) => unknown, string][] = [
      [name, (path) => spawnSync("mkfifo", [path]), "neither file nor folder"],
      [name, (path) => mkdir(path), "a folder, not a file"],
      [name, (path) => symlink("/dev/null", path), "a link, which is not followed"],
      [`${base}/headers`, (path) => writeFile(path, ""), "a file, not a folder"],
      [`${base}/forks`, (path) => symlink("/tmp", path), "a link, which is not followed"],
    ];
    for (const [path, make, text] of cases) {
      const dir = await stored();
      await make(join(dir, path));
      await saysSo(dir, `${path} is ${text}`);
    }
  });

  test("says that an object's name, or its folder's, is in other letters", async () => {
    for (const name of ["00000000000000FF.blocks", "Receipt", "GRANT", "HEADERS", "Forks"]) {
      const path = `chains/${b.name}/${name}`;
      const dir = await stored();
      await writeFile(join(dir, path), "");
      await saysSo(dir, `${path} is not in lower case`);
    }
  });

  test("says what lies among the proofs of forks under another name", async () => {
    const hash = "f".repeat(64);
    for (const name of ["notes", `0-${hash}`, `${"0".repeat(15)}1-${hash}.old`, hash]) {
      const dir = await stored();
      const path = `chains/${b.name}/forks/${name}`;
      await withFolder(join(dir, path));
      await saysSo(dir, `${path} is not named as a fork's proof is`);
    }
  });

  test("does not read a grant, a receipt, or a folder's objects through a link", async () => {
    const [hash, zeros] = ["f".repeat(64), "0".repeat(16)];
    for (const name of ["grant", "receipt", "headers", "forks"]) {
      const dir = await stored();
      const path = join(dir, "chains", b.name, name);
      const elsewhere = join(dir, "elsewhere");
      if (name === "headers" || name === "forks") {
        await mkdir(elsewhere);
        for (const each of [zeros, `${zeros}-${hash}`]) await writeFile(join(elsewhere, each), "");
      } else await rename(path, elsewhere);
      await symlink(elsewhere, path);
      const { verdict, unchecked, counts } = await judged(dir);
      const named = unchecked.filter((each) => each.includes(`${b.name}/${name} is a link`));
      assert.deepEqual([named.length, verdict, counts], [1, "INDETERMINATE", {}], name);
    }
  });

  test("says so where names are no text, or seem to be that of the folder of all chains", async () => {
    const dir = await stored();
    await mkdir(join(dir, "chains", b.name, "forks"));
    await writeFile(raw(join(dir, "chains", b.name, "forks/"), [0xff]), "");
    await saysSo(dir, `chains/${b.name}/forks/\ufffd is not named as a fork's proof is`);
    const other = await stored();
    await mkdir(join(other, "Chains"));
    const { verdict, unchecked } = await judged(other);
    assert.deepEqual([verdict, unchecked[0]], ["INDETERMINATE", "Chains is not in lower case"]);
  });

  test("says once how many more there are than it names", async () => {
    const dir = await stored();
    for (let at = 0; at < 200; at += 1) {
      await writeFile(join(dir, "chains", at.toString(16).padStart(64, "0")), "");
    }
    const source = readDirStore(systemFiles, dir);
    const by = { suite: nativeSuite, roots: [testRoot.key], vaults: [] };
    const { doubts } = await chosenOf(await source.contents(), "pay", by);
    for (const list of [doubts, (await judged(dir)).unchecked]) {
      const more = list.filter((each) => /more like these/.test(each));
      assert.deepEqual(more, ["and 100 more like these"]);
    }
  });

  test("says that an object is longer than any may be, and does not read for ever", async () => {
    const dir = await stored();
    const name = `chains/${b.name}/00000000000000ff.blocks`;
    await writeFile(join(dir, name), "");
    await truncate(join(dir, name), 2 ** 42);
    const { verdict, unchecked, counts } = await judged(dir);
    const named = unchecked.filter((each) => each.includes("chains/"));
    assert.deepEqual([named.length, verdict, counts.MALFORMED], [1, "INDETERMINATE", undefined]);
  });

  test("passes over what means nothing", async () => {
    const dir = await stored();
    await writeFile(join(dir, "chains", "README"), "");
    await mkdir(join(dir, "chains", b.name, "notes"));
    await writeFile(join(dir, "chains", b.name, "receipt.tmp"), "");
    const proof = `${"0".repeat(16)}-${"a".repeat(64)}`;
    await withFolder(join(dir, "chains", b.name, "forks", `${proof}.tmp`));
    const { verdict, unchecked } = await judged(dir);
    assert.equal(verdict, "VALID");
    assert.deepEqual(
      unchecked.filter((each) => each.includes("chains/")),
      [],
    );
  });
});

test("a chain is not exported without what can't be read of it", async () => {
  using dir = new CommandDir();
  const chain = chainOf("c");
  dir.store(chain);
  const name = `chains/${chain.name}/00000000000000ff.blocks`;
  await mkdir(dir.path(`data/store/${name}`));
  const ran = await dir.quick(["export", "--data", "data", chain.name, "-o", "c.tar"]);
  assert.equal(ran.code, 1);
  assert.match(ran.err, /00000000000000ff\.blocks is a folder, not a file/);
  const judged = await dir.quick(["verify", "--data", "data"]);
  assert.equal(judged.code, 6);
  assert.match(judged.out, new RegExp(`not checked +${name} is a folder`));
});

/** What is named below `dir`; a name may be bytes. */
function raw(...parts: (string | readonly number[])[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part as string)));
}

describe("a bundle, and a vault", () => {
  const base = `chains/${b.name}`;
  const cases: readonly [string, (path: string) => unknown][] = [
    [`${base}/00000000000000ff.blocks`, (path) => mkdir(path)],
    [
      `${base}/00000000000000ff.blocks`,
      async (path) => {
        await mkdir(path);
        await writeFile(join(path, "x"), "x");
      },
    ],
    [`${base}/grant`, folderInstead],
    [`${base}/receipt`, folderInstead],
    [`${base}/headers`, (path) => writeFile(path, "")],
    [
      `${base}/forks/${"0".repeat(16)}-${"a".repeat(64)}`,
      (path) => mkdir(path, { recursive: true }),
    ],
    [`chains/${"c".repeat(64)}`, (path) => mkdir(path)],
    [`chains/${"c".repeat(64)}`, (path) => writeFile(path, "")],
    [`chains/${"C".repeat(64)}`, (path) => mkdir(path)],
    ["chains/note.txt", (path) => writeFile(path, "")],
    ["Chains", (path) => mkdir(path)],
    ["CHAINS/notes", (path) => mkdir(path, { recursive: true })],
    [`${base}/00000000000000FF.blocks`, (path) => writeFile(path, "")],
    [`${base}/00000000000000ff.bloc\u212as`, (path) => writeFile(path, "")],
    [`${base}/Headers/${"0".repeat(16)}`, withFolder],
    [`${base}/forks/${"0".repeat(16)}-${"A".repeat(64)}`, withFolder],
    [`${base}/forks/notes`, withFolder],
    [`${base}/forks/\u00e9`, withFolder],
    [
      `${base}/forks`,
      async (path) => {
        await mkdir(path);
        await writeFile(raw(path, "/", [0xff, 0xfe]), "");
      },
    ],
    [base, (path) => writeFile(raw(path, "/", [0xff, 0xfe]), "")],
    ["chains", (path) => mkdir(raw(path, "/", [0xff, 0xfe]))],
    [
      base,
      async (path) => {
        for (let at = 100; at < 300; at += 1) {
          await mkdir(join(path, `${at.toString(16).padStart(16, "0")}.blocks`));
        }
        await writeFile(join(path, "headers"), "");
        await withFolder(join(path, "forks/notes"));
      },
    ],
    [
      "chains",
      async (path) => {
        for (let at = 0; at < 200; at += 1) {
          await writeFile(join(path, at.toString(16).padStart(64, "0")), "");
        }
      },
    ],
  ];
  const said = ({ verdict, counts, unchecked }: SourceReport) => ({ verdict, counts, unchecked });

  test("say of a folder what it says itself, whatever lies in an object's place", async () => {
    await using rig = await Rig.start();
    for (const [name, make] of cases) {
      const dir = await stored();
      await make(join(dir, name));
      const near = said(await judged(dir));
      const tar = join(dir, "bundle.tar");
      const top = (await readdir(dir)).filter((each) => each.toLowerCase() === "chains");
      spawnSync("tar", ["--format=ustar", "-C", dir, "-cf", tar, ...top]);
      const bundle = await openBundle(systemFiles, tar);
      assert.deepEqual(said(await judge(bundle)), near, name);
      await bundle.close();
      await rm(rig.store, { recursive: true, force: true });
      assert.equal(spawnSync("cp", ["-r", dir, rig.store]).status, 0);
      const vault = await remoteSource(rig.vault.url, undefined);
      assert.deepEqual(said(await judge(vault)), near, name);
      await vault.close();
    }
  });
});
