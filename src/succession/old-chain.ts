// What is known of a chain that is over, or that never came to hold all that older ones held.
//
// - Only what is written down counts: a receipt, a file beside the chain, the blocks themselves.
// - A chain is shipped only once it is whole. So one that is not was never at a vault.

import type { SourcePosition } from "../core/record.ts";
import type { SealedTail } from "../core/sealed-tails.ts";
import type { Origin } from "./origin.ts";

export interface OldBlock {
  readonly index: number;
  readonly bytes: Uint8Array;
}

export interface OldChain {
  readonly number: number;
  /** Everything that the chains before it held is sealed in it, or at a vault. */
  readonly whole: boolean;
  /** No block of it ever left, for certain: none that is missing was given back. */
  readonly unsent?: boolean;
  /** Why it is over. */
  readonly reason: string;
  /** What a vault is known to hold of it. */
  readonly held:
    | { readonly chain: string; readonly size: number; readonly root: string }
    | undefined;
  readonly origin: Origin | undefined;
  /** Where `held` leaves the sources, if somebody else told: then nothing is read for it. */
  readonly fetched:
    | {
        readonly positions: readonly SourcePosition[];
        readonly tails: ReadonlyMap<string, SealedTail>;
      }
    | undefined;
  /**
   * Set where a vault had more than an old copy of our state knew: what is held, maybe of a chain
   * that went on from this one, was sealed by another life, and holds our blocks below this. Those
   * from it on no vault has.
   */
  readonly forkedAt?: number | undefined;
  /** Number of the oldest block kept, and one more than that of the newest. */
  readonly first: number;
  readonly next: number;
  /** Kept blocks from `from` on. */
  blocks(from: number): AsyncIterable<OldBlock>;
}

/** Blocks of a chain, from one on, that a new chain takes over. */
export interface Stretch {
  readonly chain: OldChain;
  readonly from: number;
}
