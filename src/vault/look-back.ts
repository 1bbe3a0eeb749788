// Walks blocks that are stored already, for what is to be seen in them once more.
//
// - Begins at the newest snapshot before the first block asked for; payloads are opened and records
//   judged, envelopes are not derived again. Others get their turn between blocks.

import { believed } from "../core/authority.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { parseGrant } from "../core/grant.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import { nextTurn } from "../host/turn.ts";
import type { ChainReader } from "../store/store.ts";
import { contradicts, type Finding, isRefusal } from "../verify/finding.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";
import { Damage } from "./damage.ts";
import type { LookedAt } from "./open-findings.ts";
import { newestSnapshot } from "./snapshots.ts";

export interface LookBackOptions {
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly signal: AbortSignal;
}

/**
 * What is to be seen in the stored blocks [from, to). Undefined if `signal` came first. Throws
 * Damage for blocks that verification refuses.
 */
export async function lookBack(
  chain: ChainReader,
  from: number,
  to: number,
  { suite, keys, signal }: LookBackOptions,
): Promise<LookedAt | undefined> {
  const grant = parseGrant(suite, (await chain.grant()) ?? new Uint8Array(0));
  const start = from === 0 ? { block: 0, before: undefined } : await newestSnapshot(chain, from);
  const findings: Finding[] = [];
  const refused: Finding[] = [];
  const options: WalkOptions = {
    ...{ suite, chain: chain.id, authority: believed(grant, [keys]) },
    itemsOnly: true,
    report: (finding) => {
      if (isRefusal(finding.code)) refused.push(finding);
      else if ((finding.block ?? 0) >= from) findings.push(finding);
    },
  };
  const { before, block: first } = start;
  const walk = ChainWalk.behind(before, options);
  for await (const block of wholeBlocks(chain.wholeBlocks(first, to))) {
    if (signal.aborted) return undefined;
    walk.block(block.head, block.payload);
    const bad = refused.find(({ code }) => contradicts(code));
    if (bad !== undefined)
      throw new Damage(`stored block ${bad.block ?? first} fails: ${bad.code}`);
    await nextTurn();
  }
  return { from, to, findings, stopped: walk.thread.stopped === true };
}
