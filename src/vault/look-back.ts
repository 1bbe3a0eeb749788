// Walks blocks that are stored already, for what is to be seen in them once more.
//
// - A walk begins at the newest snapshot before the first block asked for; the head before that is
//   taken as it is stored. Payloads are opened and records judged, envelopes not derived again.
// - Others get their turn between blocks.

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
import { newestSnapshot } from "./stored-heads.ts";

export interface StoredWalkOptions extends Pick<WalkOptions, "report" | "onPayload"> {
  readonly suite: Suite;
  readonly keys: VaultKeys;
}

/** A walk of which the next block is `first`: the newest one below `size` that holds a snapshot. */
export async function beginWalk(
  chain: ChainReader,
  size: number,
  { suite, keys, ...told }: StoredWalkOptions,
): Promise<{ readonly walk: ChainWalk; readonly first: number }> {
  const grant = parseGrant(suite, (await chain.grant()) ?? new Uint8Array(0));
  const options: WalkOptions = {
    ...{ suite, chain: chain.id, authority: believed(grant, [keys]), itemsOnly: true },
    ...told,
  };
  if (size === 0) return { walk: ChainWalk.behind(undefined, options), first: 0 };
  const { block, before } = await newestSnapshot(chain, size);
  return { walk: ChainWalk.behind(before, options), first: block };
}

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
  const findings: Finding[] = [];
  let refused: Finding | undefined;
  const report = (finding: Finding): void => {
    if (contradicts(finding.code)) refused ??= finding;
    else if (!isRefusal(finding.code) && (finding.block ?? 0) >= from) findings.push(finding);
  };
  const { walk, first } = await beginWalk(chain, from, { suite, keys, report });
  for await (const block of wholeBlocks(chain.wholeBlocks(first, to))) {
    if (signal.aborted) return undefined;
    walk.block(block.head, block.payload);
    if (refused !== undefined)
      throw new Damage(`stored block ${refused.block ?? first} fails: ${refused.code}`);
    await nextTurn();
  }
  return { from, to, findings, stopped: walk.thread.stopped === true };
}
