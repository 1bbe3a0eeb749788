// A process that is many agents at once, as far as a vault can see: each has its own chain, keys,
// buffer, shipper and connection, made of the same code as the agent. Only the files to tail and
// the metrics are missing: lines come from a pool.
//
// - argv: a JSON object of LoadOptions. Prints a JSON object of LoadResult.
// - Buffers lie where `state` says: in memory, as the disk of another machine would not slow down
//   the vault's.
// - Latency is measured in this process, from the adding of the lines to the receipt that was
//   verified and saved.

import { setTimeout as sleep } from "node:timers/promises";
import { beginChain } from "../src/agent/begin-chain.ts";
import type { LiveChain } from "../src/agent/chain.ts";
import { type AgentConfig, agentConfig } from "../src/agent/config.ts";
import { Feed } from "../src/agent/feed.ts";
import { readGrant } from "../src/agent/grant-files.ts";
import { ReceiptFile } from "../src/agent/receipts.ts";
import { Reserve } from "../src/agent/reserve.ts";
import { StateDir } from "../src/agent/state-dir.ts";
import { ownMachine } from "../src/cli/running.ts";
import { fromHex } from "../src/core/bytes.ts";
import { pairVaultKeys, type VaultKeys } from "../src/core/checkpoint.ts";
import { parseVerifierKey } from "../src/core/note.ts";
import type { SourceRecord } from "../src/core/record.ts";
import { loadConfigFile } from "../src/host/config.ts";
import { createDiag } from "../src/host/diag.ts";
import type { SealedBlock } from "../src/seal/pipeline.ts";
import { Shipper } from "../src/ship/shipper.ts";
import type { Answer, Sink, Submission } from "../src/ship/sink.ts";
import { VaultSink } from "../src/ship/vault-sink.ts";
import { planSuccession } from "../src/succession/plan.ts";
import { LinePool } from "./paced-writer.ts";
import { quantile } from "./series.ts";

export interface LoadOptions {
  /** agent.yaml; its state_dir gets a folder for each chain. */
  readonly config: string;
  readonly chains: number;
  /** Lines a second, all chains together. */
  readonly rate: number;
  readonly seconds: number;
  /** Where a pool of lines may be written for a moment. */
  readonly pool: string;
}

export interface LoadResult {
  /** Until the last chain had its first receipt. */
  readonly enrolSeconds: number;
  readonly seconds: number;
  readonly lines: number;
  readonly bytes: number;
  readonly blocks: number;
  readonly requests: number;
  /** Answers that were no receipt. */
  readonly failures: number;
  /** Milliseconds: p50, p99, most. */
  readonly answered: readonly [number, number, number];
  readonly receipted: readonly [number, number, number];
}

const tickMs = 100;
/** The agents' first lines are spread over the age at which blocks are closed. */
const spreadMs = 1000;
const machine = ownMachine();
const diag = createDiag({ level: "warn" });

/** What all chains count together. */
class Counts {
  lines = 0;
  bytes = 0;
  blocks = 0;
  failures = 0;
  answered: number[] = [];
  receipted: number[] = [];
}

class TimedSink implements Sink {
  readonly #sink: Sink;
  readonly #counts: Counts;

  constructor(sink: Sink, counts: Counts) {
    this.#sink = sink;
    this.#counts = counts;
  }

  get certificateNotAfter(): number | undefined {
    return this.#sink.certificateNotAfter;
  }

  async post(submission: Submission, signal: AbortSignal): Promise<Answer> {
    const began = performance.now();
    const answer = await this.#sink.post(submission, signal);
    this.#counts.answered.push(performance.now() - began);
    if (answer.outcome !== "receipt") this.#counts.failures += 1;
    return answer;
  }

  close(): Promise<void> {
    return this.#sink.close();
  }
}

/** Lines that were added at a time and are not receipted: those before `seq`. */
interface Added {
  readonly at: number;
  readonly seq: number;
}

class Chain {
  readonly #live: LiveChain;
  readonly #shipper: Shipper;
  readonly #sink: Sink;
  readonly #source: Uint8Array;
  readonly #counts: Counts;
  readonly #lines: LinePool;
  #offset = 0;
  readonly #added: Added[] = [];
  /** Seq behind each block that is not receipted. */
  readonly #ends = new Map<number, number>();
  receiptedSize = 0;

