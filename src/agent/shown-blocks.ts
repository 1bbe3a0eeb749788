// Single blocks that a vault shows, and what they say; nothing of it is believed.

import { concat } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { decodeHeader } from "../core/header.ts";
import { newestRun, openBlock, openingRecord } from "../core/opening.ts";
import { FramingError, wholeBlocks } from "../core/whole-blocks.ts";
import type { VaultReads } from "../ship/vault-reads.ts";

export interface Shown {
  readonly suite: Suite;
  readonly reads: VaultReads;
}

/** The host of the newest run: the vault's word, which only chooses between genuine chains. */
export async function newestHost(lookup: Shown, id: string): Promise<unknown> {
  const { reads } = lookup;
  // Not the receipt's: a vault that was killed before it gave its first one has blocks and none.
  const size = await reads.size(id);
  if (size === 0) return undefined;
  const runAt = async (at: number): Promise<Uint8Array> =>
    decodeHeader(await reads.heads(id, at, 1)).runId;
  const { first } = await newestRun(size, runAt);
  return await toldIn(lookup, id, first, (raw) => openingRecord(raw, "start")?.["host"]);
}

/** What the payload of one block tells; undefined where it is none, or cannot be read. */
export async function toldIn<T>(
  { suite, reads }: Shown,
  id: string,
  at: number,
  read: (raw: Uint8Array, block: Uint8Array) => T,
): Promise<T | undefined> {
  try {
    const block = await blockOf(reads, id, at);
    return block && read(openBlock(suite, block).raw, block);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return undefined;
  }
}

/** One block as it is shown; undefined for what is none. */
export async function blockOf(
  reads: VaultReads,
  id: string,
  at: number,
): Promise<Uint8Array | undefined> {
  try {
    for await (const { head, payload } of wholeBlocks(reads.blocks(id, at, 1))) {
      return concat(head, payload);
    }
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof FramingError)) throw error;
  }
  return undefined;
}
