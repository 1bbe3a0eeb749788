// The agent's Prometheus metrics, under sealtail_agent_.
//
// - Labels are closed sets: configured source names, gap causes, states. Never a path, a chain, a
//   key or content.
// - Every series is there from the start, so that an alert on its absence means something.
// - Gauges are read when somebody scrapes; times are Unix seconds, 0 for never or none.
//
// Reference: docs/reference/metrics.md.

import {
  Counter,
  collectDefaultMetrics,
  Histogram,
  Gauge as PromGauge,
  Registry,
} from "prom-client";
import type { ErrorCode } from "../core/errors.ts";
import type { SealedBlock } from "../seal/pipeline.ts";
import { registerShipMetrics } from "../ship/metrics.ts";
import type { ShipObserver } from "../ship/status.ts";
import type { TailNumbers } from "../tail/stats.ts";
import type { AgentConfig } from "./config.ts";
import { agentStates, type Gauge, gapCauses, waitingStates } from "./gauge.ts";
import type { Meter } from "./meter.ts";
import type { Session } from "./session.ts";

const prefix = "sealtail_agent_";

/** The event loop is timed this often; every 10 ms, as is usual, takes half a percent of a core. */
const loopLookMs = 100;
const signBuckets = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1];
const walFailures = [
  "disk-full",
  "too-many-open-files",
  "io-error",
  "sync-failed",
  "other",
] as const;
const syncBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];

type SourceReading = readonly [name: string, help: string, read: (numbers: TailNumbers) => number];

const sourceGauges: readonly SourceReading[] = [
  [
    "source_unread_bytes",
    "Bytes seen in files that are not handed to sealing yet.",
    (n) => n.bytesBehind,
  ],
  [
    "source_oldest_unread_timestamp_seconds",
    "When the oldest of those bytes was first seen; 0 when there is none.",
    (n) => (n.oldestUnreadTime ?? 0) / 1e6,
  ],
  [
    "source_last_read_timestamp_seconds",
    "When bytes were last handed to sealing; 0 for never.",
    (n) => n.lastReadTime / 1e6,
  ],
  ["source_files", "Files followed.", (n) => n.files],
  [
    "source_outside_grant_files",
    "Files that the grant does not cover: nothing of them is sealed.",
    (n) => n.outsideGrant,
  ],
  ["source_open_files", "Files held open.", (n) => n.openFiles],
  ["source_pinned_bytes", "Bytes of deleted files that are kept until read.", (n) => n.pinnedBytes],
];

const sourceCounters: readonly SourceReading[] = [
  ["source_read_bytes_total", "Bytes handed to sealing.", (n) => n.readBytes],
  ["source_found_total", "Files newly followed.", (n) => n.found],
  ["source_rotated_total", "Files seen under another name, or under none.", (n) => n.rotated],
  ["source_truncated_total", "Files cut and written again.", (n) => n.truncated],
  ["source_deleted_total", "Files that ended because they were deleted.", (n) => n.deleted],
  ["source_rewritten_total", "Times that sealed bytes were found changed.", (n) => n.rewritten],
  [
    "source_unreadable_total",
    "Times that a file could not be opened or read.",
    (n) => n.unreadable,
  ],
  ["source_partial_total", "Last lines handed over without their end.", (n) => n.partials],
];

type AgentReading = readonly [name: string, help: string, read: (gauge: Gauge) => number];

