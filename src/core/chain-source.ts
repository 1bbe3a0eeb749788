// A place that holds chains in the store's layout: what it must offer to be verified, read, copied.
//
// - A vault, a directory, a bundle and a bucket all look like this; whoever reads trusts none.
// - Implementations read lazily: no call may need memory that grows with a chain.
// - What can't be read is thrown, by any call or while pieces are read: a verifier then says that
//   it could not judge (INDETERMINATE), never that something is wrong.
//
// Spec: docs/spec/store.md.

/** Bytes in pieces of any size, in order. */
export type Pieces = AsyncIterable<Uint8Array>;

/** The bytes [start, end) of an object. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** One stored object. */
export interface StoredObject {
  /** For findings: its name in the layout, or the address it was read from. */
  readonly name: string;
  /** The block number in its name: the first block (or head) that it holds, or the fork's. */
  readonly firstBlock: number;
  /** Bytes at this moment; the newest `.blocks` object may grow. */
  size(): Promise<number>;
  /** The bytes from the start, or those of `range`. A new reading at each call. */
  open(range?: ByteRange): Pieces;
}

/** One chain of a place. */
export interface ChainSource {
  /** Chain id in hex, as the place calls it. */
  readonly id: string;
  /** The grant note as stored; undefined if there is none. More than 4 KiB need not be read. */
  readonly grant: () => Promise<Uint8Array | undefined>;
  /**
   * The newest receipt; more than 16 KiB need not be read. It is asked for before the blocks, so
   * that a living place never seems cut off.
   */
  readonly receipt: () => Promise<Uint8Array | undefined>;
  /** `.blocks` objects in order of their first block. The last one may still grow. */
  readonly blocks: () => Promise<readonly StoredObject[]>;
  /** `headers/` objects in order; empty where the place has none. */
  readonly headers: () => Promise<readonly StoredObject[]>;
  /** `forks/` objects: both heads of a block number each. */
  readonly forks: () => Promise<readonly StoredObject[]>;
  /**
   * What lies there and seems to be an object of the chain, but can't be read as one: a link, a
   * pipe, a folder; a name in other letters. Each with the reason, for people, as unreadList()
   * makes it.
   */
  readonly unread: () => Promise<readonly string[]>;
}

/** All that a place holds. Whoever sees the chains sees with them what can't be read. */
export interface Contents<Chain extends ChainSource = ChainSource> {
  /** By id. */
  readonly chains: readonly Chain[];
  /** What seems to be a chain, but can't be read as one; as unread() of a chain. */
  readonly unread: readonly string[];
}

/** A place. */
export interface VerifiableSource {
  /** For people: where this is. */
  readonly name: string;
  readonly contents: () => Promise<Contents>;
}

/** Longer lists say nothing more. */
const listedMax = 100;

/** The first of a list for people, and how many more there are. */
export function limited(list: readonly string[]): string[] {
  const more = list.length - listedMax;
  return more <= 0 ? [...list] : [...list.slice(0, listedMax), `and ${more} more like these`];
}

/** What can't be read, in the same order and words whatever place it was found in. */
export function unreadList(found: Iterable<string>): string[] {
  return limited([...new Set(found)].sort());
}
