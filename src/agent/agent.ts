// The agent: builds everything from a configuration, runs sessions, and ends cleanly.
//
// - A session ends because it was told to stop, or because its chain cannot be gone on with; then
//   the next chain begins, if a grant is there, and otherwise waits for one (needs-grant).
// - Errors of our own state are never survived in half: they end the agent, and the next start
//   recovers from what is really on the disk.

import { keysOf } from "../core/authority.ts";
import { pairVaultKeys, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { isShortage, SealtailError, type Shortage } from "../core/errors.ts";
import { parseVerifierKey, type VerifierKey } from "../core/note.ts";
import type { SourceTable } from "../core/sources.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import type { HttpListener } from "../host/http-listener.ts";
import { lockStateDir, type StateLock } from "../host/lock.ts";
import { openOperations } from "../host/operations-listener.ts";
import type { Random } from "../host/random.ts";
import type { Sink } from "../ship/sink.ts";
import { HttpVaultReads, type VaultReads } from "../ship/vault-reads.ts";
import { VaultSink } from "../ship/vault-sink.ts";
import type { HintSource } from "../tail/hints.ts";
import type { ChainContext, LiveChain } from "./chain.ts";
import type { AgentConfig } from "./config.ts";
import { Descriptors } from "./descriptors.ts";
import { Feed } from "./feed.ts";
import { Gauge } from "./gauge.ts";
import { AgentMetrics } from "./metrics.ts";
import { type NextChain, type NextChainContext, nextChain } from "./next-chain.ts";
import { Offer } from "./offer.ts";
import { liveness, readiness, startup, statusOf } from "./operations.ts";
import { Reserve } from "./reserve.ts";
import { Session } from "./session.ts";
import { StateDir } from "./state-dir.ts";
import { ownPathsOf, Tailing } from "./tailing.ts";
import { messageOf, TerminationMessage } from "./termination-message.ts";

export interface AgentOptions {
  readonly config: AgentConfig;
  readonly version: string;
  /** Name of this host, for the start record. */
  readonly host: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly suite: Suite;
  readonly clock: Clock;
  readonly files: Files;
  readonly random: Random;
  readonly diag: Diag;
  /** More paths never to be tailed: a store beside us, the file that our diagnostics go to. */
  readonly refuse?: readonly string[];
  /** Where blocks go; the configured vault unless told. */
  readonly sink?: Sink;
  /** What the vault shows of its chains; the configured vault unless told, or unless `sink` is. */
  readonly reads?: VaultReads;
  /** Another lock than the machine's own; undefined: that one. */
  readonly lock?: (dir: string) => Promise<StateLock>;
  /** False: metrics and health are not served, and nothing about this process is measured. */
  readonly listens?: boolean;
  /** Early hints of change; chokidar's unless told. */
  readonly hints?: HintSource | "none";
  /** Another compressor than the one in libuv's pool; undefined: that one. */
  readonly compress?: (bytes: Uint8Array) => Promise<Uint8Array>;
}

/** What is there before the agent is. */
interface Own {
  readonly descriptors: Descriptors;
  readonly state: StateDir;
  readonly reserve: Reserve;
  readonly bufferBytes: number;
}

export interface AgentEnd {
  /** Blocks that the vault has not receipted; undefined: none could be looked at. */
  readonly unsent: number | undefined;
}

/** A snapshot is at most 7,000,000 bytes; the rest is for its configuration and one more source. */
const declarationsMax = 6_500_000;
/** How long a vault may go on answering once we were told to stop, in ms. */
const askingMs = 2000;
/** How long who reads our health at the very end is waited for, in ms. */
const closeMs = 500;
/** The reserve: this much, or a tenth of the buffer or of its disk. */
const reserveMax = 16 * 1024 * 1024;
/** Blocks that the disk must be able to hold, so that reading can go on once it was full. */
const diskBlocksMin = 8;

export class Agent {
  readonly gauge: Gauge = new Gauge();
  readonly #options: AgentOptions;
  readonly #context: ChainContext;
  readonly #lock: StateLock;
  readonly #vaults: readonly VaultKeys[];
  readonly #sink: Sink;
  readonly #reads: VaultReads | undefined;
  readonly #roots: readonly VerifierKey[] | undefined;
  readonly #metrics: AgentMetrics;
  readonly #stopping = new AbortController();
  /** Aborted when a vault that is being asked has had its time. */
  readonly #asking = new AbortController();
  #stop: { readonly reason: string; readonly since: number } | undefined;
  #session: Session | undefined;
  readonly #descriptors: Descriptors;
  readonly #tailing: Tailing;
  #feed: Feed | undefined;
  /** Those of the chain that is gone on with. */
  #sources: SourceTable | undefined;
  #saidFull = false;
  #saidGrowsOn = false;
  #shortage: Shortage | undefined;
  #operations: HttpListener | undefined;

  private constructor(
    options: AgentOptions,
    { descriptors, state, reserve, bufferBytes }: Own,
    lock: StateLock,
  ) {
    const { config, suite, clock, random, diag, version, host, env } = options;
    const { files } = descriptors;
    this.#options = options;
    this.#lock = lock;
    this.#descriptors = descriptors;
    this.#vaults = pairVaultKeys(
      config.trust.vault_keys.map((text) => parseVerifierKey(suite, text)),
    );
    const { url, tls } = config.sink;
    const userAgent = `sealtail/${version}`;
    const connects = <T>(open: () => Promise<T>): Promise<T> => descriptors.get(open);
    this.#sink =
      options.sink ?? new VaultSink({ env, files, clock, diag, url, tls, userAgent, connects });
    const sink = this.#sink;
    const asks = sink instanceof VaultSink;
    this.#reads =
      options.reads ?? (asks ? new HttpVaultReads(sink, clock, this.#asking.signal) : undefined);
    this.#roots = config.trust.root_keys?.map((text) => parseVerifierKey(suite, text));
    this.#metrics = new AgentMetrics(this.gauge, version, () => this.#session, config);
    this.#context = {
      config,
      version,
      host,
      suite,
      clock,
      files,
      random,
      diag,
      state,
      vaults: this.#vaults,
      stopping: this.#stopping.signal,
      hints: options.hints,
      compress: options.compress,
      mayDeclare: () => this.#mayDeclare(),
      onSealed: (block) => {
        this.#feed?.handOver(block);
        this.#metrics.sealed(block);
        this.gauge.lastTurn = clock.mono();
      },
      reserve,
      bufferBytes,
      onShortage: (shortage, growsOn) => {
        if (growsOn === true) this.#sayGrowsOn(shortage as Shortage);
        else this.#onShortage(shortage);
      },
      meter: this.#metrics,
      onLeftOut: (bytes) => {
        this.gauge.leftOutBytes += bytes;
      },
      onDamage: (segments) => {
        this.gauge.damagedSegments += segments;
      },
    };
    const refuse = [...ownPathsOf(config), ...(options.refuse ?? [])];
    this.#tailing = new Tailing(this.#context, options.files, refuse);
    descriptors.from(this.#tailing, this.gauge);
    this.gauge.tail = () => this.#tailing.tail;
  }

  /** Locks the state directory and opens the metrics listener; run() does the work. */
  static async start(options: AgentOptions): Promise<Agent> {
    const descriptors = new Descriptors(options);
    const { files } = descriptors;
    const state = new StateDir(files, options.config.state_dir);
    await state.prepare();
    const bufferBytes = await bufferOn(files, options.config);
    const { clock, diag, config, lock: take = lockStateDir, listens = true } = options;
    const lock = await take(config.state_dir);
    const spare = Math.min(reserveMax, Math.floor(bufferBytes / 10));
    const reserve = await Reserve.open(files, state.reserve, spare);
    const agent = new Agent(options, { descriptors, state, reserve, bufferBytes }, lock);
    if (!listens) return agent;
    try {
      const { gauge } = agent;
      agent.#operations = await openOperations({
        ...{ clock, diag, metrics: agent.#metrics.page, listen: config.metrics.listen },
        alive: () => liveness(gauge, clock.mono()),
        started: () => startup(gauge),
        ready: () => readiness(gauge, agent.#session?.shipper.status()),
        status: () => statusOf(gauge, agent.#session),
      });
    } catch (error) {
      await agent.#sink.close();
      lock.release();
      throw error;
    }
    return agent;
  }

  /** Where metrics and health are served. */
  get operationsUrl(): string | undefined {
    return this.#operations?.url;
  }

  /** Whether the main loop turns: what /livez answers. */
  get alive(): boolean {
    return liveness(this.gauge, this.#options.clock.mono()).ok;
  }

  get session(): Session | undefined {
    return this.#session;
  }

  /** Begins a clean stop; a second call skips to the sync. */
  stop(reason: string): void {
    const { clock } = this.#options;
    const now = clock.mono();
    if (this.#stop === undefined) {
      void clock.sleep(askingMs, this.#asking.signal).then(() => this.#asking.abort());
    } else this.#asking.abort();
    this.#stop ??= { reason, since: now };
    this.#stopping.abort();
    this.#session?.stop(reason, now);
  }

  /** Runs until stopped. Rejects with what made going on impossible. */
  async run(): Promise<AgentEnd> {
    const path = this.#options.config.diagnostics.termination_message;
    if (path === undefined) return this.#work();
    const message = new TerminationMessage(this.#options, path);
    const over = new AbortController();
    const text = (failure?: string): string => messageOf(this.gauge, this.#session, failure);
    const keeping = message.keep(text, over.signal);
    let failure: string | undefined;
    try {
      return await this.#work();
    } catch (error) {
      failure = error instanceof SealtailError ? error.code : "unexpected";
      throw error;
    } finally {
      over.abort();
      await keeping;
      await message.write(text(failure));
    }
  }

  async #work(): Promise<AgentEnd> {
    try {
      for (let drafts: readonly Uint8Array[] = []; ; ) {
        const next = await this.#next(drafts);
        if ("unsent" in next) return next;
        const end = await this.#runOn(next.live);
        if ("stopped" in end) return { unsent: end.unsent };
        drafts = end.drafts;
        this.gauge.chainsReplaced += 1;
      }
    } finally {
      this.#asking.abort();
      // What still watches files would keep the process alive.
      await this.#tailing.close();
      await this.#sink.close();
      await this.#operations?.close(closeMs);
      this.#lock.release();
    }
  }

  async #next(drafts: readonly Uint8Array[]): Promise<NextChain | AgentEnd> {
    const begin = (): Promise<NextChain> => nextChain(this.#parts(), drafts);
    try {
      return await this.#descriptors.patiently(this.#stopping.signal, begin);
    } catch (error) {
      const short = isShortage(error) && error.code === "too-many-open-files";
      if (this.#stop === undefined || !short) throw error;
      // It was told to end while it waited for one: what is on disk is as a kill leaves it.
      this.#options.diag.warn("stopped before a descriptor was left to begin with", { error });
      return { unsent: undefined };
    }
  }

  #parts(): NextChainContext {
    return {
      ...{ context: this.#context, tailing: this.#tailing, gauge: this.gauge },
      ...{ sink: this.#sink, vaults: this.#vaults, reads: this.#reads, roots: this.#roots },
      asking: this.#asking.signal,
      stopReason: () => this.#stop?.reason,
    };
  }

  async #runOn(live: LiveChain): ReturnType<Session["run"]> {
    const { clock, files } = this.#context;
    this.gauge.chain = live.id;
    this.gauge.headBlock = live.head.blockNo;
    this.gauge.headSeq = live.seq;
    const feed = new Feed(clock, live.wal, live.head.blockNo, live.head.root);
    this.#feed = feed;
    this.#sources = live.sources;
    const sink = await Offer.open(this.#sink, files, live.dir.unsent);
    const session = new Session({
      ...{ context: this.#context, live, feed, sink },
      vaults: keysOf(this.#vaults, live.grant.audience),
      ...{ observer: this.#metrics.ship, gauge: this.gauge, tailing: this.#tailing },
    });
    this.#session = session;
    if (this.#stop !== undefined) session.stop(this.#stop.reason, this.#stop.since);
    try {
      return await session.run();
    } finally {
      feed.close();
      this.#feed = undefined;
      // No loop turns until the next session.
      this.gauge.lastTurn = 0;
      await live.wal.close();
      await live.keys.close();
      await sink.settle();
    }
  }

  #mayDeclare(): boolean {
    const full = (this.#sources?.snapshotBytes ?? 0) >= declarationsMax;
    if (full && !this.#saidFull) {
      this.#options.diag.error("too many files are followed, new ones wait until others end", {
        code: "sources-full",
      });
    }
    this.#saidFull = full;
    return !full;
  }

  // The reserve is not given for it: its inode is the receipt's, which frees the buffer.
  #sayGrowsOn(error: Shortage): void {
    const phrase = "couldn't begin another segment of the buffer, the newest grows on";
    if (!this.#saidGrowsOn) this.#options.diag.error(phrase, { error });
    this.#saidGrowsOn = true;
  }

  #onShortage(shortage: Shortage | undefined): void {
    const { diag } = this.#options;
    const said = this.#shortage?.code;
    this.#shortage = shortage;
    if (shortage === undefined) diag.info("the buffer can be written again");
    else if (shortage.code !== said) {
      diag.error("couldn't write to the buffer, trying again", { error: shortage });
    }
    if (shortage?.code === "disk-full") {
      this.gauge.state = "disk-full";
      void this.#context.reserve.give();
    }
    if (shortage?.code === "too-many-open-files") this.gauge.state = "no-descriptors";
    this.#session?.onShortage(shortage);
  }
}

/** What the buffer may take, and no more than its disk holds. Throws config-invalid for a tiny disk. */
async function bufferOn(files: Files, { state_dir, buffer, seal }: AgentConfig): Promise<number> {
  const disk = await files.diskBytes(state_dir);
  const least = diskBlocksMin * seal.max_bytes;
  if (disk >= least) return Math.min(buffer.max_bytes, disk);
  const want = `${diskBlocksMin} blocks of seal.max_bytes`;
  const text = `the file system of state_dir holds ${disk} bytes, fewer than ${want}`;
  const hint = `give state_dir a file system of at least ${least} bytes, or lower seal.max_bytes`;
  throw new SealtailError("config-invalid", text, { place: state_dir, hint });
}
