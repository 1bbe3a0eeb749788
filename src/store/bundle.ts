// Bundles: chains in one file, a tar of the store's layout, for auditors without a network.
//
// - Written in one pass, front to back, in constant memory; the same chains make the same bytes.
// - Read by position: one pass over the headers makes an index, contents are read where they lie.
// - A bundle may come from anyone. What it holds is never written to disk, so no path in it can
//   lead anywhere; what is not of the layout is passed over.
// - What is unread in the folder that it unpacks to is so here: a folder in an object's place,
//   a file in that of a chain.
// - A name that another tool would unpack to an object's place, and that is not written as the
//   layout has it, makes the bundle refused: all tools see the same bundle.
//
// Spec: docs/spec/store.md, "Bundle".

import { type ChainSource, type StoredObject, unreadList } from "../core/chain-source.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import type { Files, OpenFile } from "../host/files.ts";
import { ShelfStore } from "./chain-reader.ts";
import {
  type ChainFolder,
  chainFolders,
  chainsFolder,
  type FolderItem,
  grantPath,
  isChainId,
  placeOf,
  receiptPath,
  unreadChain,
  unreadObject,
  unreadTop,
} from "./layout.ts";
import { noFile, readAll, type Shelf, type ShelfChains, type ShelfObject } from "./shelf.ts";
import { decodeTarHeader, encodeTarHeader, paddingOf, type TarHeader, tarBlock } from "./tar.ts";

/** Objects in a bundle; more than any store of this layout needs for years. */
const bundleObjectsMax = 2_000_000;

/** Chains in a bundle: what is said of each is kept until all of them were judged. */
export const bundleChainsMax = 50_000;

/** What can't be read, and is named. */
const unreadMax = 10_000;

const endBytes = 2 * tarBlock;

/** Zeros that may follow the end: tools fill a bundle up to whole records. */
const fillMax = 1_048_576;

/** The bytes of a bundle of `chains`. Throws store-cut-short where an object shrank meanwhile. */
export async function* writeBundle(
  chains: readonly ChainSource[],
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chain of [...chains].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    // The receipt is read before the blocks, so that the blocks cover it.
    const receipt = await chain.receipt();
    const grant = await chain.grant();
    if (grant !== undefined) yield* whole(grantPath(chain.id), grant);
    for (const object of await chain.blocks()) yield* streamed(object);
    for (const object of await chain.headers()) yield* streamed(object);
    for (const object of await chain.forks()) yield* streamed(object);
    if (receipt !== undefined) yield* whole(receiptPath(chain.id), receipt);
  }
  yield new Uint8Array(endBytes);
}

function* whole(path: string, bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  yield encodeTarHeader(path, bytes.length);
  yield bytes;
  if (paddingOf(bytes.length) > 0) yield new Uint8Array(paddingOf(bytes.length));
}

// A growing object goes in as long as it was when its header was written.
async function* streamed(object: StoredObject): AsyncGenerator<Uint8Array, void, undefined> {
  const size = await object.size();
  yield encodeTarHeader(object.name, size);
  let left = size;
  for await (const piece of object.open({ start: 0, end: size })) {
    const part = piece.length > left ? piece.subarray(0, left) : piece;
    left -= part.length;
    yield part;
  }
  if (left > 0) {
    const text = `stored object ends ${left} bytes before its end`;
    throw new SealtailError("store-cut-short", text, { place: object.name });
  }
  if (paddingOf(size) > 0) yield new Uint8Array(paddingOf(size));
}

