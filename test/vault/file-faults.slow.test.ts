// Every file call of a vault's whole life fails once, in every variant: failed, and failed though
// it was done. A life begins a chain, stores, completes objects, keeps a fork, mends a torn tail.
//
// - After each the power goes too. What was receipted is there, what was not is taken again, and
//   the store verifies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { readDirStore } from "../../src/store/dir.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { type ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { type Fault, FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

const syncs: readonly FileCall[] = ["sync", "datasync", "syncDir"];
const changes: readonly FileCall[] = [
  ...(["create", "write", "truncate", "rename", "unlink", "mkdir", "chmod"] as const),
];
const looks: readonly FileCall[] = ["open", "read", "stat", "list"];

const variantsOf = (call: FileCall): Fault["variant"][] => {
  if (looks.includes(call)) return ["failed"];
  return call === "write" ? ["failed", "partly", "persisted"] : ["failed", "persisted"];
};

const chain = buildChain();
const twin = chain.twinOfThird;

function buildChain(): ChainBuilder & { twinOfThird: ReturnType<ChainBuilder["twin"]> } {
  const made = chainOf("faults", { codec: "raw" });
  const { id, record } = made.source("/var/log/app.log");
  made.begin([say(record)]);
  made.seal([lines(id, "one\n")]);
  const twinOfThird = made.twin([say({ type: "stop", reason: "twin" })]);
  for (let i = 0; i < 8; i++) made.seal([lines(id, `${i} ${"x".repeat(3000)}\n`)]);
  return Object.assign(made, { twinOfThird });
}

/** What a client knows: nothing but receipts. */
interface Client {
  receipted: number;
}

const limits = { objects: { bytes: 9000, ageMicros: 1e15 } };

/** One vault after another posts, is told to stop, goes on. Errors end it: as a process would. */
async function live(files: FakeFiles, seen: FaultyFiles, client: Client): Promise<void> {
  for (const upTo of [4, 7, 10]) {
    const rig = await Rig.start({ files: seen, limits });
    try {
      for (let tries = 0; client.receipted < upTo && tries < 4; tries++) {
        await post(rig, client, upTo);
      }
      if (upTo === 7) await rig.post(chain, [twin]);
    } finally {
      await rig.close();
    }
    await assertEnded(rig, seen);
    if (upTo === 4) await tear(files);
  }
}

/** A vault that saw a sync fail has stored nothing since, and says that it must end. */
async function assertEnded(rig: Rig, seen: FaultyFiles): Promise<void> {
  if (!seen.syncFailed) return;
  const said = rig.vault.failed.catch((error: { code: string }) => error.code);
  assert.equal(await Promise.race([said, pause(10, "lives on")]), "sync-failed");
  const since = seen.since.filter(
    ({ call, path }) => path.includes("/store/") && (syncs.includes(call) || call === "write"),
  );
  // After a sync that failed elsewhere, host/files.ts lets nobody write any more; these files do.
  if (seen.struckPath.includes("/store/")) assert.deepEqual(since, []);
  throw new Error("ended with code 74");
}

async function post(rig: Rig, client: Client, upTo: number): Promise<void> {
  // All that is receipted: the newest one again, as an agent greets.
  const from = Math.min(client.receipted, upTo - 1);
  const answer = await rig.post(chain, chain.blocks.slice(from, upTo));
  if (gist(answer) === "200") {
    const { size } = receiptOf(answer);
    assert.ok(size >= client.receipted);
    client.receipted = size;
  } else if (gist(answer).startsWith("409 wrong-head")) {
    assert.fail("the vault has less than it receipted");
  } else assert.match(gist(answer), /^503/);
}

async function tear(files: FakeFiles): Promise<void> {
  const dir = `/rig/store/chains/${chain.name}`;
  const names = ((await files.list(dir)) ?? []).map(({ name }) => String(name));
  const newest = names.filter((name) => name.endsWith(".blocks")).at(-1);
  if (newest !== undefined) files.append(`${dir}/${newest}`, "SEALBLK1 torn");
}

async function playFault(fault: Fault, crashSeed: number | undefined): Promise<boolean> {
  const files = new FakeFiles();
  const seen = new FaultyFiles(files, fault);
  const client = { receipted: 0 };
  // A vault that cannot start is started again.
  await live(files, seen, client).catch((error) => {
    if (error instanceof assert.AssertionError) throw error;
  });
  if (seen.struck === 0) return false;
  files.crash(crashSeed);
  await using rig = await Rig.start({ files, limits });
  await post(rig, client, 10);
  assert.equal(client.receipted, 10);
  await rig.close();
  await assertSound(files);
  return true;
}

async function assertSound(files: FakeFiles): Promise<void> {
  const reader = readDirStore(files, "/rig/store").reader(chain.name);
  const worse: string[] = [];
  await verifyChain(reader, {
    ...{ suite, roots: [testRoot.key], vaults: [testVault.keys] },
    report: (finding) => finding.class !== "finding" && worse.push(finding.code),
  });
  assert.deepEqual(
    worse.filter((code) => code !== "FORK"),
    [],
  );
  assert.equal((await reader.newest()).size, 10);
}

test("whatever file call of a vault's life fails, what it receipted is there", async (t) => {
  const files = new FakeFiles();
  const counting = new FaultyFiles(files);
  await live(files, counting, { receipted: 0 });
  const faults: Fault[] = [];
  for (const call of [...syncs, ...changes, ...looks]) {
    for (let nth = 1; nth <= (counting.calls.get(call) ?? 0); nth++) {
      for (const variant of variantsOf(call)) faults.push({ call, nth, variant });
    }
  }
  t.diagnostic(
    `${faults.length} lives: ${[...counting.calls].map(([call, n]) => `${n} ${call}`).join(", ")}`,
  );
  let struck = 0;
  const left = faults.entries();
  const worker = async (): Promise<void> => {
    for (const [index, fault] of left) {
      const done = await playFault(fault, index % 2 === 0 ? undefined : index).catch((cause) => {
        throw new Error(`${fault.call} ${fault.nth} ${fault.variant}: ${cause}`, { cause });
      });
      if (done) struck += 1;
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  assert.ok(struck >= 0.9 * faults.length, `${struck} of ${faults.length} faults struck`);
});
