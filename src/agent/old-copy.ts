// What a vault has beyond a state directory that is an old copy, as a restored backup is.
//
// - It has more of our chain than we do, or a chain that went on from ours: that one says where the
//   next chain begins, checked as for a state that was lost. But not while another agent goes on
//   with it, as a clone does: its files are others.
// - Our own blocks count as the vault's only where it shows the same ones. What a life on the old
//   copy sealed after them no vault has: that is taken over behind what the vault has.

import { headLength } from "../core/block.ts";
import { equalBytes } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { ChainDamaged, isSilence } from "../ship/vault-reads.ts";
import type { OldChain } from "../succession/old-chain.ts";
import type { OpenedChain } from "./old-chains.ts";
import { fetchChain, isOver, type Lookup, successorsOf } from "./vault-predecessor.ts";

/** What a vault says to an agent on an old copy: it has blocks that we lack, or others than ours. */
const contradictions: readonly string[] = ["fork", "agent-rollback"];

/** Why a chain is over that only a vault knows of, though it knows older ones of ours. */
export const folderLost = "its folder in the state directory was lost";

export function isContradicted(base: Pick<OpenedChain, "reason"> | undefined): boolean {
  return base !== undefined && contradictions.includes(base.reason);
}

/**
 * Whether the vault shows a chain that went on from ours. One that lets nobody ask shows none, nor
 * one that does not answer, unless the agent `waits` for it: then it throws SealtailError.
 */
export async function isSucceeded(
  lookup: Lookup,
  base: OpenedChain | undefined,
  waits: boolean,
): Promise<boolean> {
  if (base?.chain === undefined) return false;
  try {
    const successors = await successorsOf(lookup, base.chain);
    return successors === "wait" || successors.length > 0;
  } catch (error) {
    if (!(error instanceof SealtailError) || error.kind === "unsafe") throw error;
    // Of what never left nobody is likely to have gone on.
    if (waits && isSilence(error) && !base.unsent) throw error;
    const phrase = "the vault cannot be asked whether a chain went on from ours";
    lookup.diag.info(phrase, { code: "predecessor-unknown", error });
    return false;
  }
}

/**
 * The newest chain that went on from ours, or else what the vault has of ours beyond `receipted`
 * blocks; undefined if there is none that can be believed; wait: it cannot be known yet. Throws
 * SealtailError where the vault cannot be asked, or NoReceipt.
 */
export async function beyondCopy(
  lookup: Lookup,
  base: OpenedChain,
  receipted: number,
): Promise<OldChain | undefined | "wait"> {
  const { chain, dir, reason } = base;
  if (chain === undefined) return undefined;
  const newer = await successorsOf(lookup, chain);
  if (newer === "wait") return newer;
  const over = newer.length > 0 || (await isOver(lookup, chain));
  if (over === "wait") return over;
  for (const id of over ? [...newer, chain] : []) {
    const why = id === chain ? reason : folderLost;
    const found = (await lookup.reads.size(id)) > 0 && (await fetchChain(lookup, id, why));
    if (!found || found.held === undefined) continue;
    // What we have a receipt for counts, whatever a vault lost since.
    if (id === chain && found.held.size <= receipted) continue;
    const forkedAt = await sharedEnd(lookup, base, chain, receipted);
    return { ...found, number: dir.number, forkedAt };
  }
  return undefined;
}

/** Our blocks below are the vault's too. */
async function sharedEnd(
  lookup: Lookup,
  base: OpenedChain,
  chain: string,
  receipted: number,
): Promise<number> {
  try {
    return await searchEnd(lookup, base, chain, receipted);
  } catch (error) {
    if (!(error instanceof ChainDamaged)) throw error;
    // What it cannot show is not there.
    return Math.max(base.wal.first, Math.min(receipted, base.wal.next));
  }
}

/** Each block names the one before, so the search may halve. */
async function searchEnd(
  { reads }: Lookup,
  { wal }: OpenedChain,
  chain: string,
  receipted: number,
): Promise<number> {
  const isShared = async (at: number): Promise<boolean> => {
    const [own] = await wal.read(at, 1);
    const head = await reads.heads(chain, at, 1);
    return own !== undefined && equalBytes(head, own.bytes.subarray(0, headLength));
  };
  let low = Math.max(wal.first, Math.min(receipted, wal.next));
  let high = Math.max(low, Math.min(wal.next, await reads.size(chain)));
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isShared(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
