// A world: one machine with log files and an agent, one machine with a vault, and the time.
//
// - The agent, the vault and the verifier are the real ones. Disks, clocks, chance and the network
//   are fakes that a seed governs, so a world can be lived through again.
// - The agent's process ends when it says so and is started again, as a supervisor does.

import { zstdCompressSync } from "node:zlib";
import { Agent, type AgentEnd } from "../../src/agent/agent.ts";
import type { AgentConfig } from "../../src/agent/config.ts";
import type { FindingCode } from "../../src/core/fault.ts";
import { formatVerifierKey } from "../../src/core/note.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { frameParams } from "../../src/host/zstd.ts";
import { HttpVaultReads } from "../../src/ship/vault-reads.ts";
import { parseSegmentName } from "../../src/wal/segment.ts";
import { testRoot } from "../fakes/chain-builder.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import type { FileNode } from "../fakes/file-tree.ts";
import { FakeFiles } from "../fakes/files.ts";
import { SeededRandom, seededNumbers } from "../fakes/random.ts";
import { Buffers } from "./buffers.ts";
import { lostByAgent } from "./deeds.ts";
import { Grants, grantFile, grantKey } from "./grants.ts";
import { Ledger } from "./ledger.ts";
import { Life } from "./life.ts";
import { include, mayWant, Places } from "./places.ts";
import { StoreMishaps } from "./stores.ts";
import { playsOf } from "./story.ts";
import { LifeClock, VirtualTime, type Wall } from "./time.ts";
import { Road, VaultHost } from "./vault-host.ts";
import { Window } from "./window.ts";

/** One life of the agent, and how it ended. */
export interface AgentLife {
  readonly number: number;
  readonly life: Life;
  readonly begun: number;
  agent: Agent | undefined;
  end: AgentEnd | undefined;
  error: unknown;
  /** Tick at which it ended; infinite while it goes on. */
  over: number;
  /** Ticks at which it had caught up with everything it could see. */
  readonly rested: number[];
}

const now = 1_800_000_000_000_000;

export class World {
  readonly time: VirtualTime = new VirtualTime();
  readonly disk: FakeFiles = new FakeFiles();
  readonly wall: Wall = { offset: now };
  readonly ledger: Ledger = new Ledger();
  /** Every log file that ever was. */
  readonly nodes: Map<string, FileNode> = new Map();
  readonly diag: RecordingDiag = new RecordingDiag();
  readonly random: SeededRandom;
  readonly vault: VaultHost;
  readonly lives: AgentLife[] = [];
  readonly config: AgentConfig;
  /** What happened, for people. */
  readonly log: string[] = [];
  /** Chance for everything that no operation decides: delays, races, moods. */
  chance: () => number;
  /** Share of calls to the disk that take time. */
  slowShare = 0;
  /** Findings that are no fault of anybody's after what happened. */
  readonly excused: Set<FindingCode> = new Set();
  /** To be done just before a call of the agent to a log file, after so many others. */
  races: { calls: number; readonly act: () => void }[] = [];
  readonly places: Places = new Places(this.disk);
  readonly grants: Grants;
  /** What the agent had durably sealed at the beginning of a life. */
  readonly buffers: Buffers = new Buffers();
  readonly stores: StoreMishaps;
  #scopeOf: FileNode | undefined;

  private constructor(seed: number) {
    this.random = new SeededRandom(seed);
    this.chance = seededNumbers(seed + 77);
    const slowness = (): number => this.#slowness();
    this.vault = new VaultHost(this.time, formatVerifierKey(testRoot.key), { slowness }, now);
    const seconds = (): number => Math.floor((this.time.mono + this.vault.wall.offset) / 1e6);
    this.stores = new StoreMishaps(this.vault, seconds);
    // Who loses all that he knows must wait for the vault that may know.
    const forgets = playsOf(seed).some((each) => lostByAgent.includes(each));
    this.config = configOf(this.vault, forgets ? "wait" : "begin");
    this.grants = new Grants(this.disk, this.random, this.vault.config.name);
  }

  static async make(seed: number): Promise<World> {
    const world = new World(seed);
    const dirs = ["/keys", "/logs/sub", "/data/release0", "/data/release1", "/state"];
    for (const dir of dirs) await world.disk.mkdir(dir, 0o700);
    await world.grants.layGood();
    world.disk.syncAll();
    return world;
  }

