// Checks what a store holds of a chain, and comes to the state that its next block is judged by.
//
// - The whole of it: each object is read once, from its first byte to its last. Heads are judged by
//   their signatures and links, from the grant's key on; payloads by their hashes; and receipts by
//   the roots of what was read. From the newest snapshot before the receipt's end on, records are
//   judged too; behind it, where nobody vouches for a block yet, everything is.
// - Behind a note of the vault's own: only what came since, and the objects that grew since; of
//   those each block must be the one that the next one's link, and at last the note, names.
// - Nothing is believed of an object before it was read, and its name is told where it fails.

import { headLength } from "../core/block.ts";
import { concat, equalBytes, hex } from "../core/bytes.ts";
import type { StoredObject } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Grant } from "../core/grant.ts";
import { blockHash, decodeHeader } from "../core/header.ts";
import { type WholeBlock, wholeBlocks } from "../core/whole-blocks.ts";
import { nextTurn } from "../host/turn.ts";
import { blocksPerRange } from "../store/layout.ts";
import type { ChainReader } from "../store/store.ts";
import { type Finding, isRefusal } from "../verify/finding.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";
import { Damage, damageOf, OtherKeys } from "./damage.ts";
import type { Floor } from "./floor.ts";
import { type CheckedChain, walkFrom } from "./head-note.ts";
import { newestSnapshot } from "./stored-heads.ts";

export interface StoredCheck {
  readonly reader: ChainReader;
  /** Blocks that are stored. */
  readonly size: number;
  readonly grant: Grant;
  readonly floor: Floor;
  readonly options: WalkOptions;
}

export interface Checked {
  readonly walk: ChainWalk;
  /** header ‖ signature of the newest block. */
  readonly head: Uint8Array;
}

/** Reads everything. Throws Damage. */
export async function checkAll(check: StoredCheck): Promise<Checked> {
  const { reader, size, grant, floor, options } = check;
  const { suite } = options;
  const receipted = floor.receipt?.size ?? 0;
  const judged = new Judged(options, floor, receipted);
  const walk = new ChainWalk(judged.options);
  const from = receipted === 0 ? 0 : await snapshotBelow(reader, Math.min(receipted + 1, size));
  const ends: RangeEnds = new Map();
  for await (const block of storedBlocks(reader, 0, size)) {
    const { blockNo, receiptHash } = block.header;
    if (blockNo === 0 && !equalBytes(receiptHash, grant.hash)) {
      throw new Damage("grant is not the one that the genesis names");
    }
    if (blockNo < from) checkPayload(suite, block);
    judged.take(walk, block, blockNo < from ? "not-read" : block.payload);
    noteRangeEnd(ends, block);
  }
  if (!walk.begun || walk.unauthenticatedFrom !== undefined)
    throw new Damage("stored blocks are not authenticated");
  await checkHeaders(check, 0, ends);
  return judged.end(walk, size);
}

// Where heads can't be read, reading everything says which.
async function snapshotBelow(reader: ChainReader, size: number): Promise<number> {
  try {
    return (await newestSnapshot(reader, size)).block;
  } catch (error) {
    if (damageOf(error) === undefined) throw error;
    return 0;
  }
}

/**
 * Goes on behind a note whose settled objects are untouched. `grown`: the others are not as they
 * were when it was written. Throws Damage.
 */
export async function checkBehind(
  check: StoredCheck,
  noted: CheckedChain,
  grown: boolean,
): Promise<Checked> {
  const { reader, size, floor, options } = check;
  const { suite } = options;
  if (size < noted.size) {
    throw new Damage(`the vault had ${noted.size} blocks, and only ${size} are stored`);
  }
  const judged = new Judged(options, floor, floor.receipt?.size ?? 0);
  const walk = walkFrom(judged.options, noted);
  judged.head = noted.head;
  if (grown || size > noted.size) {
    const ends: RangeEnds = new Map();
    let before: Uint8Array | undefined;
    for await (const block of storedBlocks(reader, noted.base, size)) {
      const { prevHash, blockNo } = block.header;
      if (before !== undefined && !equalBytes(before, prevHash)) throw notNoted(block);
      before = blockHash(suite, block.head);
      if (blockNo < noted.size) checkPayload(suite, block);
      if (blockNo === noted.size - 1 && !equalBytes(block.head, noted.head)) throw notNoted(block);
      if (blockNo >= noted.size) judged.take(walk, block, block.payload);
      noteRangeEnd(ends, block);
    }
    await checkHeaders(check, noted.base, ends);
  }
  return judged.end(walk, size);
}

/** Takes blocks into a walk; what it refuses is damage. */
class Judged {
  readonly options: WalkOptions;
  readonly #floor: Floor;
  #refusal: Finding | undefined;
  #block = 0;
  #done = false;
  head: Uint8Array | undefined;

