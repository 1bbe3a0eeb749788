// What the vault knows of a chain without opening it, and the state that it shows of it.
//
// - A chain is silent once the vault itself listened for as long as the chain promised at most to
//   be: what came while the vault was away, it could not hear.

import type { ChainWords } from "./chain-words.ts";

export const chainStates = ["active", "silent", "stopped", "final", "damaged", "unknown"] as const;

export type ChainState = (typeof chainStates)[number];

/** What is known of a chain. Times in Unix microseconds. */
export interface ChainEntry {
  readonly chain: string;
  subject: string | undefined;
  /** By what uses of its grant are counted; empty while unknown, or for a root not trusted. */
  uses: readonly string[];
  maxChains: number;
  size: number;
  /** That many blocks are covered by a receipt of ours, as far as it is known. */
  receipted: number;
  /** When the newest block came, by our clock; after a start, when it was last receipted. */
  seenAt: number;
  /** Since when the vault listens for it: what it did not hear before, says nothing. */
  readonly heardFrom: number;
  /** What the newest block promised; 0 if it promised nothing more. */
  silenceMs: number;
  ended: "no" | "stopped" | "final";
  forks: number;
  damage: string | undefined;
  surveyed: boolean;
  /** The machine couldn't read its grant or its newest objects when somebody last looked. */
  unread: boolean;
  /** Undefined while nobody has read them. */
  words: ChainWords | undefined;
  /** The blocks that hold them are damaged: nobody tries again. */
  wordless: boolean;
}

export function newEntry(chain: string, heardFrom: number): ChainEntry {
  return {
    ...{ chain, subject: undefined, uses: [], maxChains: 0, size: 0, receipted: 0, seenAt: 0 },
    ...{ silenceMs: 0, ended: "no", forks: 0, damage: undefined, surveyed: false, unread: false },
    ...{ words: undefined, wordless: false, heardFrom },
  };
}

/** Whether something of it is still to be read from the store. */
export function isUnread(entry: ChainEntry): boolean {
  return !entry.surveyed || entry.unread || lacksWords(entry);
}

/** Whether what it says of itself is still to be read. */
export function lacksWords({ words, wordless, damage, size }: ChainEntry): boolean {
  return words === undefined && !wordless && damage === undefined && size > 0;
}

/** Whether nothing of it is stored, as far as the vault could look. */
export function isNothing({ size, damage, unread }: ChainEntry): boolean {
  return size === 0 && damage === undefined && !unread;
}

export function stateOf(entry: ChainEntry, now: number): ChainState {
  if (entry.damage !== undefined) return "damaged";
  if (!entry.surveyed || entry.unread) return "unknown";
  if (entry.ended !== "no") return entry.ended;
  const from = Math.max(entry.seenAt, entry.heardFrom);
  return now - from > entry.silenceMs * 1000 ? "silent" : "active";
}
