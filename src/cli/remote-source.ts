// A vault seen from afar: its chains as a store that can be verified, read and exported.
//
// - The vault is not trusted: what it says is verified like any other copy.
// - Objects are made up here, one per 1,024 blocks, and named as a store would name them; their
//   bytes are fetched page by page, as they are read.
// - The heads of an object are fetched first: they say how long its blocks are, and so which block
//   comes next even where a block is damaged.

import { headLength } from "../core/block.ts";
import { hex } from "../core/bytes.ts";
import type { ByteRange, StoredObject } from "../core/chain-source.ts";
import { blockHash, headerOf } from "../core/header.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { blocksPath, blocksPerRange, forkPath, headersPath, isChainId } from "../store/layout.ts";
import type { OpenedChain, OpenedSource } from "./chains-source.ts";
import { type ClientLimits, VaultClient } from "./vault-client.ts";

const mebibyte = 1_048_576;
/** Asked for at a time; a page holds at least one block, however long. */
const pageBytes = 8 * mebibyte;
const noteBytesMax = 16_384;
const listBytesMax = 16 * mebibyte;
const chainsMax = 1_000_000;
/** Objects of a chain: 200 million blocks. */
const rangesMax = 200_000;
const forksMax = 1024;

/** Opens a vault; `ca` is the path of a PEM file. Nothing is asked before it is needed. */
export async function remoteSource(
  address: string,
  ca: string | undefined,
  limits?: ClientLimits,
): Promise<OpenedSource> {
  const client = await VaultClient.open(address, ca, limits);
  return {
    name: client.url,
    live: true,
    chains: async () => (await chainIds(client)).map((id) => remoteChain(client, id)),
    unread: async () => [],
    chain: (id) => remoteChain(client, id),
    close: async () => client.close(),
  };
}

async function chainIds(client: VaultClient): Promise<string[]> {
  const ids: string[] = [];
  let after = "";
  for (let pages = 0; pages <= chainsMax; pages += 1) {
    const path = `/v1/chains?limit=1000${after === "" ? "" : `&after=${after}`}`;
    const answer = await client.json(path, listBytesMax);
    const page = fieldOf(answer, "chains");
    if (!Array.isArray(page)) throw client.invalid(path, "it is no list of chains");
    let last = after;
    for (const each of page) {
      last = idBehind(last, fieldOf(each, "chain"), client, path);
      ids.push(last);
    }
    if (ids.length > chainsMax) break;
    const next = fieldOf(answer, "next");
    if (next === undefined) return ids;
    after = next === last ? last : idBehind(last, next, client, path);
  }
  throw client.invalid("/v1/chains", `it lists more than ${chainsMax} chains`);
}

