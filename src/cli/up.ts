// `sealtail up`: agent and vault in one process, for a first look and for scripts.
//
// - Everything lies under one directory; keys are made on first use, unencrypted, and said to be.
// - The two halves talk HTTP over loopback and trust each other no more than two machines would.

import { resolve } from "node:path";
import type { Command } from "commander";
import { Agent } from "../agent/agent.ts";
import type { AgentConfig } from "../agent/config.ts";
import { SealtailError } from "../core/errors.ts";
import { createDiag, type Diag } from "../host/diag.ts";
import { makeDirDurably } from "../host/durable.ts";
import { openLogFile } from "../host/log-file.ts";
import { type RunningVault, startVault } from "../vault/vault.ts";
import { writeDemoLog } from "./demo-log.ts";
import { packageVersion } from "./package-version.ts";
import { pathOf } from "./paths.ts";
import { type Machine, onStopSignals, ownMachine, ownOutputs } from "./running.ts";
import type { Ui } from "./ui.ts";
import { UpData } from "./up-data.ts";
import { showBanner, showCounts, warnOfRefused } from "./up-text.ts";
import { verifyStore } from "./verify.ts";

interface UpOptions {
  readonly data: string;
  readonly once?: boolean;
}

const about = `
FILE may be a glob. Without FILE: what was tailed last, or a demo log that it writes itself.

Examples:
  $ sealtail up /var/log/dpkg.log
  $ sealtail up '/var/log/nginx/*.log' --data /tmp/try
  $ sealtail up app.log --once          seal what it holds now, verify, exit with the verdict`;

/** Where things are served, if nobody is there already. */
const places = {
  vault: "127.0.0.1:8480",
  vaultMetrics: "127.0.0.1:9465",
  agentMetrics: "127.0.0.1:9464",
} as const;
const anyPort = "127.0.0.1:0";
const drainMs = 20_000;
/** `--once` is for scripts: it takes the time that it takes. */
const onceDrainMs = 86_400_000;

export function register(program: Command, ui: Ui): void {
  program
    .command("up")
    .description("agent and vault in one process, to try it out")
    .argument("[files...]", "files or globs to tail")
    .option("--data <dir>", "where everything is kept", "sealtail-data")
    .option("--once", "seal what the files hold now, verify, exit with the verdict")
    .addHelpText("after", about)
    .action((files: string[], options: UpOptions) => up(ui, files, options));
}

async function up(ui: Ui, given: readonly string[], options: UpOptions): Promise<void> {
  const machine = ownMachine();
  const named = await absolute(ui, machine, given);
  if (options.once === true) await assertReadable(machine, named);
  const data = new UpData(pathOf(ui, options.data), machine);
  const fresh = await data.prepare();
  using log = openLogFile(resolve(data.dir, "diagnostics.log"));
  const diag = createDiag({ level: "info", write: (line) => log.write(line) });
  const patterns = await data.patterns(named);
  const include = patterns.length > 0 ? patterns : [data.demoLog];
  const vault = await openVault(data, machine, diag);
  try {
    const agent = await openAgent(data, machine, diag, vault, include, options.once === true);
    if (options.once !== true) {
      showBanner(ui, {
        data,
        fresh,
        include,
        vault: vault.url,
        vaultMetrics: vault.operationsUrl,
        agentMetrics: agent.operationsUrl,
      });
    }
    const running = runUntilStopped(
      ui,
      machine,
      data,
      agent,
      patterns.length === 0,
      options.once === true,
    );
    // A vault whose disk failed ends everything: what it holds is unknown.
    await Promise.race([running, vault.failed]);
  } finally {
    await vault.close(drainMs);
  }
  if (options.once === true) await verifyStore(ui, data.dir);
}

