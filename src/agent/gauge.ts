// What the agent knows about itself: one place that health, metrics and status read.
//
// - Counters only grow. No path, chain id or line content is ever a label.

import type { GapCause } from "../core/record.ts";
import type { Tail } from "../tail/tail.ts";

export const agentStates = [
  "starting",
  "needs-grant",
  "needs-vault",
  "running",
  "buffer-full",
  "disk-full",
  "no-descriptors",
  "draining",
  "stopped",
] as const;
export type AgentState = (typeof agentStates)[number];

/** Reading waits until there is room. */
export const waitingStates: readonly AgentState[] = ["buffer-full", "disk-full", "no-descriptors"];

export const gapCauses: readonly GapCause[] = [
  "truncated",
  "rotated-away",
  "unreadable",
  "skipped",
];

export class Gauge {
  /** Who follows the files, with a chain or without; undefined before they are looked for. */
  tail: () => Pick<Tail, "search" | "stats" | "status"> | undefined = () => undefined;
  state: AgentState = "starting";
  /** What is waited for in state needs-vault, as a code. */
  waits = "";
  /** The chain's id in hex; undefined before there is one. */
  chain: string | undefined;
  /** Seq after the newest sealed envelope, and number of the next block. */
  headSeq = 0;
  headBlock = 0;
  lastSealedTime: number | undefined;
  /** WAL bytes, and how many it may take. */
  walBytes = 0;
  walLimit = 0;
  walSegments = 0;
  /** Lines taken into blocks, by configured source. */
  readonly lines: Map<string, number> = new Map();
  gaps: Record<GapCause, { count: number; bytes: number; unknown: number }>;
  chainsBegun = 0;
  chainsReplaced = 0;
  damagedSegments = 0;
  /** Bytes of an old chain's buffer that a narrower grant kept out of the new chain. */
  leftOutBytes = 0;
  blockedMicros = 0;
  /** Monotonic microseconds at which the main loop last turned. */
  lastTurn = 0;

  constructor() {
    const none = (): { count: number; bytes: number; unknown: number } => ({
      count: 0,
      bytes: 0,
      unknown: 0,
    });
    this.gaps = {
      truncated: none(),
      "rotated-away": none(),
      unreadable: none(),
      skipped: none(),
    };
  }

  took(source: string, lines: number): void {
    this.lines.set(source, (this.lines.get(source) ?? 0) + lines);
  }

  gap(cause: GapCause, bytes: number | undefined): void {
    const gap = this.gaps[cause];
    gap.count += 1;
    if (bytes === undefined) gap.unknown += 1;
    else gap.bytes += bytes;
  }
}
