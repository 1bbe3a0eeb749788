// What the judge of a file is told: the agent's lives, and what was read in the chains.

import type { Sealed } from "./sealed.ts";

export interface LifeFacts {
  readonly number: number;
  readonly begun: number;
  readonly over: number;
  /** Ticks at which it owed nothing any more. */
  readonly rested: readonly number[];
}

export interface Reading {
  /** It came at this tick or earlier, and not before `first`. */
  readonly tick: number;
  readonly first: number;
  readonly item: Sealed;
}
