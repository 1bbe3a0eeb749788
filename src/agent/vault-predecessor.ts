// The predecessor that only the vault still has: for an agent whose state was lost, or went with
// the pod, or lost the folder of its newest chain.
//
// - Which chain it is: one of our subject, genuine, that no other chain of the subject goes on for;
//   and that does not live any more: its newest run was on this host, or both its grant and ours
//   are for one chain only. Of several the newest.
// - Which chains come into question, the vault's list says, in the chains' own words. What is to be
//   gone on for is read itself: a vault may hide a chain, and never make another's ours.
// - So nobody takes over the chain of another who is alive. One of our own host may be what we lost
//   a moment ago: then what was under way comes, one request, and nothing more. That is waited for.
// - A chain that the vault calls damaged, or cannot show while it answers, is passed over, aloud:
//   that is an answer, as a chain that cannot be believed is. It costs no other chain.
// - The vault is asked for a receipt over all that it has, and asked again until it answers: an
//   older one would seal twice what lies behind it.

import type { TrustedKeys } from "../core/authority.ts";
import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import type { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, inScope, parseGrant } from "../core/grant.ts";
import { textOf } from "../core/json.ts";
import { encodeRecord, type SourceRecord, sourceIdOf } from "../core/record.ts";
import { FramingError } from "../core/whole-blocks.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Sink } from "../ship/sink.ts";
import {
  ChainDamaged,
  chainDamaged,
  type ListedChain,
  type VaultReads,
} from "../ship/vault-reads.ts";
import type { OldChain } from "../succession/old-chain.ts";
import { type Origin, originIn } from "../succession/origin.ts";
import { TailSearch } from "../succession/tail-search.ts";
import {
  type BelievedChain,
  believe,
  type ShownChain,
  Unbelievable,
} from "../succession/vault-chain.ts";
import { type ChainsSeen, living, ofOne, sayTaken } from "./chains-seen.ts";
import { saysNo } from "./old-shipment.ts";
import { blockOf, toldIn } from "./shown-blocks.ts";

export interface Lookup {
  readonly suite: Suite;
  readonly diag: Diag;
  readonly reads: VaultReads;
  readonly sink: Sink;
  readonly clock: Clock;
  /** Ends a question. */
  readonly stopping: AbortSignal;
  readonly keys: TrustedKeys;
  readonly host: string;
  /** The grant that the next chain begins with. */
  readonly grant: Pick<Grant, "subject" | "audience" | "maxChains" | "sources">;
  /** The chain that is known to be our own. */
  readonly own: string | undefined;
  readonly seen: ChainsSeen;
  /** Whether a vault that gives no receipt is asked again, before an older one has to do. */
  readonly insists: () => boolean;
  /** Tells whether a file is there that may be a source's: of others nothing is compared. */
  readonly filesThere: () => (record: Pick<SourceRecord, "ino" | "birth">) => boolean;
}

/** The vault gave no receipt over all that it has; the message says what it answered. */
export class NoReceipt extends Error {
  override readonly name = "NoReceipt";
}

/** How long an answer is waited for, in ms. */
const answerMs = 5000;
/** Chains before it that are asked for the files that a narrow grant did not cover. */
const agesMax = 16;

/**
 * The chain that the vault shows as ours; undefined if there is none, or none that can be believed;
 * wait: it cannot be known yet. Throws SealtailError where the vault cannot be asked, or NoReceipt.
 */
export async function findPredecessor(
  lookup: Lookup,
  reason: string,
): Promise<OldChain | undefined | "wait"> {
  const newest = await newestChains(lookup);
  const named = await namedByEach(lookup, newest);
  const succeeded = new Set(named.values());
  let waits = false;
  for (const chain of newest) {
    if (succeeded.has(chain.id)) continue;
    const whose = await whoseIs(lookup, chain);
    waits ||= whose === "unknown";
    // Of several the newest: what is not known yet comes first. All are watched from now on.
    if (whose !== "ours" || waits) continue;
    const found = await fetchChain(lookup, chain.id, reason);
    if (found !== undefined) return found;
  }
  if (waits) return "wait";
  sayTaken(lookup, newest, named);
  return undefined;
}

/** The id that each names as that of the chain before: read where the vault does not tell it. */
async function namedByEach(
  lookup: Lookup,
  chains: readonly ListedChain[],
): Promise<Map<string, string | undefined>> {
  const untold = chains.filter(({ words }) => words === undefined);
  const read = await readNamed(lookup, untold, untold.length < chains.length);
  return new Map(chains.map(({ id, words }) => [id, words ? words.predecessor : read.get(id)]));
}

/**
 * The chain that each names as the one before, if it names one, from its own blocks. Rejects where
 * the vault shows nothing of any of them, nor `shows` anything of others.
 */
