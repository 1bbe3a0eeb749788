import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { SealtailError } from "../../src/core/errors.ts";
import { lockStateDir } from "../../src/host/lock.ts";

const holder = fileURLToPath(new URL("lock-holder.ts", import.meta.url));
const dirs: string[] = [];
after(() => {
  for (const dir of dirs) rmSync(dir, { recursive: true, force: true });
});

function freshDir(): string {
  const dir = mkdtempSync(join(tmpdir(), "sealtail-lock-"));
  dirs.push(dir);
  return dir;
}

async function start(dir: string): Promise<{ child: ChildProcess; says: string }> {
  const child = spawn(process.execPath, [holder, dir], { stdio: ["pipe", "pipe", "inherit"] });
  const [chunk] = (await once(child.stdout, "data")) as [Buffer];
  return { child, says: chunk.toString().trim() };
}

test("a second process is refused until the first is gone, kill -9 included", async () => {
  const dir = freshDir();
  const first = await start(dir);
  assert.equal(first.says, "held");
  assert.equal((await start(dir)).says, "state-locked");
  await assert.rejects(lockStateDir(dir), (error: SealtailError) => {
    assert.equal(error.code, "state-locked");
    assert.match(error.message, new RegExp(`process ${first.child.pid} on `));
    return true;
  });

  const gone = once(first.child, "exit");
  first.child.kill("SIGKILL");
  await gone;
  const second = await start(dir);
  assert.equal(second.says, "held");
  second.child.stdin?.end();
  await once(second.child, "exit");
  (await lockStateDir(dir)).release();
});

test("of many that start at once exactly one gets the lock", async () => {
  const dir = freshDir();
  const started = await Promise.all([start(dir), start(dir), start(dir), start(dir)]);
  const said = started.map(({ says }) => says).sort();
  assert.deepEqual(said, ["held", "state-locked", "state-locked", "state-locked"]);
  for (const { child } of started) child.kill("SIGKILL");
});

test("one process cannot take the lock twice, and can again once it is released", async () => {
  const dir = freshDir();
  const lock = await lockStateDir(dir);
  await assert.rejects(lockStateDir(dir), { code: "state-locked" });
  // A refused try must not have dropped the lock of this process.
  assert.equal((await start(dir)).says, "state-locked");
  lock.release();
  lock.release();
  (await lockStateDir(dir)).release();
});

test("the lock file stays empty and leaves nothing but the holder's name", async () => {
  const dir = freshDir();
  (await lockStateDir(dir)).release();
  assert.ok(existsSync(join(dir, "lock")));
  assert.ok(existsSync(join(dir, "lock.holder")));
  assert.ok(!existsSync(join(dir, "lock-journal")));
});

test("a lock file that holds something is emptied, but not while another process holds the lock", async () => {
  const dir = freshDir();
  const file = join(dir, "lock");
  writeFileSync(file, "x".repeat(5000));
  const first = await start(dir);
  assert.equal(first.says, "held");
  assert.equal(statSync(file).size, 0);
  writeFileSync(file, "y".repeat(5000));
  assert.equal((await start(dir)).says, "state-locked");
  assert.equal(statSync(file).size, 5000);
  first.child.kill("SIGKILL");
});

test("a state directory that is missing is file-missing", async () => {
  await assert.rejects(lockStateDir(join(freshDir(), "no")), { code: "file-missing" });
});

test("a lock file that cannot be written is refused", {
  skip: process.getuid?.() === 0,
}, async () => {
  const dir = freshDir();
  writeFileSync(join(dir, "lock"), "");
  chmodSync(join(dir, "lock"), 0o400);
  await assert.rejects(lockStateDir(dir), { code: "permission-denied" });
});
