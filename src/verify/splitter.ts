// Splits the bytes of stored objects into blocks, also where they are damaged.
//
// - One block is held at a time. A length is believed if another block, or the end, follows it.
//   Else the next plausible header is where the next block begins: one bent length must not hide
//   the rest of a chain. Behind a genuine head only a header that links to it is plausible: lines
//   may hold what looks like blocks.
// - Time is linear in the object: what was searched is passed over.
//
// Spec: docs/spec/store.md, "Where a block ends".

import { headLength } from "../core/block.ts";
import { equalBytes } from "../core/bytes.ts";
import type { StoredObject } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import { blockHash, decodeHeader, headerOf, limits, magic } from "../core/header.ts";
import { PieceReader } from "./piece-reader.ts";

/** A stretch of an object that is, or should be, one block. */
export interface StoredBlock {
  /** Offset in the object. */
  readonly at: number;
  /** header ‖ signature; shorter if the object ends in it. */
  readonly head: Uint8Array;
  /** What follows: stored_len bytes; shorter if cut, longer if its length was bent. */
  readonly payload: Uint8Array;
  /** whole: framed as the header says. cut: the object ends in it. junk: no block begins here. */
  readonly shape: "whole" | "cut" | "junk";
  /** Nothing follows in the object. */
  readonly last: boolean;
}

/** What damaged objects are read with. */
export interface HeadSense {
  readonly suite: Suite;
  /** Whether a head is the genuine next one, judged by what was walked so far. */
  readonly isGenuine: (head: Uint8Array) => boolean;
}

const magicBytes = Uint8Array.from(magic, (char) => char.charCodeAt(0));
/** How far the next header can be: no block is longer. */
const searchLimit = limits.storedLength + 2 * headLength;

/** The blocks of one object in order; `junk` stretches stand where nothing can be made out. */
export function splitBlocks(object: StoredObject, sense: HeadSense): Stretches {
  return stretches(object, async (reader, at) => {
    const stored = (await reader.has(headLength))
      ? headerOf(reader.peek(headLength))?.storedLength
      : undefined;
    if (stored === undefined) return await junk(reader, at);
    const want = headLength + stored;
    const bytes = reader.take(await blockLength(reader, want, sense));
    const shape = bytes.length < want && !(await reader.has(1)) ? "cut" : "whole";
    return await stretch(reader, at, bytes, shape);
  });
}

/** The heads of one `headers/` object in order. A shorter last one is what is left over. */
export function splitHeads(object: StoredObject): Stretches {
  return stretches(object, async (reader, at) => {
    const whole = await reader.has(headLength);
    return await stretch(reader, at, reader.take(headLength), whole ? "whole" : "cut");
  });
}

type Stretches = AsyncGenerator<StoredBlock, void, undefined>;

async function* stretches(
  object: StoredObject,
  next: (reader: PieceReader, at: number) => Promise<StoredBlock>,
): Stretches {
  const reader = new PieceReader(object);
  try {
    while (await reader.has(1)) yield await next(reader, reader.offset);
  } finally {
    await reader.close();
  }
}

async function stretch(
  reader: PieceReader,
  at: number,
  bytes: Uint8Array,
  shape: StoredBlock["shape"],
): Promise<StoredBlock> {
  const last = !(await reader.has(1));
  const [head, payload] = [bytes.subarray(0, headLength), bytes.subarray(headLength)];
  return { at, head, payload, shape, last };
}

async function blockLength(reader: PieceReader, want: number, sense: HeadSense): Promise<number> {
  const whole = await reader.has(want);
  if (whole && (await endsAtBlock(reader, want))) return want;
  const head = reader.peek(headLength);
  const genuine = sense.isGenuine(head);
  if (genuine && whole && hashFits(sense.suite, reader.peek(want))) return want;
  await reader.has(searchLimit);
  const held = reader.peek(searchLimit);
  if (!genuine) return findBlock(held, headLength) ?? held.length;
  const hash = blockHash(sense.suite, head);
  const next = findBlock(held, headLength, hash) ?? findBlock(held, want);
  return next ?? held.length;
}

function hashFits(suite: Suite, block: Uint8Array): boolean {
  return equalBytes(suite.sha256(block.subarray(headLength)), decodeHeader(block).storedHash);
}

async function endsAtBlock(reader: PieceReader, length: number): Promise<boolean> {
  await reader.has(length + magicBytes.length);
  return startsLikeMagic(reader.peek(length + magicBytes.length).subarray(length));
}

// Passes over what is no block, up to the next plausible header.
async function junk(reader: PieceReader, at: number): Promise<StoredBlock> {
  let first = reader.peek(headLength).slice();
  const shape = first.length < headLength && startsLikeMagic(first) ? "cut" : "junk";
  for (let from = 1; ; from = 0) {
    await reader.has(searchLimit);
    const held = reader.peek(searchLimit);
    const next = findBlock(held, from);
    // What follows is the next block's.
    if (from > 0 && next !== undefined) first = first.subarray(0, next);
    if (next !== undefined) reader.take(next);
    // A header may begin in the newest bytes, unless nothing follows them.
    else if (held.length === searchLimit) reader.take(searchLimit - headLength + 1);
    else reader.take(held.length);
    if (next !== undefined || reader.held === 0) return stretch(reader, at, first, shape);
  }
}

/** Where, at `from` or later, the next plausible header begins; one that names `prevHash`. */
function findBlock(bytes: Uint8Array, from: number, prevHash?: Uint8Array): number | undefined {
  const first = magicBytes[0] as number;
  for (let at = bytes.indexOf(first, from); at !== -1; at = bytes.indexOf(first, at + 1)) {
    if (at + headLength > bytes.length) return undefined;
    if (!magicBytes.every((byte, i) => bytes[at + i] === byte)) continue;
    const head = bytes.subarray(at, at + headLength);
    const header = headerOf(head);
    if (header === undefined) continue;
    if (prevHash === undefined || equalBytes(header.prevHash, prevHash)) return at;
  }
  return undefined;
}

function startsLikeMagic(bytes: Uint8Array): boolean {
  return bytes.subarray(0, magicBytes.length).every((byte, i) => byte === magicBytes[i]);
}
