// Recovery: an agent is killed (SIGKILL) under load with a large buffer, because its vault is away,
// and started again. How long until it seals again, how much memory does that take, and how long
// until the vault, once it is there, has everything?
//
// - The buffer's files are in the page cache, as after every kill of a process. After a loss of
//   power they come from the disk: add the buffer's size over the disk's reading speed.

import { renameSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { writeAuditLog } from "./audit-log.ts";
import { type AgentStatus, Deployment, statusOf, until } from "./deployment.ts";
import { MachineUse } from "./machine-use.ts";
import { LinePool, PacedWriter } from "./paced-writer.ts";
import { originLines, table, thousands } from "./page.ts";
import type { Bench } from "./scenario.ts";
import type { WatchedProcess } from "./watched-process.ts";

const mib = 1024 * 1024;
const linesPerFile = 1_000_000;
const lookMs = 10;
/** Lines a second that go on while the agent is away. */
const loadRate = 2000;

export async function recovery({ dir, program, options, command }: Bench): Promise<string[]> {
  const setup = new Deployment(join(dir, "setup"), program);
  const listen = `127.0.0.1:${await freePort()}`;
  const bytes = await fillAndKill(setup, `http://${listen}`, options["wal-mib"] * mib);
  const pool = new LinePool(join(dir, "pool.log"), 100_000, 3);
  const writer = new PacedWriter(join(setup.logs, "recovery-live.log"), pool, loadRate);
  const began = performance.now();
  await using agent = setup.startAgain("recovery");
  const use = new MachineUse(() => agent.usage().cpuSeconds);
  const operations = String((await agent.said("agent started"))["operations"]);
  const rows = [["after the start of the process", "seconds", "CPU s", "peak MiB"]];
  const reached = async (what: string, done: (status: AgentStatus) => boolean): Promise<void> => {
    await until(operations, done, lookMs);
    const { cpuSeconds, peakMiB } = agent.usage();
    rows.push([what, since(began).toFixed(2), cpuSeconds.toFixed(2), peakMiB.toFixed(0)]);
  };
  await reached("its metrics are served", () => true);
  await reached("the chain is recovered", ({ head }) => head.block > 0);
  const { block } = (await statusOf(operations)).head;
  await reached("the first new block is sealed", ({ head }) => head.block > block);
  const noise = use.line();
  const shipped = await drain(setup, { agent, operations, listen, bytes });
  writer.stop();
  await agent.stop();
  return [
    ...originLines(command),
    noise,
    `- buffer: ${thousands(bytes / mib)} MiB in ${thousands(block)} blocks, killed while it read`,
    `- load afterwards: ${thousands(loadRate)} lines/s, from before the start on`,
    "",
    ...table(rows),
    "",
    ...table(shipped),
  ];
}

const since = (began: number): number => (performance.now() - began) / 1000;

/** Lets an agent without a vault fill its buffer up to `bytes`, and kills it while it reads. */
async function fillAndKill(setup: Deployment, url: string, bytes: number): Promise<number> {
  await using agent = setup.startAgent("recovery", { url });
  const operations = String((await agent.said("agent started"))["operations"]);
  await until(operations, ({ head }) => head.block > 0);
  for (let number = 0; ; number += 1) {
    const { head, buffer } = await statusOf(operations);
    console.log(`buffer: ${thousands(buffer.bytes / mib)} MiB`);
    if (buffer.bytes >= bytes) return buffer.bytes;
    const path = join(setup.logs, `recovery-${number}.log`);
    writeAuditLog(`${path}.new`, linesPerFile, 100 + number);
    // Its name fits no pattern until now.
    renameSync(`${path}.new`, path);
    const last = head.seq + linesPerFile;
    await until(operations, (now) => now.head.seq >= last || now.buffer.bytes >= bytes, lookMs);
    if ((await statusOf(operations)).head.seq >= last) rmSync(path);
  }
}

/** Starts the vault and waits until it has all that the agent held. */
async function drain(
  setup: Deployment,
  {
    agent,
    operations,
    listen,
    bytes,
  }: { agent: WatchedProcess; operations: string; listen: string; bytes: number },
): Promise<string[][]> {
  const began = performance.now();
  await using vault = setup.startVault({ listen });
  await vault.said("vault started");
  // What is written meanwhile is always some blocks ahead of its receipt.
  const { block } = (await statusOf(operations)).head;
  await until(operations, ({ ship }) => (ship?.receiptedSize ?? 0) >= block, lookMs);
  const seconds = since(began);
  const peaks = [agent, vault].map((each) => each.usage().peakMiB.toFixed(0));
  await vault.stop();
  return [
    ["after the start of the vault", "seconds", "MiB/s", "agent peak MiB", "vault peak MiB"],
    [
      "all of the buffer is receipted",
      seconds.toFixed(1),
      (bytes / mib / seconds).toFixed(1),
      ...peaks,
    ],
  ];
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (typeof address !== "object" || address === null) throw new Error("no port is free");
  return address.port;
}
