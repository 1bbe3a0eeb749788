// An agent in this process: files that can lose power, a vault in memory, the verifier as judge.
//
// - Each life is a real Agent; only its disk, its vault and the time are fakes.
// - Time passes only while a test waits for the world (`until`, `pass`, `start`, `stop`, `end`), as
//   fast as the machine can. Who waits side by side waits for the same time.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { zstdCompressSync } from "node:zlib";
import { Agent, type AgentEnd } from "../../src/agent/agent.ts";
import type { AgentConfig } from "../../src/agent/config.ts";
import { concat, hex } from "../../src/core/bytes.ts";
import { SealtailError } from "../../src/core/errors.ts";
import { formatGrant, parseGrant } from "../../src/core/grant.ts";
import { blockHash, decodeHeader } from "../../src/core/header.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { formatNote, formatVerifierKey } from "../../src/core/note.ts";
import { decodeRecord, encodeRecord, sourceIdOf } from "../../src/core/record.ts";
import { positionsIn } from "../../src/core/sources.ts";
import type { Clock } from "../../src/host/clock.ts";
import type { Files } from "../../src/host/files.ts";
import { createKey, type NoteSigner } from "../../src/host/keys.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { systemRandom as random } from "../../src/host/random.ts";
import { frameParams } from "../../src/host/zstd.ts";
import type { Answer, Sink, Submission } from "../../src/ship/sink.ts";
import type { ListedWords, VaultReads } from "../../src/ship/vault-reads.ts";
import { wordsAfter } from "../../src/vault/chain-words.ts";
import type { Finding } from "../../src/verify/finding.ts";
import { verifyChain } from "../../src/verify/verify.ts";
import { plainChain } from "../fakes/chain-store.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { FakeFiles } from "../fakes/files.ts";
import { remembering } from "../fakes/remembering.ts";
import { LifeClock, VirtualTime } from "../model/time.ts";
import { VaultModel } from "../ship/vault-model.ts";

const judges = remembering(suite);

/** A vault of many chains. */
export class Vaults implements Sink {
  readonly chains: Map<string, VaultModel> = new Map();
  readonly grants: Map<string, Uint8Array> = new Map();
  readonly certificateNotAfter: undefined = undefined;
  away = false;
  /** Says nothing at all until a request is cut. */
  silent = false;
  /** Ids of chains of which it takes no block. */
  readonly refuses: Set<string> = new Set();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get signer(): VaultModel["signer"] {
    return new VaultModel().signer;
  }

  async post(sent: Submission, signal: AbortSignal): Promise<Answer> {
    await this.#clock.sleep(1);
    if (this.silent) {
      await new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => resolve(), { once: true });
        if (signal.aborted) resolve();
      });
      return { outcome: "timeout", code: "aborted" };
    }
    if (this.away) return { outcome: "transport", code: "connection-refused" };
    if (this.refuses.has(sent.chainId)) {
      return { outcome: "refused", code: "http-403 GRANT_EXPIRED" };
    }
    const vault = this.chains.get(sent.chainId) ?? new VaultModel();
    this.chains.set(sent.chainId, vault);
    if (sent.grant !== undefined) this.grants.set(sent.chainId, sent.grant);
    return vault.post(sent, signal);
  }

  async close(): Promise<void> {}

  /** What it shows of its chains, as honest as what it stores. */
  readonly reads: VaultReads = {
    chainsOf: async (subject) => {
      if (this.away) throw new SealtailError("vault-unreachable", "away");
      const all = [...this.chains].filter(([, { stored }]) => stored.length > 0);
      return all
        .filter(([id]) => parseGrant(suite, this.grants.get(id) as Uint8Array).subject === subject)
        .map(([id, { stored }], seenAt) => ({
          ...{ id, state: this.states.get(id) ?? "stopped", seenAt, size: stored.length },
          words: this.wordless.has(id) ? undefined : wordsOf(stored),
        }));
    },
    size: async (id) => this.chains.get(id)?.stored.length ?? 0,
    grant: async (id) => this.grants.get(id),
    receipt: async (id) => this.chains.get(id)?.receipt(id),
    heads: async (id, from, count) => {
      const stored = this.chains.get(id)?.stored.slice(from, from + count) ?? [];
      return concat(...stored.map((block) => block.subarray(0, 448)));
    },
    blocks: (id, from, count) =>
      Readable.from(this.chains.get(id)?.stored.slice(from, from + count) ?? []),
  };
  /** What it says of a chain's life; stopped unless told. */
  readonly states: Map<string, string> = new Map();
  /** Chains of which it does not tell what they say of themselves. */
  readonly wordless: Set<string> = new Set();
}

