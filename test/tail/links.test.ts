// Whose links are followed, and what is never read whatever leads to it.

import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";
import { currentUser } from "../../src/host/files.ts";
import { pathFromText } from "../../src/tail/byte-path.ts";
import type { HintSource } from "../../src/tail/hints.ts";
import { FakeFiles } from "../fakes/files.ts";
import { AutoClock } from "./auto-clock.ts";
import { Place } from "./conformance/place.ts";
import { Reader } from "./reader.ts";

const us = currentUser() ?? 0;
const [other, third] = [us + 1001, us + 1002];

interface Tree {
  readonly files: FakeFiles;
  /** Makes a link of that user's. */
  link(target: string, path: string, uid: number): void;
  put(path: string, text: string, uid: number): void;
}

function tree(): Tree {
  const files = new FakeFiles();
  files.put("/log/.keep", "");
  return {
    files,
    link(target, path, uid) {
      files.symlink(target, path);
      const node = files.nameNode(path);
      if (node !== undefined) node.uid = uid;
    },
    put(path, text, uid) {
      files.put(path, text);
      const node = files.node(path);
      if (node !== undefined) node.uid = uid;
    },
  };
}

async function read(files: FakeFiles, include = ["/log/**"], refuse: string[] = []) {
  const reader = await Reader.start({ files, clock: new AutoClock(), include, refuse });
  await reader.pullFor(10_000);
  return reader;
}

const said = (reader: Reader): string[] =>
  reader.diag.lines.filter(({ level }) => level === "error").map(({ phrase }) => phrase);

const cases: [name: string, link: number, target: number, followed: boolean][] = [
  ["root's link to another's file", 0, other, true],
  ["our link to another's file", us, other, true],
  ["another's link to a file of his own", other, other, true],
  ["another's link to our file", other, us, false],
  ["another's link to a third one's file", other, third, false],
];

for (const [name, linkOwner, owner, followed] of cases) {
  test(`${name} is ${followed ? "" : "not "}followed`, async () => {
    const { files, link, put } = tree();
    put("/data/file", "text\n", owner);
    link("/data/file", "/log/a.log", linkOwner);
    const reader = await read(files);
    assert.deepEqual(reader.lines(), followed ? ["text"] : []);
    assert.equal(said(reader).length, followed ? 0 : 1);
  });

  test(`as a directory, ${name.replace(/file/g, "directory")} is ${followed ? "" : "not "}entered`, async () => {
    const { files, link, put } = tree();
    put("/data/dir/file.log", "text\n", owner);
    const dir = files.node("/data/dir");
    if (dir !== undefined) dir.uid = owner;
    link("/data/dir", "/log/dir", linkOwner);
    for (const include of [
      ["/log/**"],
      ["/log/*/*.log"],
      ["/log/dir/*.log"],
      ["/log/dir/file.log"],
    ]) {
      const reader = await read(files, include);
      assert.deepEqual(reader.lines(), followed ? ["text"] : [], include[0]);
    }
  });
}

test("every link on the way counts, and links below links as Kubernetes makes them are followed", async () => {
  const { files, link, put } = tree();
  put("/var/lib/c1/json.log", "container\n", 0);
  for (const dir of ["/var/log/pods/p", "/home/x"]) files.put(`${dir}/.keep`, "");
  link("/var/lib/c1/json.log", "/var/log/pods/p/0.log", 0);
  link("/var/log/pods/p/0.log", "/log/good.log", 0);
  put("/secret/file", "secret\n", us);
  link("/secret/file", "/home/x/mine", other);
  link("/home/x/mine", "/log/bad.log", 0);
  const reader = await read(files);
  assert.deepEqual(reader.lines(), ["container"]);
});

test("a link that comes later is judged as well, and what is refused is said once", async () => {
  const { files, link, put } = tree();
  put("/secret/file", "secret\n", us);
  const reader = await read(files);
  link("/secret/file", "/log/a.log", other);
  await reader.pullFor(60_000);
  assert.deepEqual(reader.lines(), []);
  assert.equal(said(reader).length, 1);
  assert.match(said(reader)[0] ?? "", /link is not followed/);
});

