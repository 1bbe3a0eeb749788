// Every file call of an agent's whole life fails once, in every variant: failed, and failed though
// it was done. A life enrols, rolls and frees segments, stops, recovers and goes on.
//
// - After each the agent is started again, half of them after a power cut, on a disk that is
//   sound: nothing is lost, nothing sealed twice, no height signed twice.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { findingClasses } from "../../src/core/fault.ts";
import { type Fault, FaultyFiles } from "../fakes/faulty-files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { World } from "./world.ts";

const syncs: readonly FileCall[] = ["sync", "datasync", "syncDir"];
const changes: readonly FileCall[] = ["create", "write", "truncate", "rename", "unlink", "mkdir"];
const looks: readonly FileCall[] = ["open", "read", "stat", "list", "realPath", "freeBytes"];

const variantsOf = (call: FileCall): Fault["variant"][] => {
  if (looks.includes(call)) return ["failed"];
  return call === "write" ? ["failed", "partly", "persisted"] : ["failed", "persisted"];
};

interface Life {
  readonly world: World;
  readonly files: FaultyFiles;
  written: string;
}

async function makeLife(...faults: Fault[]): Promise<Life> {
  const world = await World.make({
    config: (config) => ({ ...config, buffer: { max_bytes: 1024 * 1024 } }),
  });
  const files = new FaultyFiles(world.files, ...faults);
  files.only = world.dir;
  world.seen = files;
  return { world, files, written: "" };
}

async function write(life: Life, text: string): Promise<void> {
  life.written += text;
  life.world.files.append("/logs/a.log", text);
  // What a power cut leaves of the logs is not the question here.
  const file = await life.world.files.open("/logs/a.log", "write");
  await file.sync();
  await file.close();
  await life.world.files.syncDir("/logs");
}

/** As if the power had gone in the middle of a write. */
async function tear({ world }: Life): Promise<void> {
  const wal = `${world.dir}/chains/0000/wal`;
  const newest = (await world.files.list(wal))?.at(-1)?.name;
  world.files.append(`${wal}/${String(newest)}`, "SEALBLK1 torn");
}

/** Two runs with a stop and a tear between them. Throws what ended the agent. */
async function live(life: Life): Promise<void> {
  const { world } = life;
  for (const lines of [4, 1]) {
    await world.start();
    for (let i = 0; i < lines; i++) {
      await write(life, `${randomBytes(24_000).toString("base64")}\n`);
      await world.caughtUp();
    }
    await world.stop();
    if (lines > 1) await tear(life);
  }
}

/** False where this life never came to that call. */
async function playFault(fault: Fault, cutPower: boolean): Promise<boolean> {
  const life = await makeLife(fault);
  await using world = life.world;
  let ended: unknown;
  await live(life).catch((error) => {
    ended = error;
  });
  world.agent?.stop("over");
  await world.end().catch(() => undefined);
  if (life.files.struck === 0) return false;
  if (syncs.includes(fault.call)) assertStopped(life.files, ended);
  if (cutPower) world.files.crash();
  world.seen = world.files;
  await world.start();
  await write(life, "afterwards\n");
  await world.caughtUp();
  await world.stop();
  for (const [height, hashes] of await world.heights()) assert.equal(hashes.size, 1, height);
  const { findings, bytes } = await world.verify();
  const worse = findings.filter(({ code }) => findingClasses[code] !== "finding");
  assert.deepEqual(worse, []);
  assert.equal(world.vault.chains.size, 1);
  assert.ok(bytes.get("/logs/a.log#0") === life.written, "not sealed once and whole");
  return true;
}

/** What the disk holds is unknown: nothing is synced again, and nothing is sealed any more. */
function assertStopped(files: FaultyFiles, ended: unknown): void {
  assert.equal((ended as { code?: string } | undefined)?.code, "sync-failed");
  const again = files.since.filter(
    ({ call, path }) => call === "datasync" || (call === "write" && /\/(wal|keys)/.test(path)),
  );
  assert.deepEqual(again, []);
}

async function callsOfALife(): Promise<ReadonlyMap<FileCall, number>> {
  const life = await makeLife();
  await using _ = life.world;
  await live(life);
  return life.files.calls;
}

test("whatever file call of an agent's life fails, the next start makes it whole", async (t) => {
  const calls = await callsOfALife();
  const faults: Fault[] = [];
  for (const call of [...syncs, ...changes, ...looks]) {
    for (let nth = 1; nth <= (calls.get(call) ?? 0); nth++) {
      for (const variant of variantsOf(call)) faults.push({ call, nth, variant });
    }
  }
  t.diagnostic(
    `${faults.length} lives: ${[...calls].map(([call, n]) => `${n} ${call}`).join(", ")}`,
  );
  let struck = 0;
  for (const [index, fault] of faults.entries()) {
    const done = await playFault(fault, index % 2 === 1).catch((cause) => {
      throw new Error(`${fault.call} ${fault.nth} ${fault.variant}: ${cause}`, { cause });
    });
    if (done) struck += 1;
  }
  // Lives differ by a call or two, as their logs and keys are random.
  assert.ok(struck >= 0.9 * faults.length, `${struck} of ${faults.length} faults struck`);
  for (const call of ["unlink", "rename", "mkdir", "truncate"] as const)
    assert.ok((calls.get(call) ?? 0) > 0);
});