/** Reads a bundle's index. Throws bundle-invalid for what is no whole bundle. */
export async function openBundle(files: Files, path: string): Promise<Bundle> {
  const file = await files.open(path, "read");
  try {
    const { size, kind } = await file.stat();
    if (kind !== "file") throw invalid(path, "it is no plain file");
    const shelf = new BundleShelf(path, file, await readIndex(path, file, size));
    return new Bundle(shelf, file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** An open bundle. Close it when nothing reads from it any more. */
export class Bundle extends ShelfStore {
  readonly #file: OpenFile;

  constructor(shelf: Shelf, file: OpenFile) {
    super(shelf);
    this.#file = file;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

interface Place {
  readonly start: number;
  readonly size: number;
}

interface Index {
  /** By chain, then by "folder/name". */
  readonly chains: Map<string, Map<string, Place>>;
  /** By path: why it can't be read, and of which chain it is; undefined: it seems to be one. */
  readonly unread: Map<string, { readonly chain: string | undefined; readonly why: string }>;
}

async function readIndex(path: string, file: OpenFile, size: number): Promise<Index> {
  const index: Index = { chains: new Map(), unread: new Map() };
  const block = new Uint8Array(tarBlock);
  let count = 0;
  for (let at = 0; ; ) {
    if ((await readAll(file, block, at)) < tarBlock) {
      throw invalid(path, `it ends at byte ${at} without its end mark: it was cut short`);
    }
    const header = headerAt(path, block, at);
    if (header === undefined) {
      await refuseMore(path, file, at, size);
      return index;
    }
    const start = at + tarBlock;
    at = start + header.size + paddingOf(header.size);
    if (at > size) throw invalid(path, `an object at byte ${start} is cut short`);
    count += 1;
    if (count > bundleObjectsMax)
      throw invalid(path, `it holds more than ${bundleObjectsMax} objects`);
    add(index, path, header, start);
  }
}

// Some tools go on behind a block of zeros, and others do not.
async function refuseMore(path: string, file: OpenFile, at: number, size: number): Promise<void> {
  const rest = new Uint8Array(Math.min(size - at, fillMax + 1));
  const filled = rest.length <= fillMax && (await readAll(file, rest, at)) === rest.length;
  if (filled && rest.every((byte) => byte === 0)) return;
  throw invalid(path, `something follows its end mark at byte ${at}`);
}

function headerAt(path: string, block: Uint8Array, at: number): TarHeader | undefined {
  try {
    return decodeTarHeader(block);
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    throw invalid(path, `${caught.message} at byte ${at}`);
  }
}

function add(index: Index, path: string, header: TarHeader, start: number): void {
  const place = placeOf(header.path);
  if (place === undefined || header.kind === "folder") {
    if (place === undefined) refuseNearly(path, header.path, start);
    return addOther(index, path, header);
  }
  const objects = objectsOf(index, path, place.chain);
  const key = `${place.folder}/${place.name}`;
  if (objects.has(key)) throw invalid(path, `it holds an object twice, again at byte ${start}`);
  objects.set(key, { start, size: header.size });
}

function objectsOf({ chains }: Index, path: string, chain: string): Map<string, Place> {
  const objects = chains.get(chain) ?? new Map<string, Place>();
  chains.set(chain, objects);
  if (chains.size > bundleChainsMax) {
    throw invalid(path, `it holds more than ${bundleChainsMax} chains`);
  }
  return objects;
}

// What is no object, and the folders that it lies in.
function addOther(index: Index, path: string, { path: name, kind }: TarHeader): void {
  const parts = name.split("/");
  const top = unreadTop({ name: parts[0] ?? "", kind: "dir" });
  if (top !== undefined) index.unread.set(parts[0] ?? "", { chain: undefined, why: top });
  if (parts[0] !== chainsFolder) return;
  if (parts.length === 1 && kind === "file") throw invalid(path, "it holds a file named chains");
  for (let length = 2; length <= Math.min(parts.length, 4); length += 1) {
    const isFile = kind === "file" && length === parts.length;
    addItem(index, path, parts.slice(1, length), isFile ? "file" : "dir");
  }
}

function addItem(index: Index, path: string, parts: string[], kind: FolderItem["kind"]): void {
  const [chain = "", ...rest] = parts;
  const item = { name: parts.at(-1) ?? "", kind };
  const folder = chainFolders.find((each) => each === rest.slice(0, -1).join("/"));
  if (rest.length > 0 && (folder === undefined || !isChainId(chain))) return;
  if (rest.length === 0 && kind === "dir" && isChainId(chain)) objectsOf(index, path, chain);
  const why = rest.length === 0 ? unreadChain(item) : unreadObject(chain, folder ?? "", item);
  if (why === undefined) return;
  index.unread.set([chainsFolder, ...parts].join("/"), {
    chain: rest.length === 0 ? undefined : chain,
    why,
  });
  if (index.unread.size <= unreadMax) return;
  throw invalid(path, `it holds more than ${unreadMax} names in the place of others`);
}

// What another tool would unpack to an object's place, or nearly there, must not be passed over.
function refuseNearly(path: string, name: string, start: number): void {
  const parts: string[] = [];
  for (const part of name.split(/[/\\]/)) {
    if (part === "..") parts.pop();
    // Of an object's own name in other letters a directory says nothing either.
    else if (part !== "" && part !== ".") parts.push(parts.length < 2 ? part.toLowerCase() : part);
  }
  if (placeOf(parts.join("/")) === undefined) return;
  const why = `an object's name at byte ${start - tarBlock} is not written as in a store`;
  throw invalid(path, why, "pack the folder by its own name: tar -C STORE -cf BUNDLE chains");
}

function invalid(path: string, why: string, hint?: string): SealtailError {
  const detail = { place: path, ...(hint === undefined ? {} : { hint }) };
  return new SealtailError("bundle-invalid", `bundle can't be read: ${why}`, detail);
}

class BundleShelf implements Shelf {
  readonly name: string;
  readonly #file: OpenFile;
  readonly #index: Index;

  constructor(name: string, file: OpenFile, index: Index) {
    this.name = name;
    this.#file = file;
    this.#index = index;
  }

  async chains(): Promise<ShelfChains> {
    return { ids: [...this.#index.chains.keys()].sort(), unread: this.#unread(undefined) };
  }

  async names(chain: string, folder: ChainFolder): Promise<string[]> {
    const keys = [...(this.#index.chains.get(chain)?.keys() ?? [])];
    const start = `${folder}/`;
    return keys
      .filter((key) => key.startsWith(start))
      .map((key) => key.slice(start.length))
      .sort();
  }

  async unread(chain: string): Promise<string[]> {
    return this.#unread(chain);
  }

  #unread(chain: string | undefined): string[] {
    const found = [...this.#index.unread.values()].filter((each) => each.chain === chain);
    return unreadList(found.map(({ why }) => why));
  }

  async open(path: string): Promise<ShelfObject | undefined> {
    const place = placeOf(path);
    if (place === undefined) return undefined;
    const found = this.#index.chains.get(place.chain)?.get(`${place.folder}/${place.name}`);
    if (found === undefined && this.#index.unread.has(path)) throw noFile(path);
    if (found === undefined) return undefined;
    return {
      size: found.size,
      read: (into, at, length, position) => {
        const most = Math.max(0, Math.min(length, found.size - position));
        return most === 0
          ? Promise.resolve(0)
          : this.#file.read(into, at, most, found.start + position);
      },
      close: () => Promise.resolve(),
    };
  }
}
