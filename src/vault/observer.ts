// Pure. What the vault tells whoever counts: declared here, implemented by metrics.ts.

import type { FindingKind } from "./open-findings.ts";

export type IntakeOutcome = "stored" | "duplicate" | "rejected";

/** Why a connection was closed before its time: see host/connections.ts; or a reader lost its place. */
export type ClosedWhy = "idle" | "busy" | "refused" | "reader";

export interface VaultObserver {
  /** Blocks, and what they hold, that came in. */
  received(outcome: IntakeOutcome, blocks: number, envelopes: number, bytes: number): void;
  /** A finding's code, or a problem's. */
  refused(check: string): void;
  /** A stored block holds what an operator is to acknowledge. */
  found(kind: FindingKind): void;
  fork(): void;
  receipt(): void;
  /** How long the store took to make an append durable. */
  stored(seconds: number): void;
  storeFailed(code: string): void;
  request(endpoint: string, status: number, seconds: number): void;
  /** A connection was closed to make room for another. */
  closed(why: ClosedWhy): void;
  /** From a block's sealing to its storing. */
  lag(seconds: number): void;
}