test("a link that is exchanged while we open leads nowhere", async () => {
  const { files, link, put } = tree();
  put("/home/x/own", "own\n", other);
  put("/secret/file", "secret\n", us);
  link("/home/x/own", "/log/a.log", other);
  let swaps = 0;
  // Whoever wins each race: at every open the link leads to the secret, at every look to his own.
  const swap = (target: string): void => {
    files.remove("/log/a.log");
    link(target, "/log/a.log", other);
    swaps += 1;
  };
  files.hook = (call, path) => {
    if (String(path) !== "/log/a.log") return;
    if (call === "stat" || call === "open") swap("/secret/file");
    else swap("/home/x/own");
  };
  const reader = await read(files);
  assert.ok(swaps > 2);
  assert.deepEqual(reader.lines(), []);
});

test("keys and grants are not read by whatever name: hard links, links, patterns", async () => {
  const { files, link, put } = tree();
  put("/etc/sealtail/grant.key", "PRIVATE\n", us);
  put("/state/chains/0000/keys", "KEYS\n", us);
  files.link("/etc/sealtail/grant.key", "/log/hard.log");
  files.link("/state/chains/0000/keys", "/log/keys.log");
  link("/etc/sealtail/grant.key", "/log/soft.log", 0);
  put("/log/app.log", "line\n", us);
  const refuse = ["/etc/sealtail/grant.key", "/state"];
  const reader = await read(files, ["/log/*", "/etc/sealtail/*", "/state/**"], refuse);
  assert.deepEqual(reader.lines(), ["line"]);
});

test("a log that got the inode of a deleted key is read, however soon it goes away", async () => {
  const { files, put } = tree();
  put("/etc/sealtail/grant.key", "PRIVATE\n", us);
  let hint = (_path: string): void => {};
  const hints: HintSource = ({ onHint }) => {
    hint = (path) => onHint(pathFromText(path), true);
    return { watch: () => {}, resting: false, complete: true, close: async () => {} };
  };
  const refuse = ["/etc/sealtail/grant.key"];
  const options = { files, clock: new AutoClock(), include: ["/log/*.log"], refuse, hints };
  const reader = await Reader.start(options);
  await reader.pullFor(1);
  // To us it is the same: its name is gone, and its inode is that of a file made since.
  await files.rename("/etc/sealtail/grant.key", "/log/app.log");
  put("/log/app.log", "line\n", us);
  hint("/log/app.log");
  await reader.pullFor(1);
  await files.rename("/log/app.log", "/log/app.log.1");
  await reader.pullFor(10_000);
  assert.deepEqual(reader.lines(), ["line"]);
  assert.deepEqual(said(reader), []);
});

test("a writer's link to a file of root's is not followed by root", async (t) => {
  if (us !== 0) return t.skip("needs root");
  const place = new Place();
  try {
    fs.chmodSync(place.dir, 0o1777);
    fs.writeFileSync(place.path("secret"), "secret\n", { mode: 0o600 });
    fs.mkdirSync(place.path("log"));
    fs.symlinkSync(place.path("secret"), place.path("log/bad.log"));
    fs.lchownSync(place.path("log/bad.log"), 65_534, 65_534);
    fs.symlinkSync(place.path("secret"), place.path("log/good.log"));
    const reader = await place.follow(["log/*.log"]);
    await place.pass();
    assert.deepEqual(reader.lines(), ["secret"]);
    assert.match(reader.spans[0]?.path ?? "", /good\.log$/);
  } finally {
    await place.close();
  }
});

test("a copy of a cut log that is exchanged for a link while it is opened is not read", async () => {
  for (const linkOwner of [other, us]) {
    const { files, link, put } = tree();
    put("/log/app.log", "one\ntwo\n", other);
    put("/ours/file", "one\ntwo\nsecret\n", us);
    const reader = await read(files, ["/log/*.log"]);
    put("/log/app.log.1", "one\ntwo\nunread\n", other);
    files.hook = async (call, path) => {
      if (call !== "open" || path !== "/log/app.log.1") return;
      files.hook = undefined;
      await files.unlink("/log/app.log.1");
      link("/ours/file", "/log/app.log.1", linkOwner);
    };
    files.cut("/log/app.log", 0);
    files.append("/log/app.log", "new\n");
    await reader.pullFor(10_000);
    assert.equal(files.hook, undefined, "the copy was opened");
    assert.equal(reader.lines().includes("secret"), linkOwner === us);
    assert.ok(reader.lines().includes("new"));
  }
});
