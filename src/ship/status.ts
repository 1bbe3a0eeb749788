// What the shipper tells about itself: a status for health and metrics, and what it counts.

import type { UnusableReason } from "./delivery.ts";
import type { Outcome } from "./sink.ts";
import type { SinkState } from "./sink-health.ts";

/** Times are Unix microseconds. */
export interface ShipStatus {
  readonly state: SinkState;
  /** Why the state is not ok: a short code; empty when it is. */
  readonly code: string;
  readonly since: number;
  /** Set once the chain had to be given up, until the vault takes its blocks again. */
  readonly unusable: UnusableReason | undefined;
  readonly lastOutcome: Outcome | undefined;
  readonly lastAttemptTime: number | undefined;
  readonly consecutiveFailures: number;
  /** When the next attempt is due, while one is waited for. */
  readonly retryTime: number | undefined;
  /** Blocks that a verified and saved receipt covers. */
  readonly receiptedSize: number;
  readonly lastReceiptTime: number | undefined;
  readonly unreceiptedBlocks: number;
  /** When the first line of the first unreceipted block was read; undefined when there is none. */
  readonly oldestUnreceiptedTime: number | undefined;
  readonly inFlightBytes: number;
  /** Our wall clock less the vault's, in microseconds, good to about half a second. */
  readonly clockSkew: number | undefined;
  /** When our client certificate ends. */
  readonly certificateNotAfter: number | undefined;
  readonly draining: boolean;
}

/** Told of each attempt; must not throw. */
export interface ShipObserver {
  attempt(outcome: Outcome, seconds: number, bytes: number): void;
  /** A receipt was saved that covers `blocks` more than the one before. */
  receipt(blocks: number): void;
  /** An attempt failed and the next one waits. */
  retry(seconds: number): void;
}

export const noObserver: ShipObserver = {
  attempt: () => undefined,
  receipt: () => undefined,
  retry: () => undefined,
};
