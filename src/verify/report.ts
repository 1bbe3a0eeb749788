// What a verification comes to: one report a chain, one for all.
//
// - Plain data, the same for people and as JSON.

import type { Authority, Standing } from "../core/authority.ts";
import { hex } from "../core/bytes.ts";
import type { FindingCode } from "../core/fault.ts";
import { type Verdict, worse } from "./finding.ts";
import type { Totals } from "./totals.ts";
import { type Beginning, beginningOf } from "./uses.ts";
import type { ChainWalk } from "./walk.ts";
import type { Positions, Predecessor } from "./walk-options.ts";

/** What a walk counted, as its totals has it. */
type Counted = Pick<
  Totals,
  | ("blocks" | "envelopes" | "firstTime" | "lastTime")
  | ("receiptedBlocks" | "receiptSize" | "firstReceiptTime" | "receiptTime")
>;

export interface ChainReport extends Readonly<Counted> {
  readonly chain: string;
  readonly verdict: Verdict;
  readonly subject: string | undefined;
  readonly audience: string | undefined;
  /**
   * What the grant is worth, its dates and uses included. unjudged: no root key was given. refused:
   * it vouches for nothing, and so nobody vouches for any block.
   */
  readonly standing: Standing;
  /**
   * Blocks below this number are vouched for: by the keys that the grant leads to, or by a receipt
   * of its audience. 0 where the grant is refused; where it is unjudged, what its key vouches for.
   */
  readonly vouchedTo: number;
  /** Id of the genesis that was found under this name. */
  readonly genesis: string;
  /** The genesis was there and signed by the grant's key: the grant was used. */
  readonly begun: boolean;
  /** Nothing is there but at most a grant and the beginning of a genesis: it is no chain. */
  readonly leftover: boolean;
  /** By what uses of its grant are counted; empty unless a trusted root signed it. */
  readonly uses: readonly string[];
  readonly maxChains: number | undefined;
  /** The grant's key, in hex, as far as it can be read. */
  readonly grantKey: string | undefined;
  /** Whether the genesis names the grant that is there; undefined where nobody can tell. */
  readonly namesGrant: boolean | undefined;
  /** The head of the chain's genesis, where its grant does not count or is not the one it names. */
  readonly genesisHead: Uint8Array | undefined;
  readonly beginning: Beginning;
  readonly predecessor: Predecessor | undefined;
  /** Blocks that must be there: the newest one's number and one. */
  readonly length: number;
  readonly runs: number;
  /** The payloads of all blocks were read: the findings in them are all that there are. */
  readonly allRead: boolean;
  /** Undefined where it is not known: payloads were not read. */
  readonly openSources: number | undefined;
  /**
   * How often a file was cut or replaced after it was read as far as it was seen: what was added
   * and cut off between two looks is in no gap. Undefined where no payload was read.
   */
  readonly restarts: number | undefined;
  /** No payload was asked for: nothing is known of what they hold. */
  readonly headersOnly: boolean;
  /** The chain is over: nothing comes behind its newest block. */
  readonly final: boolean;
  /** Seconds from when the newest block was there to the time that was given, if one was. */
  readonly age: number | undefined;
  /** Number of findings by code. */
  readonly findings: Partial<Record<FindingCode, number>>;
  readonly unchecked: readonly string[];
  /** What of the chain can't be read; then nothing better than INDETERMINATE is said. */
  readonly unread: readonly string[];
  /** Roots asked for by `rootsAt`, in hex. */
  readonly roots: ReadonlyMap<number, string>;
  /** Up to where it holds each source, where that is known and other chains name it. */
  readonly positions: Positions | undefined;
}

/** What is known of a chain besides its walk. */
export interface ChainFacts {
  readonly authority: Authority;
  /** False where a receipt shows that the chain began outside of its grant's dates. */
  readonly datesHold: boolean;
  readonly headersOnly: boolean;
  /** Unix microseconds at which age is judged. */
  readonly at: number | undefined;
  readonly positions: Positions | undefined;
  readonly unchecked: readonly string[];
  readonly unread: readonly string[];
  readonly leftover: boolean;
}

export function chainReport(chain: string, walk: ChainWalk, facts: ChainFacts): ChainReport {
  const { totals } = walk;
  const { unchecked, unread } = facts;
  const { grant } = facts.authority;
  const { headTime, blocks, envelopes, firstTime, lastTime } = totals;
  const { receiptedBlocks, receiptSize, firstReceiptTime, receiptTime } = totals;
  const standing = facts.datesHold ? facts.authority.standing : "refused";
  // Nothing to judge, or not all of it, is never a pass. But where a receipt proves that there were
  // blocks, their absence is judged.
  const nothing = totals.blocks === 0 && totals.coveredSize === 0;
  const least = nothing || facts.headersOnly || unread.length > 0 ? "INDETERMINATE" : "VALID";
  const isOwn = facts.authority.uses.length > 0 && walk.namesGrant !== false;
  return {
    chain,
    verdict: worse(totals.verdict, least),
    subject: grant?.subject,
    audience: grant?.audience,
    standing,
    vouchedTo: standing === "refused" ? 0 : (walk.unauthenticatedFrom ?? walk.thread.blockNo),
    genesis: walk.chainId,
    begun: walk.begun,
    leftover: facts.leftover,
    uses: facts.authority.uses,
    maxChains: grant?.maxChains,
    grantKey: grant && hex(grant.key),
    namesGrant: walk.namesGrant,
    genesisHead: isOwn ? undefined : walk.genesisHead,
    beginning: beginningOf(walk),
    predecessor: walk.predecessor,
    length: walk.length,
    ...{ blocks, envelopes, runs: walk.runs.count, firstTime, lastTime },
    ...{ receiptedBlocks, receiptSize, firstReceiptTime, receiptTime },
    allRead: totals.allRead && !facts.headersOnly,
    openSources: facts.headersOnly || walk.sources.loose ? undefined : [...walk.sources].length,
    restarts: facts.headersOnly ? undefined : totals.restarts,
    headersOnly: facts.headersOnly,
    final: walk.thread.final,
    age: facts.at === undefined || headTime === undefined ? undefined : (facts.at - headTime) / 1e6,
    findings: Object.fromEntries(totals.counts),
    unchecked,
    unread,
    roots: walk.roots,
    positions: facts.positions,
  };
}
