// The agent and the vault as real processes, through what happens to them in life.

import assert from "node:assert/strict";
import {
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Rig, type Sealed, textOf } from "../crash/rig.ts";
import { codesOf, worse } from "../fakes/findings.ts";

async function settled(rig: Rig): Promise<Sealed> {
  await rig.caughtUp();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
  return rig.verify();
}

test("SIGTERM reads, seals, ships and states everything; the next start goes on", async () => {
  await using rig = await Rig.make();
  await rig.startVault();
  rig.append("a.log", "one\ntwo\npart");
  await rig.startAgent();
  await pause(300);
  rig.append("a.log", "ial\nlast without end");
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
  const first = await rig.verify();
  assert.equal(textOf(first, "a.log"), "one\ntwo\npartial\nlast without end");
  assert.deepEqual(codesOf(first.findings), []);
  rig.append("a.log", " now ended\n");
  await rig.startVault();
  await rig.startAgent();
  const second = await settled(rig);
  assert.equal(textOf(second, "a.log"), rig.log("a.log").toString());
  assert.deepEqual(codesOf(second.findings), ["DOWNTIME"]);
});

test("rename rotation, late writes and a new file of the same name lose nothing", async () => {
  await using rig = await Rig.make();
  await rig.begin("a.log", "before\n");
  renameSync(join(rig.logs, "a.log"), join(rig.logs, "a.log.1"));
  rig.append("a.log.1", "late\n");
  rig.append("a.log", "new file\n");
  await pause(300);
  rig.append("a.log.1", "very late\n");
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), "before\nlate\nvery late\nnew file\n");
});

test("copytruncate starts a new generation and declares only what may be lost", async () => {
  await using rig = await Rig.make();
  await rig.begin("a.log", "first life\n");
  copyFileSync(join(rig.logs, "a.log"), join(rig.logs, "a.log.copy"));
  truncateSync(join(rig.logs, "a.log"), 0);
  rig.append("a.log", "second\n");
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), "first life\nsecond\n");
});

test("any bytes come back: CRLF, NUL, invalid UTF-8, empty lines, a 1 MB line, no last LF", async () => {
  await using rig = await Rig.make();
  const bytes = Buffer.concat([
    Buffer.from("crlf\r\n\n\n\0nul\0\n"),
    Buffer.from([0xff, 0xfe, 0x0a, 0xc3, 0x0a]),
    Buffer.alloc(1_048_576, "x"),
    Buffer.from("\nno end"),
  ]);
  await rig.startVault();
  rig.append("a.log", bytes);
  await rig.startAgent();
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  const got = [...sealed.bytes].flatMap(([, parts]) => parts.map((part) => Buffer.from(part)));
  assert.ok(Buffer.concat(got).equals(bytes));
});

test("a vault that is away is waited for, and gets everything once it is back", async () => {
  await using rig = await Rig.make();
  await rig.begin("a.log", "one\n");
  await rig.stop(rig.vault, "SIGKILL");
  for (let i = 0; i < 20; i++) {
    rig.append("a.log", `meanwhile ${i}\n`);
    await pause(60);
  }
  await rig.startVault();
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), rig.log("a.log").toString());
});

test("a state directory restored from yesterday is noticed; a linked chain goes on", async () => {
  await using rig = await Rig.make({ maxChains: 3 });
  await rig.begin("a.log", "one\n");
  await rig.stop(rig.agent, "SIGTERM");
  cpSync(rig.stateDir, `${rig.stateDir}.backup`, { recursive: true });
  rig.append("a.log", "two\n");
  await rig.startAgent();
  await rig.caughtUp();
  await rig.stop(rig.agent, "SIGTERM");
  rmSync(rig.stateDir, { recursive: true });
  renameSync(`${rig.stateDir}.backup`, rig.stateDir);
  rig.append("a.log", "three\n");
  await rig.startAgent();
  await pause(1500);
  const sealed = await settled(rig);
  assert.equal(sealed.reports.length, 2);
  assert.ok(codesOf(sealed.findings).includes("CHAIN_REPLACED"), codesOf(sealed.findings).join());
  assert.deepEqual(worse(sealed.findings), []);
  assert.ok(textOf(sealed, "a.log").includes("three\n"));
});

test("a deleted buffer ends the chain; without a grant the agent waits, files held open", async () => {
  await using rig = await Rig.make();
  await rig.begin("a.log", "one\n");
  await rig.stop(rig.agent, "SIGTERM");
  assert.equal(existsSync(join(rig.dir, "grant.key")), false);
  const wal = join(rig.stateDir, "chains/0000/wal");
  for (const name of readdirSync(wal)) rmSync(join(wal, name));
  rig.append("a.log", "two\n");
  await rig.startAgent();
  await pause(500);
  assert.equal((await rig.status()).state, "needs-grant");
  assert.equal((await fetch(`${rig.agentUrl}/readyz`)).status, 503);
  assert.equal((await fetch(`${rig.agentUrl}/livez`)).status, 200);
  assert.ok(rig.said.includes("needs-grant"));
});

test("one process per state directory", async () => {
  await using rig = await Rig.make();
  await rig.startVault();
  await rig.startAgent();
  const first = rig.agent;
  await rig.startAgent();
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 1);
  assert.ok(rig.said.includes("state-locked"));
  await rig.stop(first, "SIGTERM");
});

test("a torn end of the buffer is cut and kept aside, and the chain goes on", async () => {
  await using rig = await Rig.make();
  await rig.begin("a.log", "one\n");
  await rig.stop(rig.agent, "SIGKILL");
  const wal = join(rig.stateDir, "chains/0000/wal");
  const newest = join(wal, readdirSync(wal).sort().at(-1) ?? "");
  writeFileSync(newest, Buffer.from("SEALBLK1 torn"), { flag: "a" });
  rig.append("a.log", "two\n");
  await rig.startAgent();
  const sealed = await settled(rig);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), "one\ntwo\n");
  assert.ok(readdirSync(join(rig.stateDir, "chains/0000")).includes("aside"));
});

test("a chain that the vault never took gives way to one with another grant, and nothing is lost", async () => {
  await using rig = await Rig.make({
    expired: true,
    agentYaml: "seal: { max_age: 50ms }\ndrain: { deadline: 2s }",
  });
  await rig.startVault();
  rig.append("a.log", "one\n");
  await rig.startAgent();
  await pause(1500);
  assert.ok(rig.said.includes("GRANT_EXPIRED"), rig.said);
  assert.equal((await fetch(`${rig.agentUrl}/readyz`)).status, 503);
  rig.append("a.log", "two\n");
  await pause(300);
  await rig.stop(rig.agent, "SIGTERM");
  renameSync(join(rig.logs, "a.log"), join(rig.dir, "gone"));
  await rig.grant({});
  await rig.startAgent();
  await pause(1000);
  const sealed = await settled(rig);
  assert.equal(sealed.reports.length, 1);
  assert.deepEqual(worse(sealed.findings), []);
  assert.equal(textOf(sealed, "a.log"), "one\ntwo\n");
});
