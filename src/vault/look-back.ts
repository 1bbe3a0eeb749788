// Walks blocks that are stored already, for what is to be seen in them once more.
//
// - Begins at the newest snapshot before the first block asked for; payloads are opened and records
//   judged, envelopes are not derived again. Others get their turn between blocks.

import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { parseGrant } from "../core/grant.ts";
import { nextTurn } from "../host/turn.ts";
import type { ChainReader } from "../store/store.ts";
import type { Finding } from "../verify/finding.ts";
import { resumeWalk } from "../verify/resume.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";
import { splitBody } from "./body.ts";
import { newestSnapshot } from "./replay.ts";

export interface LookBackOptions {
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly signal: AbortSignal;
}

/** The findings of the stored blocks [from, to). Undefined if `signal` came first. */
export async function lookBack(
  chain: ChainReader,
  from: number,
  to: number,
  { suite, keys, signal }: LookBackOptions,
): Promise<Finding[] | undefined> {
  const grant = parseGrant(suite, (await chain.grant()) ?? new Uint8Array(0));
  const start = from === 0 ? { block: 0, before: undefined } : await newestSnapshot(chain, from);
  const found: Finding[] = [];
  const options: WalkOptions = {
    ...{ suite, chain: chain.id, grant: { key: grant.key, terms: grant }, vaults: [keys] },
    itemsOnly: true,
    report: (finding) => {
      if ((finding.block ?? 0) >= from) found.push(finding);
    },
  };
  const { before, block: first } = start;
  const walk = before === undefined ? new ChainWalk(options) : resumeWalk(options, before);
  for await (const block of splitBody(chain.wholeBlocks(first, to))) {
    if (signal.aborted) return undefined;
    walk.block(block.head, block.payload);
    await nextTurn();
  }
  return found;
}
