// The predecessor that only the vault still has: for an agent whose state was lost, or went with
// the pod, or lost the folder of its newest chain.
//
// - Which chain it is: one of our subject, genuine, that no other chain of the subject goes on for;
//   and that does not live any more: its newest run was on this host, or both its grant and ours
//   are for one chain only. Of several the newest.
// - So nobody takes over the chain of another who is alive. One of our own host may be what we lost
//   a moment ago: then what was under way comes, one request, and nothing more. That is waited for.
// - The vault is asked for a receipt over all that it has, and asked again until it answers: an
//   older one would seal twice what lies behind it.

import type { TrustedKeys } from "../core/authority.ts";
import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, inScope, parseGrant } from "../core/grant.ts";
import { encodeRecord, type SourceRecord, sourceIdOf } from "../core/record.ts";
import { FramingError } from "../core/whole-blocks.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { attemptMsMax } from "../ship/backoff.ts";
import type { Sink } from "../ship/sink.ts";
import type { ListedChain, VaultReads } from "../ship/vault-reads.ts";
import type { OldChain, Origin } from "../succession/old-chain.ts";
import { originIn } from "../succession/opening.ts";
import { TailSearch } from "../succession/tail-search.ts";
import {
  type BelievedChain,
  believe,
  type ShownChain,
  Unbelievable,
} from "../succession/vault-chain.ts";
import { saysNo } from "./old-shipment.ts";
import { blockOf, newestHost, toldIn } from "./shown-blocks.ts";

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

/** What the vault's last word on a chain may be while its agent lives. */
const living: readonly string[] = ["active", "unknown"];
/** The blocks of one request come within this time of each other, in µs. */
const requestUs = 4_000_000;
/** How long an answer is waited for, in ms. */
const answerMs = 5000;
/**
 * A chain of which no block comes for so long does not live, whatever it promised; and no attempt
 * of its agent is under way any more.
 */
const silentUs = attemptMsMax * 1000;

interface Watched {
  /** When it was first seen, or grew last. */
  since: number;
  size: number;
  /** When it grew first. */
  grew: number | undefined;
}

/** What looks at the vault's chains found out, from the first look on. */
export class ChainsSeen {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  readonly #others = new Set<string>();
  /** Those that were told of. */
  readonly told: Set<string> = new Set();
  readonly #hosts = new Map<string, unknown>();
  readonly #predecessors = new Map<string, string | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a chain of our host is another agent's, which lives, or is gone. */
  fateOf({ id, state, size }: ListedChain): "gone" | "lives" | "wait" {
    if (this.#others.has(id)) return "lives";
    if (!living.includes(state)) return "gone";
    const now = this.#clock.mono();
    const watched = this.#watched.get(id) ?? { since: now, size, grew: undefined };
    this.#watched.set(id, watched);
    // A vault that was just started does not know a chain's size at once.
    if (size > watched.size && watched.size > 0) {
      // A dead agent had one request under way; who sends a second one lives.
      watched.grew ??= now;
      watched.since = now;
      if (now - watched.grew > requestUs) this.#others.add(id);
    }
    watched.size = size;
    if (this.#others.has(id)) return "lives";
    return now - watched.since < silentUs ? "wait" : "gone";
  }

  /** The host of its newest run. */
  async hostOf(lookup: Lookup, id: string): Promise<unknown> {
    if (!this.#hosts.has(id)) this.#hosts.set(id, await newestHost(lookup, id));
    return this.#hosts.get(id);
  }

  /** The chain that it names as the one before. */
  async predecessorOf(lookup: Lookup, id: string): Promise<string | undefined> {
    if (!this.#predecessors.has(id)) {
      const origin = await toldIn(lookup, id, 0, originIn);
      this.#predecessors.set(id, origin?.named?.chain);
    }
    return this.#predecessors.get(id);
  }
}

/** Chains of the subject that are looked at, the newest first. */
const looksMax = 64;
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
  const { seen } = lookup;
  const newest = await newestChains(lookup);
  const succeeded = new Set<string>();
  for (const { id } of newest) {
    const named = await seen.predecessorOf(lookup, id);
    if (named !== undefined) succeeded.add(named);
  }
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
  return waits ? "wait" : undefined;
}

async function newestChains({ reads, grant }: Lookup): Promise<ListedChain[]> {
  const listed = await reads.chainsOf(grant.subject);
  return listed.sort((a, b) => b.seenAt - a.seenAt).slice(0, looksMax);
}

/**
 * The chains of ours that went on from this one, one from the other, the newest first; wait: it
 * cannot be known yet. Throws SealtailError where the vault cannot be asked.
 */
export async function successorsOf(lookup: Lookup, id: string): Promise<string[] | "wait"> {
  const newest = await newestChains(lookup);
  const line = [id];
  for (let age = 0; age < agesMax; age += 1) {
    const next = await successorOf(lookup, newest, line[0] as string);
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

async function successorOf(
  lookup: Lookup,
  newest: readonly ListedChain[],
  id: string,
): Promise<string | undefined | "wait"> {
  for (const chain of newest) {
    if ((await lookup.seen.predecessorOf(lookup, chain.id)) !== id) continue;
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
  const { suite, keys, grant } = lookup;
  try {
    await askForReceipt(lookup, id);
    const believed = await believe(suite, keys, grant.subject, shown(lookup.reads, id));
    const origin = await originAt(lookup, id, [...behind, believed.grant.sources]);
    await searchTails(lookup, id, believed, behind);
    return asOld(id, reason, believed, origin);
  } catch (error) {
    if (!(error instanceof Unbelievable) && !(error instanceof FramingError)) throw error;
    refuse(lookup, id, error.message);
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
  const named = new Set(told.positions.map(({ record }) => String(record["path"])));
  const covers = (path: string): boolean =>
    sources === undefined ? named.has(path) : inScope({ sources }, path);
  const known = [...(before.origin?.outside ?? []), ...(before.fetched?.positions ?? [])];
  const outside = known.filter(({ record }) => !covers(String(record["path"])));
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
    const known = behind.some((sources) => inScope({ sources }, String(record["path"])));
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
async function askForReceipt(lookup: Lookup, id: string): Promise<void> {
  const { reads, sink, clock, stopping, diag } = lookup;
  const size = await reads.size(id);
  const block = size > 0 ? await blockOf(reads, id, size - 1) : undefined;
  if (block === undefined) return;
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stopping]);
  void clock.sleep(answerMs, signal).then(() => over.abort());
  // Without a grant: that begins no chain.
  const { outcome, code } = await sink.post({ chainId: id, blocks: [block] }, signal);
  over.abort();
  const answered = outcome === "receipt" || saysNo(outcome, code);
  if (answered) return;
  if (lookup.insists()) throw new NoReceipt(code);
  const fields = { code: "predecessor-unknown", chain: id, cause: code };
  diag.warn(
    "the vault gives no new receipt, what lies behind the older one is sealed again",
    fields,
  );
}

function refuse({ diag }: Lookup, chain: string, cause: string): void {
  const fields = { code: "predecessor-refused", chain, cause };
  diag.error("the vault shows a chain of ours that cannot be believed", fields);
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

async function whoseIs(lookup: Lookup, chain: ListedChain): Promise<"ours" | "not" | "unknown"> {
  const { suite, reads, host, grant, own, seen } = lookup;
  const { id, state } = chain;
  if (state === "damaged") return "not";
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
  if (seen.told.has(chain.id)) return "not";
  seen.told.add(chain.id);
  const fields = { code: "predecessor-lives", chain: chain.id };
  diag.warn("another agent on this host seals under this subject, its chain is left alone", fields);
  return "not";
}
