// System calls of the real agent and the real vault fail, lie or never return: strace plays the
// kernel. Whatever the call was, the next start finds everything, and nothing is sealed twice.
//
// - strace runs beside (-D), so that signals go to the process itself.
// - One thread makes all file calls here (UV_THREADPOOL_SIZE=1), as strace counts per thread.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { builtBin } from "./built.ts";
import { Rig } from "./rig.ts";
import { assertByCommand, assertWhole } from "./whole.ts";

const lacking = whyNoStrace();
if (lacking !== undefined && process.env["CI"] === "true") throw new Error(lacking);

function whyNoStrace(): string | undefined {
  try {
    const words = ["-f", "-qq", "-e", "inject=fsync:error=EIO", process.execPath, "-e", "0"];
    execFileSync("strace", words, { stdio: "ignore" });
    return undefined;
  } catch (error) {
    return `needs strace that may trace: ${String(error).split("\n")[0]}`;
  }
}

interface Row {
  readonly what: string;
  readonly who: "agent" | "vault";
  readonly calls: string;
  /** As strace's inject= takes it. */
  readonly fault: string;
  /** Only calls on this path count. */
  readonly path?: (rig: Rig) => string;
  /** How the process ends; undefined: it lives on. */
  readonly ends?: number | string;
  readonly says?: RegExp;
  /** The chain could not be gone on with, and a linked one did. */
  readonly chains?: 2;
}

const sync = "fsync,fdatasync";
const write = "write,pwrite64,writev,pwritev,pwritev2";
const inState = (name: string) => (rig: Rig) => join(rig.stateDir, name);
/** The chain's blocks; the vault is restarted under strace once there are some. */
const blocks = (rig: Rig): string => {
  const [chain = ""] = readdirSync(join(rig.storeDir, "chains"));
  return join(rig.storeDir, "chains", chain, "0000000000000000.blocks");
};
const wal = inState("chains/0000/wal/0000000000000000.wal");

const failedSyncs: Row[] = (["agent", "vault"] as const).flatMap((who) =>
  (who === "agent" ? [1, 2, 3, 5, 8, 11, 14, 17] : [1, 2, 4, 7]).map((n) => ({
    what: `sync ${n} of the ${who} fails`,
    who,
    calls: sync,
    fault: `error=EIO:when=${n}`,
    ends: 74,
    says: /sync-failed|a sync failed/,
  })),
);

const rows: Row[] = [
  ...failedSyncs,
  {
    what: "a write to the buffer finds the disk full",
    who: "agent",
    calls: write,
    fault: "error=ENOSPC:when=3..4",
    path: wal,
  },
  {
    what: "a write to the buffer fails",
    who: "agent",
    calls: write,
    fault: "error=EIO:when=3",
    path: wal,
    ends: 1,
    says: /io-error/,
  },
  {
    what: "a write to the buffer is interrupted",
    who: "agent",
    calls: write,
    fault: "error=EINTR:when=2..3",
    path: wal,
  },
  {
    what: "a write to the buffer is only said to be done",
    who: "agent",
    calls: write,
    fault: "retval=100:when=3",
    path: wal,
    ends: 74,
    says: /wal-corrupt/,
    chains: 2,
  },
  {
    what: "the buffer cannot be made",
    who: "agent",
    calls: "openat",
    fault: "error=EIO:when=1",
    path: wal,
    ends: 1,
    says: /io-error/,
  },
  {
    what: "the chain's folder cannot be made",
    who: "agent",
    calls: "mkdir",
    fault: "error=EIO:when=1",
    path: inState("chains/0000/wal"),
    ends: 1,
    says: /io-error/,
  },
  {
    what: "a write to the key slots fails",
    who: "agent",
    calls: write,
    fault: "error=EIO:when=5",
    path: inState("chains/0000/keys"),
    ends: 1,
    says: /io-error/,
  },
  {
    what: "room for receipts cannot be taken, the disk is full",
    who: "agent",
    calls: write,
    fault: "error=ENOSPC:when=1..2",
    path: inState("chains/0000/receipt"),
  },
  {
    what: "a receipt cannot be written",
    who: "agent",
    calls: write,
    fault: "error=EIO:when=2",
    path: inState("chains/0000/receipt"),
    ends: 1,
    says: /io-error/,
  },
  {
    what: "the agent dies at the write of a receipt",
    who: "agent",
    calls: write,
    fault: "signal=KILL:when=3",
    path: inState("chains/0000/receipt"),
    ends: "SIGKILL",
  },
  {
    what: "the grant's key cannot be deleted",
    who: "agent",
    calls: "unlink",
    fault: "error=EIO:when=1",
    path: (rig) => join(rig.dir, "grant.key"),
    says: /couldn't destroy the grant's private key/,
  },
  {
    what: "a write to the store fails",
    who: "vault",
    calls: write,
    fault: "error=EIO:when=1",
    path: blocks,
    says: /couldn't store blocks/,
  },
  {
    what: "the store's file cannot be opened",
    who: "vault",
    calls: "openat",
    fault: "error=EIO:when=3..4",
    path: blocks,
  },
];

