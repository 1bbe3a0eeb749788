// Whose the state directory has to be.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StateDir } from "../../src/agent/state-dir.ts";
import { currentUser } from "../../src/host/files.ts";
import { FakeFiles } from "../fakes/files.ts";

const place = "/var/state";
const us = currentUser() ?? 0;
const other = us + 1;

interface Case {
  readonly name: string;
  readonly mode: number;
  readonly uid?: number;
  /** Lies in it: whose it is. */
  readonly item?: number;
  readonly refused?: RegExp;
}

const cases: Case[] = [
  { name: "another user's", mode: 0o700, uid: other, refused: /belongs to user/ },
  { name: "everybody's, another user's", mode: 0o777, uid: other, refused: /belongs to user/ },
  { name: "everybody's and in use", mode: 0o777, item: us, refused: /everybody/ },
  { name: "its group's, and another wrote", mode: 0o770, item: other, refused: /wrote to it/ },
  { name: "a new volume", mode: 0o777 },
  { name: "a volume whose group was widened", mode: 0o770, item: us },
  { name: "as it should be", mode: 0o700, item: us },
  { name: "readable by others", mode: 0o755, item: us },
];

for (const { name, mode, uid, item, refused } of cases) {
  test(`a state directory that is ${name} is ${refused ? "refused" : "taken"}`, async () => {
    const files = new FakeFiles();
    await files.mkdir(place, mode);
    const node = files.node(place);
    if (node !== undefined && uid !== undefined) node.uid = uid;
    if (item !== undefined) {
      await files.mkdir(`${place}/chains`, 0o700);
      const inside = files.node(`${place}/chains`);
      if (inside !== undefined) inside.uid = item;
    }
    const prepared = new StateDir(files, place).prepare();
    if (refused !== undefined) {
      await assert.rejects(prepared, { code: "state-unsafe", message: refused });
      assert.equal((await files.stat(place))?.mode, mode);
      return;
    }
    await prepared;
    assert.equal(((await files.stat(place))?.mode ?? 0) & 0o022, 0);
  });
}

test("a volume whose mode cannot be changed is refused", async () => {
  const files = new FakeFiles();
  await files.mkdir(place, 0o777);
  files.hook = (call) => {
    if (call === "chmod") throw Object.assign(new Error("EPERM"), { code: "EPERM" });
  };
  await assert.rejects(new StateDir(files, place).prepare(), { code: "state-unsafe" });
});

test("a directory below a volume that belongs to root and everybody is made and taken", async () => {
  const files = new FakeFiles();
  await files.mkdir("/var/volume", 0o777);
  const volume = files.node("/var/volume");
  if (volume !== undefined) volume.uid = other;
  await new StateDir(files, "/var/volume/agent").prepare();
  assert.equal((await files.stat("/var/volume/agent"))?.mode, 0o700);
});
