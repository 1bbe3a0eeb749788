// Disks that fill up, turn read-only or break, below a real agent and a real vault.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { assertNoBusyLoop, Disk, has } from "./machine.ts";
import { noise, Site } from "./site.ts";

const MiB = 1024 * 1024;

/** A file comes, is written, is rotated away and deleted while nothing can be read. */
async function passingFile(site: Site): Promise<Buffer> {
  site.rig.append("passing.log", "written while nothing could be read\n");
  const content = site.rig.log("passing.log");
  await site.until("the passing file is held", async () => {
    const { files } = await site.seen();
    return files.some(({ path, open }) => path.endsWith("passing.log") && open);
  });
  renameSync(join(site.rig.logs, "passing.log"), join(site.rig.dir, "passing.1"));
  rmSync(join(site.rig.dir, "passing.1"));
  return content;
}

// 24 MiB: less than the reserve, what blocks need and one segment of the buffer.
for (const size of ["24m", "48m"]) {
  test(`a buffer that fills its disk of ${size} stops reading, not heartbeats, and goes on once the vault is back`, async (t) => {
    if (!has(t, "mount")) return;
    await using site = await Site.make();
    const { rig } = site;
    using _ = Disk.tmpfs(rig.stateDir, `size=${size}`);
    await rig.begin("a.log", "first\n");
    await rig.stop(rig.vault, "SIGTERM");
    for (let i = 0; i < 8; i++) rig.append("a.log", noise(8 * MiB));
    await site.untilState("disk-full");
    const { alive, ready, text } = await site.health();
    assert.deepEqual({ alive, ready }, { alive: true, ready: false }, text);
    assert.equal(await site.metric("sealtail_agent_backpressure_active"), 1);
    assert.equal(await site.metric('sealtail_agent_state{state="disk-full"}'), 1);
    assert.ok((await site.metric('sealtail_agent_source_unread_bytes{source="app"}')) > 0);
    const { head } = await site.seen();
    const passing = await passingFile(site);
    await assertNoBusyLoop(rig.agent?.pid, 4000);
    assert.ok((await site.seen()).head.block >= head.block + 2, "heartbeats go on");
    assert.ok((await site.metric("sealtail_agent_blocked_seconds_total")) > 3);
    await rig.startVault();
    const want = new Map([
      ["a.log", rig.log("a.log")],
      ["passing.log", passing],
    ] as const);
    await site.until("running again", async () => (await site.health()).ready);
    const remarks = await site.assertWhole(want);
    assert.ok(!remarks.includes("SILENCE_EXCEEDED"), remarks.join());
  });
}

test("a disk that others fill to the last byte leaves the reserve: heartbeats and receipts go on", async (t) => {
  if (!has(t, "mount")) return;
  await using site = await Site.make();
  const { rig } = site;
  using disk = Disk.tmpfs(rig.stateDir, "size=48m");
  await rig.begin("a.log", "first\n");
  disk.fill();
  await site.untilState("disk-full");
  assert.ok(site.diagnostics("disk-full").length > 0);
  rig.append("a.log", noise(MiB));
  const passing = await passingFile(site);
  const before = await site.seen();
  await pause(5000);
  const after = await site.seen();
  assert.ok(after.head.block >= before.head.block + 3, "heartbeats go on");
  assert.equal(after.state, "disk-full");
  await site.until("they have receipts", async () => {
    return ((await rig.status()).ship?.receiptedSize ?? 0) >= after.head.block;
  });
  disk.clear();
  await site.until("ready again", async () => (await site.health()).ready);
  const want = new Map([
    ["a.log", rig.log("a.log")],
    ["passing.log", passing],
  ] as const);
  const remarks = await site.assertWhole(want);
  assert.ok(!remarks.includes("SILENCE_EXCEEDED"), remarks.join());
});

test("a disk so full that not even the reserve helps is waited out, alive, with the files held", async (t) => {
  if (!has(t, "mount")) return;
  await using site = await Site.make({ agentYaml: "seal: { max_age: 50ms }" });
  const { rig } = site;
  using disk = Disk.tmpfs(rig.stateDir, "size=48m");
  await rig.begin("a.log", "first\n");
  for (let i = 0; i < 12; i++) rig.append("a.log", noise(8 * MiB));
  await site.until("reading", async () => (await site.seen()).head.block > 10);
  // Whatever the agent gives back is taken again at once.
  disk.fill();
  const filling = setInterval(() => disk.fill(), 20);
  try {
    const refused = "couldn't write to the buffer, trying again";
    await site.untilState("disk-full");
    const passing = await passingFile(site);
    // The first attempts to keep a receipt come soon, each with a batch sent again.
    await pause(3000);
    await assertNoBusyLoop(rig.agent?.pid, 3000);
    assert.ok((await site.health()).alive);
    assert.equal((await site.seen()).state, "disk-full");
    const said = rig.said.split(refused).length - 1;
    assert.ok(said <= 3, `said ${said} times, want when it begins and not at every attempt`);
    clearInterval(filling);
    disk.clear();
    await site.until("ready again", async () => (await site.health()).ready);
    const want = new Map([
      ["a.log", rig.log("a.log")],
      ["passing.log", passing],
    ] as const);
    await site.assertWhole(want);
  } finally {
    clearInterval(filling);
  }
});

