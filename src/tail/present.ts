// Present: which files the patterns of sources mean at this moment, for who only wants to know.
//
// - Walked and matched as an agent does it; nothing is opened, followed or kept.

import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import { shown } from "./byte-path.ts";
import { Discover } from "./discover.ts";
import { includePattern } from "./glob-base.ts";
import type { SourceOptions } from "./item.ts";

export interface PresentFile {
  /** Percent form. */
  readonly path: string;
  /** The sources that mean it, by number, with the numbers of their patterns that match it. */
  readonly meantBy: readonly { readonly source: number; readonly patterns: readonly number[] }[];
}

/** `diag` is told what could not be looked at, and what an agent would not follow. */
export async function* presentFiles(
  files: Files,
  diag: Diag,
  sources: readonly SourceOptions[],
  refuse: readonly string[],
): AsyncGenerator<PresentFile> {
  const discover = new Discover(files, diag, sources, refuse);
  const patterns = sources.map(({ include }) => include.map(includePattern));
  for await (const { names } of discover.walk()) {
    for (const name of names) {
      const claims = discover.claims(name);
      if (claims.length === 0) continue;
      const meantBy = claims.map((claim) => {
        const source = sources.findIndex((each) => each.name === claim);
        const matching = (patterns[source] ?? []).map((one) => one.matches(name));
        return { source, patterns: [...matching.keys()].filter((at) => matching[at]) };
      });
      yield { path: shown(name), meantBy };
    }
  }
}
