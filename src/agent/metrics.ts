// The agent's Prometheus metrics, under sealtail_agent_.
//
// - Labels are closed sets: configured source names, gap causes, states. Never a path, a chain, a
//   key or content.
// - Times are Unix seconds, 0 for never or none.
//
// Reference: docs/reference/metrics.md.

import type { ErrorCode } from "../core/errors.ts";
import {
  byLabel,
  counted,
  counter,
  gauge,
  histogram,
  Metrics,
  type Tallies,
} from "../host/metrics.ts";
import type { SealedBlock } from "../seal/pipeline.ts";
import { addShipMetrics } from "../ship/metrics.ts";
import type { ShipObserver } from "../ship/status.ts";
import type { TailNumbers } from "../tail/stats.ts";
import type { AgentConfig } from "./config.ts";
import { agentStates, type Gauge, gapCauses, waitingStates } from "./gauge.ts";
import type { Meter } from "./meter.ts";
import type { Session } from "./session.ts";

const signBuckets = [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1];
const syncBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const walFailures = [
  "disk-full",
  "too-many-open-files",
  "io-error",
  "sync-failed",
  "other",
] as const;

const sealing = {
  wal_sync_duration_seconds: histogram("Time that one sync of the buffer took.", syncBuckets),
  sign_duration_seconds: histogram(
    "Time that it took to sign a block and to make the next key.",
    signBuckets,
  ),
  wal_write_errors_total: counted("Writes and syncs of the buffer that failed, by error code.", {
    code: walFailures,
  }),
  blocks_sealed_total: counted("Blocks sealed and synced."),
  envelopes_sealed_total: counted("Envelopes (lines and records) in them."),
  sealed_raw_bytes_total: counted("Bytes of their payloads before compression."),
  sealed_stored_bytes_total: counted("Bytes of the blocks as stored."),
};

type Gap = Gauge["gaps"][keyof Gauge["gaps"]];

const perCause =
  (read: (gap: Gap) => number) =>
  (g: Gauge): Readonly<Record<string, number>> =>
    byLabel(gapCauses, (cause) => read(g.gaps[cause]));
const causes = { cause: gapCauses };

const agent = {
  head_seq: gauge("Number of envelopes sealed in the chain.", (g: Gauge) => g.headSeq),
  head_block: gauge("Number of blocks sealed in the chain.", (g: Gauge) => g.headBlock),
  last_seal_timestamp_seconds: gauge(
    "When the newest block was sealed; 0 for never.",
    (g: Gauge) => (g.lastSealedTime ?? 0) / 1e6,
  ),
  wal_size_bytes: gauge("Bytes that the buffer takes on disk.", (g: Gauge) => g.walBytes),
  wal_limit_bytes: gauge("Bytes that it may take.", (g: Gauge) => g.walLimit),
  wal_segments: gauge("Files that it consists of.", (g: Gauge) => g.walSegments),
  backpressure_active: gauge("1 while reading waits for room.", (g: Gauge) =>
    waitingStates.includes(g.state) ? 1 : 0,
  ),
  needs_grant: gauge("1 while a new chain waits for a grant.", (g: Gauge) =>
    g.state === "needs-grant" ? 1 : 0,
  ),
  search_incomplete: gauge(
    "1 while the last walk of the directories could not see everything.",
    (g: Gauge) => (g.tail()?.search().missing === undefined ? 0 : 1),
  ),
  search_directories: gauge(
    "Directories walked for files.",
    (g: Gauge) => g.tail()?.search().directories ?? 0,
  ),
  search_unwatched: gauge(
    "1 while directories cannot be watched and rescans stand in.",
    (g: Gauge) => (g.tail()?.search().unwatched === true ? 1 : 0),
  ),
  search_refused: gauge(
    "Paths not followed: links that may not lead us, and our own data.",
    (g: Gauge) => g.tail()?.search().refused.length ?? 0,
  ),
  blocked_seconds_total: counter(
    "Time for which reading waited for room.",
    (g: Gauge) => g.blockedMicros / 1e6,
  ),
  wal_damaged_segments_total: counter(
    "Damaged buffer segments found at start.",
    (g: Gauge) => g.damagedSegments,
  ),
  chains_begun_total: counter("Chains begun.", (g: Gauge) => g.chainsBegun),
  left_out_bytes_total: counter(
    "Bytes in an old chain's buffer that the new chain's grant does not cover.",
    (g: Gauge) => g.leftOutBytes,
  ),
  chains_replaced_total: counter(
    "Chains that could not be gone on with.",
    (g: Gauge) => g.chainsReplaced,
  ),
  state: gauge(
    "1 for the state that the agent is in.",
    (g: Gauge) => byLabel(agentStates, (state) => (state === g.state ? 1 : 0)),
    { state: agentStates },
  ),
  gaps_total: counter(
    "Gaps declared in the chain.",
    perCause((gap) => gap.count),
    causes,
  ),
  gap_bytes_total: counter(
    "Bytes in those gaps, where it is known how many.",
    perCause((gap) => gap.bytes),
    causes,
  ),
  gaps_unbounded_total: counter(
    "Gaps of which nobody knows the length.",
    perCause((gap) => gap.unknown),
    causes,
  ),
};

