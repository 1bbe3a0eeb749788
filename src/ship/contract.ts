// What the shipper needs: the agent joins it to the WAL, the tree and the sink through these.

import type { Receipt, VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Random } from "../host/random.ts";
import type { BlockFeed } from "./batch.ts";
import type { UnusableReason } from "./delivery.ts";
import type { Sink } from "./sink.ts";
import type { SinkReport } from "./sink-health.ts";
import type { ShipObserver } from "./status.ts";

export interface ReceiptStore {
  /** The newest receipt saved so far, in this life or an earlier one. */
  readonly newest: { readonly note: Uint8Array; readonly size: number } | undefined;
  /** Returns when the receipt is durable. Called with ever larger sizes. */
  save(note: Uint8Array, receipt: Receipt): Promise<void>;
}

export interface TreeView {
  /** Root of our own tree over the first `size` blocks; undefined for sizes no longer known. */
  rootAt(size: number): Uint8Array | undefined;
}

export interface ShipperOptions {
  /** Lower-case hex. */
  readonly chainId: string;
  readonly feed: BlockFeed;
  readonly receipts: ReceiptStore;
  readonly tree: TreeView;
  readonly sink: Sink;
  readonly suite: Suite;
  /** Whose receipts count: the keys of the vault that the chain's grant is for. */
  readonly vaults: readonly VaultKeys[];
  readonly clock: Clock;
  readonly random: Random;
  readonly diag: Diag;
  /** The grant note: sent along while the vault may not know the chain. */
  readonly grant?: Uint8Array | undefined;
  /** The longest that a block waits for others to go with it. */
  readonly maxDelayMs?: number;
  /** How long the sink must contradict the chain without proof before it counts as unusable. */
  readonly patienceMs?: number;
  /** After the receipt is durable: what it covers may be freed. */
  readonly onReceipt: (receipt: Receipt, note: Uint8Array) => void | Promise<void>;
  /** Worth a sink record in the chain. */
  readonly onSink?: (report: SinkReport) => void;
  /** A new chain is needed. Told once; but for an agent-rollback sending goes on, slowly. */
  readonly onChainUnusable?: (reason: UnusableReason, code: string) => void;
  readonly observer?: ShipObserver;
}
