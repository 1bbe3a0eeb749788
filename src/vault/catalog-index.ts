// The index file of a vault's chains: whose each is, and which grant it used.
//
// - It spares reading every grant at each start, and can be made anew from these.
// - One that was made by other root keys than those that are trusted now says nothing.

import { fromUtf8, hex, utf8 } from "../core/bytes.ts";
import type { VerifierKey } from "../core/note.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import type { UsedGrant } from "./grant-uses.ts";

/** Whose a chain is, and which grant it used. */
export interface UsedBy extends UsedGrant {
  readonly subject: string | undefined;
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

  /** By chain; empty where there is none that says anything. */
  async read(): Promise<Map<string, UsedBy>> {
    const { files, path, diag } = this.#options;
    const known = new Map<string, UsedBy>();
    const bytes = await readWhole(files, path, bytesMax);
    if (bytes === undefined) return known;
    try {
      const text = fromUtf8(bytes);
      if (!text.startsWith(this.#firstLine)) return known;
      for (const line of text.slice(this.#firstLine.length).split("\n")) {
        if (line === "") continue;
        const { chain, ...used } = JSON.parse(line) as UsedBy & { readonly chain: string };
        if (!Array.isArray(used.uses)) throw new TypeError("a line names no uses");
        known.set(chain, used);
      }
    } catch (error) {
      diag.warn("index of chains is damaged, it is made anew", { error: error as Error });
      known.clear();
    }
    return known;
  }

  async write(entries: Iterable<UsedBy & { readonly chain: string }>): Promise<void> {
    const lines = [this.#firstLine];
    for (const { chain, subject, uses, maxChains } of entries) {
      if (uses.length === 0) continue;
      lines.push(`${JSON.stringify({ chain, subject, uses, maxChains })}\n`);
    }
    await writeFileDurably(this.#options.files, this.#options.path, utf8(lines.join("")));
  }
}
