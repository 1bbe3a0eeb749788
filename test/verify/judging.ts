// Verifies a store in memory with the test keys, and keeps what was found.

import type { VerifiableSource } from "../../src/core/chain-source.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { type SourceOptions, type SourceReport, verifySource } from "../../src/verify/all.ts";
import type { Finding } from "../../src/verify/finding.ts";
import { testRoot, testVault } from "../fakes/chain-builder.ts";
import { memorySource, type StoreFiles } from "../fakes/chain-store.ts";
import { remembering } from "../fakes/remembering.ts";

const suite = remembering(nativeSuite);

export interface Judged extends SourceReport {
  /** All of them, in the order in which they were made. */
  readonly all: readonly Finding[];
}

export async function judge(
  place: StoreFiles | VerifiableSource,
  options: Partial<SourceOptions> = {},
): Promise<Judged> {
  const all: Finding[] = [];
  const source = place instanceof Map ? memorySource(place) : place;
  const report = await verifySource(source, {
    suite,
    roots: [testRoot.key],
    vaults: [testVault.keys],
    report: (finding) => all.push(finding),
    ...options,
  });
  return { ...report, all };
}

/** Code and block of each finding, for comparing. */
export function codes(found: readonly Finding[]): string[] {
  return found.map(({ code, block }) => (block === undefined ? code : `${code} ${block}`));
}
