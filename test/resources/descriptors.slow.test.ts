// More files than descriptors, more directories than watches, ten thousand files that are quiet.

import assert from "node:assert/strict";
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import {
  assertNoBusyLoop,
  cpuSeconds,
  descriptorsOf,
  has,
  limitDescriptors,
  peakMiB,
} from "./machine.ts";
import { Site } from "./site.ts";

test("an agent that loses its descriptors gives some back, answers, waits, and goes on", async (t) => {
  if (!has(t, "prlimit")) return;
  await using site = await Site.make({ agentYaml: "seal: { max_age: 50ms }" });
  const { rig } = site;
  await rig.startVault();
  const names = Array.from({ length: 60 }, (_, at) => `f${at}.log`);
  for (const name of names.slice(0, 40)) rig.append(name, "first\n");
  await rig.startAgent();
  await rig.caughtUp();
  const { pid } = rig.agent ?? {};
  const before = descriptorsOf(pid);
  limitDescriptors(pid, before - 20);
  for (const name of names) rig.append(name, "second\n");
  // Files give way to what the agent needs for itself.
  await rig.caughtUp();
  // A connection may come in the moment when none is left.
  await site.until("an answer", async () => (await site.health()).alive);
  // Now so few that nothing can be opened, not even for an answer.
  limitDescriptors(pid, 20);
  for (const name of names) rig.append(name, "third\n");
  await assertNoBusyLoop(pid, 4000);
  assert.equal(rig.agent?.exitCode, null);
  limitDescriptors(pid, 20_000);
  await site.assertWhole(new Map(names.map((name) => [name, rig.log(name)])));
});

test("an agent that may hold few descriptors reads many files, fairly, and keeps what it must", async (t) => {
  if (!has(t, "prlimit")) return;
  await using site = await Site.make({ agentYaml: "seal: { max_age: 50ms }" });
  const { rig } = site;
  await rig.startVault();
  const names = Array.from({ length: 600 }, (_, at) => `f${at}.log`);
  for (const name of names) rig.append(name, `first of ${name}\n`);
  await rig.startAgent();
  limitDescriptors(rig.agent?.pid, 120);
  await rig.caughtUp(60_000);
  assert.ok(descriptorsOf(rig.agent?.pid) <= 120 + 8);
  for (const name of names) rig.append(name, `second of ${name}\n`);
  await rig.caughtUp(60_000);
  await site.assertWhole(new Map(names.map((name) => [name, rig.log(name)])));
});

test("without inotify watches the rescan finds everything, and says so once", async (t) => {
  if (!has(t)) return;
  const knob = "/proc/sys/fs/inotify/max_user_watches";
  const usual = readFileSync(knob, "utf8");
  await using site = await Site.make();
  const { rig } = site;
  await rig.startVault();
  try {
    writeFileSync(knob, "0");
    await rig.startAgent();
    rig.append("a.log", "one\n");
    await site.until("found", async () => (await site.seen()).files.length === 1);
    await rig.caughtUp();
    rig.append("a.log", "two\n");
    await rig.caughtUp();
  } finally {
    writeFileSync(knob, usual);
  }
  assert.ok(rig.said.includes("watching directories failed, rescans go on"), rig.said);
  await site.assertWhole(new Map([["a.log", rig.log("a.log")]]));
});

test("ten thousand files of which ten are busy: soon read, little memory, next to no work when idle", async (t) => {
  if (!has(t)) return;
  await using site = await Site.make({ agentYaml: "seal: { max_age: 200ms }" });
  const { rig } = site;
  await rig.startVault();
  const count = 10_000;
  for (let at = 0; at < count; at++) rig.append(`f${at}.log`, `first of ${at}\n`);
  const began = Date.now();
  await rig.startAgent();
  const read = (): Promise<number> =>
    site.metric('sealtail_agent_source_read_bytes_total{source="app"}');
  await site.until("the first bytes", async () => (await read()) > 0, 60_000);
  const first = Date.now() - began;
  const unread = 'sealtail_agent_source_unread_bytes{source="app"}';
  const allRead = async (): Promise<boolean> =>
    (await site.metric(unread)) === 0 &&
    (await site.metric('sealtail_agent_source_files{source="app"}')) === count;
  await site.until("all read", async () => (await read()) > 0 && (await allRead()), 120_000);
  const start = Date.now() - began;
  const { pid } = rig.agent ?? {};
  const readAll = cpuSeconds(pid);
  // Ten are busy: what they get is read at once.
  let slowest = 0;
  for (let round = 0; round < 10; round++) {
    const before = await read();
    const written = Date.now();
    for (let at = 0; at < 10; at++) rig.append(`f${at * 997}.log`, "busy\n");
    await site.until("the busy ones", async () => (await read()) === before + 50);
    slowest = Math.max(slowest, Date.now() - written);
  }
  // Growth is looked for more often for ten seconds.
  await pause(13_000);
  const before = cpuSeconds(pid);
  await pause(25_000);
  const idle = cpuSeconds(pid) - before;
  const peak = Math.round(peakMiB(pid));
  t.diagnostic(`first line in ${first} ms, all in ${start} ms, busy ones in ${slowest} ms`);
  t.diagnostic(`CPU: ${readAll} s until all was read, ${idle} s in 25 idle ones; peak ${peak} MiB`);
  // Idle ones took a tenth at most. How often files are looked at: see tail/many-directories.
  assert.ok(idle < readAll / 2, `idle ${idle} s, reading all ${readAll} s`);
  assert.ok(slowest < 2000);
  renameSync(join(rig.logs, "f0.log"), join(rig.dir, "elsewhere"));
  rmSync(join(rig.dir, "elsewhere"));
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
});
