// The vault's Prometheus metrics, under sealtail_vault_.
//
// - Labels are closed sets: outcomes, finding codes, states, endpoints. Never a chain, a subject
//   that is not configured, a path or content.
// - Times are Unix seconds, 0 for never or none.
//
// Reference: docs/reference/metrics.md.

import { findingClasses } from "../core/fault.ts";
import {
  byLabel,
  counted,
  counter,
  gauge,
  histogram,
  Metrics,
  type Tallies,
} from "../host/metrics.ts";
import { chainStates } from "./chain-entry.ts";
import type { ClosedWhy, IntakeOutcome, VaultObserver } from "./observer.ts";
import { type FindingKind, watchedKinds } from "./open-findings.ts";
import { problemTable } from "./problem.ts";
import type { Watched } from "./watch.ts";

const syncBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5];
const requestBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];
const lagBuckets = [1, 5, 15, 30, 60, 300, 900, 3600, 21_600];
const outcomes: readonly IntakeOutcome[] = ["stored", "duplicate", "rejected"];
const closedWhys: readonly ClosedWhy[] = ["idle", "busy", "refused", "reader"];
const storeErrors = ["disk-full", "io-error", "sync-failed", "other"] as const;

const isGap = ({ code }: FindingKind): boolean => code === "GAP_DECLARED";
const gapCauses = watchedKinds.filter(isGap).map(({ reason }) => reason);
/** A fork is no block's, and counted when it is proven. */
const blockFindings = watchedKinds.filter((kind) => !isGap(kind) && kind.code !== "FORK");
/** Every value of the label `check`. */
const checks = [...Object.keys(findingClasses), ...Object.keys(problemTable)].map(checkLabel);

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
  readonly read: () => Promise<VaultReading>;
  readonly now: () => number;
}

const happens = {
  blocks_received_total: counted("Blocks received, by outcome.", { outcome: outcomes }),
  envelopes_received_total: counted("Envelopes in the blocks received, by outcome.", {
    outcome: outcomes,
  }),
  received_bytes_total: counted("Bytes of blocks, by outcome.", { outcome: outcomes }),
  verification_failures_total: counted(
    "Requests refused, by what was wrong: a finding of verification or a problem's code.",
    { check: checks },
  ),
  gaps_total: counted("Blocks stored that declare a gap, by cause.", { cause: gapCauses }),
  findings_total: counted("Blocks stored with another finding to be acknowledged, by its code.", {
    code: blockFindings.map(({ code }) => checkLabel(code)),
  }),
  chain_forks_total: counted("Forks that were proven by a request."),
  receipts_signed_total: counted("Receipts signed."),
  store_write_duration_seconds: histogram(
    "How long it took until blocks were durable.",
    syncBuckets,
  ),
  store_errors_total: counted("Writes that failed, by error code.", { code: storeErrors }),
  connections_closed_total: counted(
    "Connections closed to make room for others: idle or busy strangers, a reader that read too slowly; refused: nobody could go.",
    { why: closedWhys },
  ),
  request_duration_seconds: histogram(
    "Time until a request's answer began, by endpoint and status.",
    requestBuckets,
    { endpoint: [], status: [] },
  ),
  block_lag_seconds: histogram(
    "From the sealing of a block, by its agent's clock, to its storing.",
    lagBuckets,
  ),
};

interface Read extends VaultReading {
  readonly newestReceipt: number;
}

/** Of what is open: how many blocks, by one label of what is meant. */
function openBy(
  { watched }: Read,
  isMeant: (kind: FindingKind) => boolean,
  label: (kind: FindingKind) => string,
): Readonly<Record<string, number>> {
  const meant = watched.open.filter(({ kind }) => isMeant(kind));
  return Object.fromEntries(meant.map(({ kind, count }) => [label(kind), count]));
}

