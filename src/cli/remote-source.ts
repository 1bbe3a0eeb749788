// A vault seen from afar: the store that it serves, as a place that is verified, read and exported.
//
// - The vault is not trusted: what it says is verified like any other copy.
// - Objects are those of its store, byte for byte: what a directory shows is seen from here, too.
//   They are fetched page by page, as they are read.
//
// Reference: docs/reference/http.md, "The store as it is".

import { concat } from "../core/bytes.ts";
import type { ByteRange, Pieces, StoredObject } from "../core/chain-source.ts";
import {
  blocksNumber,
  chainPath,
  forkOf,
  headersNumber,
  isChainId,
  objectBytesMax,
  placeOf,
} from "../store/layout.ts";
import type { OpenedChain, OpenedSource } from "./chains-source.ts";
import { type ClientLimits, VaultClient } from "./vault-client.ts";

/** Asked for at a time. */
const pageBytes = 8 * 1_048_576;
/** One more than any note may have: enough for whoever judges it to say that it is too long. */
const noteBytes = 16_385;
const listBytesMax = 16 * 1_048_576;
/** Names in a list: chains of a store, objects of a chain. */
const namesMax = 2_000_000;
const unreadMax = 101;
/** Pages of a list: at most so many answers, however few names each holds. */
const pagesMax = 2_000;
const sizeHeader = "sealtail-size";

/** Opens a vault; `ca` is the path of a PEM file. Nothing is asked before it is needed. */
export async function remoteSource(
  address: string,
  ca: string | undefined,
  limits?: ClientLimits,
): Promise<OpenedSource> {
  const client = await VaultClient.open(address, ca, limits);
  const list = (): Promise<Listed> => listOf(client, "/v1/store/chains", "chains", isChainId);
  return {
    name: client.url,
    live: true,
    contents: async () => {
      const { names, unread } = await list();
      return { chains: names.map((id) => remoteChain(client, id)), unread };
    },
    close: async () => client.close(),
  };
}

function remoteChain(client: VaultClient, id: string): OpenedChain {
  const base = `/v1/store/chains/${id}`;
  const isObject = (name: string): boolean => placeOf(`${chainPath(id)}/${name}`) !== undefined;
  const list = (): Promise<Listed> => listOf(client, base, "objects", isObject);
  const note = async (name: string): Promise<Uint8Array | undefined> => {
    const found = await partOf(client, `${base}/object?name=${name}`, 0, noteBytes);
    if (found === undefined) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of found) pieces.push(piece);
    return concat(...pieces);
  };
  const objects = async (numberOf: (name: string) => number | undefined) =>
    (await list()).names.flatMap((name) => {
      const first = numberOf(name);
      return first === undefined ? [] : [new RemoteObject(client, id, name, first)];
    });
  return {
    id,
    grant: () => note("grant"),
    receipt: () => note("receipt"),
    blocks: () => objects(blocksNumber),
    headers: () => objects((name) => headersNumber(behind("headers/", name))),
    forks: () => objects((name) => forkOf(behind("forks/", name))?.block),
    unread: async () => (await list()).unread,
  };
}

function behind(folder: string, name: string): string {
  return name.startsWith(folder) ? name.slice(folder.length) : "";
}

interface Listed {
  readonly names: readonly string[];
  readonly unread: readonly string[];
}

/** All names of a list that comes in pages, each behind the one before. */
async function listOf(
  client: VaultClient,
  path: string,
  what: string,
  isName: (name: string) => boolean,
): Promise<Listed> {
  const names: string[] = [];
  let unread: readonly string[] | undefined;
  let after = "";
  for (let pages = 0; pages < pagesMax; pages += 1) {
    const answer = await client.json(
      after === "" ? path : `${path}?after=${encodeURIComponent(after)}`,
      listBytesMax,
    );
    const page = fieldOf(answer, what);
    const strange = fieldOf(answer, "unread");
    if (!areTexts(page) || !areTexts(strange) || strange.length > unreadMax) {
      throw client.invalid(path, `it is no list of ${what}`);
    }
    unread ??= strange;
    for (const name of page) {
      const sound = isName(name) && name > (names.at(-1) ?? "");
      if (!sound) throw client.invalid(path, "it lists what has no right name, or not in order");
      names.push(name);
    }
    if (names.length > namesMax) throw client.invalid(path, `it lists more than ${namesMax}`);
    const next = fieldOf(answer, "next");
    if (next === undefined) return { names, unread };
    if (page.length === 0 || next !== names.at(-1)) {
      throw client.invalid(path, "its list goes on behind another name than the last one");
    }
    after = next as string;
  }
  throw client.invalid(path, `its list comes in more than ${pagesMax} pages`);
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

// One of as many as a vault lists: it holds no closure.
class RemoteObject implements StoredObject {
  readonly #client: VaultClient;
  readonly #id: string;
  readonly #name: string;
  readonly firstBlock: number;

  constructor(client: VaultClient, id: string, name: string, firstBlock: number) {
    this.#client = client;
    this.#id = id;
    this.#name = name;
    this.firstBlock = firstBlock;
  }

  get name(): string {
    return `${chainPath(this.#id)}/${this.#name}`;
  }

  get #path(): string {
    return `/v1/store/chains/${this.#id}/object?name=${encodeURIComponent(this.#name)}`;
  }

  async size(): Promise<number> {
    const path = this.#path;
    return sizeIn(this.#client, path, await this.#client.header(path, sizeHeader));
  }

  open({ start, end }: ByteRange = { start: 0, end: Number.POSITIVE_INFINITY }): Pieces {
    return pagesOf(this.#client, this.#path, start, end);
  }
}

async function* pagesOf(
  client: VaultClient,
  path: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = start; at < end; ) {
    const want = Math.min(pageBytes, end - at);
    let got = 0;
    const part = await partOf(client, path, at, want);
    if (part === undefined) throw client.invalid(path, "an object that it lists is not there");
    for await (const piece of part) {
      got += piece.length;
      yield piece;
    }
    if (got < want) return;
    at += got;
    if (at > objectBytesMax) throw client.invalid(path, "the object is longer than any may be");
  }
}

/**
 * Up to `limit` bytes of an object from `start` on; undefined if there is no such object. All that
 * it has there: what somebody on the way cut off, or answered instead, is no object.
 */
function partOf(
  client: VaultClient,
  path: string,
  start: number,
  limit: number,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const lengthBy = (value: unknown): number =>
    Math.max(0, Math.min(limit, sizeIn(client, path, value) - start));
  return client.pieces(`${path}&from=${start}&limit=${limit}`, limit, [sizeHeader, lengthBy]);
}

function sizeIn(client: VaultClient, path: string, value: unknown): number {
  const size = typeof value === "string" ? Number(value) : Number.NaN;
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw client.invalid(path, "it does not say how long the object is");
}