const agentGauges: readonly AgentReading[] = [
  ["head_seq", "Number of envelopes sealed in the chain.", (g) => g.headSeq],
  ["head_block", "Number of blocks sealed in the chain.", (g) => g.headBlock],
  [
    "last_seal_timestamp_seconds",
    "When the newest block was sealed; 0 for never.",
    (g) => (g.lastSealedTime ?? 0) / 1e6,
  ],
  ["wal_size_bytes", "Bytes that the buffer takes on disk.", (g) => g.walBytes],
  ["wal_limit_bytes", "Bytes that it may take.", (g) => g.walLimit],
  ["wal_segments", "Files that it consists of.", (g) => g.walSegments],
  [
    "backpressure_active",
    "1 while reading waits for room.",
    (g) => (waitingStates.includes(g.state) ? 1 : 0),
  ],
  [
    "needs_grant",
    "1 while a new chain waits for a grant.",
    (g) => (g.state === "needs-grant" ? 1 : 0),
  ],
  [
    "search_incomplete",
    "1 while the last walk of the directories could not see everything.",
    (g) => (g.tail()?.search().missing === undefined ? 0 : 1),
  ],
  [
    "search_directories",
    "Directories walked for files.",
    (g) => g.tail()?.search().directories ?? 0,
  ],
  [
    "search_unwatched",
    "1 while directories cannot be watched and rescans stand in.",
    (g) => (g.tail()?.search().unwatched === true ? 1 : 0),
  ],
  [
    "search_refused",
    "Paths not followed: links that may not lead us, and our own data.",
    (g) => g.tail()?.search().refused.length ?? 0,
  ],
];

const agentCounters: readonly AgentReading[] = [
  [
    "blocked_seconds_total",
    "Time for which reading waited for room.",
    (g) => g.blockedMicros / 1e6,
  ],
  [
    "wal_damaged_segments_total",
    "Damaged buffer segments found at start.",
    (g) => g.damagedSegments,
  ],
  ["chains_begun_total", "Chains begun.", (g) => g.chainsBegun],
  [
    "left_out_bytes_total",
    "Bytes in an old chain's buffer that the new chain's grant does not cover.",
    (g) => g.leftOutBytes,
  ],
  ["chains_replaced_total", "Chains that could not be gone on with.", (g) => g.chainsReplaced],
];

export class AgentMetrics implements Meter {
  readonly #registry = new Registry();
  readonly #gauge: Gauge;
  readonly #config: AgentConfig;
  #sources: ReadonlyMap<string, TailNumbers> = new Map();
  readonly #sync: Histogram;
  readonly #sign: Histogram;
  readonly #walFailures: Counter<"code">;
  readonly #blocks: Counter;
  readonly #envelopes: Counter;
  readonly #rawBytes: Counter;
  readonly #storedBytes: Counter;
  readonly ship: ShipObserver;

