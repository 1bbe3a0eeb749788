// The predecessor that only the vault still has: for an agent whose state was lost, or went with
// the pod, or lost the folder of its newest chain.
//
// - Which chain it is: one of our subject, genuine, that no other chain of the subject goes on for;
//   and that nobody else is at: its newest run was on this host, or both its grant and ours are for
//   one chain only and it does not live any more. Of several the newest.
// - So where many share a grant, nobody takes over the chain of another who is alive.

import type { TrustedKeys } from "../core/authority.ts";
import { concat, equalBytes } from "../core/bytes.ts";
import { parseCheckpoint } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, parseGrant } from "../core/grant.ts";
import { decodeHeader } from "../core/header.ts";
import { FramingError, wholeBlocks } from "../core/whole-blocks.ts";
import type { Diag } from "../host/diag.ts";
import type { ListedChain, VaultReads } from "../ship/vault-reads.ts";
import type { OldChain } from "../succession/old-chain.ts";
import { openBlock, openingRecord } from "../succession/opening.ts";
import {
  type BelievedChain,
  believe,
  type ShownChain,
  Unbelievable,
} from "../succession/vault-chain.ts";

export interface Lookup {
  readonly suite: Suite;
  readonly diag: Diag;
  readonly reads: VaultReads;
  readonly keys: TrustedKeys;
  readonly host: string;
  /** The grant that the next chain begins with. */
  readonly grant: Pick<Grant, "subject" | "audience" | "maxChains">;
}

/** Chains of the subject that are looked at, the newest first. */
const looksMax = 64;

/**
 * The chain that the vault shows as ours; undefined if there is none, or none that can be believed.
 * Throws SealtailError where the vault cannot be asked.
 */
export async function findPredecessor(
  lookup: Lookup,
  reason: string,
): Promise<OldChain | undefined> {
  const { reads, grant } = lookup;
  const listed = await reads.chainsOf(grant.subject);
  const newest = listed.sort((a, b) => b.seenAt - a.seenAt).slice(0, looksMax);
  const succeeded = new Set<string>();
  for (const { id } of newest) {
    const raw = await rawOf(lookup, id, 0);
    const named = raw && openingRecord(raw, "predecessor");
    if (named !== undefined) succeeded.add(String(named["chain"]));
  }
  for (const chain of newest) {
    if (succeeded.has(chain.id) || !(await isOurs(lookup, chain))) continue;
    const found = await fetchChain(lookup, chain.id, reason);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Where the vault's newest receipt leaves a chain; undefined, aloud, if it cannot be believed. */
export async function fetchChain(
  lookup: Lookup,
  id: string,
  reason: string,
): Promise<OldChain | undefined> {
  const { suite, keys, grant } = lookup;
  try {
    const believed = await believe(suite, keys, grant.subject, shown(lookup.reads, id));
    return asOld(id, reason, believed);
  } catch (error) {
    if (!(error instanceof Unbelievable) && !(error instanceof FramingError)) throw error;
    refuse(lookup, id, error.message);
    return undefined;
  }
}

function refuse({ diag }: Lookup, chain: string, cause: string): void {
  const fields = { code: "predecessor-refused", chain, cause };
  diag.error("the vault shows a chain of ours that cannot be believed", fields);
}

function asOld(id: string, reason: string, chain: BelievedChain): OldChain {
  const { size, root, positions, tails, final } = chain;
  return {
    ...{ number: -1, whole: true, origin: undefined, covers: () => true },
    reason: final ? "retired" : reason,
    held: { chain: id, size, root },
    fetched: { positions, tails },
    ...{ first: 0, next: 0 },
    async *blocks() {},
  };
}

function shown(reads: VaultReads, id: string): ShownChain {
  return {
    id,
    grant: () => reads.grant(id),
    receipt: () => reads.receipt(id),
    heads: (from, count) => reads.heads(id, from, count),
    blocks: (from, count) => reads.blocks(id, from, count),
  };
}

async function isOurs(lookup: Lookup, { id, state }: ListedChain): Promise<boolean> {
  const { suite, reads, host, grant } = lookup;
  if (state === "damaged") return false;
  try {
    const note = await reads.grant(id);
    const theirs = note && parseGrant(suite, note);
    if (theirs?.audience !== grant.audience) return false;
    const theirHost = await newestHost(lookup, id);
    if (theirHost === host) return true;
    const alone = theirs.maxChains === 1 && grant.maxChains === 1 && state !== "active";
    if (!alone && theirHost === undefined) refuse(lookup, id, "it does not show whose it is");
    return alone;
  } catch (error) {
    if (error instanceof Fault) return false;
    throw error;
  }
}

/** The host of the newest run: the vault's word, which only chooses between genuine chains. */
async function newestHost(lookup: Lookup, id: string): Promise<unknown> {
  const { reads } = lookup;
  const receipt = await reads.receipt(id);
  if (receipt === undefined) return undefined;
  const { size } = parseCheckpoint(receipt);
  if (size === 0) return undefined;
  const runAt = async (at: number): Promise<Uint8Array> =>
    decodeHeader(await reads.heads(id, at, 1)).runId;
  const run = await runAt(size - 1);
  let [low, high] = [0, size - 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (equalBytes(await runAt(middle), run)) high = middle;
    else low = middle + 1;
  }
  const raw = await rawOf(lookup, id, low);
  return raw && openingRecord(raw, "start")?.["host"];
}

/** The payload of one block; undefined for what is none. */
async function rawOf(
  { suite, reads }: Lookup,
  id: string,
  at: number,
): Promise<Uint8Array | undefined> {
  try {
    for await (const { head, payload } of wholeBlocks(reads.blocks(id, at, 1))) {
      return openBlock(suite, concat(head, payload)).raw;
    }
  } catch (error) {
    if (!(error instanceof Fault) && !(error instanceof FramingError)) throw error;
  }
  return undefined;
}
