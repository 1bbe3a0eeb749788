// Sweep: one complete look at all directories, in slices, so that reading goes on meanwhile.
//
// - A sweep finds everything by itself: hints only make it early.
// - Files that lost their path are looked for among all names of the walked directories, also
//   those that match no pattern, and of the directories right below them; so are sources to resume.
// - Only stat and list are called here; nothing is read.

import type { FileInfo, Files } from "../host/files.ts";
import { type BytePath, directoryOf, pathFromShown, pathToHost } from "./byte-path.ts";
import { Coverage } from "./coverage.ts";
import type { Discover } from "./discover.ts";
import type { Follow } from "./follow.ts";
import type { FollowedFiles } from "./followed-files.ts";
import { nodeKey } from "./identity.ts";

/** Directories searched at most that no pattern leads into. */
const belowMax = 200;

/** Names kept at most that no pattern means: files that lost their path are looked for there. */
const othersMax = 100_000;

/** Directories watched at most: a watch costs kilobytes. */
const watchMax = 1_000;
/** Directories without files that are watched all the same where there are more. */
const highest = 8;
/** With more names than this it is not watched: each would be looked at for it. */
const crowd = 20_000;

/** Paths looked at together. */
const slice = 32;

/** Sweeps in which a lost file is searched for among all names. */
export const searchSweeps = 3;

const statPhrase = "file cannot be looked at, trying again";

export class Sweeper {
  readonly #files: Files;
  readonly #discover: Discover;
  readonly #followed: FollowedFiles;
  readonly #onSeen: (follow: Follow) => void;
  /** Directories to be watched after the last sweep, with what each one was. */
  watch: ReadonlyMap<BytePath, string> = new Map();
  /** Directories that it walked. */
  directories = 0;
  /** What it could not see, if it could not see everything. */
  missing: string | undefined;
  /** What of the configured sources it found nobody to follow for. */
  readonly coverage: Coverage;
  /** By directory: links that lead to files in it. */
  #linksTo: ReadonlyMap<BytePath, readonly BytePath[]> = new Map();
  looks = 0;
  names = 0;

  constructor(
    files: Files,
    discover: Discover,
    followed: FollowedFiles,
    onSeen: (follow: Follow) => void,
  ) {
    this.#files = files;
    this.#discover = discover;
    this.coverage = new Coverage(discover, followed);
    this.#followed = followed;
    this.#onSeen = onSeen;
  }

  /** Every directory is watched. */
  get watchesAll(): boolean {
    return this.watch.size >= this.directories;
  }

  /** Followed links that may lead to the path. */
  linksTo(path: BytePath): readonly BytePath[] {
    return this.#linksTo.get(directoryOf(path)) ?? [];
  }

