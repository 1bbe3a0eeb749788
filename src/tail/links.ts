// Links: where a path leads, and whether whoever made the links on the way may lead us there.
//
// - Whoever may write to a log's directory could link any file into it that we may read and he may
//   not. So a link is followed only if it belongs to root, to us, or to the owner of what it leads
//   to: the kernel's rule for sticky directories (protected_symlinks), for every link on the way.
// - Each look on the way is told (`onLook`): who throws away a size that he saw would not know that
//   the file shrank.
// - A path is resolved name by name. What was opened must lie where its path leads by trusted links
//   alone; so a link that is exchanged while we look leads nowhere.

import type { FileInfo, Files, OpenFile } from "../host/files.ts";
import { currentUser } from "../host/files.ts";
import { type BytePath, directoryOf, joinNames, pathFromHost, pathToHost } from "./byte-path.ts";
import { nodeKey } from "./identity.ts";

const linksMax = 40;
const knownMax = 4_096;

export interface Way {
  /** Without any link; undefined where nothing is there, or a link must not be followed. */
  readonly real: BytePath | undefined;
  /** The link that must not be followed. */
  readonly untrusted?: BytePath;
  /** Directories of all that the links on the way lead to. */
  readonly dirs: readonly BytePath[];
}

export class Links {
  readonly #files: Files;
  /** Directories resolved since the last forget(). */
  readonly #known = new Map<BytePath, Way>();
  onLook: (info: FileInfo) => void = () => undefined;

  constructor(files: Files) {
    this.#files = files;
  }

  /** What was known of directories may have changed. */
  forget(): void {
    this.#known.clear();
  }

  /** Whether the link may be followed to its target. */
  isTrusted(link: FileInfo, target: FileInfo): boolean {
    const user = currentUser();
    return user === undefined || [0, user, target.uid].includes(link.uid);
  }

  async resolve(path: BytePath): Promise<Way> {
    const dir = directoryOf(path);
    const above = dir === path ? { real: "/", dirs: [] } : await this.#directory(dir);
    if (above.real === undefined) return above;
    return await this.#walk(above, path.slice(dir === "/" ? 1 : dir.length + 1));
  }

  async #directory(dir: BytePath): Promise<Way> {
    if (dir === "/") return { real: "/", dirs: [] };
    const known = this.#known.get(dir);
    if (known !== undefined) return known;
    const way = await this.resolve(dir);
    if (this.#known.size >= knownMax) this.#known.clear();
    if (way.real !== undefined) this.#known.set(dir, way);
    return way;
  }

  async #walk({ real: start, dirs: before }: Way, name: BytePath): Promise<Way> {
    const dirs = [...before];
    let real = start as BytePath;
    const names = name.split("/");
    let links = 0;
    for (let next = names.shift(); next !== undefined; next = names.shift()) {
      if (next === "" || next === ".") continue;
      if (next === "..") {
        real = directoryOf(real);
        continue;
      }
      const at = joinNames(real, next);
      const info = this.#told(await this.#files.linkStat(pathToHost(at)));
      if (info === undefined) return { real: undefined, dirs };
      if (info.kind === "link") {
        links += 1;
        if (links > 1) dirs.push(directoryOf(at));
        const [target, text] = await this.#read(at);
        if (target === undefined || text === undefined || links > linksMax)
          return { real: undefined, dirs };
        if (!this.isTrusted(info, target)) return { real: undefined, untrusted: at, dirs };
        if (text.startsWith("/")) real = "/";
        names.unshift(...text.split("/"));
      } else real = at;
    }
    if (links > 0) dirs.push(directoryOf(real));
    return { real, dirs: [...new Set(dirs)] };
  }

  async #read(link: BytePath): Promise<[FileInfo | undefined, BytePath | undefined]> {
    const host = pathToHost(link);
    const target = this.#told(await this.#files.stat(host));
    const text = await this.#files.readLink(host);
    return [target, text && pathFromHost(text)];
  }

  #told(info: FileInfo | undefined): FileInfo | undefined {
    if (info?.kind === "file") this.onLook(info);
    return info;
  }

  /** Whether a file lies under its path's own name where trusted links lead its directory. */
  async #liesIn(dir: BytePath, path: BytePath, opened: BytePath): Promise<boolean> {
    const { real } = await this.#directory(dir);
    return real !== undefined && opened === joinNames(real, path.slice(path.lastIndexOf("/") + 1));
  }

  /**
   * Whether the open file is what its path leads to by trusted links. `info`: what it is, as
   * whoever opened it saw.
   */
  async leadsTo(path: BytePath, file: OpenFile, info: FileInfo): Promise<boolean> {
    const opened = file.place?.();
    if (opened === undefined) this.forget();
    else if (await this.#liesIn(directoryOf(path), path, pathFromHost(opened))) return true;
    let { real } = await this.resolve(path);
    if (opened !== undefined && pathFromHost(opened) !== real) {
      // A link may have moved, as its owner may move it, since the directory was resolved.
      this.forget();
      ({ real } = await this.resolve(path));
    }
    if (real === undefined) return false;
    if (opened !== undefined) return pathFromHost(opened) === real;
    const there = this.#told(await this.#files.stat(pathToHost(real)));
    return there !== undefined && nodeKey(there) === nodeKey(info);
  }
}
