// The metrics of shipping, among those of the agent.
//
// - Labels are closed sets. A timestamp of 0 means never or none.
//
// Reference: docs/reference/metrics.md.

import { byLabel, counted, gauge, histogram, type Metrics } from "../host/metrics.ts";
import { outcomes } from "./sink.ts";
import { sinkStates } from "./sink-health.ts";
import type { ShipObserver, ShipStatus } from "./status.ts";

const secondsBuckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

type Status = ShipStatus | undefined;

const seconds = (micros: number | undefined): number => (micros ?? 0) / 1_000_000;

const table = {
  last_receipt_timestamp_seconds: gauge(
    "When the newest receipt was verified and saved; 0 for never.",
    (now: Status) => seconds(now?.lastReceiptTime),
  ),
  last_send_attempt_timestamp_seconds: gauge(
    "When blocks were last sent, successfully or not; 0 for never.",
    (now: Status) => seconds(now?.lastAttemptTime),
  ),
  receipted_size: gauge(
    "Number of the chain's blocks that the newest receipt covers.",
    (now: Status) => now?.receiptedSize ?? 0,
  ),
  unreceipted_blocks: gauge(
    "Number of sealed blocks that no receipt covers yet.",
    (now: Status) => now?.unreceiptedBlocks ?? 0,
  ),
  oldest_unreceipted_timestamp_seconds: gauge(
    "When the oldest line without a receipt was read; 0 when every block has one.",
    (now: Status) => seconds(now?.oldestUnreceiptedTime),
  ),
  send_in_flight_bytes: gauge(
    "Bytes of the request that is under way.",
    (now: Status) => now?.inFlightBytes ?? 0,
  ),
  send_consecutive_failures: gauge(
    "Number of failed attempts since the last one that the sink confirmed.",
    (now: Status) => now?.consecutiveFailures ?? 0,
  ),
  send_retry_timestamp_seconds: gauge(
    "When the next attempt is due; 0 when none is waited for.",
    (now: Status) => seconds(now?.retryTime),
  ),
  clock_skew_seconds: gauge(
    "Our wall clock less the sink's, good to about half a second.",
    (now: Status) => seconds(now?.clockSkew),
  ),
  sink_certificate_expiry_timestamp_seconds: gauge(
    "When our TLS client certificate ends; 0 without one.",
    (now: Status) => seconds(now?.certificateNotAfter),
  ),
  chain_unusable: gauge(
    "1 while the sink's state forbids to go on with this chain.",
    (now: Status) => (now?.unusable === undefined ? 0 : 1),
  ),
  sink_state: gauge(
    "1 for the state that the sink is in, 0 for the others, by state.",
    (now: Status) => byLabel(sinkStates, (state) => (state === now?.state ? 1 : 0)),
    { state: sinkStates },
  ),
  send_attempts_total: counted("Requests to the sink, by outcome.", { outcome: outcomes }),
  send_retries_total: counted("Attempts that were followed by a wait and another attempt."),
  sent_bytes_total: counted("Bytes of blocks sent to the sink, repeated ones included."),
  receipts_total: counted("Receipts verified and saved."),
  receipted_blocks_total: counted("Blocks that those receipts covered for the first time."),
  send_duration_seconds: histogram(
    "Time from the start of a request to its outcome, in seconds.",
    secondsBuckets,
  ),
};

/**
 * `status` is asked at each scrape; undefined before there is a chain. The observer returned serves
 * every shipper of this process, one after the other.
 */
export function addShipMetrics(metrics: Metrics, status: () => Status): ShipObserver {
  const tally = metrics.add(table, status);
  return {
    attempt(outcome, duration, bytes) {
      tally.send_attempts_total.add(1, { outcome });
      tally.send_duration_seconds.add(duration);
      tally.sent_bytes_total.add(bytes);
    },
    receipt(blocks) {
      tally.receipts_total.add(1);
      tally.receipted_blocks_total.add(blocks);
    },
    retry: () => tally.send_retries_total.add(1),
  };
}
