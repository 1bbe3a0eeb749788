// The index file of a vault's chains: whose each is, which grant it used, what it says of itself.
//
// - It spares reading all grants and the first blocks of runs at each start, and can be made anew
//   from these.
// - One that was made by other root keys than those that are trusted now, or by an earlier build,
//   counts only for a chain whose grant is gone: nothing else says any more which use it took.

import { fromUtf8, hex, utf8 } from "../core/bytes.ts";
import type { VerifierKey } from "../core/note.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import { type ChainWords, parseWords } from "./chain-words.ts";
import type { UsedGrant } from "./grant-uses.ts";

/** Whose a chain is, and which grant it used. */
export interface UsedBy extends UsedGrant {
  readonly subject: string | undefined;
  /** As it was when the index was written; an earlier build wrote none. */
  readonly words?: ChainWords | undefined;
}

export interface KnownUses {
  /** By chain; empty where there is no index that says anything. */
  readonly byChain: ReadonlyMap<string, UsedBy>;
  /** Whether the root keys that are trusted now judged the grants. */
  readonly current: boolean;
}

export interface CatalogIndexOptions {
  readonly files: Files;
  readonly diag: Diag;
  readonly path: string;
  readonly roots: readonly VerifierKey[];
}

const bytesMax = 256 * 1024 * 1024;

export class CatalogIndex {
  readonly #options: CatalogIndexOptions;
  /** Names the root keys. */
  readonly #firstLine: string;

  constructor(options: CatalogIndexOptions) {
    this.#options = options;
    const roots = options.roots.map(({ publicKey }) => hex(publicKey)).sort();
    this.#firstLine = `${JSON.stringify({ roots })}\n`;
  }

  async read(): Promise<KnownUses> {
    const { files, path, diag } = this.#options;
    const byChain = new Map<string, UsedBy>();
    try {
      const bytes = await readWhole(files, path, bytesMax);
      if (bytes === undefined) return { byChain, current: true };
      const text = fromUtf8(bytes);
      for (const line of text.split("\n")) {
        if (line === "" || line.startsWith('{"roots":')) continue;
        const { chain, ...used } = JSON.parse(line) as Line;
        byChain.set(chain, usedBy(used));
      }
      return { byChain, current: text.startsWith(this.#firstLine) };
    } catch (error) {
      diag.warn("index of chains can't be read, it is made anew", { error: error as Error });
      return { byChain: new Map(), current: true };
    }
  }

  async write(entries: Iterable<UsedBy & { readonly chain: string }>): Promise<void> {
    const lines = [this.#firstLine];
    for (const { chain, subject, uses, maxChains, words } of entries) {
      if (uses.length === 0) continue;
      lines.push(`${JSON.stringify({ chain, subject, uses, maxChains, words })}\n`);
    }
    await writeFileDurably(this.#options.files, this.#options.path, utf8(lines.join("")));
  }
}

interface Line extends UsedBy {
  readonly chain: string;
  /** In an earlier build, in the place of the uses: root key and grant id. */
  readonly use?: unknown;
}

function usedBy({ subject, uses, maxChains, use, words }: Omit<Line, "chain">): UsedBy {
  if (Array.isArray(uses)) return { subject, uses, maxChains, words: parseWords(words) };
  if (typeof use !== "string") throw new TypeError("a line names no uses");
  // How many chains it allows, it did not say: the grant does, of whoever begins by it next.
  return { subject, uses: [`root ${use}`], maxChains: Number.MAX_SAFE_INTEGER };
}
