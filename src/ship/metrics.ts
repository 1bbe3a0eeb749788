// Prometheus metrics of shipping, under sealtail_agent_.
//
// - Labels are closed sets, and every series is there from the start, so that rates work and an
//   alert on something absent means something.
// - Gauges are read from the status when somebody scrapes; a timestamp of 0 means never or none.

import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import { outcomes } from "./sink.ts";
import { sinkStates } from "./standing.ts";
import type { ShipObserver, ShipStatus } from "./status.ts";

const prefix = "sealtail_agent_";
const secondsBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

type Reading = (status: ShipStatus) => number;

const seconds = (micros: number | undefined): number => (micros ?? 0) / 1_000_000;

/** Name → help, and how it is read from the status. */
const gauges: readonly (readonly [name: string, help: string, read: Reading])[] = [
  [
    "last_receipt_timestamp_seconds",
    "When the newest receipt was verified and saved; 0 for never.",
    ({ lastReceiptTime }) => seconds(lastReceiptTime),
  ],
  [
    "last_send_attempt_timestamp_seconds",
    "When blocks were last sent, successfully or not; 0 for never.",
    ({ lastAttemptTime }) => seconds(lastAttemptTime),
  ],
  [
    "receipted_size",
    "Number of the chain's blocks that the newest receipt covers.",
    ({ receiptedSize }) => receiptedSize,
  ],
  [
    "unreceipted_blocks",
    "Number of sealed blocks that no receipt covers yet.",
    ({ unreceiptedBlocks }) => unreceiptedBlocks,
  ],
  [
    "oldest_unreceipted_timestamp_seconds",
    "When the oldest line without a receipt was read; 0 when every block has one.",
    ({ oldestUnreceiptedTime }) => seconds(oldestUnreceiptedTime),
  ],
  [
    "send_in_flight_bytes",
    "Bytes of the request that is under way.",
    ({ inFlightBytes }) => inFlightBytes,
  ],
  [
    "send_consecutive_failures",
    "Number of failed attempts since the last one that the sink confirmed.",
    ({ consecutiveFailures }) => consecutiveFailures,
  ],
  [
    "send_retry_timestamp_seconds",
    "When the next attempt is due; 0 when none is waited for.",
    ({ retryTime }) => seconds(retryTime),
  ],
  [
    "clock_skew_seconds",
    "Our wall clock less the sink's, good to about half a second.",
    ({ clockSkew }) => seconds(clockSkew),
  ],
  [
    "sink_certificate_expiry_timestamp_seconds",
    "When our TLS client certificate ends; 0 without one.",
    ({ certificateNotAfter }) => seconds(certificateNotAfter),
  ],
  [
    "chain_unusable",
    "1 while the sink's state forbids to go on with this chain.",
    ({ unusable }) => (unusable === undefined ? 0 : 1),
  ],
];

/**
 * Registers the metrics. `status` is asked at each scrape; undefined before there is a chain.
 * The observer returned serves every shipper of this process, one after the other.
 */
export function registerShipMetrics(
  registry: Registry,
  status: () => ShipStatus | undefined,
): ShipObserver {
  const registers = [registry];
  for (const [name, help, read] of gauges) {
    new Gauge({
      name: prefix + name,
      help,
      registers,
      collect() {
        const now = status();
        this.set(now === undefined ? 0 : read(now));
      },
    });
  }
  new Gauge({
    name: `${prefix}sink_state`,
    help: "1 for the state that the sink is in, 0 for the others, by state.",
    labelNames: ["state"],
    registers,
    collect() {
      const now = status()?.state;
      for (const state of sinkStates) this.set({ state }, state === now ? 1 : 0);
    },
  });
  return createObserver(registers);
}

function createObserver(registers: Registry[]): ShipObserver {
  const attempts = new Counter({
    name: `${prefix}send_attempts_total`,
    help: "Requests to the sink, by outcome.",
    labelNames: ["outcome"],
    registers,
  });
  const retries = new Counter({
    name: `${prefix}send_retries_total`,
    help: "Attempts that were followed by a wait and another attempt.",
    registers,
  });
  const sent = new Counter({
    name: `${prefix}sent_bytes_total`,
    help: "Bytes of blocks sent to the sink, repeated ones included.",
    registers,
  });
  const receipts = new Counter({
    name: `${prefix}receipts_total`,
    help: "Receipts verified and saved.",
    registers,
  });
  const receiptedBlocks = new Counter({
    name: `${prefix}receipted_blocks_total`,
    help: "Blocks that those receipts covered for the first time.",
    registers,
  });
  const took = new Histogram({
    name: `${prefix}send_duration_seconds`,
    help: "Time from the start of a request to its outcome, in seconds.",
    buckets: secondsBuckets,
    registers,
  });
  for (const outcome of outcomes) attempts.inc({ outcome }, 0);
  return {
    attempt(outcome, duration, bytes) {
      attempts.inc({ outcome });
      took.observe(duration);
      sent.inc(bytes);
    },
    receipt(blocks) {
      receipts.inc();
      receiptedBlocks.inc(blocks);
    },
    retry: () => retries.inc(),
  };
}
