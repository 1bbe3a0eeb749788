// Copies: a log that is rotated by copying and cutting leaves its unread end in the copy.
//
// - A copy is believed only if it holds the source's first bytes and the bytes before the position
//   as they were sealed, and goes on behind them.
// - It is looked for beside the file and one directory below, under names that begin alike. One
//   that a pattern means is followed for itself, and nothing is taken from it.

import type { Suite } from "../core/digest.ts";
import type { DirItem, Files, OpenFile } from "../host/files.ts";
import { type BytePath, directoryOf, joinNames, pathFromHost, pathToHost } from "./byte-path.ts";
import type { Follow } from "./follow.ts";
import { isSealedBefore } from "./frontier.ts";
import { fingerprintBytes, nodeKey, sameHead } from "./identity.ts";

export interface Copy {
  readonly file: OpenFile;
  readonly size: number;
}

const dirsMax = 50;
const candidatesMax = 32;

/** "app" of "app.log": rotated copies are "app.log.1", "app.log-20260101", "app-2.log". */
function stemOf(name: string): string {
  const dot = name.indexOf(".", 1);
  return dot < 0 ? name : name.slice(0, dot);
}

const nameOf = (path: BytePath): string => path.slice(path.lastIndexOf("/") + 1);

export class Copies {
  readonly #files: Files;
  readonly #suite: Suite;
  readonly #wants: (path: BytePath) => boolean;

  constructor(files: Files, suite: Suite, wants: (path: BytePath) => boolean) {
    this.#files = files;
    this.#suite = suite;
    this.#wants = wants;
  }

  /** A copy that holds what is missing of the file's old content. The caller closes it. */
  async find(follow: Follow): Promise<Copy | undefined> {
    if (follow.frontier.length === 0 && follow.mark === undefined) return undefined;
    for (const path of await this.#candidates(follow)) {
      const file = await this.#files.open(pathToHost(path), "read").catch(() => undefined);
      if (file === undefined) continue;
      const size = await this.#copied(follow, file).catch(() => undefined);
      if (size !== undefined) return { file, size };
      await file.close();
    }
    return undefined;
  }

  async #list(dir: BytePath): Promise<readonly DirItem[]> {
    return (await this.#files.list(pathToHost(dir)).catch(() => undefined)) ?? [];
  }

  async #candidates({ path }: Follow): Promise<BytePath[]> {
    const dir = directoryOf(path);
    const stem = stemOf(nameOf(path));
    const found: BytePath[] = [];
    const gather = (where: BytePath, items: readonly DirItem[]): void => {
      for (const { kind, name } of items) {
        const each = joinNames(where, pathFromHost(name));
        const alike = kind === "file" && nameOf(each).startsWith(stem) && each !== path;
        if (alike && !this.#wants(each)) found.push(each);
      }
    };
    const items = await this.#list(dir);
    gather(dir, items);
    for (const { name } of items.filter(({ kind }) => kind === "dir").slice(0, dirsMax)) {
      const below = joinNames(dir, pathFromHost(name));
      gather(below, await this.#list(below));
    }
    return await this.#newest(found);
  }

  async #newest(paths: readonly BytePath[]): Promise<BytePath[]> {
    const dated: { path: BytePath; changed: bigint }[] = [];
    for (const path of paths.slice(0, 1_000)) {
      const info = await this.#files.stat(pathToHost(path)).catch(() => undefined);
      if (info?.kind === "file") dated.push({ path, changed: info.ctimeNs });
    }
    dated.sort((a, b) => (a.changed > b.changed ? -1 : 1));
    return dated.slice(0, candidatesMax).map(({ path }) => path);
  }

  /** The copy's size, if it is one. */
  async #copied(follow: Follow, file: OpenFile): Promise<number | undefined> {
    const { position, print, wasDown } = follow;
    const info = await file.stat();
    // Having missed nothing is worth knowing only if we were away.
    const useful = info.size > position || (wasDown && info.size === position);
    if (!useful || nodeKey(info) === nodeKey(follow.info) || print === undefined) return undefined;
    const head = new Uint8Array(fingerprintBytes);
    const got = await file.read(head, 0, head.length, 0);
    if (sameHead(this.#suite, print, head.subarray(0, got)) !== "same") return undefined;
    return (await isSealedBefore(this.#suite, follow, file)) === "same" ? info.size : undefined;
  }
}
