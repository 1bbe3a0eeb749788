// Reads one chain from a shelf: its objects as they are, and its heads and blocks by number.
//
// - Headers objects serve as the index of their ranges; the newest range is looked up in the
//   blocks themselves.
// - Names are listed anew at each call, so that a living chain is seen as it is.

import { headLength } from "../core/block.ts";
import { concat } from "../core/bytes.ts";
import type { ByteRange, Contents, Pieces, StoredObject } from "../core/chain-source.ts";
import { SealtailError } from "../core/errors.ts";
import { headerOf } from "../core/header.ts";
import { type FramedHead, framedHeads, wholeHeads } from "./head-scan.ts";
import {
  blocksPath,
  blocksPerRange,
  type ChainFolder,
  chainPath,
  grantPath,
  headersPath,
  isChainId,
  numberIn,
  placeOf,
  rangeOf,
  receiptPath,
} from "./layout.ts";
import { numbersIn, piecesOf, readAll, readSmall, type Shelf, type ShelfObject } from "./shelf.ts";
import type { ChainReader, ReadableStore } from "./store.ts";

/** Longest grant and receipt that are read; core's own limits are tighter or equal. */
const noteBytesMax = 16_384;
const rangeBytes = blocksPerRange * headLength;

/** Where some blocks lie: [start, end) of one object. */
interface Stretch {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

/** All that lies on a shelf. */
export class ShelfStore<Kind extends Shelf = Shelf> implements ReadableStore {
  protected readonly shelf: Kind;

  constructor(shelf: Kind) {
    this.shelf = shelf;
  }

  get name(): string {
    return this.shelf.name;
  }

  async chainIds(): Promise<string[]> {
    return (await this.shelf.chains()).ids;
  }

  // What a verifier asks for may be called on its own, without the object.

  readonly contents = async (): Promise<Contents<ChainReader>> => {
    const { ids, unread } = await this.shelf.chains();
    return { chains: ids.map((id) => this.reader(id)), unread };
  };

  reader(chain: string): ChainReader {
    if (!isChainId(chain)) throw new RangeError(`${chain} is no chain id`);
    return new ShelfChain(this.shelf, chain);
  }
}

// A list may be as long as somebody likes, so an entry is its name and number and no closure.
class ShelfStored implements StoredObject {
  readonly #shelf: Shelf;
  readonly name: string;
  readonly firstBlock: number;

  constructor(shelf: Shelf, name: string, firstBlock: number) {
    this.#shelf = shelf;
    this.name = name;
    this.firstBlock = firstBlock;
  }

  async size(): Promise<number> {
    const object = await this.#shelf.open(this.name);
    await object?.close();
    return object?.size ?? 0;
  }

  open(range?: ByteRange): Pieces {
    return piecesOf(this.#shelf, this.name, range);
  }
}

export class ShelfChain implements ChainReader {
  readonly id: string;
  readonly #shelf: Shelf;

  constructor(shelf: Shelf, id: string) {
    this.#shelf = shelf;
    this.id = id;
  }

  // What a verifier asks for may be called on its own, without the object.

