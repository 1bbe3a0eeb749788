// An agent and a vault as someone would set them up: real keys, grants, configurations, commands.
//
// - Everything lies in one folder that the caller removes.
// - Defaults hold, but for: ports (any free one), the buffer (large enough for all), and, unless a
//   scenario says otherwise, max_age, so that the last, unfilled block does not wait a second.
//   Where agent and vault are compared it is max_delay too, for the same reason.

import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { WatchedProcess } from "./watched-process.ts";

/** Nobody listens there. */
const nobody = "http://127.0.0.1:9";
/** Somebody may be running this on a very slow machine. */
const patienceMs = 600_000;

export interface AgentSetup {
  /** Without one the sink is out of reach. */
  readonly url?: string;
  /** The members of `seal` and `sink` that differ from the defaults. */
  readonly seal?: string;
  readonly sink?: string;
}

export interface VaultSetup {
  readonly listen?: string;
  /** Who may sign grants, if not the deployment's own root. */
  readonly root?: string;
  readonly env?: Record<string, string>;
}

export class Deployment {
  readonly dir: string;
  readonly logs: string;
  readonly store: string;
  readonly #program: string;

  /** `program` is the built bin.js. */
  constructor(dir: string, program: string) {
    this.dir = dir;
    this.#program = program;
    this.logs = join(dir, "logs");
    this.store = join(dir, "store");
    mkdirSync(this.logs, { recursive: true });
    this.run("key", "new", "bench-root", "-o", this.file("root.key"), "--no-passphrase");
    this.run("key", "new", "vault.example", "-o", this.file("vault.key"), "--no-passphrase");
    const time = this.file("vault-time.key");
    this.run("key", "new", "vault.example/time", "-o", time, "--no-passphrase");
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  /** Runs a short command and fails with what it printed. */
  run(...words: string[]): string {
    const { status, stdout, stderr } = spawnSync(process.execPath, [this.#program, ...words], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`sealtail ${words.join(" ")}: ${stdout}${stderr}`);
    return stdout;
  }

  /** Starts a measured process of the built program. */
  start(...words: string[]): WatchedProcess {
    return new WatchedProcess([this.#program, ...words]);
  }

  startVault(vault: VaultSetup = {}): WatchedProcess {
    const { listen = "127.0.0.1:0", root = this.#line("root.key.pub"), env = {} } = vault;
    const config = [
      "version: 1",
      "name: vault.example",
      "state_dir: vault-state",
      "keys: { receipt: vault.key, time: vault-time.key }",
      `listen: "${listen}"`,
      `store: { type: dir, path: ${this.store} }`,
      `trust: { root_keys: ["${root}"] }`,
      'metrics: { listen: "127.0.0.1:0" }',
    ];
    writeFileSync(this.file("vault.yaml"), `${config.join("\n")}\n`);
    return new WatchedProcess([this.#program, "vault", "--config", this.file("vault.yaml")], env);
  }

  /** Starts agent `name`, which tails logs/<name>*.log. */
  startAgent(name: string, setup: AgentSetup = {}): WatchedProcess {
    this.grant(name, "--subject", name);
    return this.start("agent", "--config", this.agentConfig(name, setup));
  }

  /** Starts an agent again that ended in whatever way. */
  startAgain(name: string): WatchedProcess {
    return this.start("agent", "--config", this.file(`${name}.yaml`));
  }

  /** Makes <name>.txt and its key. */
  grant(name: string, ...words: string[]): void {
    const file = ["--audience", "vault.example", "-o", this.file(`${name}.txt`)];
    this.run("grant", "new", "--root", this.file("root.key"), ...words, ...file);
  }

  /** Writes the configuration of agent `name` and returns its path. */
  agentConfig(name: string, { url = nobody, seal, sink = "" }: AgentSetup): string {
    const keys = ["vault.key.pub", "vault-time.key.pub"].map((each) => `"${this.#line(each)}"`);
    const config = [
      "version: 1",
      `name: ${name}`,
      `state_dir: ${name}-state`,
      `sources: [{ name: app, include: ["logs/${name}*.log"] }]`,
      `seal: { ${seal ?? "max_age: 50ms"} }`,
      "buffer: { max_bytes: 16GiB }",
      "drain: { deadline: 1s }",
      `sink: { url: "${url}"${sink === "" ? "" : `, ${sink}`} }`,
      `trust: { vault_keys: [${keys.join(", ")}] }`,
      `grant: { file: ${name}.txt, key: ${name}.txt.key }`,
      'metrics: { listen: "127.0.0.1:0" }',
    ];
    const path = this.file(`${name}.yaml`);
    writeFileSync(path, `${config.join("\n")}\n`);
    return path;
  }

  /** Arguments that name the keys an auditor trusts. */
  get trust(): string[] {
    const vaultKeys = ["vault.key.pub", "vault-time.key.pub"];
    return [
      ...["--root", this.file("root.key.pub")],
      ...vaultKeys.flatMap((each) => ["--vault-key", this.file(each)]),
    ];
  }

  /** The same, as text. */
  get trustedKeys(): { readonly roots: readonly string[]; readonly vaults: readonly string[] } {
    return {
      roots: [this.#line("root.key.pub")],
      vaults: [this.#line("vault.key.pub"), this.#line("vault-time.key.pub")],
    };
  }

  #line(name: string): string {
    return readFileSync(this.file(name), "utf8").trim();
  }
}

export interface AgentStatus {
  readonly chain: string | null;
  readonly head: { readonly block: number; readonly seq: number };
  readonly buffer: { readonly bytes: number };
  readonly ship: {
    readonly receiptedSize: number;
    readonly unreceiptedBlocks: number;
  } | null;
}

/** What `sealtail status` shows. */
export async function statusOf(operations: string): Promise<AgentStatus> {
  return (await (await fetch(`${operations}/status`)).json()) as AgentStatus;
}

/** One number of a metrics page. */
export async function metricOf(operations: string, name: string): Promise<number> {
  const text = await (await fetch(`${operations}/metrics`)).text();
  return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? ([0-9.e+-]+)$`, "m").exec(text)?.[1]);
}

/** Looks at an agent until `done`. Fails after ten minutes: it does not get on. */
export async function until(
  operations: string,
  done: (status: AgentStatus) => boolean,
  lookMs = 50,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!done(await statusOf(operations))) {
    if (performance.now() > deadline) throw new Error("a measured process does not get on");
    await sleep(lookMs);
  }
}