  #slowness(): number {
    return this.slowShare > 0 && this.chance() < this.slowShare ? this.chance() * 40 : 0;
  }

  get life(): AgentLife | undefined {
    const last = this.lives.at(-1);
    return last !== undefined && last.over === Number.POSITIVE_INFINITY ? last : undefined;
  }

  get agent(): Agent | undefined {
    return this.life?.agent;
  }

  /** Starts the agent unless it runs. */
  start(): void {
    if (this.life !== undefined) return;
    const number = this.lives.length;
    const clock = new LifeClock(this.time, this.wall);
    clock.onNow = (at) => this.ledger.noteTime(at);
    const life = new Life(clock, this.disk, {
      slowness: () => this.#slowness(),
      before: (_, path) => this.#race(path),
      seen: ({ ino, size }, path, how) => {
        this.#noteScope();
        const wanted = mayWant.test(path) && this.places.reach(path) !== "refused";
        this.ledger.see(String(ino), { life: number, size, wanted, ...how });
      },
    });
    this.findBuffers();
    const begun = this.ledger.tick;
    const one: AgentLife = {
      ...{ number, life, begun, rested: [], over: Number.POSITIVE_INFINITY },
      ...{ agent: undefined, end: undefined, error: undefined },
    };
    this.lives.push(one);
    this.#run(one).then(
      (end) => {
        one.end = end;
        this.#over(one);
      },
      (error) => {
        one.error = error;
        this.log.push(`    agent ended: ${String(error)}`);
        this.#over(one);
      },
    );
  }

  async #run(one: AgentLife): Promise<AgentEnd> {
    const { config, diag, random } = this;
    const { clock, files } = one.life;
    one.agent = await Agent.start({
      ...{ config, files, diag, suite, clock, random, version: "0", host: "h", env: {} },
      sink: new Road(this.vault, clock, () => this.chance()),
      reads: new HttpVaultReads(new Window(this.vault, clock), clock, new AbortController().signal),
      lock: async () => ({ release: () => {}, [Symbol.dispose]: () => {} }),
      listens: false,
      hints: "none",
      compress: async (bytes) => compressNow(bytes),
    });
    return await one.agent.run();
  }

  #over(one: AgentLife): void {
    this.ledger.tick += 1;
    one.over = Math.min(one.over, this.ledger.tick);
    one.life.die();
  }

  #race(path: string): void {
    if (!path.startsWith("/logs") && !path.startsWith("/data")) return;
    for (const race of this.races) race.calls -= 1;
    const due = this.races.filter(({ calls }) => calls <= 0);
    this.races = this.races.filter(({ calls }) => calls > 0);
    for (const { act } of due) act();
  }

  /** Takes in what lies in the buffers. */
  findBuffers(): void {
    for (const [dir, chain] of this.disk.node("/state/chains")?.names ?? []) {
      const segments = [...(chain.names.get("wal")?.names ?? [])].flatMap(([name, { bytes }]) => {
        const first = parseSegmentName(name);
        return first === undefined ? [] : [{ first, bytes: bytes.content }];
      });
      segments.sort((a, b) => a.first - b.first);
      this.buffers.find(dir, segments, this.ledger.tick);
    }
  }

  // The newest chain's grant says which files the agent may seal.
  #noteScope(): void {
    const grants = [...(this.disk.node("/state/chains")?.names ?? [])]
      .sort(([a], [b]) => (a < b ? 1 : -1))
      .map(([, dir]) => dir.names.get("grant"));
    const grant = grants.find((each) => each !== undefined);
    if (grant === undefined || grant === this.#scopeOf) return;
    const sources = this.grants.sourcesIn(grant.bytes.content);
    // Half written yet, or spoilt.
    if (sources === undefined) return;
    this.#scopeOf = grant;
    this.ledger.scopes.push({ tick: this.ledger.tick, sources });
  }

  /** kill -9. What the kernel holds survives. */
  kill(): void {
    const one = this.life;
    if (one === undefined) return;
    one.life.die();
    this.#over(one);
  }

  /** The agent's machine loses power; some of what was not synced survives, or nothing. */
  cutPower(seed: number | undefined): void {
    this.kill();
    this.disk.crash(seed);
    for (const node of this.nodes.values()) {
      this.note(node);
      // Old bytes may have come back.
      const log = this.ledger.logs.get(String(node.ino));
      if (log !== undefined) log.crashed = true;
    }
    this.look();
    // What was not durable is lost, and was never promised.
    this.buffers.forgetAll();
    this.findBuffers();
  }

  /** Lays a good grant where one is needed: the one that is there is bad, or none is. */
  async needGrant(): Promise<void> {
    const there = [grantFile, grantKey].every((path) => this.disk.node(path) !== undefined);
    if (this.grants.good && (there || !this.#waitsForGrant())) return;
    await this.grants.layGood();
  }

  #waitsForGrant(): boolean {
    return this.agent?.gauge.state === "needs-grant";
  }

  /** Files that are there under a wanted name. */
  get wanted(): Set<string> {
    return this.places.wanted();
  }

  /** A log file is there or has changed. */
  note(node: FileNode, name = "held"): void {
    this.nodes.set(String(node.ino), node);
    this.ledger.note(String(node.ino), node.bytes.content, name);
  }

  /** Which log files can be found now. */
  look(): void {
    this.ledger.look(this.places.visible());
  }
}

/** In room for all of it: zlib ends a frame that fills its buffer with another one. */
function compressNow(bytes: Uint8Array): Uint8Array {
  const chunkSize = bytes.length + 4096;
  return zstdCompressSync(bytes, { params: frameParams, chunkSize, pledgedSrcSize: bytes.length });
}

function configOf(vault: VaultHost, when_silent: AgentConfig["sink"]["when_silent"]): AgentConfig {
  const { receipt, time } = vault.keys;
  return {
    version: 1,
    name: "app",
    labels: {},
    state_dir: "/state",
    sources: [
      {
        name: "app",
        include,
        exclude: [],
        start_at: "beginning",
      },
    ],
    seal: {
      ...{ max_bytes: 16_384, max_age: 200, max_lines: 500, partial_age: 5000 },
      max_silence: 60_000,
    },
    buffer: { max_bytes: 256 * 1024 },
    drain: { deadline: 20_000, final: false },
    sink: { url: "http://127.0.0.1:1", tls: {}, max_delay: 100, patience: 0, when_silent },
    trust: { vault_keys: [formatVerifierKey(receipt), formatVerifierKey(time)] },
    grant: { file: "/keys/grant", key: "/keys/grant.key" },
    metrics: { listen: "127.0.0.1:0" },
    diagnostics: { level: "error" },
  };
}
