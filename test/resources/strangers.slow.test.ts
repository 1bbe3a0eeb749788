// A vault with 256 MiB of heap under all that strangers can do to it, while agents go on writing.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { peakMiB } from "./machine.ts";
import { Beleaguered } from "./strangers.ts";

const program = fileURLToPath(new URL("../vault/vault-process.ts", import.meta.url));
const dir = mkdtempSync(join(tmpdir(), "strangers-"));
let vault: ChildProcess;
let site: Beleaguered;

/** Nobody waits long, and memory stays bounded. */
async function judged(
  t: { diagnostic(text: string): void },
  come: () => Promise<Socket[]>,
): Promise<void> {
  const took = await site.besides(come);
  const peak = Math.round(peakMiB(vault.pid));
  t.diagnostic(
    `receipts p99 ${took.toFixed(0)} ms, ${(took / site.quiet).toFixed(1)} times that without strangers; peak ${peak} MiB`,
  );
  // A busy machine took 1.2 s; an agent gives a request up after much more.
  assert.ok(took < 5000, `an agent waited ${took} ms`);
  assert.ok(peak < 420, `the vault took ${peak} MiB`);
}

before(async () => {
  vault = spawn(process.execPath, ["--max-old-space-size=256", program, dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = (await once(vault.stdout as NonNullable<ChildProcess["stdout"]>, "data")) as [
    Buffer,
  ];
  site = await Beleaguered.begin(String(line).trim());
});

after(async () => {
  site.close();
  vault.kill("SIGKILL");
  await once(vault, "exit");
  rmSync(dir, { recursive: true });
});

test("bodies that stall after a stored head keep no agent waiting", async (t) => {
  await judged(t, () => site.stalledBodies(60));
});

test("readers that never read keep no agent waiting, and hold little", async (t) => {
  await judged(t, () => site.readers(25));
});

test("thousands of idle connections keep no agent waiting, nor one that comes anew", async (t) => {
  await judged(t, () => site.idle(3000));
});

test("proofs, lists, chains and grants that are none keep no agent waiting", async (t) => {
  await judged(t, () => site.asking(300));
});

test("nor does all of it at once", async (t) => {
  await judged(t, site.allAtOnce);
});