/** As a vault tells them that read every block. */
function wordsOf(stored: readonly Uint8Array[]): ListedWords | undefined {
  const blocks = stored.map((bytes) => ({
    ...{ header: decodeHeader(bytes), head: bytes.subarray(0, 448), payload: bytes.subarray(448) },
  }));
  const words = wordsAfter(suite, undefined, undefined, blocks);
  return words && { host: words.host ?? undefined, predecessor: words.predecessor ?? undefined };
}

/** A stretch of a source that was declared missing; without `to` nobody knows how much. */
export interface Gap {
  /** Path and generation. */
  readonly key: string;
  readonly from: number;
  readonly to: number | undefined;
}

/** What the vault holds. */
export interface Sealed {
  readonly findings: Finding[];
  /** Sealed bytes by path and generation. */
  readonly bytes: Map<string, string>;
  readonly records: string[];
  /** Why chains were over, as the next one's genesis says. */
  readonly reasons: string[];
  readonly gaps: Gap[];
}

export interface WorldOptions {
  readonly maxChains?: number;
  readonly globs?: readonly string[];
  readonly config?: (config: AgentConfig) => AgentConfig;
}

export class World {
  readonly files: FakeFiles = new FakeFiles();
  /** What the agent sees of them. */
  seen: Files = this.files;
  readonly time: VirtualTime = new VirtualTime();
  readonly clock: Clock = new LifeClock(this.time, { offset: Date.now() * 1000 });
  readonly vault: Vaults = new Vaults(this.clock);
  readonly diag: RecordingDiag = new RecordingDiag();
  /** Exists on the real disk too, for the lock. */
  readonly dir: string = mkdtempSync(join(tmpdir(), "sealtail-world-"));
  root!: NoteSigner;
  config!: AgentConfig;
  agent: Agent | undefined;
  running: Promise<AgentEnd> | undefined;
  /** What ended the agent, unless it was told to. */
  failure: unknown;
  /** Whether the vault can be asked for chains. */
  asks = false;
  host = "h";
  /** Added to the wall clock of the next life, in microseconds. */
  clockStep = 0;
  /** The last stretch of time that somebody asked for. */
  #passing: Promise<void> = Promise.resolve();

  static async make(options: WorldOptions = {}): Promise<World> {
    const world = new World();
    const { files, dir, vault } = world;
    await files.mkdir(dir, 0o700);
    await files.mkdir("/keys", 0o700);
    await files.mkdir("/logs", 0o700);
    world.root = await createKey({ files, random, path: "/keys/root", name: "root", type: 1 });
    await world.newGrant(options);
    const { receipt, time } = vault.signer.keys;
    const config: AgentConfig = {
      version: 1,
      name: "app",
      labels: {},
      state_dir: dir,
      sources: [{ name: "app", include: ["/logs/*.log"], exclude: [], start_at: "beginning" }],
      seal: {
        max_bytes: 65_536,
        max_age: 20,
        max_lines: 65_536,
        partial_age: 5000,
        max_silence: 60_000,
      },
      buffer: { max_bytes: 16 * 1024 * 1024 },
      drain: { deadline: 4000, final: false },
      sink: { url: "http://127.0.0.1:1", tls: {}, max_delay: 0, patience: 0, when_silent: "begin" },
      trust: { vault_keys: [formatVerifierKey(receipt), formatVerifierKey(time)] },
      grant: { file: "/keys/grant", key: "/keys/grant.key" },
      metrics: { listen: "127.0.0.1:0" },
      diagnostics: { level: "debug" },
    };
    world.config = options.config?.(config) ?? config;
    return world;
  }