/** What strace runs: its words before the command. */
function under(rig: Rig, { calls, fault, path }: Row, trace: string): string[] {
  const what = ["-e", `trace=${calls}`, "-e", `inject=${calls}:${fault}`];
  const only = path === undefined ? [] : ["-P", path(rig)];
  return ["strace", "-D", "-f", "-qq", "-o", trace, ...what, ...only];
}

async function play(rig: Rig, row: Row, trace: string): Promise<void> {
  const { who, path, ends } = row;
  const env = { UV_THREADPOOL_SIZE: "1" };
  rig.append("app.log", "first\n");
  await rig.startVault();
  if (who === "vault") {
    await rig.startAgent();
    if (path !== undefined) await rig.caughtUp();
    await rig.stop(rig.vault, "SIGTERM");
    void rig.startVault(env, under(rig, row, trace));
  } else void rig.startAgent(env, under(rig, row, trace));
  const dying = who === "agent" ? rig.agent : rig.vault;
  let died = false;
  for (let i = 0; ends === undefined ? i < 12 : i < 150 && !died; i++) {
    rig.append("app.log", `line ${i}\n`.repeat(20));
    died = await rig.ended(dying, 60);
  }
  if (ends === undefined) return await rig.caughtUp();
  assert.ok(died, `the ${who} lives on\n${rig.said.slice(-2000)}`);
  assert.equal(dying?.exitCode ?? dying?.signalCode, ends, rig.said.slice(-2000));
}

/** What a process says, a moment after what it is about. */
async function heard(rig: Rig, what: RegExp): Promise<void> {
  for (let left = 200; left > 0 && !what.test(rig.said); left--) await pause(20);
  assert.match(rig.said, what);
}

/** What strace wrote, once it has; it ends a moment after the process. */
async function traced(path: string): Promise<string> {
  for (let left = 100; left > 0; left--) {
    const text = readFileSync(path, "utf8");
    if (text.includes("INJECTED") || text.includes("SIGKILL")) return text;
    await pause(20);
  }
  throw new Error("the call was never made");
}

// Each has an agent, a vault and files of its own, and most of the time waits for them.
describe("a system call", { concurrency: 3 }, () => {
  for (const row of rows) {
    test(row.what, { skip: lacking ?? false }, async () => {
      await using rig = await Rig.make({ bin: builtBin(), maxChains: row.chains ?? 1 });
      const trace = join(rig.dir, "trace");
      await play(rig, row, trace);
      if (row.says !== undefined) await heard(rig, row.says);
      await rig.stop(row.who === "agent" ? rig.agent : rig.vault, "SIGKILL");
      const [before = "", ...after] = (await traced(trace)).split("(INJECTED)");
      if (row.calls === sync) assertNeverAgain(before, after.join());
      if (row.who === "agent") await rig.startAgent();
      else await rig.startVault();
      await rig.caughtUp();
      assert.equal(await rig.stop(rig.agent, "SIGTERM"), 0);
      assert.equal(await rig.stop(rig.vault, "SIGTERM"), 0);
      if (row.chains === 2) await assertContinued(rig);
      else {
        await assertWhole(rig, ["app.log"]);
        assertByCommand(rig, "app.log");
      }
    });
  }
});

/**
 * What the kernel said of the data is unknown after a failed sync. What another part had handed to
 * the thread of file calls before anybody heard of it is done all the same, once a part.
 */
function assertNeverAgain(before: string, after: string): void {
  const file = /sync\((\d+)[^\n]*$/.exec(before)?.[1];
  const synced = [...after.matchAll(/sync\((\d+)/g)].map(([, each]) => each);
  assert.ok(file !== undefined && !synced.includes(file), `file ${file} was synced again`);
  assert.ok(synced.length <= 2, `it went on and synced\n${after}`);
}

/** Two chains, linked, hold every line once between them. */
async function assertContinued(rig: Rig): Promise<void> {
  const { reports, findings, bytes } = await rig.verify();
  assert.equal(reports.length, 2);
  assert.ok(findings.some(({ code }) => code === "CHAIN_REPLACED"));
  const linesIn = (text: string): string[] => text.split("\n").sort();
  const sealed = [...bytes.values()].map((parts) => Buffer.concat(parts).toString()).join("");
  assert.deepEqual(linesIn(sealed), linesIn(rig.log("app.log").toString()));
}