async function readNamed(
  lookup: Lookup,
  chains: readonly ListedChain[],
  shows = false,
): Promise<Map<string, string | undefined>> {
  const { seen, reads } = lookup;
  const named = new Map<string, string | undefined>();
  let failed: SealtailError | undefined;
  for (const { id } of chains) {
    const found = await ofOne(reads, id, () => seen.namedBy(lookup, id));
    if ("value" in found) named.set(id, found.value);
    else {
      refuse(lookup, id, found.failure.message);
      if (!(found.failure instanceof ChainDamaged)) failed ??= found.failure;
    }
  }
  if (!shows && named.size === 0 && failed !== undefined) throw failed;
  return named;
}

async function newestChains({ reads, grant }: Lookup): Promise<ListedChain[]> {
  const listed = await reads.chainsOf(grant.subject);
  return listed.sort((a, b) => b.seenAt - a.seenAt);
}

/**
 * The chains of ours that went on from this one, one from the other, the newest first; wait: it
 * cannot be known yet. Throws SealtailError where the vault cannot be asked.
 */
export async function successorsOf(lookup: Lookup, id: string): Promise<string[] | "wait"> {
  const newest = await newestChains(lookup);
  const named = await namedByEach(lookup, newest);
  const line = [id];
  for (let age = 0; age < agesMax; age += 1) {
    const heirs = newest.filter((each) => named.get(each.id) === line[0]);
    const next = await firstOfOurs(lookup, heirs);
    if (next === "wait") return next;
    if (next === undefined || line.includes(next)) break;
    line.unshift(next);
  }
  return line.slice(0, -1);
}

/** Whether a chain of ours is over, or another agent goes on with it, as on a cloned machine. */
export async function isOver(lookup: Lookup, id: string): Promise<boolean | "wait"> {
  const chain = (await newestChains(lookup)).find((each) => each.id === id);
  const whose = chain === undefined ? "ours" : ofOurHost(lookup, chain);
  return whose === "unknown" ? "wait" : whose === "ours";
}

/** wait: of one before it that cannot be known yet. */
async function firstOfOurs(
  lookup: Lookup,
  chains: readonly ListedChain[],
): Promise<string | undefined | "wait"> {
  for (const chain of chains) {
    const whose = await whoseIs(lookup, chain);
    if (whose === "unknown") return "wait";
    if (whose === "ours") return chain.id;
  }
  return undefined;
}

/**
 * Where the vault's newest receipt leaves a chain, the chains before it what it did not cover, and
 * what was sealed last of files that are there; undefined, aloud, if it cannot be believed.
 * `behind`: globs of the chains behind it. Throws NoReceipt.
 */
export async function fetchChain(
  lookup: Lookup,
  id: string,
  reason: string,
  behind: readonly (readonly string[])[] = [],
): Promise<OldChain | undefined> {
  const { suite, keys, grant, reads } = lookup;
  try {
    const asked = await askForReceipt(lookup, id);
    const believed = await believe(suite, keys, grant.subject, shown(reads, id));
    // A vault that was killed again shows an older one than it gave.
    if (believed.size < asked.size) unanswered(lookup, id, asked);
    const origin = await originAt(lookup, id, [...behind, believed.grant.sources]);
    await searchTails(lookup, id, believed, behind);
    return asOld(id, reason, believed, origin);
  } catch (error) {
    const kinds = [Unbelievable, FramingError, ChainDamaged];
    if (!kinds.some((kind) => error instanceof kind)) throw error;
    refuse(lookup, id, (error as Error).message);
    return undefined;
  }
}

/** Whether a next grant may cover files that none of these did; without globs one covers all. */
export function widens(next: readonly string[], before: readonly (readonly string[])[]): boolean {
  if (before.some((globs) => globs.length === 0)) return false;
  return next.length === 0 || !next.every((glob) => before.some((globs) => globs.includes(glob)));
}

async function originAt(
  lookup: Lookup,
  id: string,
  globs: readonly (readonly string[])[],
): Promise<Origin | undefined> {
  if (globs.length > agesMax || !widens(lookup.grant.sources, globs)) return undefined;
  const told = await toldIn(lookup, id, 0, originIn);
  return told && (await originOf(lookup, told, globs));
}

/**
 * What a chain went on from, of every file. Its genesis told of those that its grant covers: the
 * last of `globs`; without any, that is not known, and the files themselves say it.
 */
export async function originOf(
  lookup: Lookup,
  told: Origin,
  globs: readonly (readonly string[])[] = [],
): Promise<Origin | undefined> {
  if (told.named === undefined) return undefined;
  const before = await fetchChain(lookup, told.named.chain, told.named.reason, globs);
  if (before === undefined) return undefined;
  const [sources] = globs.slice(-1);
  const named = new Set(told.positions.map(({ record }) => textOf(record["path"])));
  const covers = (path: string): boolean =>
    sources === undefined ? named.has(path) : inScope({ sources }, path);
  const known = [...(before.origin?.outside ?? []), ...(before.fetched?.positions ?? [])];
  const outside = known.filter(({ record }) => !covers(textOf(record["path"])));
  const tails = new Map([...(before.origin?.tails ?? []), ...(before.fetched?.tails ?? [])]);
  return { ...told, positions: [...told.positions, ...outside], outside, tails };
}

