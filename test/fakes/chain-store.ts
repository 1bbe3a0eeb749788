// A store in memory: the layout as a map from names to bytes, and read as a verifiable source.

import { headLength } from "../../src/core/block.ts";
import { concat, hex } from "../../src/core/bytes.ts";
import type {
  ByteRange,
  ChainSource,
  StoredObject,
  VerifiableSource,
} from "../../src/core/chain-source.ts";
import type { BuiltBlock, ChainBuilder } from "./chain-builder.ts";

/** Names in the store's layout, and what lies there. */
export type StoreFiles = Map<string, Uint8Array>;

export interface StoreOptions {
  /** Blocks in a `.blocks` object. */
  readonly perObject?: number;
  /** The newest receipt, or none; by default over all blocks. */
  readonly receipt?: string | undefined;
  /** The blocks to store, if not the chain's own. */
  readonly blocks?: readonly Uint8Array[];
  /** The id to store them under. */
  readonly name?: string;
}

const hex16 = (number: number): string => number.toString(16).padStart(16, "0");

/** Stores a chain as a vault would. */
export function storeChain(
  files: StoreFiles,
  chain: ChainBuilder,
  options: StoreOptions = {},
): StoreFiles {
  const { perObject = 4 } = options;
  const base = `chains/${options.name ?? chain.name}`;
  const blocks = options.blocks ?? chain.blocks.map(({ bytes }) => bytes);
  files.set(`${base}/grant`, chain.grant);
  for (let from = 0; from < blocks.length; ) {
    const to = Math.min(from + perObject, (Math.floor(from / 1024) + 1) * 1024);
    const number = numberOf(blocks[from] as Uint8Array) ?? from;
    files.set(blocksName(base, number), concat(...blocks.slice(from, to)));
    from = to;
  }
  for (let from = 0; from + 1024 <= blocks.length; from += 1024) {
    const heads = blocks.slice(from, from + 1024).map((each) => each.subarray(0, headLength));
    files.set(`${base}/headers/${hex16(from)}`, concat(...heads));
  }
  const receipt = "receipt" in options ? options.receipt : chain.receipt();
  if (receipt !== undefined) files.set(`${base}/receipt`, Uint8Array.from(Buffer.from(receipt)));
  return files;
}

export function blocksName(base: string, firstBlock: number): string {
  return `${base}/${hex16(firstBlock)}.blocks`;
}

/** The number that a block gives, if it is whole enough to say. */
function numberOf(block: Uint8Array): number | undefined {
  if (block.length < headLength) return undefined;
  return Number(new DataView(block.buffer, block.byteOffset).getBigUint64(48));
}

/** A fork's proof: both heads. */
export function storeFork(
  files: StoreFiles,
  chain: ChainBuilder,
  ours: BuiltBlock,
  twin: BuiltBlock,
): void {
  const name = `${hex16(ours.header.blockNo)}-${hex(twin.hash)}`;
  files.set(`chains/${chain.name}/forks/${name}`, concat(ours.head, twin.head));
}

/** Reads a layout; objects come in pieces of `pieceLength` bytes. */
export function memorySource(files: StoreFiles, pieceLength = 65_536): VerifiableSource {
  const ids = [...new Set([...files.keys()].map((name) => name.split("/")[1] as string))].sort();
  return {
    name: "memory",
    contents: async () => ({
      chains: ids.map((id) => memoryChain(files, id, pieceLength)),
      unread: [],
    }),
  };
}

function memoryChain(files: StoreFiles, id: string, pieceLength: number): ChainSource {
  const base = `chains/${id}`;
  const matching = (pattern: RegExp): StoredObject[] =>
    [...files]
      .map(([name, bytes]) => ({ name, bytes, number: pattern.exec(name.slice(base.length + 1)) }))
      .filter(({ name, number }) => name.startsWith(`${base}/`) && number !== null)
      .map(({ name, bytes, number }) => ({
        name,
        firstBlock: Number.parseInt(number?.[1] as string, 16),
        size: async () => bytes.length,
        open: (range?: ByteRange) => pieces(bytes.subarray(range?.start, range?.end), pieceLength),
      }))
      .sort((a, b) => a.firstBlock - b.firstBlock);
  return {
    id,
    grant: async () => files.get(`${base}/grant`),
    receipt: async () => files.get(`${base}/receipt`),
    blocks: async () => matching(/^([0-9a-f]{16})\.blocks$/),
    headers: async () => matching(/^headers\/([0-9a-f]{16})$/),
    forks: async () => matching(/^forks\/([0-9a-f]{16})-[0-9a-f]{64}$/),
    unread: async () => [],
  };
}

/** A chain of nothing but a grant and blocks, in one object. */
export function plainChain(
  id: string,
  grant: Uint8Array | undefined,
  blocks: Iterable<Uint8Array>,
  receipt?: Uint8Array,
): ChainSource {
  const object = {
    ...{ name: "blocks", firstBlock: 0, size: async () => concat(...blocks).length },
    open: async function* () {
      yield* blocks;
    },
  };
  return {
    id,
    grant: async () => grant,
    receipt: async () => receipt,
    blocks: async () => [object],
    headers: async () => [],
    forks: async () => [],
    unread: async () => [],
  };
}

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.slice(at, at + length);
}