  private constructor(
    live: LiveChain,
    feed: Feed,
    source: Uint8Array,
    { config, vaults, counts, lines }: Shared,
  ) {
    this.#live = live;
    this.#source = source;
    this.#counts = counts;
    this.#lines = lines;
    const { url, tls, max_delay } = config.sink;
    const userAgent = "sealtail-bench";
    this.#sink = new TimedSink(new VaultSink({ ...machine, diag, url, tls, userAgent }), counts);
    this.#shipper = new Shipper({
      ...machine,
      ...{ chainId: live.id, feed, tree: feed, sink: this.#sink, vaults, diag },
      receipts: new ReceiptFile(machine, live.dir.receipt, undefined),
      maxDelayMs: max_delay,
      grant: live.grant.bytes,
      onReceipt: async ({ size }) => {
        this.#covered(size);
        await live.wal.freeBelow(size);
      },
    });
    void this.#shipper.run();
  }

  static async begin(number: number, shared: Shared): Promise<Chain> {
    const { vaults } = shared;
    const config = { ...shared.config, state_dir: `${shared.config.state_dir}/${number}` };
    const state = new StateDir(machine.files, config.state_dir);
    await state.prepare();
    let [chain, feed]: [Chain | undefined, Feed | undefined] = [undefined, undefined];
    const onSealed = (block: SealedBlock): void => {
      chain?.sealed(block);
      feed?.handOver(block);
    };
    const context = {
      ...machine,
      ...{ config, version: "bench", diag, state, onSealed, mayDeclare: () => true },
      ...{ vaults, stopping: new AbortController().signal },
      bufferBytes: config.buffer.max_bytes,
      reserve: await Reserve.open(machine.files, state.reserve, 0),
      ...{ onShortage: () => {}, onDamage: () => {}, onLeftOut: () => {} },
      meter: { synced: () => {}, signed: () => {}, walFailed: () => {} },
    };
    const audiences = vaults.map(({ receipt }) => receipt.name);
    const warn = (message: string): void => diag.warn(message);
    const grant = await readGrant(machine.files, machine.suite, config, audiences, warn);
    if (grant === undefined) throw new Error("there is no grant");
    const plan = await planSuccession(machine.suite, []);
    const live = await beginChain(context, state.chain(0), grant, plan, new Map());
    const record = sourceRecord(number);
    await live.sealer.addRecords([record]);
    const source = fromHex(live.sources.idOf({ ...record }), 16);
    feed = new Feed(machine.clock, live.wal, live.head.blockNo, live.head.root);
    chain = new Chain(live, feed, source, shared);
    return chain;
  }

  /** Adds lines, and closes the block if it is due. */
  async add(count: number): Promise<void> {
    const { sealer } = this.#live;
    if (count > 0) {
      const { bytes, lines } = this.#lines.take(count);
      (await sealer.room()).set(bytes);
      const place = { source: this.#source, offset: this.#offset, time: machine.clock.now() };
      await sealer.addSpan(place, bytes.length);
      this.#offset += bytes.length;
      this.#added.push({ at: performance.now(), seq: sealer.seq });
      this.#counts.lines += lines;
      this.#counts.bytes += bytes.length;
    }
    if ((sealer.dueInMs() ?? 1) <= 0) await sealer.close();
  }

  sealed({ header }: SealedBlock): void {
    this.#counts.blocks += 1;
    this.#ends.set(header.blockNo, header.firstSeq + header.count);
  }

  #covered(size: number): void {
    const now = performance.now();
    for (; this.receiptedSize < size; this.receiptedSize += 1) {
      const end = this.#ends.get(this.receiptedSize) ?? 0;
      this.#ends.delete(this.receiptedSize);
      while ((this.#added[0]?.seq ?? Number.POSITIVE_INFINITY) <= end) {
        this.#counts.receipted.push(now - (this.#added.shift() as Added).at);
      }
    }
  }

  async end(): Promise<void> {
    await this.#live.sealer.finish([{ type: "stop", reason: "end of the load" }], "normal");
    const done = await this.#shipper.drain(60_000);
    if (!done) throw new Error("a chain was not receipted to its end");
    await this.#shipper.close();
    await this.#sink.close();
    await this.#live.wal.close();
  }
}

function sourceRecord(number: number): SourceRecord {
  return {
    ...{ type: "source", name: "app", path: `/var/log/app/${number}.log` },
    ...{ dev: "1", ino: String(number + 1), birth: "1", generation: 0 },
    ...{ fingerprint: "00".repeat(32), fingerprint_len: 0 },
  };
}

interface Shared {
  readonly config: AgentConfig;
  readonly vaults: readonly VaultKeys[];
  readonly counts: Counts;
  readonly lines: LinePool;
}

async function run({
  config: file,
  chains,
  rate,
  seconds,
  pool,
}: LoadOptions): Promise<LoadResult> {
  const { config } = await loadConfigFile(agentConfig, file, machine.env, machine.files);
  const keys = config.trust.vault_keys.map((text) => parseVerifierKey(machine.suite, text));
  const [counts, lines] = [new Counts(), new LinePool(pool, 100_000, 4)];
  const shared = { config, counts, lines, vaults: pairVaultKeys(keys) };
  const began = performance.now();
  const all: Chain[] = [];
  for (let number = 0; number < chains; number += 1) all.push(await Chain.begin(number, shared));
  while (all.some(({ receiptedSize }) => receiptedSize === 0)) await sleep(10);
  const enrolSeconds = (performance.now() - began) / 1000;
  Object.assign(counts, new Counts());
  const loaded = performance.now();
  const elapsed = (): number => (performance.now() - loaded) / 1000;
  // Agents know nothing of each other: their blocks are not all due at one moment.
  const drive = async (chain: Chain, index: number): Promise<void> => {
    await sleep((spreadMs * index) / chains);
    for (let added = 0; elapsed() < seconds; await sleep(tickMs)) {
      const due = Math.floor((elapsed() * rate) / chains) - added;
      await chain.add(due);
      added += due;
    }
  };
  await Promise.all(all.map(drive));
  const took = elapsed();
  const { answered, failures, blocks, bytes } = counts;
  const [requests, sent] = [answered.length, counts.lines];
  await Promise.all(all.map((chain) => chain.end()));
  return {
    ...{ enrolSeconds, seconds: took, lines: sent, bytes, blocks, requests, failures },
    answered: spread(answered),
    receipted: spread(counts.receipted),
  };
}

function spread(values: readonly number[]): [number, number, number] {
  const sorted = values.toSorted((a, b) => a - b);
  return [quantile(sorted, 0.5), quantile(sorted, 0.99), quantile(sorted, 1)];
}

console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? "") as LoadOptions)));
