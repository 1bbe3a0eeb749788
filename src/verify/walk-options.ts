// What a walk over one chain is given, and what it says of other chains.

import type { Authority } from "../core/authority.ts";
import type { Suite } from "../core/digest.ts";
import type { PayloadItem } from "../core/payload.ts";
import type { PredecessorRecord } from "../core/record.ts";
import type { Finding, Place } from "./finding.ts";
import type { ForkProofs } from "./forks.ts";
import type { JudgedPayload } from "./payload.ts";

export interface WalkOptions {
  readonly suite: Suite;
  /** The chain id, in hex, under which the chain is stored or asked for. */
  readonly chain: string;
  /** Whose word counts; a grant that is refused is reported by whoever judged it. */
  readonly authority: Authority;
  /**
   * The key that must sign the genesis: the grant's, unless told otherwise. Of a grant that was
   * refused it is used only where it did sign the first block.
   */
  readonly key?: Uint8Array | undefined;
  /** Taken over and emptied as blocks are walked. */
  readonly forks?: ForkProofs;
  /** Blocks remembered; a vault, which can look older ones up, remembers few. */
  readonly remember?: number;
  /** Payloads were judged before: their items are applied, their envelopes not derived again. */
  readonly itemsOnly?: boolean;
  /** Sizes at which the tree's root is wanted afterwards. */
  readonly rootsAt?: ReadonlySet<number>;
  readonly report: (finding: Finding) => void;
  readonly onItem?: (item: PayloadItem, raw: Uint8Array, seq: number) => void;
  readonly onPayload?: (payload: JudgedPayload) => void;
}

/** How many positions may be kept still, by all walks of one verification together. */
export interface PositionsRoom {
  left: number;
}

/** Up to where a chain holds its sources, by source id; of those that were closed the newest. */
export type Positions = ReadonlyMap<string, number>;

/** Where a block was found. */
export type BlockPlace = Pick<Place, "object" | "byte">;

/** Why a block comes without payload. */
export type NoPayload = "missing" | "not-read";

/** What another chain's genesis says about the chain before it, and in which envelope. */
export interface Predecessor {
  readonly record: PredecessorRecord;
  readonly seq: number;
}
