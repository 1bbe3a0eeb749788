// A real vault and a real agent as processes over loopback, and the verifier as their judge.
//
// - Everything lies in one temporary directory, removed at the end.
// - kill -9 is the crash; what the kernel holds survives it (power cuts are another test).

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { hex } from "../../src/core/bytes.ts";
import { pairVaultKeys } from "../../src/core/checkpoint.ts";
import { formatGrant } from "../../src/core/grant.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { formatNote, formatVerifierKey, type VerifierKey } from "../../src/core/note.ts";
import {
  decodeRecord,
  encodeRecord,
  type SourceRecord,
  sourceIdOf,
} from "../../src/core/record.ts";
import { positionsIn } from "../../src/core/sources.ts";
import { systemFiles as files } from "../../src/host/files.ts";
import { createKey, type NoteSigner } from "../../src/host/keys.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { systemRandom as random } from "../../src/host/random.ts";
import { readDirStore } from "../../src/store/dir.ts";
import type { Finding } from "../../src/verify/finding.ts";
import type { ChainReport } from "../../src/verify/report.ts";
import { verifyChain } from "../../src/verify/verify.ts";

const source = new URL("../../src/cli/bin.ts", import.meta.url).pathname;

/** A power cut leaves no more NULs at a log's end. */
const nulsMax = 65_536;

export interface RigOptions {
  readonly maxChains?: number;
  /** The grant's last day is over. */
  readonly expired?: boolean;
  readonly agentYaml?: string;
  /** Which files in `logs` are followed; `*.log` unless told. */
  readonly include?: string;
  /** The command to run; the source unless told. */
  readonly bin?: string;
  /** Where the logs, the agent's state and the vault's store lie; beside each other unless told. */
  readonly logs?: string;
  readonly state?: string;
  readonly store?: string;
}

export interface AgentStatus {
  readonly state: string;
  readonly head: { readonly block: number };
  readonly files: readonly {
    readonly path: string;
    readonly id?: string;
    readonly size: number;
    readonly offset: number;
  }[];
  readonly ship: {
    readonly state: string;
    readonly unreceiptedBlocks: number;
    readonly receiptedSize: number;
  } | null;
}

export interface Sealed {
  readonly reports: ChainReport[];
  readonly findings: Finding[];
  /** Sealed bytes by path and generation, joined in order. */
  readonly bytes: Map<string, Uint8Array[]>;
  /** Declared gaps, under the same keys. */
  readonly gaps: { readonly source: string; readonly cause: string }[];
}

export class Rig {
  readonly dir: string;
  readonly logs: string;
  /** Of the next agent that is started. */
  stateDir: string;
  readonly storeDir: string;
  readonly bin: string;
  root!: VerifierKey;
  vaultKeys!: VerifierKey[];
  vaultUrl = "";
  agentUrl = "";
  vaultOperations = "";
  vault: ChildProcess | undefined;
  agent: ChildProcess | undefined;
  /** Diagnostics of all processes so far. */
  said = "";

  private constructor(options: RigOptions) {
    this.dir = mkdtempSync(join(tmpdir(), "sealtail-rig-"));
    this.logs = options.logs ?? join(this.dir, "logs");
    this.stateDir = options.state ?? join(this.dir, "agent");
    this.storeDir = options.store ?? join(this.dir, "store");
    this.bin = options.bin ?? source;
    mkdirSync(this.logs, { recursive: true });
  }

  static async make(options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(options);
    const key = (file: string, name: string, type: 1 | 4) =>
      createKey({ files, random, path: join(rig.dir, file), name, type });
    const root = await key("root.key", "rig-root", 1);
    const vault = await key("vault.key", "rig-vault", 1);
    const time = await key("vault-time.key", "rig-vault/time", 4);
    rig.root = root.key;
    rig.vaultKeys = [vault.key, time.key];
    rig.#signer = root;
    await rig.grant(options);
    writeFileSync(
      join(rig.dir, "vault.yaml"),
      `version: 1
name: rig-vault
state_dir: vault
keys: { receipt: vault.key, time: vault-time.key }
listen: 127.0.0.1:0
store: { type: dir, path: ${rig.storeDir} }
trust: { root_keys: ["${formatVerifierKey(root.key)}"] }
metrics: { listen: "127.0.0.1:0" }
`,
    );
    rig.#agentYaml = options.agentYaml ?? "";
    rig.#include = options.include ?? rig.#include;
    return rig;
  }

  #agentYaml = "";
  #include = "*.log";
  #signer!: NoteSigner;