/** A file that was quiet was sealed before the newest snapshot: that is searched for. */
async function searchTails(
  { suite, reads, diag, filesThere }: Lookup,
  id: string,
  { positions, tails, edge }: BelievedChain,
  behind: readonly (readonly string[])[],
): Promise<void> {
  const isThere = filesThere();
  const wanted = positions.flatMap(({ record, offset }): [string, number][] => {
    const known = behind.some((sources) => inScope({ sources }, textOf(record["path"])));
    if (known || !isThere(record as unknown as SourceRecord)) return [];
    return [[hex(sourceIdOf(suite, encodeRecord(record))), offset]];
  });
  const chainOf = (chain: string): ShownChain => shown(reads, chain);
  const search = new TailSearch({ suite, tails, wanted, chainOf });
  await search.run(id, edge);
  if (search.unread === undefined) return;
  const fields = { code: "predecessor-unread", chain: id, cause: search.unread };
  diag.warn("the vault does not show what was sealed last of some files", fields);
}

/**
 * A vault that was killed may show an older receipt than it gave. Its newest block, sent again,
 * makes it sign one over all that it has.
 */
async function askForReceipt(lookup: Lookup, id: string): Promise<Asked> {
  const { reads, sink, clock, stopping } = lookup;
  const size = await reads.size(id);
  const block = size > 0 ? await blockOf(reads, id, size - 1) : undefined;
  if (block === undefined) return { size, code: "its newest block is not shown", no: false };
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stopping]);
  void clock.sleep(answerMs, signal).then(() => over.abort());
  // Without a grant: that begins no chain.
  const { outcome, code } = await sink.post({ chainId: id, blocks: [block] }, signal);
  over.abort();
  if (code.split(" ")[1] === chainDamaged) throw new ChainDamaged();
  const asked = { size, code, no: saysNo(outcome, code) };
  if (outcome !== "receipt" && !asked.no) unanswered(lookup, id, asked);
  return asked;
}

interface Asked {
  /** Blocks that the vault says it has. */
  readonly size: number;
  readonly code: string;
  /** It says no for good. */
  readonly no: boolean;
}

function unanswered(lookup: Lookup, id: string, { code, no }: Asked): void {
  const { diag } = lookup;
  if (!no && lookup.insists()) throw new NoReceipt(code);
  const fields = { code: "predecessor-unknown", chain: id, cause: code };
  diag.warn(
    "the vault gives no new receipt, what lies behind the older one is sealed again",
    fields,
  );
}

function refuse({ diag, seen }: Lookup, chain: string, cause: string): void {
  const fields = { code: "predecessor-refused", chain, cause };
  if (seen.isNew("refused", chain)) {
    diag.error("the vault shows a chain of ours that cannot be believed", fields);
  }
}

function asOld(
  id: string,
  reason: string,
  chain: BelievedChain,
  origin: Origin | undefined,
): OldChain {
  const { size, root, positions, tails, final } = chain;
  return {
    ...{ number: -1, whole: true, origin },
    reason: final ? "retired" : reason,
    held: { chain: id, size, root },
    fetched: { positions, tails: tails.all },
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

/** By what it says of itself; also where the vault does not tell that. */
function mayBeOurs({ host, own, grant }: Lookup, { id, state, words }: ListedChain): boolean {
  const alone = grant.maxChains === 1 && !living.includes(state);
  return words === undefined || words.host === host || id === own || alone;
}

async function whoseIs(lookup: Lookup, chain: ListedChain): Promise<"ours" | "not" | "unknown"> {
  const { id, state } = chain;
  if (!mayBeOurs(lookup, chain)) return "not";
  const damaged = state === "damaged";
  const found = damaged
    ? { failure: new ChainDamaged() }
    : await ofOne(lookup.reads, id, () => whoseShown(lookup, chain));
  if ("value" in found) return found.value;
  refuse(lookup, id, found.failure.message);
  return "not";
}

async function whoseShown(lookup: Lookup, chain: ListedChain): ReturnType<typeof whoseIs> {
  const { suite, reads, host, grant, own, seen } = lookup;
  const { id, state } = chain;
  try {
    const note = await reads.grant(id);
    const theirs = note && parseGrant(suite, note);
    if (theirs?.audience !== grant.audience) return "not";
    const theirHost = await seen.hostOf(lookup, id);
    if (id === own) return "ours";
    if (theirHost === host) return ofOurHost(lookup, chain);
    const alone = theirs.maxChains === 1 && grant.maxChains === 1 && !living.includes(state);
    if (!alone && theirHost === undefined) refuse(lookup, id, "it does not show whose it is");
    return alone ? "ours" : "not";
  } catch (error) {
    if (error instanceof Fault) return "not";
    throw error;
  }
}

function ofOurHost({ seen, diag }: Lookup, chain: ListedChain): "ours" | "not" | "unknown" {
  const fate = seen.fateOf(chain);
  if (fate !== "lives") return fate === "gone" ? "ours" : "unknown";
  if (!seen.isNew("lives", chain.id)) return "not";
  const fields = { code: "predecessor-lives", chain: chain.id };
  diag.warn("another agent on this host seals under this subject, its chain is left alone", fields);
  return "not";
}
