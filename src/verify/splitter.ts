// Splits the bytes of stored objects into blocks, also where they are damaged.
//
// - One block is held at a time. A length is believed only within its limits.
// - Where no block begins, the next plausible header is searched for: one bent length must not
//   hide the rest of a chain.
//
// Spec: docs/spec/store.md, "blocks".

import { headLength } from "../core/block.ts";
import { concat } from "../core/bytes.ts";
import { decodeHeader, magic } from "../core/header.ts";
import type { Pieces } from "./source.ts";

/** A stretch of an object that is, or should be, one block. */
export interface StoredBlock {
  /** Offset in the object. */
  readonly at: number;
  /** header ‖ signature; shorter if the object ends in it. */
  readonly head: Uint8Array;
  /** What follows, at most stored_len bytes: shorter if cut, longer if unframed bytes follow. */
  readonly payload: Uint8Array;
  /** whole: framed as the header says. cut: the object ends in it. junk: no block begins here. */
  readonly shape: "whole" | "cut" | "junk";
}

const magicBytes = Uint8Array.from(magic, (char) => char.charCodeAt(0));

/** The blocks of one object in order; `junk` stretches stand where nothing can be made out. */
export async function* splitBlocks(pieces: Pieces): AsyncGenerator<StoredBlock, void, undefined> {
  const reader = new Reader(pieces);
  while (await reader.has(1)) {
    const at = reader.offset;
    await reader.has(headLength);
    const stored = storedLength(reader.peek(headLength));
    if (stored === undefined) {
      yield* junk(reader, at);
      continue;
    }
    const whole = await reader.has(headLength + stored);
    const bytes = reader.peek(headLength + stored);
    const boundary = whole && (await endsAtBlock(reader, headLength + stored));
    if (whole && !boundary) {
      const next = await reader.findBlock(headLength);
      if (next !== undefined && next < headLength + stored) {
        // The length was bent: another block begins inside.
        yield block(at, reader.take(next), "whole");
        continue;
      }
    } else if (!whole) {
      const next = await reader.findBlock(headLength);
      if (next !== undefined) {
        yield block(at, reader.take(next), "whole");
        continue;
      }
    }
    reader.take(bytes.length);
    yield block(at, bytes, whole ? "whole" : "cut");
  }
}

/** The heads of one `headers/` object in order. A shorter last one is what is left over. */
export async function* splitHeads(pieces: Pieces): AsyncGenerator<StoredBlock, void, undefined> {
  const reader = new Reader(pieces);
  while (await reader.has(1)) {
    const at = reader.offset;
    const whole = await reader.has(headLength);
    yield block(at, reader.take(headLength), whole ? "whole" : "cut");
  }
}

async function* junk(reader: Reader, at: number): AsyncGenerator<StoredBlock, void, undefined> {
  const first = reader.peek(headLength);
  const looksCut = first.length < headLength && startsLikeMagic(first);
  const next = await reader.findBlock(1);
  if (next === undefined) {
    const rest = reader.peek(headLength);
    await reader.skipAll();
    yield block(at, rest, looksCut ? "cut" : "junk");
    return;
  }
  yield block(at, reader.take(next), "junk");
}

function block(at: number, bytes: Uint8Array, shape: StoredBlock["shape"]): StoredBlock {
  return { at, head: bytes.subarray(0, headLength), payload: bytes.subarray(headLength), shape };
}

function startsLikeMagic(bytes: Uint8Array): boolean {
  return bytes.subarray(0, magicBytes.length).every((byte, i) => byte === magicBytes[i]);
}

function storedLength(head: Uint8Array): number | undefined {
  if (head.length < headLength) return undefined;
  try {
    return decodeHeader(head).storedLength;
  } catch {
    return undefined;
  }
}

async function endsAtBlock(reader: Reader, length: number): Promise<boolean> {
  if (!(await reader.has(length + 1))) return true;
  await reader.has(length + magicBytes.length);
  return startsLikeMagic(reader.peek(length + magicBytes.length).subarray(length));
}

// How far a search for the next header looks at most: no block is longer.
const searchLimit = 8_454_144 + 2 * headLength;

// Pieces of any size, looked at from one moving offset.
class Reader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #held: Uint8Array[] = [];
  #heldLength = 0;
  #ended = false;
  offset = 0;

  constructor(pieces: Pieces) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Whether `length` more bytes are there; reads as needed. */
  async has(length: number): Promise<boolean> {
    while (this.#heldLength < length && !this.#ended) {
      const next = await this.#pieces.next();
      if (next.done === true) this.#ended = true;
      else if (next.value.length > 0) {
        this.#held.push(next.value);
        this.#heldLength += next.value.length;
      }
    }
    return this.#heldLength >= length;
  }

  /** Up to `length` bytes of what is held, without moving on. */
  peek(length: number): Uint8Array {
    const first = this.#held[0];
    if (first !== undefined && first.length >= length) return first.subarray(0, length);
    const joined = concat(...this.#held);
    this.#held = joined.length === 0 ? [] : [joined];
    return joined.subarray(0, length);
  }

  take(length: number): Uint8Array {
    const bytes = this.peek(length);
    const rest = (this.#held[0] as Uint8Array | undefined)?.subarray(bytes.length);
    if (rest === undefined || rest.length === 0) this.#held.shift();
    else this.#held[0] = rest;
    this.#heldLength -= bytes.length;
    this.offset += bytes.length;
    return bytes;
  }

  /** Where, at `from` or later, the next plausible header begins, within the search limit. */
  async findBlock(from: number): Promise<number | undefined> {
    await this.has(searchLimit);
    const bytes = this.peek(searchLimit);
    for (let at = bytes.indexOf(magicBytes[0] as number, from); at !== -1; ) {
      const head = bytes.subarray(at, at + headLength);
      if (startsLikeMagic(head) && storedLength(head) !== undefined) return at;
      at = bytes.indexOf(magicBytes[0] as number, at + 1);
    }
    return undefined;
  }

  async skipAll(): Promise<void> {
    while (await this.has(1)) this.take(this.#heldLength);
  }
}