  async newGrant({ maxChains = 1, globs = [] }: WorldOptions = {}): Promise<void> {
    const { files, root } = this;
    if ((await files.stat("/keys/grant.key")) !== undefined) await files.unlink("/keys/grant.key");
    const path = "/keys/grant.key";
    const { key } = await createKey({ files, random, path, name: "app", type: 1 });
    const text = formatGrant({
      id: random.bytes(16),
      role: "write",
      subject: "app",
      audience: this.vault.signer.name,
      sources: [...globs],
      notBefore: 0,
      notAfter: 4_000_000_000,
      maxChains,
      maxSilenceMs: 60_000,
      key: key.publicKey,
    });
    files.put("/keys/grant", formatNote(text, [root.signNote(text)]));
    const note = await files.open("/keys/grant", "write");
    await note.sync();
    await note.close();
    for (const dir of ["/keys", "/logs", tmpdir(), "/"]) await files.syncDir(dir);
  }

  async start(): Promise<Agent> {
    const { config, seen, diag, vault, time, host, clockStep } = this;
    const clock = new LifeClock(time, { offset: Date.now() * 1000 + clockStep });
    const starting = Agent.start({
      ...{ config, files: seen, diag, suite, clock, random, version: "0", host, env: {} },
      ...{ sink: vault, ...(this.asks ? { reads: vault.reads } : {}) },
      hints: "none",
      compress: async (bytes) => zstdCompressSync(bytes, { params: frameParams }),
    });
    const agent = await this.during(starting);
    this.agent = agent;
    this.running = agent.run();
    this.failure = undefined;
    this.running.catch((error) => {
      this.failure = error;
      this.diag.error("agent ended", { error });
    });
    return agent;
  }

  /** A clean stop. */
  async stop(): Promise<AgentEnd> {
    this.agent?.stop("test");
    return await this.end();
  }

  /** How the agent ends, by itself or told to. */
  async end(): Promise<AgentEnd> {
    return await this.during(this.running as Promise<AgentEnd>);
  }

  /** A life in which all that was written is sealed and receipted. */
  async live(): Promise<AgentEnd> {
    await this.start();
    await this.caughtUp();
    return await this.stop();
  }

  /** The state directory vanishes, as a pod's does. */
  async loseState(): Promise<void> {
    const empty = async (dir: string): Promise<void> => {
      for (const { name, kind } of (await this.files.list(dir)) ?? []) {
        const path = `${dir}/${String(name)}`;
        if (kind === "dir") await empty(path);
        else await this.files.unlink(path);
      }
    };
    await empty(this.dir);
  }

  /** The power goes, and comes back: nothing that was not synced is left, or some of it. */
  async cutPower(seed?: number): Promise<void> {
    this.files.crash(seed);
    await this.kill();
  }

  /** The process is gone at once; what it wrote stays. */
  async kill(): Promise<void> {
    // The dead must not write on the disk of the living.
    this.files.hook = () => {
      throw Object.assign(new Error("killed"), { code: "EIO" });
    };
    this.agent?.stop("killed");
    this.agent?.stop("killed");
    await this.end().catch(() => undefined);
    this.files.hook = undefined;
  }