test("without inodes the newest segment grows on, and nothing waits", async (t) => {
  if (!has(t, "mount")) return;
  await using site = await Site.make();
  const { rig } = site;
  using disk = Disk.tmpfs(rig.stateDir, "size=200m,nr_inodes=40");
  await rig.begin("a.log", "first\n");
  await rig.stop(rig.vault, "SIGTERM");
  disk.fillInodes();
  for (let i = 0; i < 8; i++) rig.append("a.log", noise(8 * MiB));
  await site.until("all is sealed", async () => {
    const { files } = await site.seen();
    return files.every(({ size, offset }) => offset === size && size > 60 * MiB);
  });
  assert.ok(site.diagnostics("disk-full").length > 0);
  const { head } = await site.seen();
  await pause(3000);
  assert.ok((await site.seen()).head.block <= head.block + 6, "no more blocks than heartbeats");
  await rig.startVault();
  await site.assertWhole(new Map([["a.log", rig.log("a.log")]]));
});

test("a vault whose disk is full says so, takes nothing, and takes everything once there is room", async (t) => {
  if (!has(t, "mount")) return;
  await using site = await Site.make();
  const { rig } = site;
  using disk = Disk.tmpfs(rig.storeDir, "size=24m");
  await rig.begin("a.log", "first\n");
  disk.fill();
  for (let i = 0; i < 4; i++) rig.append("a.log", noise(MiB));
  const said = (text: string): boolean => rig.said.includes(text);
  await site.until("refused for want of room", async () => said("the sink takes no blocks now"));
  assert.ok(site.diagnostics("disk-full").some((line) => line.includes("couldn't store blocks")));
  const [, operations] = /"operations":"([^"]+)","msg":"vault started"/.exec(rig.said) ?? [];
  const vault = async (path: string): Promise<string> =>
    await (await fetch(`${operations}/${path}`)).text();
  assert.match(await vault("metrics"), /store_errors_total\{code="disk-full"\} [1-9]/);
  await assertNoBusyLoop(rig.vault?.pid, 4000);
  assert.equal(rig.vault?.exitCode, null);
  assert.ok((await site.health()).alive);
  disk.clear();
  await site.assertWhole(new Map([["a.log", rig.log("a.log")]]));
});

test("a buffer on a broken disk ends the agent at once, and the next start goes on from what was synced", async (t) => {
  if (!has(t, "mount", "mkfs.ext4", "python3")) return;
  await using site = await Site.make();
  const { rig } = site;
  using disk = Disk.ext4(rig.stateDir, 64);
  await rig.begin("a.log", "first\n");
  disk.breakDown();
  rig.append("a.log", "second\n");
  assert.ok(await rig.ended(rig.agent, 10_000));
  assert.match(rig.said, /\[(io-error|sync-failed)\]/);
  disk.repair();
  await rig.startAgent();
  await site.assertWhole(new Map([["a.log", rig.log("a.log")]]));
});

/** Makes system calls of a running process fail, for paths below `dir`, until it is stopped. */
async function inject(pid: number, inject: string, path: string): Promise<ChildProcess> {
  const calls = inject.split(":")[0] as string;
  const args = ["-f", "-qq", "-o", "/dev/null", "-P", path, "-e", `trace=${calls}`];
  const child = spawn("strace", [...args, "-e", `inject=${inject}`, "-p", String(pid)]);
  await once(child, "spawn");
  await pause(500);
  return child;
}

for (const [what, injected, code, exit] of [
  ["a sync that fails", "fsync,fdatasync:error=EIO", "sync-failed", 74],
  ["a write that fails", "pwrite64,pwritev,write,writev:error=EIO", "io-error", 1],
  [
    "a file system that turned read-only",
    "pwrite64,pwritev,write,writev:error=EROFS",
    "permission-denied",
    1,
  ],
] as const) {
  test(`${what} ends the agent with ${code} and exit ${exit}, and nothing is lost`, async (t) => {
    if (!has(t, "strace")) return;
    await using site = await Site.make();
    const { rig } = site;
    await rig.begin("a.log", "first\n");
    const keys = join(rig.stateDir, "chains/0000/keys");
    const strace = await inject(rig.agent?.pid as number, injected, keys);
    rig.append("a.log", "second\n");
    assert.ok(await rig.ended(rig.agent, 10_000), rig.said.slice(-2000));
    assert.equal(rig.agent?.exitCode, exit, rig.said.slice(-2000));
    assert.ok(rig.said.includes(`[${code}]`), rig.said.slice(-2000));
    strace.kill();
    await rig.startAgent();
    await site.assertWhole(new Map([["a.log", rig.log("a.log")]]));
  });
}
