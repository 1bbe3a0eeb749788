// The measured parts: each one runs processes of its own and says what a line cost.
//
// - CPU and time of agent and vault are counted from the moment the file appears in their folder,
//   so that starting up and enrolling do not count; those of verify count from start to exit.
// - Idle memory is looked at before any line was read, settled memory some time after the last.

import { renameSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type AgentStatus, type Deployment, metricOf, statusOf, until } from "./deployment.ts";
import { type Usage, WatchedProcess } from "./watched-process.ts";

export interface Measured {
  readonly part: string;
  readonly seconds: number;
  readonly lines: number;
  readonly cpuSeconds: number;
  /** In MiB; of several processes, one number each. */
  readonly peak: readonly number[];
  /** Before any line was read. */
  readonly idle?: readonly number[];
  /** Five seconds after the last line. */
  readonly settled?: readonly number[];
  /** Bytes stored per byte of log. */
  readonly stored?: number;
}

export interface LogFile {
  readonly path: string;
  readonly lines: number;
  readonly bytes: number;
}

const settleMs = 5_000;

/** The bare loop: the yardstick of this run. */
export async function limitPart(log: LogFile): Promise<Measured> {
  const program = fileURLToPath(new URL("limit-loop.ts", import.meta.url));
  const { stdout, usage } = await new WatchedProcess([program, log.path]).finished();
  const found = JSON.parse(stdout) as { seconds: number; cpuSeconds: number; lines: number };
  if (found.lines !== log.lines) throw new Error(`limit loop saw ${found.lines} lines`);
  return { part: "limit loop", ...found, peak: [usage.peakMiB] };
}

/** Agent to WAL, every block synced, nobody to ship to. Takes the log file away. */
export async function agentPart(setup: Deployment, log: LogFile): Promise<Measured> {
  await using agent = setup.startAgent("alone");
  const operations = String((await agent.said("agent started"))["operations"]);
  await until(operations, ({ head }) => head.block > 0);
  await sleep(settleMs);
  const fed = await feed(operations, log, `${setup.logs}/alone.log`, [agent], () => true);
  const stored = await metricOf(operations, "sealtail_agent_sealed_stored_bytes_total");
  await agent.stop();
  return { part: "agent to WAL", ...fed, stored: stored / log.bytes };
}

/** Agent, loopback, vault, store: until the receipt for the last line is back. */
export async function vaultPart(setup: Deployment, log: LogFile): Promise<Measured> {
  await using vault = setup.startVault();
  const { url } = await vault.said("vault started");
  await using agent = setup.startAgent("shipped", {
    url: String(url),
    sink: "max_delay: 50ms",
  });
  const operations = String((await agent.said("agent started"))["operations"]);
  await until(operations, ({ head, ship }) => head.block > 0 && ship?.receiptedSize === head.block);
  await sleep(settleMs);
  const isReceipted = ({ head, ship }: AgentStatus): boolean => ship?.receiptedSize === head.block;
  const path = `${setup.logs}/shipped.log`;
  const fed = await feed(operations, log, path, [agent, vault], isReceipted);
  const stored = await metricOf(operations, "sealtail_agent_sealed_stored_bytes_total");
  await agent.stop();
  await vault.stop();
  return { part: "agent and vault", ...fed, stored: stored / log.bytes };
}

/** The auditor's command over what the vault stored. */
export async function verifyPart(setup: Deployment, log: LogFile): Promise<Measured> {
  const program = setup.start("verify", setup.store, ...setup.trust, "--json");
  const { code, seconds, usage, stdout } = await program.finished();
  if (code !== 0 && code !== 3) throw new Error(`verify ended with ${code}: ${stdout}`);
  const { cpuSeconds, peakMiB } = usage;
  return { part: "verify", seconds, lines: log.lines, cpuSeconds, peak: [peakMiB] };
}

type Fed = Omit<Measured, "part" | "stored">;

/** Lets the log file appear at `path` and waits until its last line is sealed and `isDone`. */
async function feed(
  operations: string,
  log: LogFile,
  path: string,
  processes: readonly WatchedProcess[],
  isDone: (status: AgentStatus) => boolean,
): Promise<Fed> {
  const usages = (): Usage[] => processes.map((each) => each.usage());
  const cpu = (): number => usages().reduce((sum, each) => sum + each.cpuSeconds, 0);
  const { head } = await statusOf(operations);
  const [cpuBefore, idle] = [cpu(), usages()];
  const began = process.hrtime.bigint();
  renameSync(log.path, path);
  await until(operations, (now) => now.head.seq >= head.seq + log.lines && isDone(now));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const cpuSeconds = cpu() - cpuBefore;
  await sleep(settleMs);
  const after = usages();
  renameSync(path, log.path);
  return {
    seconds,
    lines: log.lines,
    cpuSeconds,
    peak: after.map(({ peakMiB }) => peakMiB),
    idle: idle.map(({ rssMiB }) => rssMiB),
    settled: after.map(({ rssMiB }) => rssMiB),
  };
}
