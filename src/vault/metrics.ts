// The vault's Prometheus metrics, under sealtail_vault_.
//
// - Labels are closed sets: outcomes, finding codes, states, endpoints. Never a chain, a subject,
//   a path or content.
// - Every series is there from the start, so that an alert on its absence means something.
// - Gauges are read when somebody scrapes; times are Unix seconds, 0 for never or none.
//
// Reference: docs/reference/metrics.md.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { findingClasses } from "../core/fault.ts";
import { chainStates } from "./chain-entry.ts";
import type { ClosedWhy, IntakeOutcome, VaultObserver } from "./observer.ts";
import { type FindingKind, watchedKinds } from "./open-findings.ts";
import { problemTable } from "./problem.ts";
import type { Watched } from "./watch.ts";

const prefix = "sealtail_vault_";
const syncBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
const lagBuckets = [1, 5, 15, 30, 60, 300, 900, 3600, 21_600];
const outcomes: readonly IntakeOutcome[] = ["stored", "duplicate", "rejected"];
const closedWhys: readonly ClosedWhy[] = ["idle", "busy", "refused", "reader"];
const storeErrors = ["disk-full", "io-error", "sync-failed", "other"] as const;

/** What is read at each scrape. Times in Unix seconds. */
export interface VaultReading {
  readonly watched: Watched;
  readonly damaged: Unable;
  readonly connections: number;
  readonly readers: number;
  readonly requestBytes: number;
  readonly headsOpen: number;
  readonly replays: number;
  readonly wholeChecks: number;
  readonly receiptsPending: number;
  readonly unkept: Unable;
  /** Undefined where it can't be told. */
  readonly freeBytes: number | undefined;
  readonly certificateNotAfter: number;
}

/** Chains for which nothing is taken in: how many, and some of them by name. */
export interface Unable {
  readonly count: number;
  readonly chains: readonly UnableChain[];
}

interface UnableChain {
  readonly chain: string;
  readonly subject: string;
  readonly why: string;
}

/** How many are named where somebody asks how the vault is. */
const namedMost = 20;

export function shown<T>(all: readonly T[], name: (each: T) => UnableChain): Unable {
  return { count: all.length, chains: all.slice(0, namedMost).map(name) };
}

export interface MetricsOptions {
  readonly version: string;
  readonly nodeVersion: string;
  readonly read: () => Promise<VaultReading>;
  readonly now: () => number;
}

type ReadNumber = (reading: VaultReading) => number;

const gauges: readonly (readonly [name: string, help: string, read: ReadNumber])[] = [
  [
    "damaged_chains",
    "Chains whose stored objects fail: nothing is taken in for them.",
    (r) => r.damaged.count,
  ],
  ["open_forks", "Proven forks that nobody acknowledged.", (r) => r.watched.forks],
  [
    "silent_chains",
    "Chains silent for longer than they promised, and nobody acknowledged it.",
    (r) => r.watched.silent,
  ],
  [
    "stopped_chains",
    "Chains whose agent stated its stop, and nobody acknowledged it.",
    (r) => r.watched.stopped,
  ],
  [
    "chains_unwatched",
    "Chains with stored blocks that were not looked at since the start: open findings may be more.",
    (r) => r.watched.pending,
  ],
  [
    "oldest_open_chain_heartbeat_timestamp_seconds",
    "When the chain that was silent longest among those not ended last sent a block; 0 for none.",
    (r) => r.watched.oldestHeartbeat,
  ],
  ["connections_open", "Connections to the API.", (r) => r.connections],
  ["readers_open", "Answers to readers under way.", (r) => r.readers],
  ["request_bytes", "Bytes of requests held in memory.", (r) => r.requestBytes],
  ["heads_open", "Chains whose head is held in memory.", (r) => r.headsOpen],
  ["receipts_pending", "Chains whose newest receipt is not kept yet.", (r) => r.receiptsPending],
  [
    "chains_unkept",
    "Chains that get no receipt: for a minute none could be kept.",
    (r) => r.unkept.count,
  ],
  [
    "store_free_bytes",
    "Bytes that may still be written to the store; NaN where that can't be told.",
    (r) => r.freeBytes ?? Number.NaN,
  ],
];