  /** Looks at one path. Returns true when it is a directory. */
  async visit(path: BytePath, adopt: boolean): Promise<boolean> {
    this.looks += 1;
    let info: FileInfo | undefined;
    try {
      info = await this.#files.stat(pathToHost(path));
    } catch (cause) {
      // A path that cannot be looked at may still be the file: nothing is concluded.
      const follow = this.#followed.at(path);
      follow?.place.met(this.#followed.sweep);
      this.#discover.missed(statPhrase, path, cause);
      return false;
    }
    if (info?.kind === "file" && !(await this.#discover.isOwn(path, info))) {
      const follow = this.#followed.meet(path, info, adopt);
      if (follow !== undefined) this.#onSeen(follow);
      return false;
    }
    const lost = this.#followed.at(path);
    if (lost !== undefined) {
      this.#followed.lose(lost);
      this.#onSeen(lost);
    }
    return info?.kind === "dir";
  }

  /**
   * Another file was found in a followed one's place: it is followed at once if nobody does yet,
   * for it may be gone at the next look. One that is followed has looks of its own, and its names
   * may have moved on since this one.
   */
  async meetInPlace(follow: Follow, info: FileInfo): Promise<void> {
    const { path } = follow.place;
    const [followed, discover] = [this.#followed, this.#discover];
    const isNews = (): boolean => followed.at(path) === follow && followed.who(info) === undefined;
    if (info.kind !== "file" || !discover.wants(path) || !isNews()) return;
    if ((await discover.refuses(path)) || (await discover.isOwn(path, info))) return;
    // Others looked around meanwhile.
    if (!isNews()) return;
    followed.meet(path, info, true);
    const met = followed.at(path);
    if (met !== undefined) this.#onSeen(met);
  }

  /** A look at one followed file. False: its path is another file's by now, or nobody's. */
  async glance(follow: Follow): Promise<boolean> {
    const { located, path, info: known } = follow.place;
    const { file } = follow.handle;
    const there = located ? await this.#files.stat(pathToHost(path)).catch(() => null) : undefined;
    const same = there && nodeKey(there) === nodeKey(known);
    if (same && (file !== undefined || there.birthNs === known.birthNs)) {
      follow.observe(there);
      return true;
    }
    const held = await file?.stat().catch(() => undefined);
    if (held !== undefined) follow.observe(held);
    if (there) await this.meetInPlace(follow, there);
    return !located || there === null;
  }

  async *#visitAll(paths: readonly BytePath[]): AsyncGenerator<void> {
    for (let at = 0; at < paths.length; at += slice) {
      await Promise.all(paths.slice(at, at + slice).map((path) => this.visit(path, false)));
      yield;
    }
  }

  /** The whole sweep; each step is a slice of it. */
  async *run(): AsyncGenerator<void> {
    const followed = this.#followed;
    followed.beginSweep();
    this.looks = 0;
    this.names = 0;
    const holding: BytePath[] = [];
    const spare: BytePath[] = [];
    const others: BytePath[] = [];
    const below: BytePath[] = [];
    const linksTo = new Map<BytePath, BytePath[]>();
    let directories = 0;
    for await (const { dir, names, links, closed } of this.#discover.walk()) {
      directories += 1;
      this.looks += 1;
      for (const each of closed) if (below.length < belowMax) below.push(each);
      this.names += names.length + 1;
      const wanted: BytePath[] = [];
      for (const path of names) {
        const known = followed.at(path) !== undefined || this.#discover.wants(path);
        if (known) wanted.push(path);
        else if (others.length < othersMax) others.push(path);
      }
      // Where files are is watched first, and then what lies highest.
      const list = wanted.length > 0 ? holding : spare;
      if (list.length < watchMax && names.length < crowd) list.push(dir);
      for (const link of links) await this.#noteBehind(link, linksTo);
      yield* this.#visitAll(wanted);
      if (wanted.length === 0 && directories % slice === 0) yield;
    }
    this.directories = directories;
    this.missing = this.#discover.missing;
    this.#linksTo = linksTo;
    // Watching anything costs more than walking it: of very many directories only the highest.
    const rest = directories > watchMax ? spare.slice(0, highest) : spare;
    await this.#choose([...holding, ...linksTo.keys(), ...rest]);
    yield* this.#visitAll(await this.#elsewhere());
    if (this.#searching()) {
      yield* this.#visitAll(others);
      for (const dir of below.slice(0, belowMax)) {
        yield* this.#visitAll(await this.#discover.namesIn(dir));
      }
    }
    await this.#closeBooks();
    this.coverage.swept();
  }

  /** The directories that what a link leads to lies in: what happens there happens to the link. */
  async #noteBehind(link: BytePath, linksTo: Map<BytePath, BytePath[]>): Promise<void> {
    if (!this.#discover.wants(link)) return;
    for (const dir of await this.#discover.behind(link)) {
      const known = linksTo.get(dir);
      if (known !== undefined) known.push(link);
      else if (linksTo.size < watchMax) linksTo.set(dir, [link]);
    }
  }

  async #choose(dirs: readonly BytePath[]): Promise<void> {
    const watch = new Map<BytePath, string>();
    for (const dir of new Set(dirs)) {
      if (watch.size >= watchMax) break;
      watch.set(dir, await this.#whatIs(dir));
    }
    this.watch = watch;
  }

  async #whatIs(dir: BytePath): Promise<string> {
    const info = await this.#files.stat(pathToHost(dir)).catch(() => undefined);
    return info === undefined ? "" : `${nodeKey(info)}:${info.birthNs}`;
  }

  /** Known paths that the walk did not lead to, and recorded ones of sources to resume. */
  async #elsewhere(): Promise<BytePath[]> {
    const paths = this.#followed.awaited.map(({ record }) => pathFromShown(record.path));
    for (const { place } of this.#followed) {
      if (place.located && !place.metIn(this.#followed.sweep)) paths.push(place.path);
    }
    const refused = await Promise.all(paths.map((path) => this.#discover.refuses(path)));
    return paths.filter((_, at) => refused[at] !== true);
  }

  #searching(): boolean {
    const missed = this.#followed.missed();
    if (this.#followed.awaited.length > 0) return true;
    return missed.some(({ place }) => place.missedSweeps < searchSweeps);
  }

  /** Files without a path are looked at through their handle; new ones are followed. */
  async #closeBooks(): Promise<void> {
    for (const follow of this.#followed.missed()) {
      // A sweep that could not see everything is no reason to end the search.
      if (this.#discover.missing === undefined || follow.place.missedSweeps < searchSweeps - 1) {
        follow.place.missed();
      }
      const { file } = follow.handle;
      if (file !== undefined) {
        const info = await file.stat().catch(() => undefined);
        if (info !== undefined) follow.observe(info);
        if (info !== undefined && info.nlink > 0 && follow.place.missedSweeps === 1) {
          follow.suspect();
          follow.base.counts.rotated += 1;
        }
      }
      this.#onSeen(follow);
    }
    for (const follow of this.#followed.adoptNewcomers()) this.#onSeen(follow);
  }
}