  /** Puts a new grant and its key where the agent looks for them. */
  async grant(options: RigOptions): Promise<void> {
    const path = join(this.dir, "grant.key");
    rmSync(path, { force: true });
    const { key } = await createKey({ files, random, path, name: "rig", type: 1 });
    const now = Math.floor(Date.now() / 1000);
    const text = formatGrant({
      id: random.bytes(16),
      role: "write",
      subject: "rig",
      audience: "rig-vault",
      sources: [],
      notBefore: now - 100_000,
      notAfter: now + (options.expired === true ? -1000 : 100_000),
      maxChains: options.maxChains ?? 1,
      maxSilenceMs: 60_000,
      key: key.publicKey,
    });
    writeFileSync(join(this.dir, "grant"), formatNote(text, [this.#signer.signNote(text)]));
  }

  /** A grant for role admin, with its key beside it; returns its path. */
  async adminGrant(): Promise<string> {
    const grant = join(this.dir, "admin.txt");
    const made = { files, random, path: `${grant}.key`, name: "admin", type: 1 } as const;
    const { key } = await createKey(made);
    const now = Math.floor(Date.now() / 1000);
    const text = formatGrant({
      ...{ id: random.bytes(16), role: "admin", subject: "admin", audience: "rig-vault" },
      ...{ sources: [], notBefore: now - 1000, notAfter: now + 100_000, maxChains: 1 },
      ...{ maxSilenceMs: 60_000, key: key.publicKey },
    });
    writeFileSync(grant, formatNote(text, [this.#signer.signNote(text)]));
    return grant;
  }

  writeAgentConfig(): void {
    const keys = this.vaultKeys.map((key) => `"${formatVerifierKey(key)}"`).join(", ");
    writeFileSync(
      join(this.dir, "agent.yaml"),
      `version: 1
name: rig
state_dir: ${this.stateDir}
sources: [{ name: app, include: ["${this.logs}/${this.#include}"] }]
sink: { url: "${this.vaultUrl}", max_delay: 50ms, patience: 0s }
trust: { vault_keys: [${keys}] }
grant: { file: grant, key: grant.key }
metrics: { listen: "127.0.0.1:0" }
${this.#agentYaml || "seal: { max_age: 50ms }"}
`,
    );
  }

  append(name: string, bytes: string | Uint8Array): void {
    appendFileSync(join(this.logs, name), bytes);
  }

  log(name: string): Buffer {
    return readFileSync(join(this.logs, name));
  }

  /** Starts both, and waits until a first piece of a log is sealed and receipted. */
  async begin(name: string, text: string): Promise<void> {
    await this.startVault();
    this.append(name, text);
    await this.startAgent();
    await this.caughtUp();
  }

  async startVault(env: Record<string, string> = {}, under: readonly string[] = []): Promise<void> {
    if (this.vaultUrl !== "") {
      // The same address again, so that a running agent finds it.
      const yaml = readFileSync(join(this.dir, "vault.yaml"), "utf8");
      const at = new URL(this.vaultUrl).host;
      writeFileSync(join(this.dir, "vault.yaml"), yaml.replace(/^listen: .*$/m, `listen: ${at}`));
    }
    const started = this.#spawn("vault", env, under);
    this.vault = started.child;
    const fields = await started.ready;
    // Undefined where it ended before it served.
    this.vaultUrl = (fields["url"] as string | undefined) ?? this.vaultUrl;
    this.vaultOperations = (fields["operations"] as string) ?? "";
  }

  async startAgent(env: Record<string, string> = {}, under: readonly string[] = []): Promise<void> {
    this.agentUrl = (await this.spawnAgent(env, under)) ?? "";
  }

  /** Starts the agent; what it returns resolves once the agent is up, to where its metrics are. */
  spawnAgent(
    env: Record<string, string> = {},
    under: readonly string[] = [],
  ): Promise<string | undefined> {
    this.writeAgentConfig();
    const { child, ready } = this.#spawn("agent", env, under);
    this.agent = child;
    return ready.then((fields) => fields["operations"] as string | undefined);
  }

  #spawn(
    command: string,
    env: Record<string, string>,
    under: readonly string[],
  ): { child: ChildProcess; ready: Promise<Record<string, unknown>> } {
    const config = join(this.dir, `${command}.yaml`);
    const words = [...under, process.execPath, this.bin, command, "--config", config];
    const child = spawn(words[0] as string, words.slice(1), {
      env: { ...process.env, ...env },
      stdio: ["ignore", "ignore", "pipe"],
    });
    const ready = new Promise<Record<string, unknown>>((resolve) => {
      let text = "";
      child.stderr?.on("data", (piece: Buffer) => {
        this.said += piece.toString();
        text += piece.toString();
        for (const line of text.split("\n")) {
          if (!line.includes(`"${command} started"`)) continue;
          try {
            resolve(JSON.parse(line));
          } catch {
            // A line cut in two: the next piece completes it.
          }
        }
      });
      child.once("exit", () => resolve({}));
    });
    return { child, ready };
  }

  /** Sends a signal and returns the exit code, or the signal's name. */
  async stop(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<number | string> {
    if (child === undefined) return "none";
    if (child.exitCode !== null) return child.exitCode;
    if (child.signalCode !== null) return child.signalCode;
    const exited = once(child, "exit");
    child.kill(signal);
    const [code, by] = await exited;
    return code ?? by;
  }

  /** Waits until a process ended by itself (a failpoint), at most `ms`. */
  async ended(child: ChildProcess | undefined, ms: number): Promise<boolean> {
    for (let left = ms; left > 0; left -= 10) {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return true;
      await pause(10);
    }
    return false;
  }

  async status(): Promise<AgentStatus> {
    const answer = await fetch(`${this.agentUrl}/status`);
    return (await answer.json()) as AgentStatus;
  }

  /** Waits until everything written so far is sealed and receipted. */
  async caughtUp(ms = 90_000): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      await pause(50);
      try {
        const { files: seen, ship } = await this.status();
        if (seen.every(isRead) && ship?.unreceiptedBlocks === 0 && ship.receiptedSize > 0) return;
      } catch {
        // Not up yet.
      }
    }
    throw new Error(
      `agent did not catch up\n${this.said.slice(-4000)}\n${await this.#whatTheySay()}`,
    );
  }

  /** The agent's status and the vault's readiness, as far as they answer. */
  async #whatTheySay(): Promise<string> {
    const urls = [`${this.agentUrl}/status`, `${this.vaultOperations}/readyz?verbose`];
    const answers = urls.map(async (url) => {
      const answer = await fetch(url, { signal: AbortSignal.timeout(5000) });
      return `${url} ${answer.status}: ${(await answer.text()).slice(0, 4000)}`;
    });
    const texts = answers.map((answer) => answer.catch((error) => String(error.cause ?? error)));
    return (await Promise.all(texts)).join("\n");
  }

  /** Verifies the store and gathers what is sealed. */
  async verify(): Promise<Sealed> {
    const source = readDirStore(files, this.storeDir);
    const findings: Finding[] = [];
    const reports: ChainReport[] = [];
    const bytes = new Map<string, Uint8Array[]>();
    const gaps: Sealed["gaps"] = [];
    for (const chain of (await source.contents()).chains) {
      const names = new Map<string, string>();
      reports.push(
        await verifyChain(chain, {
          suite,
          roots: [this.root],
          vaults: pairVaultKeys(this.vaultKeys),
          report: (finding) => findings.push(finding),
          onItem: (item, raw) => {
            if (item.kind === "span") {
              const name = names.get(item.source) ?? item.source;
              const list = bytes.get(name) ?? [];
              list.push(raw.slice(item.start, item.end));
              bytes.set(name, list);
              return;
            }
            const record = raw.subarray(item.start, item.end);
            collectNames(record, names);
            const { type, value } = decodeRecord(record);
            if (type !== "gap") return;
            const source = names.get(value["source"] as string) ?? "";
            gaps.push({ source, cause: value["cause"] as string });
          },
        }),
      );
    }
    return { reports, findings, bytes, gaps };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop(this.agent, "SIGKILL");
    await this.stop(this.vault, "SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

// NULs up to the end are no data yet, and nobody may ever fill them in: so a power cut leaves a log
// whose writer extended it, and whose newest bytes did not reach the disk.
function isRead({ path, size, offset }: AgentStatus["files"][number]): boolean {
  const left = size - offset;
  if (left <= 0) return true;
  if (left > nulsMax) return false;
  const bytes = Buffer.alloc(left, 1);
  const file = openSync(path, "r");
  readSync(file, bytes, 0, left, offset);
  closeSync(file);
  return bytes.every((byte) => byte === 0);
}

/** Learns the names of the sources that a record declares or lists. */
export function collectNames(bytes: Uint8Array, names: Map<string, string>): void {
  const { type, value } = decodeRecord(bytes);
  const note = (record: JsonObject): void => {
    const { path, ino, generation } = record as unknown as SourceRecord;
    const id = hex(sourceIdOf(suite, encodeRecord(record)));
    names.set(id, `${path.split("/").at(-1)}#${ino}.${generation}`);
  };
  if (type === "source") note(value);
  for (const { record } of positionsIn(value["positions"])) note(record);
}

/** All generations and renames of one path, in the order in which they were declared. */
export function textOf({ bytes }: Sealed, name: string): string {
  return [...bytes]
    .filter(([key]) => key.startsWith(`${name}#`))
    .flatMap(([, parts]) => parts.map((part) => Buffer.from(part).toString()))
    .join("");
}