async function runUntilStopped(
  ui: Ui,
  machine: Machine,
  data: UpData,
  agent: Agent,
  demo: boolean,
  once: boolean,
): Promise<void> {
  const ending = new AbortController();
  const writing = new AbortController();
  using _ = onStopSignals({
    stop: (reason) => {
      writing.abort();
      agent.stop(reason);
    },
  });
  const running = agent.run().finally(() => ending.abort());
  const beside: Promise<void>[] = [];
  if (demo) {
    await makeDirDurably(machine.files, resolve(data.demoLog, ".."), 0o755);
    if (once) await writeOneDemoLine(data, machine);
    else beside.push(writeDemoLog(data.demoLog, machine.clock, writing.signal));
  }
  if (once) agent.stop("once");
  else beside.push(showCounts(ui, machine.clock, agent, ending.signal));
  const { unsent } = await running;
  writing.abort();
  await Promise.all(beside);
  if (once) warnOfRefused(ui, agent, new Set());
  if (once && agent.gauge.tail()?.status().length === 0) ui.warn("there was no file to seal");
  if (unsent !== undefined && unsent > 0)
    ui.note(
      `sealtail: ${unsent} blocks are sealed but not receipted yet; they go on at the next start`,
    );
}

async function writeOneDemoLine(data: UpData, machine: Machine): Promise<void> {
  const brief = new AbortController();
  const writing = writeDemoLog(data.demoLog, machine.clock, brief.signal);
  await machine.clock.sleep(50);
  brief.abort();
  await writing;
}

// Patterns are kept as absolute paths; a file that is there is meant by its name, not as a glob.
async function absolute(ui: Ui, machine: Machine, given: readonly string[]): Promise<string[]> {
  const patterns: string[] = [];
  for (const each of given) {
    const path = pathOf(ui, each);
    if ((await machine.files.stat(path))?.kind === "dir") patterns.push(`${path}/*`);
    else patterns.push(path);
  }
  return patterns;
}

// A verdict on nothing would be taken for one on the file. Globs may match nothing.
async function assertReadable(machine: Machine, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if ((await machine.files.stat(path)) !== undefined) {
      if (!/[*?]/.test(path)) await (await machine.files.open(path, "read")).close();
    } else if (!/[*?[{(]/.test(path)) {
      throw new SealtailError("file-missing", "couldn't find the file", { place: path });
    }
  }
}

async function openVault(data: UpData, machine: Machine, diag: Diag): Promise<RunningVault> {
  const version = await packageVersion();
  const open = async (listen: string, metrics: string): Promise<RunningVault> =>
    startVault(await data.vaultConfig(listen, metrics), {
      ...machine,
      version,
      diag: diag.child({ part: "vault" }),
    });
  try {
    return await open(places.vault, places.vaultMetrics);
  } catch (error) {
    if (!isTaken(error)) throw error;
    return open(anyPort, anyPort);
  }
}

async function openAgent(
  data: UpData,
  machine: Machine,
  diag: Diag,
  vault: RunningVault,
  include: readonly string[],
  once: boolean,
): Promise<Agent> {
  const version = await packageVersion();
  const open = async (metrics: string): Promise<Agent> => {
    const config: AgentConfig = await data.agentConfig(
      vault.url,
      metrics,
      include,
      once ? onceDrainMs : drainMs,
    );
    return Agent.start({
      ...machine,
      config,
      version,
      diag: diag.child({ part: "agent" }),
      refuse: [...ownRefuse(data), ...ownOutputs()],
    });
  };
  try {
    return await open(places.agentMetrics);
  } catch (error) {
    if (!isTaken(error)) throw error;
    return open(anyPort);
  }
}

// All of the data directory but the demo log.
function ownRefuse(data: UpData): string[] {
  return ["agent", "vault", "store", "keys", "diagnostics.log", "files", "grant", "grant.key"].map(
    (name) => resolve(data.dir, name),
  );
}

function isTaken(error: unknown): boolean {
  return error instanceof SealtailError && error.code === "port-in-use";
}
