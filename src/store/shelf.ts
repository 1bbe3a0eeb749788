// A shelf: objects by their path in the layout, to be listed and read at any position.
//
// - A directory and a bundle are shelves; what reads chains needs to know no more.
// - Below the directory itself no link is followed: neither an object nor a folder lies elsewhere.
// - An object may grow while it is read, and never shrinks or changes before its end.

import { unreadList } from "../core/chain-source.ts";
import { SealtailError } from "../core/errors.ts";
import { errnoOf, joinPath, type Path } from "../host/file-error.ts";
import type { DirItem, Files, OpenFile } from "../host/files.ts";
import {
  type ChainFolder,
  chainFolders,
  chainPath,
  chainsFolder,
  type FolderItem,
  isChainId,
  nameText,
  numberIn,
  objectBytesMax,
  unreadChain,
  unreadLink,
  unreadObject,
  unreadTop,
} from "./layout.ts";

/** An object open for reading. One owner, who closes it. */
export interface ShelfObject {
  /** Bytes when it was opened. */
  readonly size: number;
  /** Fills `into[at, at + length)` from `position`; returns how much was there. */
  read(into: Uint8Array, at: number, length: number, position: number): Promise<number>;
  close(): Promise<void>;
}

export interface ShelfChains {
  readonly ids: string[];
  readonly unread: string[];
}

export interface Shelf {
  readonly name: string;
  /** Ids of all chains, sorted, and what seems to be one and can't be read: why, for people. */
  chains(): Promise<ShelfChains>;
  /** Names in a chain's folder, sorted. */
  names(chain: string, folder: ChainFolder): Promise<string[]>;
  /** What seems to be an object of `chain` and can't be read: why, for people. */
  unread(chain: string): Promise<string[]>;
  /** Undefined if there is no such object. */
  open(path: string): Promise<ShelfObject | undefined>;
}

/** Block numbers in the names in a chain's folder, rising. */
export async function numbersIn(
  shelf: Shelf,
  chain: string,
  folder: ChainFolder,
): Promise<number[]> {
  return (await shelf.names(chain, folder)).flatMap((name) => numberIn(folder, name) ?? []);
}

const pieceBytes = 262_144;

/** The bytes of an object from `start` up to `end`, or its end. Throws file-missing. */
export async function* piecesOf(
  shelf: Shelf,
  path: string,
  range: { readonly start: number; readonly end: number } = {
    start: 0,
    end: Number.POSITIVE_INFINITY,
  },
): AsyncGenerator<Uint8Array, void, undefined> {
  const object = await shelf.open(path);
  if (object === undefined) {
    throw new SealtailError("file-missing", "couldn't find a stored object", { place: path });
  }
  try {
    for (let at = range.start; at < range.end; ) {
      // Never more than is there: a heartbeat must not cost a quarter of a mebibyte.
      const want = Math.min(pieceBytes, range.end - at, Math.max(object.size - at, 4096));
      const piece = new Uint8Array(want);
      const got = await object.read(piece, 0, want, at);
      if (got === 0) return;
      at += got;
      yield got === want ? piece : piece.subarray(0, got);
    }
  } finally {
    await object.close();
  }
}

/**
 * A small object whole; undefined if there is none. Of one that is larger than `limit`, one byte
 * more than that: enough for whoever judges it to say that it is too long.
 */
export async function readSmall(
  shelf: Shelf,
  path: string,
  limit: number,
): Promise<Uint8Array | undefined> {
  const object = await shelf.open(path);
  if (object === undefined) return undefined;
  try {
    const bytes = new Uint8Array(Math.min(object.size, limit + 1));
    return bytes.subarray(0, await readAll(object, bytes, 0));
  } finally {
    await object.close();
  }
}

/** Reads until `into` is full or the object ends; returns how much there was. */
export async function readAll(
  object: Pick<ShelfObject, "read">,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const got = await object.read(into, done, into.length - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

/** An open file as an object of so many bytes. */
export function objectIn(file: OpenFile, size: number): ShelfObject {
  return {
    size,
    read: (into, at, length, position) => file.read(into, at, length, position),
    close: () => file.close(),
  };
}

/** A directory that holds the layout. */
export class DirShelf implements Shelf {
  readonly name: string;
  readonly #files: Files;
  readonly #dir: Path;

  constructor(files: Files, dir: string) {
    this.#files = files;
    this.#dir = dir;
    this.name = dir;
  }

  path(name: string): Path {
    return joinPath(this.#dir, name);
  }

  async chains(): Promise<ShelfChains> {
    const [top, items] = [await this.#items(""), await this.#items(chainsFolder)];
    return {
      ids: items.flatMap(({ name, kind }) => (kind === "dir" && isChainId(name) ? [name] : [])),
      unread: unreadList([
        ...top.flatMap((item) => unreadTop(item) ?? []),
        ...items.flatMap((item) => unreadChain(item) ?? []),
      ]),
    };
  }

  async names(chain: string, folder: ChainFolder): Promise<string[]> {
    return textNames(await this.#list(chainPath(chain, folder)), "file");
  }

  async unread(chain: string): Promise<string[]> {
    const linked = await this.linkedPart(chainPath(chain));
    if (linked !== undefined) return [unreadLink(linked)];
    const found: string[] = [];
    for (const folder of chainFolders) {
      const items = await this.#items(chainPath(chain, folder));
      found.push(...items.flatMap((item) => unreadObject(chain, folder, item) ?? []));
    }
    return unreadList(found);
  }

  async #items(folder: string): Promise<FolderItem[]> {
    return (await this.#list(folder)).map(({ name, kind }) => ({ name: nameText(name), kind }));
  }

  // chains() and unread() name what is a link.
  async #list(folder: string): Promise<readonly DirItem[]> {
    if (folder === "") return (await this.#files.list(this.#dir)) ?? [];
    if ((await this.linkedPart(folder)) !== undefined) return [];
    return (await this.#files.list(this.path(folder))) ?? [];
  }

  /** The first part of a folder's path that is a link; undefined if none is. */
  async linkedPart(folder: string): Promise<string | undefined> {
    const names = folder.split("/");
    for (const at of names.keys()) {
      const part = names.slice(0, at + 1).join("/");
      if ((await this.#files.linkStat(this.path(part)))?.kind === "link") return part;
    }
    return undefined;
  }

  async open(path: string): Promise<ShelfObject | undefined> {
    const folder = path.slice(0, path.lastIndexOf("/"));
    if ((await this.linkedPart(folder)) !== undefined) return undefined;
    try {
      const file = await this.#files.open(this.path(path), "read-plain");
      const { size, kind } = await file.stat();
      if (kind !== "file") {
        await file.close();
        throw noFile(path);
      }
      if (size > objectBytesMax) {
        await file.close();
        const text = "a stored object is longer than any may be";
        throw new SealtailError("store-damaged", text, { place: path });
      }
      return objectIn(file, size);
    } catch (error) {
      if (["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "")) return undefined;
      if (errnoOf(error) === "ELOOP") throw noFile(path);
      throw error;
    }
  }
}

/** What has an object's name and is none. */
export function noFile(path: string): SealtailError {
  return new SealtailError("store-damaged", "a stored object is no file", { place: path });
}

/** Names of `kind` that are text. */
export function textNames(items: readonly DirItem[], kind: DirItem["kind"]): string[] {
  return items.flatMap(({ name, kind: found }) =>
    typeof name === "string" && found === kind ? [name] : [],
  );
}