const reads = {
  last_receipt_timestamp_seconds: gauge(
    "When the newest receipt was signed; 0 for never.",
    (r: Read) => r.newestReceipt,
  ),
  chains: gauge(
    "Stored chains, by state.",
    (r: Read) => byLabel(chainStates, (state) => r.watched.chains[state]),
    { state: chainStates },
  ),
  open_gaps: gauge(
    "Blocks that declare a gap which nobody acknowledged, by cause.",
    (r: Read) => openBy(r, isGap, ({ reason }) => reason),
    { cause: gapCauses },
  ),
  open_findings: gauge(
    "Blocks with another finding that nobody acknowledged, by its code.",
    (r: Read) =>
      openBy(
        r,
        (kind) => !isGap(kind),
        ({ code }) => checkLabel(code),
      ),
    { code: [] },
  ),
  expected_chains_missing: gauge(
    "Chains that are expected and not active, by the configured subject.",
    (r: Read) => Object.fromEntries(r.watched.missing.map((each) => [each.subject, each.count])),
    { subject: [] },
  ),
  heads_replayed_total: counter(
    "Heads of chains that were brought back from the store.",
    (r: Read) => r.replays,
  ),
  chains_checked_total: counter(
    "Times that a chain's stored objects were all read and checked before its head was used.",
    (r: Read) => r.wholeChecks,
  ),
  credential_expiry_timestamp_seconds: gauge(
    "When a credential of the vault ends, by kind; 0 for none.",
    (r: Read) => r.certificateNotAfter,
    { kind: ["tls"] },
  ),
  damaged_chains: gauge(
    "Chains whose stored objects fail: nothing is taken in for them.",
    (r: Read) => r.damaged.count,
  ),
  open_forks: gauge("Proven forks that nobody acknowledged.", (r: Read) => r.watched.forks),
  silent_chains: gauge(
    "Chains silent for longer than they promised, and nobody acknowledged it.",
    (r: Read) => r.watched.silent,
  ),
  stopped_chains: gauge(
    "Chains whose agent stated its stop, and nobody acknowledged it.",
    (r: Read) => r.watched.stopped,
  ),
  chains_unwatched: gauge(
    "Chains with stored blocks that were not looked at since the start: open findings may be more.",
    (r: Read) => r.watched.pending,
  ),
  oldest_open_chain_heartbeat_timestamp_seconds: gauge(
    "When the chain that was silent longest among those not ended last sent a block; 0 for none.",
    (r: Read) => r.watched.oldestHeartbeat,
  ),
  connections_open: gauge("Connections to the API.", (r: Read) => r.connections),
  readers_open: gauge("Answers to readers under way.", (r: Read) => r.readers),
  request_bytes: gauge("Bytes of requests held in memory.", (r: Read) => r.requestBytes),
  heads_open: gauge("Chains whose head is held in memory.", (r: Read) => r.headsOpen),
  receipts_pending: gauge(
    "Chains whose newest receipt is not kept yet.",
    (r: Read) => r.receiptsPending,
  ),
  chains_unkept: gauge(
    "Chains that get no receipt: for a minute none could be kept.",
    (r: Read) => r.unkept.count,
  ),
  store_free_bytes: gauge(
    "Bytes that may still be written to the store; NaN where that can't be told.",
    (r: Read) => r.freeBytes ?? Number.NaN,
  ),
};

export class VaultMetrics implements VaultObserver {
  readonly page: Metrics;
  readonly #now: () => number;
  readonly #totals: Tallies<typeof happens>;
  #newestReceipt = 0;

  constructor({ version, read, now }: MetricsOptions) {
    this.#now = now;
    this.page = new Metrics("sealtail_vault_", version);
    this.#totals = this.page.add(happens, () => undefined);
    this.page.add(reads, async () => ({ ...(await read()), newestReceipt: this.#newestReceipt }));
  }

  /** Endpoints and the statuses of their problems: their series are there from now on. */
  expect(table: readonly { readonly name: string; readonly problems: readonly number[] }[]): void {
    for (const { name, problems } of table) {
      for (const status of [200, ...problems]) {
        this.#totals.request_duration_seconds.begin({ endpoint: name, status: String(status) });
      }
    }
  }

  received(outcome: IntakeOutcome, blocks: number, envelopes: number, bytes: number): void {
    this.#totals.blocks_received_total.add(blocks, { outcome });
    this.#totals.envelopes_received_total.add(envelopes, { outcome });
    this.#totals.received_bytes_total.add(bytes, { outcome });
  }

  refused(check: string): void {
    this.#totals.verification_failures_total.add(1, { check: checkLabel(check) });
  }

  found(kind: FindingKind): void {
    const { code, reason } = kind;
    if (isGap(kind)) this.#totals.gaps_total.add(1, { cause: reason });
    else if (code !== "FORK") this.#totals.findings_total.add(1, { code: checkLabel(code) });
  }

  fork(): void {
    this.#totals.chain_forks_total.add(1);
  }

  receipt(): void {
    this.#totals.receipts_signed_total.add(1);
    this.#newestReceipt = Math.floor(this.#now() / 1e6);
  }

  stored(seconds: number): void {
    this.#totals.store_write_duration_seconds.add(seconds);
  }

  storeFailed(code: string): void {
    const known = storeErrors.find((each) => each === code) ?? "other";
    this.#totals.store_errors_total.add(1, { code: known });
  }

  request(endpoint: string, status: number, seconds: number): void {
    this.#totals.request_duration_seconds.add(seconds, { endpoint, status: String(status) });
  }

  closed(why: ClosedWhy): void {
    this.#totals.connections_closed_total.add(1, { why });
  }

  lag(seconds: number): void {
    this.#totals.block_lag_seconds.add(seconds);
  }
}

function checkLabel(code: string): string {
  return code.toLowerCase().replaceAll("-", "_");
}
