// Links between chains that are read together: which chain goes on for which, and whether each fits
// the one that it names.
//
// - Everybody who reads more than one chain asks here: who verifies, and who prints lines.
// - A chain is judged once all that it goes on for were walked, as far as they are read at all.
// - What a genesis claims is looked at first only to know which roots to keep; it is judged by what
//   the walks of both chains found.
//
// Spec: docs/spec/verification.md, "Chains against each other".

import { headLength, openPayload } from "../core/block.ts";
import { hex } from "../core/bytes.ts";
import type { ChainSource } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { decodeHeader } from "../core/header.ts";
import { payloadItems } from "../core/payload.ts";
import { decodeRecord, encodeRecord, type PredecessorRecord, sourceIdOf } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { type Finding, finding } from "./finding.ts";
import { PieceReader } from "./piece-reader.ts";
import type { ChainReport } from "./report.ts";
import { ask, Unreadable } from "./unreadable.ts";
import { type JudgedBy, neverBegan, type VerifyOptions } from "./verify.ts";

/** Sizes at which roots are wanted, by chain id. */
type WantedRoots = ReadonlyMap<string, ReadonlySet<number>>;

/** What a walk must be told to keep for the chains that go on for its own. */
export type Kept = Pick<VerifyOptions, "rootsAt" | "positionsRoom">;

/** Positions of sources that are kept to be compared with what other chains say of them. */
const positionsMax = 200_000;

export class Links {
  readonly #by: JudgedBy;
  readonly #place: ReadonlyMap<string, ChainSource>;
  readonly #wanted: WantedRoots;
  readonly #positionsRoom = { left: positionsMax };
  readonly #walked = new Map<string, ChainReport>();
  readonly #held = new Map<string, boolean>();

  private constructor(by: JudgedBy, place: readonly ChainSource[], wanted: WantedRoots) {
    this.#by = by;
    this.#place = new Map(place.map((each) => [each.id, each]));
    this.#wanted = wanted;
  }

  /** `place`: all chains that are there; of these `read` are walked. */
  static async among(
    place: readonly ChainSource[],
    read: readonly ChainSource[],
    by: JudgedBy,
  ): Promise<Links> {
    return new Links(by, place, await wantedRoots(by.suite, read));
  }

