// More log than memory: an agent, a vault, and the tools that judge the result, in 256 MiB each.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { formatVerifierKey } from "../../src/core/note.ts";
import { MemoryGroup, peakMiB } from "./machine.ts";
import { writeHot } from "./overload.ts";
import { Site } from "./site.ts";

const MiB = 1024 * 1024;
const limitMiB = 256;
const bin = new URL("../../src/cli/bin.ts", import.meta.url).pathname;

/** Runs a command in a memory group of its own. */
export async function tool(
  words: readonly string[],
  onBytes: (bytes: Buffer) => void,
): Promise<{ code: number | null; peak: number }> {
  using group = new MemoryGroup(limitMiB);
  const child = spawn(process.execPath, [bin, ...words], { stdio: ["ignore", "pipe", "inherit"] });
  group.add(child.pid);
  let peak = 0;
  const looks = setInterval(() => {
    peak = Math.max(peak, peakNow(child));
  }, 50);
  child.stdout.on("data", onBytes);
  const [code] = await once(child, "close");
  clearInterval(looks);
  return { code, peak };
}

function peakNow({ pid }: ChildProcess): number {
  try {
    return peakMiB(pid);
  } catch {
    return 0;
  }
}

/** Options that name the keys to judge by. */
export function trustOf({ rig }: Site): string[] {
  return [
    ...["--root", formatVerifierKey(rig.root)],
    ...rig.vaultKeys.flatMap((key) => ["--vault-key", formatVerifierKey(key)]),
  ];
}

/** `bytes` of log are there before the agent starts, and the vault comes late. */
export async function backlog(t: TestContext, bytes: number): Promise<void> {
  await using site = await Site.make({
    agentYaml: "seal: { max_age: 200ms, max_silence: 2s }\nbuffer: { max_bytes: 32MiB }",
  });
  const { rig } = site;
  await rig.startVault();
  await rig.stop(rig.vault, "SIGTERM");
  await writeHot(site, { seconds: 3600, maxBytes: bytes, rotateBytes: Number.POSITIVE_INFINITY });
  using agent = new MemoryGroup(limitMiB);
  using vault = new MemoryGroup(limitMiB);
  await rig.startAgent();
  agent.add(rig.agent?.pid);
  await site.untilState("buffer-full", 120_000);
  const full = await site.seen();
  assert.ok(full.files.every(({ size, offset }) => offset < size));
  assert.ok((await site.health()).ready, "a vault that is away is nobody's duty here");
  assert.ok((await site.metric('sealtail_agent_source_unread_bytes{source="app"}')) > 0);
  await site.until("heartbeats", async () => (await site.seen()).head.block > full.head.block + 1);
  await rig.startVault();
  vault.add(rig.vault?.pid);
  await rig.caughtUp(1_000_000);
  const [agentPeak, vaultPeak] = [peakMiB(rig.agent?.pid), peakMiB(rig.vault?.pid)];
  assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
  await rig.stop(rig.vault, "SIGTERM");
  assert.equal(agent.kills + vault.kills, 0);
  const keys = trustOf(site);
  let verdict = "";
  const verify = await tool(["verify", rig.storeDir, ...keys], (piece) => {
    verdict += piece;
  });
  assert.equal(verify.code, 0, verdict);
  const sealed = createHash("sha256");
  const chain = /[0-9a-f]{64}/.exec(verdict)?.[0] ?? "";
  const words = ["lines", rig.storeDir, ...(chain ? [chain] : []), "--raw", ...keys];
  const lines = await tool(words, (piece) => sealed.update(piece));
  assert.equal(lines.code, 0);
  const written = createHash("sha256");
  for await (const piece of createReadStream(join(rig.logs, "hot.log"))) written.update(piece);
  assert.equal(sealed.digest("hex"), written.digest("hex"), "lines --raw gives the file back");
  const peaks = { agent: agentPeak, vault: vaultPeak, verify: verify.peak, lines: lines.peak };
  const text = Object.entries(peaks).map(([name, peak]) => `${name} ${Math.round(peak)} MiB`);
  t.diagnostic(`${Math.round(bytes / MiB)} MiB of log, peaks: ${text.join(", ")}`);
}
