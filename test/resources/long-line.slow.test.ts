// A line of a hundred megabytes.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { tool, trustOf } from "./backlog.ts";
import { has, MemoryGroup, peakMiB } from "./machine.ts";
import { waits, writeSlowly } from "./overload.ts";
import { Site } from "./site.ts";

const megabyte = Buffer.from("never a line feed ".repeat(55_556)).subarray(0, 1_000_000);

test("a line of 100 MB is sealed in pieces and given back whole, in 256 MiB, and starves nobody", async (t) => {
  if (!has(t, "memory-group")) return;
  await using site = await Site.make({ agentYaml: "seal: { max_age: 200ms }" });
  const { rig } = site;
  using group = new MemoryGroup(256);
  await rig.startVault();
  await rig.startAgent();
  group.add(rig.agent?.pid);
  const over = new AbortController();
  const writing = writeSlowly(site, 50, over.signal);
  for (let at = 0; at < 100; at++) {
    rig.append("long.log", megabyte);
    if (at % 20 === 0) await pause(10);
  }
  rig.append("long.log", "\nand a short one\n");
  await site.until("all is sealed", async () => {
    const { files } = await site.seen();
    return files.some(({ offset }) => offset === 100_000_017);
  });
  over.abort();
  const lines = await writing;
  await rig.caughtUp();
  const peak = peakMiB(rig.agent?.pid);
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  assert.equal(group.kills, 0);
  const ms = await waits(site);
  assert.equal(ms.length, lines);
  assert.ok((ms.at(-1) ?? 0) < 2000, `a slow line waited ${ms.at(-1)} ms`);
  const sealed = createHash("sha256");
  let length = 0;
  const words = [
    "lines",
    rig.storeDir,
    "--source",
    join(rig.logs, "long.log"),
    "--raw",
    ...trustOf(site),
  ];
  const { code, peak: toolPeak } = await tool(words, (piece) => {
    sealed.update(piece);
    length += piece.length;
  });
  assert.equal(code, 0);
  assert.equal(length, 100_000_017);
  assert.equal(
    sealed.digest("hex"),
    createHash("sha256").update(rig.log("long.log")).digest("hex"),
  );
  t.diagnostic(`agent ${Math.round(peak)} MiB, lines ${Math.round(toolPeak)} MiB`);
});