function idBehind(last: string, id: unknown, client: VaultClient, path: string): string {
  if (typeof id === "string" && isChainId(id) && id > last) return id;
  throw client.invalid(path, "it lists what is no chain, or not in order");
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

function remoteChain(client: VaultClient, id: string): OpenedChain {
  const base = `/v1/chains/${id}`;
  const blocks = new RemoteBlocks(client, id);
  return {
    id,
    grant: () => client.bytes(`${base}/grant`, noteBytesMax),
    receipt: () => client.bytes(`${base}/receipt`, noteBytesMax),
    blocks: () => blocks.blockObjects(),
    headers: () => blocks.headerObjects(),
    forks: () => forks(client, id),
    unread: async () => [],
  };
}

/** Proofs come as they are stored, joined: both heads of each. */
async function forks(client: VaultClient, id: string): Promise<StoredObject[]> {
  const path = `/v1/chains/${id}/forks`;
  const bytes = (await client.bytes(path, forksMax * 2 * headLength)) ?? new Uint8Array(0);
  if (bytes.length % (2 * headLength) !== 0) throw client.invalid(path, "it is no list of proofs");
  const objects: StoredObject[] = [];
  for (let at = 0; at < bytes.length; at += 2 * headLength) {
    const proof = bytes.slice(at, at + 2 * headLength);
    const firstBlock = headerOf(proof)?.blockNo ?? 0;
    const name = forkPath(id, firstBlock, hex(blockHash(nativeSuite, proof.subarray(headLength))));
    objects.push(
      objectOf(
        name,
        firstBlock,
        async () => proof.length,
        () => once(proof),
      ),
    );
  }
  return objects;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

function objectOf(
  name: string,
  firstBlock: number,
  size: () => Promise<number>,
  pieces: () => AsyncIterable<Uint8Array>,
): StoredObject {
  return {
    ...{ name, firstBlock, size },
    open: (range) => (range === undefined ? pieces() : cut(pieces(), range)),
  };
}

async function* cut(
  pieces: AsyncIterable<Uint8Array>,
  { start, end }: ByteRange,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  for await (const piece of pieces) {
    const [from, to] = [Math.max(start - at, 0), Math.min(end - at, piece.length)];
    if (from < to) yield piece.subarray(from, to);
    at += piece.length;
    if (at >= end) return;
  }
}

/** The blocks of one chain, seen as objects of 1,024 blocks each. */
class RemoteBlocks {
  readonly #client: VaultClient;
  readonly #id: string;
  /** The heads that were asked for last: they are needed for both kinds of objects. */
  #heads: { readonly from: number; readonly bytes: Uint8Array } | undefined;

  constructor(client: VaultClient, id: string) {
    this.#client = client;
    this.#id = id;
  }

  async blockObjects(): Promise<StoredObject[]> {
    return ranges(await this.#size()).map(({ from, count }) =>
      objectOf(
        blocksPath(this.#id, from),
        from,
        async () => sum(await this.#lengths(from, count)),
        () => this.#blocks(from, count),
      ),
    );
  }

  async headerObjects(): Promise<StoredObject[]> {
    return ranges(await this.#size())
      .filter(({ count }) => count === blocksPerRange)
      .map(({ from, count }) =>
        objectOf(
          headersPath(this.#id, from),
          from,
          async () => count * headLength,
          () => this.#headPieces(from, count),
        ),
      );
  }

  async #size(): Promise<number> {
    const path = `/v1/chains/${this.#id}`;
    const size = fieldOf(await this.#client.json(path, mebibyte), "size");
    const sound = typeof size === "number" && Number.isSafeInteger(size) && size >= 0;
    if (!sound || size > rangesMax * blocksPerRange) {
      throw this.#client.invalid(path, "it does not say how many blocks the chain has");
    }
    return size;
  }

  async *#headPieces(from: number, count: number): AsyncGenerator<Uint8Array, void, undefined> {
    yield await this.#headsOf(from, count);
  }

  async #headsOf(from: number, count: number): Promise<Uint8Array> {
    const known = this.#heads;
    if (known?.from === from && known.bytes.length === count * headLength) return known.bytes;
    const bytes = new Uint8Array(count * headLength);
    for (let done = 0; done < count; ) {
      const query = `from=${from + done}&limit=${count - done}`;
      const path = `/v1/chains/${this.#id}/headers?${query}`;
      const page =
        (await this.#client.bytes(path, (count - done) * headLength)) ?? new Uint8Array();
      if (page.length === 0 || page.length % headLength !== 0) {
        throw this.#client.invalid(path, `it ends before block ${from + count}`);
      }
      bytes.set(page, done * headLength);
      done += page.length / headLength;
    }
    this.#heads = { from, bytes };
    return bytes;
  }

  /** How long each block is, by its head. A head that is none counts as a head alone. */
  async #lengths(from: number, count: number): Promise<number[]> {
    const heads = await this.#headsOf(from, count);
    return Array.from({ length: count }, (_, index) => {
      const head = heads.subarray(index * headLength, (index + 1) * headLength);
      return headLength + (headerOf(head)?.storedLength ?? 0);
    });
  }

  async *#blocks(from: number, count: number): AsyncGenerator<Uint8Array, void, undefined> {
    const lengths = await this.#lengths(from, count);
    for (let next = 0; next < count; ) {
      const asked = pageOf(lengths.slice(next));
      const want = sum(asked);
      const query = `from=${from + next}&limit=${asked.length}`;
      const path = `/v1/chains/${this.#id}/blocks?${query}`;
      let got = 0;
      for await (const piece of this.#client.pieces(path, want)) {
        got += piece.length;
        yield piece;
      }
      if (got === 0) throw this.#client.invalid(path, "it holds no block");
      next += got === want ? asked.length : wholeBlocks(asked, got);
    }
  }
}

function ranges(size: number): { from: number; count: number }[] {
  return Array.from({ length: Math.ceil(size / blocksPerRange) }, (_, index) => {
    const from = index * blocksPerRange;
    return { from, count: Math.min(blocksPerRange, size - from) };
  });
}

/** As many of the first blocks as fit on a page, at least one. */
function pageOf(lengths: readonly number[]): number[] {
  let bytes = 0;
  const last = lengths.findIndex((length) => {
    bytes += length;
    return bytes > pageBytes;
  });
  return lengths.slice(0, last === -1 ? lengths.length : Math.max(1, last));
}

/** How many blocks `bytes` bytes of them are; all of them where they end within one. */
function wholeBlocks(lengths: readonly number[], bytes: number): number {
  let end = 0;
  const index = lengths.findIndex((length) => {
    end += length;
    return end >= bytes;
  });
  return end === bytes ? index + 1 : lengths.length;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