  /** What to keep of the chain of this id. */
  kept(id: string): Kept {
    const rootsAt = this.#wanted.get(id);
    return rootsAt === undefined ? {} : { rootsAt, positionsRoom: this.#positionsRoom };
  }

  add(report: ChainReport): void {
    if (!report.leftover) this.#walked.set(report.chain, report);
  }

  /** Judges the chain that one names, of those that were added. */
  async judge(report: ChainReport, unchecked: (what: string) => void): Promise<Finding[]> {
    const named = report.predecessor?.record.chain;
    if (named === undefined) return [];
    const old = this.#walked.get(named);
    if (old === undefined) {
      if (!(await this.#holds(named))) return [missing(named, report)];
      unchecked(`chain ${named}, which chain ${report.chain} goes on for`);
      return [];
    }
    return [...judgeLink(this.#by.suite, report, old, this.#walked, unchecked)];
  }

  // What never began is none of the place's chains. Any number of chains may name it.
  async #holds(id: string): Promise<boolean> {
    const chain = this.#place.get(id);
    const known = this.#held.get(id);
    if (chain === undefined || known !== undefined) return known ?? false;
    const held = !(await neverBegan(chain, this.#by));
    this.#held.set(id, held);
    return held;
  }
}

// Nothing says who kept it: a predecessor's record names no vault.
function missing(named: string, { chain }: ChainReport): Finding {
  const why = `chain is not there; chain ${chain} goes on for it`;
  const message = `${why}; if another vault kept it, give a place that holds both`;
  return finding("CHAIN_MISSING", message, { chain: named });
}

/** Reads every chain's genesis for the predecessor it names. Believes nothing. */
async function wantedRoots(suite: Suite, chains: readonly ChainSource[]): Promise<WantedRoots> {
  const wanted = new Map<string, Set<number>>();
  for (const chain of chains) {
    const named = (await openingOf(suite, chain))?.named;
    if (named === undefined) continue;
    wanted.set(named.chain, (wanted.get(named.chain) ?? new Set()).add(named.size));
  }
  return wanted;
}

/**
 * Chains in the order in which they began: by the times of their first blocks, and each behind the
 * one that it names. Believes nothing: it is an order to read them in.
 */
export async function inOrder<T extends ChainSource>(
  suite: Suite,
  chains: readonly T[],
): Promise<T[]> {
  if (chains.length < 2) return [...chains];
  const found: { chain: T; time: number; before: string | undefined }[] = [];
  for (const chain of chains) {
    const { time = 0, named } = (await openingOf(suite, chain)) ?? {};
    found.push({ chain, time, before: named?.chain });
  }
  found.sort((a, b) => a.time - b.time || (a.chain.id < b.chain.id ? -1 : 1));
  const left = new Map(found.map((each) => [each.chain.id, each]));
  const ordered: T[] = [];
  for (const { chain } of found) {
    const line: T[] = [];
    for (let at = left.get(chain.id); at !== undefined; at = left.get(at.before ?? "")) {
      line.push(at.chain);
      left.delete(at.chain.id);
    }
    ordered.push(...line.reverse());
  }
  return ordered;
}

/** The id of the chain that a chain says it goes on for. Believes nothing. */
export async function namedBefore(suite: Suite, chain: ChainSource): Promise<string | undefined> {
  return (await openingOf(suite, chain))?.named?.chain;
}

interface Opening {
  readonly time: number;
  readonly named: PredecessorRecord | undefined;
}

async function openingOf(suite: Suite, chain: ChainSource): Promise<Opening | undefined> {
  try {
    const [object] = await ask("the list of blocks", chain.blocks);
    if (object === undefined) return undefined;
    const reader = new PieceReader(object);
    try {
      await reader.has(headLength);
      const header = decodeHeader(reader.peek(headLength));
      await reader.has(headLength + header.storedLength);
      const stored = reader.peek(headLength + header.storedLength).subarray(headLength);
      return { time: header.time, named: predecessorIn(openPayload(suite, header, stored)) };
    } finally {
      await reader.close();
    }
  } catch (caught) {
    // Whatever is wrong is found, and said, when the chain is walked.
    if (caught instanceof Fault || caught instanceof Unreadable) return undefined;
    throw caught;
  }
}

function predecessorIn(raw: Uint8Array): PredecessorRecord | undefined {
  for (const item of payloadItems(raw)) {
    if (item.kind === "span") continue;
    const { type, value, problem } = decodeRecord(raw.subarray(item.start, item.end));
    if (type === "predecessor" && problem?.code !== "MALFORMED") return value as PredecessorRecord;
  }
  return undefined;
}

/**
 * Judges what a chain says of `old`, which it names, and of where it goes on in each file. Which
 * vaults keep the two does not count: an agent may move to another one.
 */
function* judgeLink(
  suite: Suite,
  report: ChainReport,
  old: ChainReport,
  all: ReadonlyMap<string, ChainReport>,
  unchecked: (what: string) => void,
): Generator<Finding, void, undefined> {
  if (report.predecessor === undefined) return;
  const { record, seq } = report.predecessor;
  const place = { chain: report.chain, block: 0, seq };
  const unlinked = disagreement(old, record, unchecked);
  if (unlinked !== undefined) yield finding("CHAIN_REPLACED_UNLINKED", unlinked, place);
  const gap = bytesBetween(suite, record, chainsBefore(report, all), unchecked);
  if (gap !== undefined) yield finding("GAP_UNDECLARED", gap, place);
}

/** Size and root are those of the old chain's own blocks. */
function disagreement(
  old: ChainReport,
  { chain, size, root }: PredecessorRecord,
  unchecked: (what: string) => void,
): string | undefined {
  if (size > old.length) return `the chain that it names has ${old.length} blocks, not ${size}`;
  const found = old.roots.get(size);
  if (found !== undefined) {
    return found === root ? undefined : "the chain that it names has another root at that size";
  }
  unchecked(`the root over the first ${size} blocks of chain ${chain}`);
  return undefined;
}

/** A chain goes on not behind what the chains before it hold, or the bytes between are nowhere. */
function bytesBetween(
  suite: Suite,
  record: PredecessorRecord,
  older: readonly ChainReport[],
  unchecked: (what: string) => void,
): string | undefined {
  if (older.length === 0) return undefined;
  let [bytes, sources] = [0, 0];
  for (const position of positionsIn(record["positions"])) {
    const id = hex(sourceIdOf(suite, encodeRecord(position.record)));
    // A chain whose grant does not cover a file knows nothing of it: the one before it may.
    const holder = older.find(({ positions }) => positions === undefined || positions.has(id));
    if (holder !== undefined && holder.positions === undefined) {
      unchecked(`up to where chain ${holder.chain} holds its sources`);
      return undefined;
    }
    const ahead = position.offset - (holder?.positions?.get(id) ?? 0);
    if (ahead <= 0) continue;
    bytes += ahead;
    sources += 1;
  }
  if (sources === 0) return undefined;
  return `${bytes} bytes of ${sources} sources are in no chain: it goes on behind them`;
}

/** The chains that one goes on for, the nearest first, as far as their roots agree. */
function chainsBefore(report: ChainReport, all: ReadonlyMap<string, ChainReport>): ChainReport[] {
  const older = new Set<ChainReport>();
  for (let at = report; at.predecessor !== undefined; ) {
    const { chain, size, root } = at.predecessor.record;
    const named = all.get(chain);
    // What disagrees in its root is said to be another history already.
    if (named === undefined || named.roots.get(size) !== root || older.has(named)) break;
    older.add(named);
    at = named;
  }
  return [...older];
}
