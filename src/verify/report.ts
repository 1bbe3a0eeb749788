// What a verification comes to: one report a chain, one for all.
//
// - Plain data, the same for people and as JSON.

import type { FindingCode } from "../core/fault.ts";
import type { Grant } from "../core/grant.ts";
import type { VerifierKey } from "../core/note.ts";
import { type Verdict, worse } from "./finding.ts";
import type { ChainWalk } from "./walk.ts";

export interface ChainReport {
  readonly chain: string;
  readonly verdict: Verdict;
  readonly subject: string | undefined;
  readonly audience: string | undefined;
  /** Grant id and root, by which uses of a grant are counted. */
  readonly grant: string | undefined;
  readonly maxChains: number | undefined;
  readonly blocks: number;
  readonly envelopes: number;
  readonly runs: number;
  /** Unix microseconds. */
  readonly firstTime: number | undefined;
  readonly lastTime: number | undefined;
  /** Blocks confirmed by the newest receipt, and its time in Unix seconds. */
  readonly receiptedBlocks: number;
  readonly receiptTime: number | undefined;
  readonly openSources: number;
  /** Number of findings by code. */
  readonly findings: Partial<Record<FindingCode, number>>;
  readonly unchecked: readonly string[];
  /** Roots asked for by `rootsAt`, in hex. */
  readonly roots: ReadonlyMap<number, string>;
}

export function chainReport(
  chain: string,
  walk: ChainWalk,
  grant: Grant | undefined,
  root: VerifierKey | undefined,
): ChainReport {
  const { tally } = walk;
  return {
    chain,
    // Nothing to judge is never a pass.
    verdict: tally.blocks === 0 ? worse(tally.verdict, "INDETERMINATE") : tally.verdict,
    subject: grant?.subject,
    audience: grant?.audience,
    grant: grant && root ? `${root.name} ${[...grant.id].join(".")}` : undefined,
    maxChains: grant?.maxChains,
    blocks: tally.blocks,
    envelopes: tally.envelopes,
    runs: tally.runs,
    firstTime: tally.firstTime,
    lastTime: tally.lastTime,
    receiptedBlocks: tally.confirmedSize,
    receiptTime: tally.lastReceiptTime,
    openSources: [...walk.sources].length,
    findings: Object.fromEntries(tally.counts),
    unchecked: [...walk.unchecked],
    roots: walk.roots,
  };
}
