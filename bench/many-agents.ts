// Many agents: one vault, and a process that is a few hundred agents to it (chain-load.ts).

import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { LoadOptions, LoadResult } from "./chain-load.ts";
import { Deployment } from "./deployment.ts";
import { MachineUse } from "./machine-use.ts";
import { originLines, table, thousands } from "./page.ts";
import type { Bench } from "./scenario.ts";
import { WatchedProcess } from "./watched-process.ts";

const sampleMs = 1000;

export async function manyAgents({ dir, program, options, command }: Bench): Promise<string[]> {
  const { agents, rate, seconds } = options;
  const setup = new Deployment(join(dir, "setup"), program);
  await using vault = setup.startVault();
  const { url } = await vault.said("vault started");
  const idle = vault.usage();
  setup.grant("fleet", "--subject", "fleet", "--max-chains", String(agents));
  const agent = { url: String(url), seal: "max_age: 1s", sink: "max_delay: 1s" };
  const config = setup.agentConfig("fleet", agent);
  const state = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "sealtail-"));
  try {
    symlinkSync(state, setup.file("fleet-state"));
    const load = { config, chains: agents, rate, seconds, pool: join(dir, "pool.log") };
    const program = fileURLToPath(new URL("chain-load.ts", import.meta.url));
    await using clients = new WatchedProcess([program, JSON.stringify(load satisfies LoadOptions)]);
    const use = new MachineUse(() => vault.usage().cpuSeconds + clients.usage().cpuSeconds);
    const [outcome, most] = await Promise.all([clients.finished(), mostFiles(vault, clients)]);
    if (outcome.code !== 0) throw new Error(`the load failed: ${outcome.stdout}`);
    const result = JSON.parse(outcome.stdout) as LoadResult;
    const noise = use.line();
    const used = vault.usage();
    await vault.stop();
    await checkStore(setup);
    return [
      ...originLines(command),
      noise,
      `- load: ${thousands(result.lines / result.seconds)} lines/s by ${agents} agents for ` +
        `${result.seconds.toFixed(0)} s; all had their first receipt after ` +
        `${result.enrolSeconds.toFixed(1)} s`,
      `- the agents together (one process): ${outcome.usage.cpuSeconds.toFixed(1)} s of CPU, ` +
        `${outcome.usage.peakMiB.toFixed(0)} MiB`,
      "",
      ...table([
        ["vault", "value"],
        ["blocks/s", (result.blocks / result.seconds).toFixed(0)],
        ["requests/s", (result.requests / result.seconds).toFixed(0)],
        ["answers that were no receipt", String(result.failures)],
        ["request to answer, ms: p50, p99, most", times(result.answered)],
        ["line to receipt, ms: p50, p99, most", times(result.receipted)],
        [
          "CPU % of a core, from start to end",
          share(used.cpuSeconds - idle.cpuSeconds, outcome.seconds),
        ],
        ["MiB: idle, most", `${idle.rssMiB.toFixed(0)}, ${used.peakMiB.toFixed(0)}`],
        ["open files, most (connections among them)", String(most)],
      ]),
    ];
  } finally {
    rmSync(state, { recursive: true, force: true });
  }
}

const times = (values: readonly number[]): string =>
  values.map((value) => value.toFixed(0)).join(", ");

const share = (cpuSeconds: number, seconds: number): string =>
  ((100 * cpuSeconds) / seconds).toFixed(0);

/** The most descriptors that the vault had open while the load ran. */
async function mostFiles(vault: WatchedProcess, clients: WatchedProcess): Promise<number> {
  let most = 0;
  while (!clients.ended) {
    most = Math.max(most, readdirSync(`/proc/${vault.pid}/fd`).length);
    await sleep(sampleMs);
  }
  return most;
}

async function checkStore(setup: Deployment): Promise<void> {
  const verify = setup.start("verify", setup.store, ...setup.trust, "--json");
  const { code, stdout } = await verify.finished();
  if (code !== 0) throw new Error(`verify ended with ${code}: ${stdout.slice(0, 1000)}`);
}