  constructor(
    gauge: Gauge,
    version: string,
    session: () => Session | undefined,
    config: AgentConfig,
  ) {
    this.#gauge = gauge;
    this.#config = config;
    const registers = [this.#registry];
    const counter = (name: string, help: string): Counter =>
      new Counter({ name: prefix + name, help, registers });
    new PromGauge({
      name: `${prefix}build_info`,
      help: "Always 1; the labels say what is running.",
      labelNames: ["version", "node_version"],
      registers,
    }).set({ version, node_version: process.version }, 1);
    this.#sync = new Histogram({
      name: `${prefix}wal_sync_duration_seconds`,
      help: "Time that one sync of the buffer took.",
      buckets: syncBuckets,
      registers,
    });
    this.#sign = new Histogram({
      name: `${prefix}sign_duration_seconds`,
      help: "Time that it took to sign a block and to make the next key.",
      buckets: signBuckets,
      registers,
    });
    this.#walFailures = new Counter({
      name: `${prefix}wal_write_errors_total`,
      help: "Writes and syncs of the buffer that failed, by error code.",
      labelNames: ["code"],
      registers,
    });
    for (const code of walFailures) this.#walFailures.inc({ code }, 0);
    this.#blocks = counter("blocks_sealed_total", "Blocks sealed and synced.");
    this.#envelopes = counter("envelopes_sealed_total", "Envelopes (lines and records) in them.");
    this.#rawBytes = counter(
      "sealed_raw_bytes_total",
      "Bytes of their payloads before compression.",
    );
    this.#storedBytes = counter("sealed_stored_bytes_total", "Bytes of the blocks as stored.");
    this.ship = registerShipMetrics(this.#registry, () => session()?.shipper.status());
    this.#registerAgent();
    this.#registerSources();
    this.#registerGaps();
  }

  /** From now on this process is measured as well. */
  addProcess(): void {
    const eventLoopMonitoringPrecision = loopLookMs;
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision });
    // Gauges that are called like counters; the same is there by type.
    for (const kind of ["handles", "requests", "resources"]) {
      this.#registry.removeSingleMetric(`nodejs_active_${kind}_total`);
    }
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    // Once for all series: it asks every file.
    this.#sources = this.#gauge.tail()?.stats() ?? new Map();
    return this.#registry.metrics();
  }

  sealed({ header, length }: SealedBlock): void {
    const gauge = this.#gauge;
    gauge.headBlock = header.blockNo + 1;
    gauge.headSeq = header.firstSeq + header.count;
    gauge.lastSealedTime = header.time;
    this.#blocks.inc();
    this.#envelopes.inc(header.count);
    this.#rawBytes.inc(header.rawLength);
    this.#storedBytes.inc(length);
  }

  synced(micros: number): void {
    this.#sync.observe(micros / 1e6);
  }

  signed(micros: number): void {
    this.#sign.observe(micros / 1e6);
  }

  walFailed(code: ErrorCode | undefined): void {
    this.#walFailures.inc({ code: walFailures.find((each) => each === code) ?? "other" });
  }

  #registerAgent(): void {
    const registers = [this.#registry];
    const gauge = this.#gauge;
    for (const [name, help, read] of agentGauges) {
      new PromGauge({
        name: prefix + name,
        help,
        registers,
        collect() {
          this.set(read(gauge));
        },
      });
    }
    for (const [name, help, read] of agentCounters) {
      new Counter({
        name: prefix + name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read(gauge));
        },
      });
    }
    new PromGauge({
      name: `${prefix}state`,
      help: "1 for the state that the agent is in.",
      labelNames: ["state"],
      registers,
      collect() {
        for (const state of agentStates) this.set({ state }, state === gauge.state ? 1 : 0);
      },
    });
  }

  #registerSources(): void {
    const registers = [this.#registry];
    const names = this.#config.sources.map(({ name }) => name);
    const read = (): ReadonlyMap<string, TailNumbers> => this.#sources;
    for (const [name, help, value] of sourceGauges) {
      new PromGauge({
        name: prefix + name,
        help,
        labelNames: ["source"],
        registers,
        collect() {
          const stats = read();
          for (const source of names) {
            const numbers = stats.get(source);
            this.set({ source }, numbers === undefined ? 0 : value(numbers));
          }
        },
      });
    }
    for (const [name, help, value] of sourceCounters) {
      new Counter({
        name: prefix + name,
        help,
        labelNames: ["source"],
        registers,
        collect() {
          const stats = read();
          this.reset();
          for (const source of names) {
            const numbers = stats.get(source);
            this.inc({ source }, numbers === undefined ? 0 : value(numbers));
          }
        },
      });
    }
    const { lines } = this.#gauge;
    new Counter({
      name: `${prefix}source_lines_total`,
      help: "Lines taken into blocks.",
      labelNames: ["source"],
      registers,
      collect() {
        this.reset();
        for (const source of names) this.inc({ source }, lines.get(source) ?? 0);
      },
    });
  }

  #registerGaps(): void {
    const registers = [this.#registry];
    const gauge = this.#gauge;
    const perCause = (
      name: string,
      help: string,
      read: (gap: { count: number; bytes: number; unknown: number }) => number,
    ): void => {
      new Counter({
        name: prefix + name,
        help,
        labelNames: ["cause"],
        registers,
        collect() {
          this.reset();
          for (const cause of gapCauses) this.inc({ cause }, read(gauge.gaps[cause]));
        },
      });
    };
    perCause("gaps_total", "Gaps declared in the chain.", (gap) => gap.count);
    perCause(
      "gap_bytes_total",
      "Bytes in those gaps, where it is known how many.",
      (gap) => gap.bytes,
    );
    perCause(
      "gaps_unbounded_total",
      "Gaps of which nobody knows the length.",
      (gap) => gap.unknown,
    );
  }
}
