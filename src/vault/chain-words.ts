// What a chain says of itself where its runs begin, which the vault passes on.
//
// - Nobody vouches for it. It lets an agent choose between many chains without reading any of them;
//   what it chose it reads itself.
// - Only the first blocks of runs are opened. What can't be read there says nothing.

import { headLength } from "../core/block.ts";
import { concat, equalBytes, hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { orUndefined } from "../core/fault.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import { newestRun, openBlock, openingRecord } from "../core/opening.ts";
import { type WholeBlock, wholeBlocks } from "../core/whole-blocks.ts";
import type { ChainReader } from "../store/store.ts";
import { Damage } from "./damage.ts";

export interface ChainWords {
  /** The newest run, in hex. */
  readonly run: string;
  /** On which host it began; null: it does not say. */
  readonly host: string | null;
  /** The chain that the genesis names as the one before; null: none. */
  readonly predecessor: string | null;
}

/** No machine's name is longer, and a list of a thousand chains stays an answer that is read. */
const hostMax = 255;

/**
 * What a chain says once more blocks of it are stored. `known`: what it said before them, and
 * `before` the newest of these. Undefined while nobody has read what came before.
 */
export function wordsAfter(
  suite: Suite,
  known: ChainWords | undefined,
  before: Header | undefined,
  blocks: readonly WholeBlock[],
): ChainWords | undefined {
  const first = blocks[0];
  const begin = blocks.findLast(({ header }, at) => {
    const run = at === 0 ? before?.runId : blocks[at - 1]?.header.runId;
    return run === undefined || !equalBytes(run, header.runId);
  });
  const still = before !== undefined && known?.run === hex(before.runId) ? known : undefined;
  if (begin === undefined || first === undefined) return still;
  const predecessor =
    first.header.blockNo === 0 ? predecessorIn(rawOf(suite, first)) : still?.predecessor;
  if (predecessor === undefined) return undefined;
  return { run: hex(begin.header.runId), host: hostIn(rawOf(suite, begin)), predecessor };
}

/** The same from the store, of a chain of `size` blocks. Throws Damage, or what the store threw. */
export async function storedWords(
  suite: Suite,
  chain: ChainReader,
  size: number,
): Promise<ChainWords> {
  const runAt = async (at: number): Promise<Uint8Array> => {
    const head = await chain.heads(at, 1);
    if (head.length !== headLength) throw new Damage("stored heads are missing");
    return decodeHeader(head).runId;
  };
  const { run, first } = await newestRun(size, runAt);
  const genesis = await storedRaw(suite, chain, 0);
  const host = hostIn(first === 0 ? genesis : await storedRaw(suite, chain, first));
  return { run: hex(run), host, predecessor: predecessorIn(genesis) };
}

async function storedRaw(suite: Suite, chain: ChainReader, at: number): Promise<Uint8Array> {
  for await (const { head, payload } of wholeBlocks(chain.wholeBlocks(at, at + 1))) {
    return openBlock(suite, concat(head, payload)).raw;
  }
  throw new Damage(`stored block ${at} is missing`);
}

function rawOf(suite: Suite, { head, payload }: WholeBlock): Uint8Array | undefined {
  return orUndefined(() => openBlock(suite, concat(head, payload)).raw);
}

function hostIn(raw: Uint8Array | undefined): string | null {
  const host = orUndefined(() => raw && openingRecord(raw, "start")?.["host"]);
  return typeof host === "string" && host.length <= hostMax ? host : null;
}

function predecessorIn(raw: Uint8Array | undefined): string | null {
  const chain = orUndefined(() => raw && openingRecord(raw, "predecessor")?.["chain"]);
  return typeof chain === "string" ? chain : null;
}

/** Words from a file of ours; undefined for what is none. */
export function parseWords(value: unknown): ChainWords | undefined {
  const { run, host, predecessor } = Object(value) as Record<keyof ChainWords, unknown>;
  if (typeof run !== "string" || !isWord(host) || !isWord(predecessor)) return undefined;
  return { run, host, predecessor };
}

function isWord(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}
