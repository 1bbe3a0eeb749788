// A file that grows faster than it can be read, beside many slow ones: what comes of them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { wholeBlocks } from "../../src/core/whole-blocks.ts";
import { systemFiles as files } from "../../src/host/files.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { Site } from "./site.ts";

const MiB = 1024 * 1024;
const unread = 'sealtail_agent_source_unread_bytes{source="app"}';

const writer = join(import.meta.dirname, "hot-writer.mjs");

export interface Hot {
  readonly seconds: number;
  readonly maxBytes: number;
  readonly rotateBytes: number;
}

/** Writes hot.log for a while; resolves to how many bytes it wrote. */
export async function writeHot(
  site: Site,
  { seconds, maxBytes, rotateBytes }: Hot,
): Promise<number> {
  const file = join(site.rig.logs, "hot.log");
  const numbers = [seconds, maxBytes, rotateBytes].map(String);
  const child = spawn(process.execPath, [writer, file, ...numbers], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (piece: Buffer) => {
    text += piece;
  });
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  return Number(text);
}

/** Each of `count` slow files gets a line a second, with the time at which it was written. */
export async function writeSlowly(site: Site, count: number, signal: AbortSignal): Promise<number> {
  let lines = 0;
  for (let second = 0; !signal.aborted; second++) {
    for (let slice = 0; slice < 20 && !signal.aborted; slice++) {
      for (let at = slice; at < count; at += 20) {
        appendFileSync(
          join(site.rig.logs, `slow-${at}.log`),
          `${Date.now()} slow line ${second}\n`,
        );
        lines += 1;
      }
      await pause(50);
    }
  }
  return lines;
}

/**
 * How long each line of the slow files waited until its block was closed, in ms, sorted. Every file
 * is sealed once and whole.
 */
export async function waits(site: Site): Promise<number[]> {
  const blocks: { firstSeq: number; time: number }[] = [];
  for (const chain of (await readDirStore(files, site.rig.storeDir).contents()).chains) {
    for (const object of await chain.blocks()) {
      for await (const { header } of wholeBlocks(object.open())) {
        blocks.push({ firstSeq: header.firstSeq, time: header.time / 1000 });
      }
    }
  }
  const ms: number[] = [];
  let block = 0;
  await site.assertFilesSealed((bytes, seq) => {
    while ((blocks[block + 1]?.firstSeq ?? Number.POSITIVE_INFINITY) <= seq) block += 1;
    // Hot lines begin with a brace.
    if (bytes[0] === 0x7b) return;
    for (const line of Buffer.from(bytes).toString("latin1").split("\n")) {
      const written = Number.parseInt(line, 10);
      if (written > 1e12) ms.push((blocks[block]?.time ?? 0) - written);
    }
  });
  return ms.sort((a, b) => a - b);
}

/** What health and metrics say every second, until it is over. */
async function lookAt(
  site: Site,
  signal: AbortSignal,
): Promise<{ healthy: boolean; behind: number }> {
  let [healthy, behind] = [true, 0];
  for (; !signal.aborted; await pause(1000)) {
    const { alive, ready } = await site.health();
    healthy &&= alive && ready;
    behind = Math.max(behind, await site.metric(unread));
  }
  return { healthy, behind };
}

/**
 * A file grows as fast as it can, for a while; then everything is caught up, sealed once and whole,
 * and no line of a slow file waited for two seconds. Meanwhile health and lag tell the truth.
 */
export async function overload(t: TestContext, hot: Hot, slow: number): Promise<void> {
  await using site = await Site.make({ agentYaml: "seal: { max_age: 200ms }" });
  const { rig } = site;
  await rig.startVault();
  for (let at = 0; at < slow; at++) rig.append(`slow-${at}.log`, "begun\n");
  await rig.startAgent();
  await rig.caughtUp();
  const over = new AbortController();
  const writing = writeSlowly(site, slow, over.signal);
  const looking = lookAt(site, over.signal);
  const hotBytes = await writeHot(site, hot);
  over.abort();
  const lines = await writing;
  const { healthy, behind } = await looking;
  assert.ok(healthy, "alive and ready all the while");
  assert.ok(behind > MiB, `said to be ${behind} bytes behind at most`);
  await rig.caughtUp(600_000);
  assert.equal(await site.metric(unread), 0);
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  const ms = await waits(site);
  const at = (part: number): number => ms[Math.floor((ms.length - 1) * part)] as number;
  const text = `of ${ms.length} slow lines: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`;
  t.diagnostic(`hot file: ${Math.round(hotBytes / MiB)} MiB; ${text}`);
  assert.equal(ms.length, lines);
  assert.ok(at(1) < 2000, text);
}