interface Sources {
  /** The configured names. */
  readonly names: readonly string[];
  readonly stats: ReadonlyMap<string, TailNumbers>;
  readonly lines: ReadonlyMap<string, number>;
}

const perSource =
  (read: (numbers: TailNumbers) => number) =>
  ({ names, stats }: Sources): Readonly<Record<string, number>> =>
    byLabel(names, (name) => {
      const numbers = stats.get(name);
      return numbers === undefined ? 0 : read(numbers);
    });
const named = { source: [] };

const sources = {
  source_unread_bytes: gauge(
    "Bytes seen in files that are not handed to sealing yet.",
    perSource((n) => n.bytesBehind),
    named,
  ),
  source_oldest_unread_timestamp_seconds: gauge(
    "When the oldest of those bytes was first seen; 0 when there is none.",
    perSource((n) => (n.oldestUnreadTime ?? 0) / 1e6),
    named,
  ),
  source_last_read_timestamp_seconds: gauge(
    "When bytes were last handed to sealing; 0 for never.",
    perSource((n) => n.lastReadTime / 1e6),
    named,
  ),
  source_files: gauge(
    "Files followed.",
    perSource((n) => n.files),
    named,
  ),
  source_outside_grant_files: gauge(
    "Files that the grant does not cover: nothing of them is sealed.",
    perSource((n) => n.outsideGrant),
    named,
  ),
  source_open_files: gauge(
    "Files held open.",
    perSource((n) => n.openFiles),
    named,
  ),
  source_pinned_bytes: gauge(
    "Bytes of deleted files that are kept until read.",
    perSource((n) => n.pinnedBytes),
    named,
  ),
  source_read_bytes_total: counter(
    "Bytes handed to sealing.",
    perSource((n) => n.readBytes),
    named,
  ),
  source_found_total: counter(
    "Files newly followed.",
    perSource((n) => n.found),
    named,
  ),
  source_rotated_total: counter(
    "Files seen under another name, or under none.",
    perSource((n) => n.rotated),
    named,
  ),
  source_truncated_total: counter(
    "Files cut and written again.",
    perSource((n) => n.truncated),
    named,
  ),
  source_deleted_total: counter(
    "Files that ended because they were deleted.",
    perSource((n) => n.deleted),
    named,
  ),
  source_rewritten_total: counter(
    "Times that sealed bytes were found changed.",
    perSource((n) => n.rewritten),
    named,
  ),
  source_unreadable_total: counter(
    "Times that a file could not be opened or read.",
    perSource((n) => n.unreadable),
    named,
  ),
  source_partial_total: counter(
    "Last lines handed over without their end.",
    perSource((n) => n.partials),
    named,
  ),
  source_lines_total: counter(
    "Lines taken into blocks.",
    ({ names, lines }: Sources) => byLabel(names, (name) => lines.get(name) ?? 0),
    named,
  ),
};

export class AgentMetrics implements Meter {
  readonly page: Metrics;
  readonly ship: ShipObserver;
  readonly #state: Gauge;
  readonly #tally: Tallies<typeof sealing>;

  constructor(
    state: Gauge,
    version: string,
    session: () => Session | undefined,
    config: AgentConfig,
  ) {
    this.#state = state;
    this.page = new Metrics("sealtail_agent_", version);
    this.#tally = this.page.add(sealing, () => undefined);
    this.ship = addShipMetrics(this.page, () => session()?.shipper.status());
    this.page.add(agent, () => state);
    const names = config.sources.map(({ name }) => name);
    this.page.add(sources, () => {
      return { names, stats: state.tail()?.stats() ?? new Map(), lines: state.lines };
    });
  }

  sealed({ header, length }: SealedBlock): void {
    this.#state.headBlock = header.blockNo + 1;
    this.#state.headSeq = header.firstSeq + header.count;
    this.#state.lastSealedTime = header.time;
    this.#tally.blocks_sealed_total.add(1);
    this.#tally.envelopes_sealed_total.add(header.count);
    this.#tally.sealed_raw_bytes_total.add(header.rawLength);
    this.#tally.sealed_stored_bytes_total.add(length);
  }

  synced(micros: number): void {
    this.#tally.wal_sync_duration_seconds.add(micros / 1e6);
  }

  signed(micros: number): void {
    this.#tally.sign_duration_seconds.add(micros / 1e6);
  }

  walFailed(code: ErrorCode | undefined): void {
    const known = walFailures.find((each) => each === code) ?? "other";
    this.#tally.wal_write_errors_total.add(1, { code: known });
  }
}