  /** Envelopes of blocks below `receipted` were judged before they were receipted. */
  constructor(options: WalkOptions, floor: Floor, receipted: number) {
    const self = this;
    this.#floor = floor;
    this.options = {
      ...options,
      rootsAt: new Set(floor.roots.keys()),
      get itemsOnly() {
        return !self.#done && self.#block < receipted;
      },
      report: (finding) => {
        if (this.#done) options.report(finding);
        else if (isRefusal(finding.code)) this.#refusal ??= finding;
      },
    };
  }

  take(walk: ChainWalk, block: StoredBlock, payload: Uint8Array | "not-read"): void {
    const { blockNo } = walk.thread;
    this.#block = blockNo;
    if (block.header.blockNo !== blockNo) throw fails(block, "BLOCK_ORDER");
    walk.block(block.head, payload);
    if (this.#refusal?.code === "RECEIPT_BAD_SIGNATURE") {
      throw new OtherKeys(`stored block ${blockNo} records a receipt that other keys signed`);
    }
    if (this.#refusal !== undefined) throw fails(block, this.#refusal.code);
    this.head = block.head;
    const [root, want] = [walk.roots.get(blockNo + 1), this.#floor.roots.get(blockNo + 1)];
    if (root !== want) throw new Damage(`stored blocks up to ${blockNo} are not those receipted`);
  }

  end(walk: ChainWalk, size: number): Checked {
    const { blockNo, frontier } = walk.thread;
    if (this.head === undefined || blockNo !== size || frontier === undefined || !walk.restored) {
      throw new Damage("stored blocks do not lead to the chain's state");
    }
    const want = this.#floor.roots.get(size);
    if (want !== undefined && want !== hex(frontier.root())) {
      throw new Damage(`stored blocks up to ${size - 1} are not those receipted`);
    }
    if (size < this.#floor.size) {
      throw new Damage(`receipt covers ${this.#floor.size} blocks, and only ${size} are stored`);
    }
    walk.roots.clear();
    walk.unchecked.clear();
    this.#done = true;
    return { walk, head: this.head };
  }
}

interface StoredBlock extends WholeBlock {
  /** Where it lies. */
  readonly object: string;
}

/** The blocks of all objects from the one that begins with block `base` on, whole and in order. */
async function* storedBlocks(
  reader: ChainReader,
  base: number,
  size: number,
): AsyncGenerator<StoredBlock, void, undefined> {
  let next = base;
  let weight = 0;
  for (const object of (await reader.blocks()).filter(({ firstBlock }) => firstBlock >= base)) {
    if (object.firstBlock !== next)
      throw new Damage(`block ${next} is missing before ${object.name}`);
    for await (const block of blocksIn(object)) {
      yield { ...block, object: object.name };
      next += 1;
      weight += headWeight + block.payload.length;
      if (weight < turnWeight) continue;
      weight = 0;
      await nextTurn();
    }
  }
  if (next !== size) throw new Damage(`block ${next} is missing`);
}

/** Work between two turns, in bytes; a head's signature costs as much as that many. */
const turnWeight = 1_000_000;
const headWeight = 60_000;

async function* blocksIn(object: StoredObject): AsyncGenerator<WholeBlock, void, undefined> {
  try {
    yield* wholeBlocks(object.open());
  } catch (error) {
    const why = damageOf(error);
    if (why === undefined || error instanceof Damage) throw error;
    throw new Damage(`${object.name}: ${why}`);
  }
}

function checkPayload(suite: Suite, block: StoredBlock): void {
  if (equalBytes(suite.sha256(block.payload), block.header.storedHash)) return;
  throw fails(block, "PAYLOAD_HASH_MISMATCH");
}

function fails({ header, object }: StoredBlock, code: string): Damage {
  return new Damage(`stored block ${header.blockNo} in ${object} fails: ${code}`);
}

function notNoted({ header, object }: StoredBlock): Damage {
  return new Damage(`stored block ${header.blockNo} in ${object} is not the one that was checked`);
}

/** By a range's first block: the head of its last one. */
type RangeEnds = Map<number, Uint8Array>;

function noteRangeEnd(ends: RangeEnds, { header, head }: WholeBlock): void {
  const next = header.blockNo + 1;
  if (next % blocksPerRange === 0) ends.set(next - blocksPerRange, head);
}

/** Headers objects of ranges that end behind `base`: each head is named by the one behind it. */
async function checkHeaders(
  { reader, options: { suite } }: StoredCheck,
  base: number,
  ends: RangeEnds,
): Promise<void> {
  for (const object of await reader.headers()) {
    if (object.firstBlock + blocksPerRange <= base) continue;
    const end = blocksPerRange * headLength + 1;
    const pieces: Uint8Array[] = [];
    for await (const piece of object.open({ start: 0, end })) pieces.push(piece);
    const heads = concat(...pieces);
    const last = ends.get(object.firstBlock);
    const right =
      last !== undefined &&
      heads.length === blocksPerRange * headLength &&
      equalBytes(heads.subarray(-headLength), last) &&
      areLinked(suite, heads);
    if (!right) throw new Damage(`${object.name} does not hold the heads of its blocks`);
    await nextTurn();
  }
}

function areLinked(suite: Suite, heads: Uint8Array): boolean {
  let next: Uint8Array | undefined;
  try {
    for (let at = heads.length - headLength; at >= 0; at -= headLength) {
      const head = heads.subarray(at, at + headLength);
      if (next !== undefined && !equalBytes(blockHash(suite, head), next)) return false;
      next = decodeHeader(head).prevHash;
    }
    return true;
  } catch (caught) {
    if (caught instanceof Fault) return false;
    throw caught;
  }
}