  /** Lets `ms` pass. */
  async pass(ms: number): Promise<void> {
    const end = this.time.mono + Math.round(ms * 1000);
    while (this.time.mono < end) {
      // One stretch after the other, also where several wait at once.
      const next = Math.min(end, this.time.mono + 10_000);
      this.#passing = this.#passing.then(async () => {
        if (this.time.mono < next) await this.time.pass((next - this.time.mono) / 1000);
      });
      await this.#passing;
    }
  }

  /** Lets time pass until `work` is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    let over = false;
    const done = () => {
      over = true;
    };
    work.then(done, done);
    while (!over) await this.pass(10);
    return await work;
  }

  async until(what: () => boolean | Promise<boolean>, ms = 60_000): Promise<void> {
    for (const end = this.time.mono + ms * 1000; this.time.mono < end; await this.pass(10)) {
      if (await what()) return;
      if (this.failure !== undefined) throw this.failure;
    }
    throw new Error(`waited in vain\n${JSON.stringify(this.diag.lines.slice(-15), undefined, 1)}`);
  }

  /** Until all that was written is receipted. */
  async caughtUp(): Promise<void> {
    await this.until(() => {
      const session = this.agent?.session;
      const ship = session?.shipper.status();
      const read = session?.tail.status().every(({ size, offset }) => offset >= size);
      const quiet = ship?.unreceiptedBlocks === 0 && ship.receiptedSize > 0;
      return read === true && quiet && session?.tail.status().length !== 0;
    });
    await this.pass(60);
    await this.until(() => this.agent?.session?.shipper.status().unreceiptedBlocks === 0);
  }

  /** Verifies what the vault has; sealed bytes by path and generation, in the order of chains. */
  async verify(): Promise<Sealed> {
    const findings: Finding[] = [];
    const gaps: Gap[] = [];
    const bytes = new Map<string, string>();
    const records: string[] = [];
    const reasons: string[] = [];
    for (const [id, { stored }] of this.vault.chains) {
      if (stored.length === 0) continue;
      const names = new Map<string, string>();
      const name = (record: JsonObject): void => {
        const { path, generation } = record as { path: string; generation: number };
        names.set(hex(sourceIdOf(suite, encodeRecord(record))), `${path}#${generation}`);
      };
      await verifyChain(plainChain(id, this.vault.grants.get(id), stored), {
        suite: judges,
        roots: [this.root.key],
        vaults: [],
        report: (finding) => findings.push(finding),
        onItem: (item, raw) => {
          const content = raw.subarray(item.start, item.end);
          if (item.kind === "span") {
            const key = names.get(item.source) ?? item.source;
            bytes.set(key, (bytes.get(key) ?? "") + Buffer.from(content).toString("latin1"));
            return;
          }
          const { type, value } = decodeRecord(content);
          if (type === "predecessor") reasons.push(String(value["reason"]));
          records.push(type === "gap" ? `gap ${String(value["cause"])}` : type);
          if (type === "gap") {
            const { source, from, to } = value as { source: string; from: number; to?: number };
            gaps.push({ key: names.get(source) ?? source, from, to });
          }
          if (type === "source") name(value);
          for (const { record } of positionsIn(value["positions"])) name(record);
        },
      });
    }
    return { findings, bytes, records, reasons, gaps };
  }

  /** Every block that lies in any WAL of the state directory, by chain and height, as hashes. */
  async heights(): Promise<Map<string, Set<string>>> {
    const found = new Map<string, Set<string>>();
    const note = (chain: string, block: Uint8Array): void => {
      const height = Buffer.from(block).readBigUInt64BE(48);
      const key = `${chain}/${height}`;
      found.set(key, (found.get(key) ?? new Set()).add(hex(blockHash(suite, block))));
    };
    for (const [id, { stored }] of this.vault.chains) for (const block of stored) note(id, block);
    const chains = (await this.files.list(`${this.dir}/chains`)) ?? [];
    for (const { name } of chains) {
      const wal = `${this.dir}/chains/${String(name)}/wal`;
      for (const { name: segment } of (await this.files.list(wal)) ?? []) {
        const bytes = this.files.bytes(`${wal}/${String(segment)}`);
        for (let at = 0; at < bytes.length; ) {
          const length = Buffer.from(bytes).readUInt32BE(at);
          const block = bytes.subarray(at + 16, at + 16 + length);
          if (block[0] === 0x53) note(hex(block.subarray(16, 48)), block);
          at += 16 + length;
        }
      }
    }
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.agent?.stop("over");
    this.agent?.stop("over");
    await this.end().catch(() => undefined);
    rmSync(this.dir, { recursive: true, force: true });
  }
}