  readonly grant = (): Promise<Uint8Array | undefined> =>
    readSmall(this.#shelf, grantPath(this.id), noteBytesMax);

  readonly receipt = (): Promise<Uint8Array | undefined> =>
    readSmall(this.#shelf, receiptPath(this.id), noteBytesMax);

  readonly blocks = (): Promise<StoredObject[]> => this.#objects("");

  readonly headers = (): Promise<StoredObject[]> => this.#objects("headers");

  readonly forks = (): Promise<StoredObject[]> => this.#objects("forks");

  readonly unread = (): Promise<string[]> => this.#shelf.unread(this.id);

  async object(name: string): Promise<StoredObject | undefined> {
    const place = placeOf(name);
    if (place === undefined || place.chain !== this.id) return undefined;
    const found = await this.#shelf.open(name);
    await found?.close();
    // Grant and receipt are of the whole chain.
    const first = numberIn(place.folder, place.name) ?? 0;
    return found && new ShelfStored(this.#shelf, name, first);
  }

  async heads(from: number, count: number): Promise<Uint8Array> {
    const most = Math.min(count, rangeOf(from) + blocksPerRange - from);
    const indexed = await this.#indexedHeads(from, most);
    if (indexed !== undefined) return indexed;
    const heads: Uint8Array[] = [];
    for await (const { head } of this.#scan(from, from + most)) heads.push(head);
    return concat(...heads);
  }

  async *wholeBlocks(from: number, to: number): AsyncGenerator<Uint8Array, void, undefined> {
    let next = from;
    while (next < to) {
      const { stretch, reached } = await this.#stretch(next, to);
      let left = stretch.end - stretch.start;
      for await (const piece of piecesOf(this.#shelf, stretch.path, stretch)) {
        left -= piece.length;
        yield piece;
      }
      if (left > 0) throw missing(this.id, reached - 1);
      next = reached;
    }
  }

  async newest(durable = 0): Promise<{ size: number; head: Uint8Array | undefined }> {
    const last = (await this.#numbers("")).at(-1);
    const headers = (await this.#numbers("headers")).at(-1);
    const below = headers === undefined ? 0 : headers + blocksPerRange;
    let [size, head]: [number, Uint8Array | undefined] = [Math.max(last ?? 0, below), undefined];
    if (last !== undefined) {
      for await (const found of this.#in(last, (object) => wholeHeads(object, last, durable))) {
        if (found.number + 1 >= size) [size, head] = [found.number + 1, found.head];
      }
    }
    if (head !== undefined || size === 0) return { size, head };
    const before = await this.heads(size - 1, 1);
    return { size, head: before.length === headLength ? before : undefined };
  }

  async #objects(folder: ChainFolder): Promise<StoredObject[]> {
    const start = `${chainPath(this.id, folder)}/`;
    return (await this.#shelf.names(this.id, folder)).flatMap((name) => {
      const first = numberIn(folder, name);
      return first === undefined ? [] : [new ShelfStored(this.#shelf, start + name, first)];
    });
  }

  #numbers(folder: ChainFolder): Promise<number[]> {
    return numbersIn(this.#shelf, this.id, folder);
  }

  /** Of a headers object, heads of one range; undefined if there is none that is complete. */
  async #indexedHeads(from: number, count: number): Promise<Uint8Array | undefined> {
    const range = rangeOf(from);
    const object = await this.#shelf.open(headersPath(this.id, range));
    if (object === undefined) return undefined;
    try {
      if (object.size !== rangeBytes) return undefined;
      const bytes = new Uint8Array(count * headLength);
      const got = await readAll(object, bytes, (from - range) * headLength);
      return got === bytes.length ? bytes : undefined;
    } finally {
      await object.close();
    }
  }

  #framed(first: number): AsyncGenerator<FramedHead, void, undefined> {
    return this.#in(first, (object) => framedHeads(object, first));
  }

  /** What `read` finds in the object that begins with block `first`; nothing if there is none. */
  async *#in(
    first: number,
    read: (object: ShelfObject) => AsyncGenerator<FramedHead, void, undefined>,
  ): AsyncGenerator<FramedHead, void, undefined> {
    const object = await this.#shelf.open(blocksPath(this.id, first));
    if (object === undefined) return;
    try {
      yield* read(object);
    } finally {
      await object.close();
    }
  }

  /** The blocks [from, to), all of them in one range, from their own objects. */
  async *#scan(from: number, to: number): AsyncGenerator<FramedHead, void, undefined> {
    const firsts = await this.#numbers("");
    let next = from;
    while (next < to) {
      const first = firsts.findLast((each) => each <= next);
      if (first === undefined) return;
      const before = next;
      for await (const found of this.#framed(first)) {
        if (found.number >= to) return;
        if (found.number !== next) continue;
        yield found;
        next += 1;
      }
      if (next === before) return;
    }
  }

  /** Where the blocks from `next` on lie, as many below `to` as one object holds. */
  async #stretch(next: number, to: number): Promise<{ stretch: Stretch; reached: number }> {
    const firsts = await this.#numbers("");
    const first = firsts.findLast((each) => each <= next);
    if (first === undefined) throw missing(this.id, next);
    const follower = firsts.find((each) => each > next) ?? Number.POSITIVE_INFINITY;
    const path = blocksPath(this.id, first);
    const last = Math.min(to, follower);
    const indexed = await this.#indexedHeads(rangeOf(first), blocksPerRange);
    if (indexed !== undefined) {
      const end = Math.min(last, rangeOf(first) + blocksPerRange);
      return { stretch: { path, ...offsetsIn(indexed, first, next, end) }, reached: end };
    }
    let [start, end, reached] = [0, 0, next];
    for await (const found of this.#framed(first)) {
      if (found.number >= last) break;
      if (found.number === next) start = found.start;
      if (found.number >= next) [end, reached] = [found.end, found.number + 1];
    }
    if (reached === next) throw missing(this.id, next);
    return { stretch: { path, start, end }, reached };
  }
}

/** Offsets of blocks [from, to) in the object that begins with block `first` of the range. */
function offsetsIn(
  range: Uint8Array,
  first: number,
  from: number,
  to: number,
): { start: number; end: number } {
  const base = rangeOf(first);
  let [at, start] = [0, 0];
  for (let number = first; number < to; number += 1) {
    if (number === from) start = at;
    const head = range.subarray((number - base) * headLength, (number - base + 1) * headLength);
    const header = headerOf(head);
    if (header === undefined) throw damagedIndex(base);
    at += headLength + header.storedLength;
  }
  return { start, end: at };
}

function missing(chain: string, block: number): SealtailError {
  const text = `block ${block} of the chain is not in the store`;
  return new SealtailError("store-cut-short", text, { place: chainPath(chain) });
}

function damagedIndex(range: number): SealtailError {
  return new SealtailError("store-damaged", `headers object ${range} holds what is no header`);
}
