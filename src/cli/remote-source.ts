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
  type ChainFolder,
  chainPath,
  isChainId,
  numberIn,
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
/** Of each something is kept while all are judged. */
const chainsMax = 200_000;
const objectsMax = 2_000_000;
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
  const all = { what: "chains", isName: isChainId, most: chainsMax };
  return {
    name: client.url,
    live: true,
    contents: async () => {
      const { names, unread } = await listOf(client, "/v1/store/chains", all);
      return { chains: names.map((id) => new RemoteChain(client, id)), unread };
    },
    close: () => client.close(),
  };
}

// One of as many as a vault lists: it holds no closure.
class RemoteChain implements OpenedChain {
  readonly #client: VaultClient;
  readonly id: string;

  constructor(client: VaultClient, id: string) {
    this.#client = client;
    this.id = id;
  }

  get grant(): OpenedChain["grant"] {
    return () => this.#note("grant");
  }

  get receipt(): OpenedChain["receipt"] {
    return () => this.#note("receipt");
  }

  get blocks(): OpenedChain["blocks"] {
    return () => this.#objects("");
  }

  get headers(): OpenedChain["headers"] {
    return () => this.#objects("headers");
  }

  get forks(): OpenedChain["forks"] {
    return () => this.#objects("forks");
  }

  get unread(): OpenedChain["unread"] {
    return async () => (await this.#list()).unread;
  }

  get #path(): string {
    return `/v1/store/chains/${this.id}`;
  }

  #list(): Promise<Listed> {
    const isObject = (name: string): boolean =>
      placeOf(`${chainPath(this.id)}/${name}`) !== undefined;
    return listOf(this.#client, this.#path, {
      what: "objects",
      isName: isObject,
      most: objectsMax,
    });
  }

  async #note(name: string): Promise<Uint8Array | undefined> {
    const found = await partOf(this.#client, `${this.#path}/object?name=${name}`, 0, noteBytes);
    if (found === undefined) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of found) pieces.push(piece);
    return concat(...pieces);
  }

  async #objects(folder: ChainFolder): Promise<StoredObject[]> {
    const start = folder === "" ? "" : `${folder}/`;
    return (await this.#list()).names.flatMap((name) => {
      const first = name.startsWith(start) ? numberIn(folder, name.slice(start.length)) : undefined;
      return first === undefined ? [] : [new RemoteObject(this.#client, this.id, name, first)];
    });
  }
}

interface Listed {
  readonly names: readonly string[];
  readonly unread: readonly string[];
}

/** What is listed, and how many names there may be. */
interface Wanted {
  readonly what: string;
  readonly isName: (name: string) => boolean;
  readonly most: number;
}

/** All names of a list that comes in pages, each behind the one before. */
async function listOf(
  client: VaultClient,
  path: string,
  { what, isName, most }: Wanted,
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
    if (names.length > most) throw client.invalid(path, `it lists more than ${most} ${what}`);
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
  return client.pieces(`${path}&from=${start}&limit=${limit}`, limit, (answer) =>
    Math.max(0, Math.min(limit, sizeIn(client, path, answer.header(sizeHeader)) - start)),
  );
}

function sizeIn(client: VaultClient, path: string, value: string | undefined): number {
  const size = Number(value);
  if (Number.isSafeInteger(size) && size >= 0) return size;
  throw client.invalid(path, "it does not say how long the object is");
}