export class VaultMetrics implements VaultObserver {
  readonly #registry = new Registry();
  readonly #options: MetricsOptions;
  readonly #blocks: Counter<"outcome">;
  readonly #envelopes: Counter<"outcome">;
  readonly #bytes: Counter<"outcome">;
  readonly #failures: Counter<"check">;
  readonly #gapsFound: Counter<"cause">;
  readonly #found: Counter<"code">;
  readonly #forks: Counter;
  readonly #receipts: Counter;
  readonly #newestReceipt: Gauge;
  readonly #storeSeconds: Histogram;
  readonly #storeErrors: Counter<"code">;
  readonly #requests: Histogram<"endpoint" | "status">;
  readonly #lag: Histogram;
  readonly #closed: Counter<"why"> = this.#closedCounter();
  readonly #watched: WatchedGauges;
  readonly #replays: Counter;
  readonly #checks: Counter;
  readonly #expiry: Gauge<"kind">;
  readonly #gauges: readonly { gauge: Gauge; read: ReadNumber }[];

  constructor(options: MetricsOptions) {
    this.#options = options;
    const { version, nodeVersion } = options;
    const info = this.#gauge("build_info", "1, with the versions.", ["version", "node_version"]);
    info.set({ version, node_version: nodeVersion }, 1);
    const byOutcome = ["outcome"] as const;
    this.#blocks = this.#counter(
      "blocks_received_total",
      "Blocks received, by outcome.",
      byOutcome,
    );
    this.#envelopes = this.#counter(
      "envelopes_received_total",
      "Envelopes in the blocks received, by outcome.",
      byOutcome,
    );
    this.#bytes = this.#counter("received_bytes_total", "Bytes of blocks, by outcome.", byOutcome);
    this.#failures = this.#counter(
      "verification_failures_total",
      "Requests refused, by what was wrong: a finding of verification or a problem's code.",
      ["check"],
    );
    this.#gapsFound = this.#counter("gaps_total", "Blocks stored that declare a gap, by cause.", [
      "cause",
    ]);
    this.#found = this.#counter(
      "findings_total",
      "Blocks stored with another finding to be acknowledged, by its code.",
      ["code"],
    );
    this.#forks = this.#counter("chain_forks_total", "Forks that were proven by a request.");
    this.#receipts = this.#counter("receipts_signed_total", "Receipts signed.");
    this.#newestReceipt = this.#gauge(
      "last_receipt_timestamp_seconds",
      "When the newest receipt was signed; 0 for never.",
    );
    this.#storeSeconds = this.#histogram(
      "store_write_duration_seconds",
      "How long it took until blocks were durable.",
      syncBuckets,
    );
    this.#storeErrors = this.#counter("store_errors_total", "Writes that failed, by error code.", [
      "code",
    ]);
    this.#requests = this.#histogram(
      "request_duration_seconds",
      "Time until a request's answer began, by endpoint and status.",
      requestBuckets,
      ["endpoint", "status"],
    );
    this.#lag = this.#histogram(
      "block_lag_seconds",
      "From the sealing of a block, by its agent's clock, to its storing.",
      lagBuckets,
    );
    this.#watched = new WatchedGauges((name, help, labels) => this.#gauge(name, help, labels));
    this.#replays = this.#counter(
      "heads_replayed_total",
      "Heads of chains that were brought back from the store.",
    );
    this.#checks = this.#counter(
      "chains_checked_total",
      "Times that a chain's stored objects were all read and checked before its head was used.",
    );
    this.#expiry = this.#gauge(
      "credential_expiry_timestamp_seconds",
      "When a credential of the vault ends, by kind; 0 for none.",
      ["kind"],
    );
    this.#gauges = gauges.map(([name, help, read]) => ({ gauge: this.#gauge(name, help), read }));
    this.#zero();
  }

  // Every series is there before anything happened.
  #zero(): void {
    for (const counter of [this.#blocks, this.#envelopes, this.#bytes]) {
      for (const outcome of outcomes) counter.inc({ outcome }, 0);
    }
    for (const check of checks) this.#failures.inc({ check }, 0);
    for (const kind of watchedKinds) this.#count(kind, 0);
    for (const code of storeErrors) this.#storeErrors.inc({ code }, 0);
  }

  /** From now on this process is measured as well. */
  addProcess(): void {
    collectDefaultMetrics({ register: this.#registry });
    // Gauges that are called like counters; the same is there by type.
    for (const kind of ["handles", "requests", "resources"]) {
      this.#registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    }
  }

  /** Endpoints and the statuses of their problems: their series are there from now on. */
  expect(table: readonly { readonly name: string; readonly problems: readonly number[] }[]): void {
    for (const { name, problems } of table) {
      for (const status of [200, ...problems]) {
        this.#requests.zero({ endpoint: name, status: String(status) });
      }
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** The metrics as text. */
  async text(): Promise<string> {
    const reading = await this.#options.read();
    this.#watched.set(reading.watched);
    for (const { gauge, read } of this.#gauges) gauge.set(read(reading));
    this.#expiry.set({ kind: "tls" }, reading.certificateNotAfter);
    this.#replays.reset();
    this.#replays.inc(reading.replays);
    this.#checks.reset();
    this.#checks.inc(reading.wholeChecks);
    return await this.#registry.metrics();
  }

  received(outcome: IntakeOutcome, blocks: number, envelopes: number, bytes: number): void {
    this.#blocks.inc({ outcome }, blocks);
    this.#envelopes.inc({ outcome }, envelopes);
    this.#bytes.inc({ outcome }, bytes);
  }

  refused(check: string): void {
    this.#failures.inc({ check: checkLabel(check) });
  }

  found(kind: FindingKind): void {
    this.#count(kind, 1);
  }

  #count({ code, reason }: FindingKind, times: number): void {
    if (code === "GAP_DECLARED") this.#gapsFound.inc({ cause: reason }, times);
    // A fork is no block's, and counted when it is proven.
    else if (code !== "FORK") this.#found.inc({ code: checkLabel(code) }, times);
  }

  fork(): void {
    this.#forks.inc();
  }

  receipt(): void {
    this.#receipts.inc();
    this.#newestReceipt.set(Math.floor(this.#options.now() / 1e6));
  }

  stored(seconds: number): void {
    this.#storeSeconds.observe(seconds);
  }

  storeFailed(code: string): void {
    const known = storeErrors.find((each) => each === code);
    this.#storeErrors.inc({ code: known ?? "other" });
  }

  request(endpoint: string, status: number, seconds: number): void {
    this.#requests.observe({ endpoint, status: String(status) }, seconds);
  }

  #closedCounter(): Counter<"why"> {
    const counter = this.#counter(
      "connections_closed_total",
      "Connections closed to make room for others: idle or busy strangers, a reader that read too slowly; refused: nobody could go.",
      ["why"],
    );
    for (const why of closedWhys) counter.inc({ why }, 0);
    return counter;
  }

  closed(why: ClosedWhy): void {
    this.#closed.inc({ why });
  }

  lag(seconds: number): void {
    this.#lag.observe(seconds);
  }

  #counter<T extends string>(
    name: string,
    help: string,
    labelNames: readonly T[] = [],
  ): Counter<T> {
    const registers = [this.#registry];
    return new Counter({ name: prefix + name, help, labelNames: [...labelNames], registers });
  }

  #gauge<T extends string>(name: string, help: string, labelNames: readonly T[] = []): Gauge<T> {
    const registers = [this.#registry];
    return new Gauge({ name: prefix + name, help, labelNames: [...labelNames], registers });
  }

  #histogram<T extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: readonly T[] = [],
  ): Histogram<T> {
    const registers = [this.#registry];
    const labels = [...labelNames];
    return new Histogram({ name: prefix + name, help, buckets, labelNames: labels, registers });
  }
}

type MakeGauge = <T extends string>(name: string, help: string, labels: readonly T[]) => Gauge<T>;

/** What the watch over the stored chains sees. */
class WatchedGauges {
  readonly #chains: Gauge<"state">;
  readonly #gaps: Gauge<"cause">;
  readonly #findings: Gauge<"code">;
  readonly #missing: Gauge<"subject">;

  constructor(make: MakeGauge) {
    this.#chains = make("chains", "Stored chains, by state.", ["state"]);
    const gaps = "Blocks that declare a gap which nobody acknowledged, by cause.";
    this.#gaps = make("open_gaps", gaps, ["cause"]);
    const others = "Blocks with another finding that nobody acknowledged, by its code.";
    this.#findings = make("open_findings", others, ["code"]);
    const missing = "Chains that are expected and not active, by the configured subject.";
    this.#missing = make("expected_chains_missing", missing, ["subject"]);
  }

  set({ chains, open, missing }: Watched): void {
    for (const state of chainStates) this.#chains.set({ state }, chains[state]);
    for (const { kind, count } of open) {
      if (kind.code === "GAP_DECLARED") this.#gaps.set({ cause: kind.reason }, count);
      else this.#findings.set({ code: checkLabel(kind.code) }, count);
    }
    for (const { subject, count } of missing) this.#missing.set({ subject }, count);
  }
}

function checkLabel(code: string): string {
  return code.toLowerCase().replaceAll("-", "_");
}

/** Every value of the label `check`. */
const checks: readonly string[] = [
  ...Object.keys(findingClasses),
  ...Object.keys(problemTable),
].map(checkLabel);
