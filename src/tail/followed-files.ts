// Every file that we follow, by what it is (device and inode) and by where it was last seen.
//
// - meet() is the only way in: a path and what stat said of it. It recognises renamed files,
//   replaced paths, hard links and sources to resume, and follows what is new.
// - A file that was not met in a sweep has lost its path: it is looked for among all names, and
//   while it is open it is read to its end whatever it is called.

import type { SourceRecord } from "../core/record.ts";
import type { FileInfo } from "../host/files.ts";
import type { BytePath } from "./byte-path.ts";
import { pathFromShown, shown } from "./byte-path.ts";
import type { Discover } from "./discover.ts";
import { Follow } from "./follow.ts";
import type { FollowBase } from "./follow-start.ts";
import { type NodeKey, nodeKey, recordKey, refOf } from "./identity.ts";
import type { ResumeOptions, SourceOptions } from "./item.ts";
import { Place } from "./place.ts";
import { ReleasedFiles } from "./released-files.ts";
import { takeOver } from "./taken-over.ts";

export interface FollowedFilesContext {
  readonly discover: Discover;
  readonly sources: readonly SourceOptions[];
  /** Per configured name. */
  readonly bases: ReadonlyMap<string, FollowBase>;
  readonly scope: (encodedPath: string) => boolean;
  /** A followed file turned out to be gone: its inode is another file's now. */
  readonly onReplaced: (follow: Follow) => void;
  /** A followed file's device has another number: an open descriptor is of the old one. */
  readonly onRenumbered: (follow: Follow) => void;
}

interface Newcomer {
  readonly path: BytePath;
  readonly name: string;
  readonly looks: FileInfo[];
}

export class FollowedFiles {
  readonly #context: FollowedFilesContext;
  readonly #byNode = new Map<NodeKey, Follow>();
  readonly #byPath = new Map<BytePath, Follow>();
  readonly #resume = new Map<NodeKey, ResumeOptions>();
  /** By inode and birth alone, for devices that were numbered anew. */
  readonly #resumeByInode = new Map<string, ResumeOptions>();
  #released = new ReleasedFiles();
  readonly #order: ReadonlyMap<string, number>;
  #newcomers = new Map<NodeKey, Newcomer>();
  #sweep = 0;
  #since = 0;
  /** Until the first sweep of the chain's first start is over, `startAt: "end"` counts. */
  #skipping: boolean;

  constructor(
    context: FollowedFilesContext,
    resume: readonly ResumeOptions[],
    firstStart: boolean,
  ) {
    this.#context = context;
    this.#skipping = firstStart;
    this.#order = new Map(context.sources.map(({ name }, at) => [name, at]));
    context.discover.onLook = this.#looked.bind(this);
    this.await(resume);
  }

  /** From now on these are the sources to resume; two more sweeps decide what is new and what is gone. */
  await(resume: readonly ResumeOptions[]): void {
    this.#since = this.#sweep;
    this.#resume.clear();
    this.#resumeByInode.clear();
    for (const item of resume) {
      const key = resumeKey(item);
      // One file cannot be two open sources.
      const other = this.#resume.get(key);
      const newer = other === undefined ? item : newerOf(other, item);
      if (other !== undefined) {
        const older = newer === item ? other : item;
        this.#resume.set(`${key}:${older.id}`, older);
      }
      this.#resume.set(key, newer);
      this.#resumeByInode.set(`${item.record.ino}:${item.record.birth}`, newer);
    }
  }

  /** Number of the sweep under way. */
  get sweep(): number {
    return this.#sweep;
  }

  beginSweep(): void {
    this.#sweep += 1;
  }

  /** A sweep is over: all that was there at the start was met. */
  endSweep(): void {
    this.#skipping = false;
  }

  /** Sweeps begun since the sources to resume became known. */
  get sweeps(): number {
    return this.#sweep - this.#since;
  }

  [Symbol.iterator](): IterableIterator<Follow> {
    return this.#byNode.values();
  }

  get size(): number {
    return this.#byNode.size;
  }

  at(path: BytePath): Follow | undefined {
    return this.#byPath.get(path);
  }

  /** Who follows the file; or it is to be resumed. */
  who(info: FileInfo): Follow | "awaited" | undefined {
    const key = nodeKey(info);
    const awaited = this.#resume.has(`${key}:${birthOf(info)}`);
    return this.#byNode.get(key) ?? (awaited ? "awaited" : undefined);
  }

  /** Sources to resume whose files were not met yet. */
  get awaited(): ResumeOptions[] {
    return [...this.#resume.values()];
  }

  /** Another chain may not hold what was sealed of files that were let go. */
  forgetPast(): void {
    this.#released = new ReleasedFiles();
  }

  /** Gives up on a source to resume. */
  dismiss(item: ResumeOptions): void {
    this.#released.keepResume(item);
    this.#drop(item);
  }

  #drop(item: ResumeOptions): void {
    for (const [key, known] of this.#resume) if (known === item) this.#resume.delete(key);
  }

  /**
   * A path was looked at and is this file. Returns its follow, if there is one by now; new files
   * are followed at once with `adopt`, else by adoptNewcomers().
   */
  meet(path: BytePath, info: FileInfo, adopt: boolean): Follow | undefined {
    const key = nodeKey(info);
    const before = this.#byPath.get(path);
    if (before !== undefined && nodeKey(before.place.info) !== key) {
      if (isRenumbered(before.place.info, info) && !this.#byNode.has(key))
        this.#renumber(before, info);
      else this.lose(before);
    }
    let follow = this.#byNode.get(key);
    if (follow !== undefined && !follow.handle.isOpen && isOther(follow, info)) {
      this.#context.onReplaced(follow);
      follow = undefined;
    }
    follow ??= this.#resumed(path, info);
    if (follow !== undefined) {
      this.#metAt(follow, path);
      follow.observe(info);
      return follow;
    }
    this.#greet(path, info);
    return adopt ? this.adoptNewcomers().at(0) : undefined;
  }

  /** Somebody looked at a file, and not for its size. */
  #looked(info: FileInfo): void {
    const follow = this.#byNode.get(nodeKey(info));
    if (follow !== undefined && !isOther(follow, info)) follow.observe(info);
  }

  /** The device has another number: mounted anew. */
  #renumber(follow: Follow, info: FileInfo): void {
    this.#byNode.delete(nodeKey(follow.place.info));
    follow.place.renumbered(info);
    follow.suspect();
    this.#byNode.set(nodeKey(info), follow);
    this.#context.onRenumbered(follow);
  }

  #metAt(follow: Follow, path: BytePath): void {
    const { place } = follow;
    if (!place.located) this.#move(follow, path);
    else if (place.path !== path) place.metElsewhere(path);
    else place.met(this.#sweep);
  }

  #move(follow: Follow, path: BytePath): void {
    const { place } = follow;
    if (this.#byPath.get(place.path) === follow) this.#byPath.delete(place.path);
    if (place.path !== path) follow.base.counts.rotated += 1;
    place.moved(path, this.#sweep);
    // A grant may cover the name that it was found under and not the one that it was rotated to.
    if (this.#context.scope(shown(path))) place.nameIt(path);
    // Whether it still is what was read: what begins where no pattern means it is not ours.
    if (follow.leftPattern) follow.suspect();
    else follow.lookedOutside(false);
    this.#byPath.set(path, follow);
  }

  /** The file's path no longer holds it. */
  lose(follow: Follow): void {
    const { located, alias, path } = follow.place;
    if (!located) return;
    if (alias !== undefined && !this.#byPath.has(alias)) {
      this.#move(follow, alias);
      return;
    }
    if (this.#byPath.get(path) === follow) this.#byPath.delete(path);
    follow.place.lost();
  }

  forget(follow: Follow): void {
    this.#released.keep(follow);
    const { path, info } = follow.place;
    if (this.#byPath.get(path) === follow) this.#byPath.delete(path);
    const key = nodeKey(info);
    if (this.#byNode.get(key) === follow) this.#byNode.delete(key);
  }

  /**
   * The same file, followed as what the chain knows of it now: from `item` on, or, without it, as
   * one of which nothing is sealed. The descriptor is handed on.
   */
  replace(follow: Follow, item: ResumeOptions | undefined): Follow {
    const { place, handle, base } = follow;
    const of = (item && this.baseOf(item.record)) ?? base;
    const { record, offset, lastBytes: mark } = item ?? {};
    const resume = record && { ref: refOf(of.suite, record), offset: offset ?? 0, mark };
    const name = item?.record.name ?? follow.name;
    const fresh = new Follow(of, { name, place, handle, resume });
    takeOver(fresh, follow);
    this.#byNode.set(nodeKey(place.info), fresh);
    if (this.#byPath.get(place.path) === follow) this.#byPath.set(place.path, fresh);
    return fresh;
  }

  #add(follow: Follow): Follow {
    const { path, info } = follow.place;
    this.#byNode.set(nodeKey(info), follow);
    this.#byPath.set(path, follow);
    return follow;
  }

  /**
   * The configured source that reads a file on. One may have another name now than the record says:
   * it is the one that means the path, sealed or found.
   */
  baseOf({ name, path }: SourceRecord, found?: BytePath): FollowBase | undefined {
    const { bases, discover } = this.#context;
    const claims = (of: BytePath): string[] => (bases.has(name) ? [name] : discover.claims(of));
    const [now] = [...claims(pathFromShown(path)), ...(found === undefined ? [] : claims(found))];
    return now === undefined ? undefined : bases.get(now);
  }

  #resumed(path: BytePath, info: FileInfo): Follow | undefined {
    const item = this.#resume.get(`${nodeKey(info)}:${birthOf(info)}`) ?? this.#moved(path, info);
    const base = item && this.baseOf(item.record, path);
    if (item === undefined || base === undefined) return undefined;
    this.#drop(item);
    const { record, offset, lastBytes } = item;
    const resume = { ref: refOf(base.suite, record), offset, mark: lastBytes };
    const named = this.#context.scope(shown(path)) ? path : pathFromShown(record.path);
    const place = new Place(info, path, this.#sweep, named);
    return this.#add(new Follow(base, { name: record.name, place, resume }));
  }

  /**
   * A source to resume whose device has another number since: after a reboot or a mount that is
   * usual. Asked only once a whole sweep found no file that fits exactly.
   */
  #moved(path: BytePath, info: FileInfo): ResumeOptions | undefined {
    if (this.sweeps < 2 || this.#resume.size === 0) return undefined;
    const item = this.#resumeByInode.get(`${info.ino}:${birthOf(info)}`);
    if (item === undefined || this.#resume.get(resumeKey(item)) !== item) return undefined;
    // Without a birth an inode number is weak evidence.
    const { birth, path: recorded } = item.record;
    return birth !== "0" || pathFromShown(recorded) === path ? item : undefined;
  }

  #greet(path: BytePath, info: FileInfo): void {
    const { discover, scope } = this.#context;
    const claims = discover.claims(path);
    const name = claims[0];
    if (name === undefined) return;
    if (!scope(shown(path))) {
      discover.leaveOutside(path, name);
      return;
    }
    if (claims.length > 1) discover.once("warn", "several sources match one file", path);
    const key = nodeKey(info);
    const known = this.#newcomers.get(key);
    if (known !== undefined && known.name !== name) {
      discover.once("warn", "several sources match one file", path);
    }
    const rank = (of: string): number => this.#order.get(of) ?? 0;
    const looks = known?.looks ?? [];
    looks.push(info);
    if (known === undefined || rank(name) < rank(known.name)) {
      this.#newcomers.set(key, { path, name, looks });
    }
  }

  /**
   * Follows what was met and is new; hard links of one file have been made one by now. In the first
   * sweep after a restart newcomers wait for the second: they may be what is still awaited.
   */
  adoptNewcomers(): Follow[] {
    const added: Follow[] = [];
    if (this.sweeps < 2 && this.#resume.size > 0) return added;
    for (const [key, { path, name, looks }] of this.#newcomers) {
      const base = this.#context.bases.get(name);
      const [info, ...later] = looks;
      if (base === undefined || info === undefined || this.#byNode.has(key)) continue;
      const source = this.#context.sources[this.#order.get(name) ?? 0];
      const skip = this.#skipping && source?.startAt === "end" && info.size > 0;
      base.counts.found += 1;
      const place = new Place(info, path, this.#sweep);
      const released = this.#released.take(info, (record) => this.baseOf(record) === base);
      const follow = this.#add(new Follow(base, { name, place, skip, released }));
      for (const look of later) if (!isOther(follow, look)) follow.observe(look);
      added.push(follow);
    }
    this.#newcomers = new Map();
    return added;
  }

  /** Files that no path led to in this sweep. */
  missed(): Follow[] {
    const missed: Follow[] = [];
    for (const follow of this.#byNode.values()) {
      if (follow.place.metIn(this.#sweep)) continue;
      this.lose(follow);
      if (!follow.place.metIn(this.#sweep)) missed.push(follow);
    }
    return missed;
  }
}

/**
 * Which of two open sources is the file's: the one of the higher generation. Of the same generation
 * are those that grants knew by different names: it is the one that was read further.
 */
export function newerOf(one: ResumeOptions, other: ResumeOptions): ResumeOptions {
  const later = other.record.generation - one.record.generation || other.offset - one.offset;
  return later > 0 ? other : one;
}

const resumeKey = ({ record }: ResumeOptions): string => `${recordKey(record)}:${record.birth}`;

const birthOf = ({ birthNs }: FileInfo): string => String(birthNs > 0n ? birthNs : 0n);

function isRenumbered(before: FileInfo, now: FileInfo): boolean {
  return before.dev !== now.dev && before.ino === now.ino && before.birthNs === now.birthNs;
}

function isOther(follow: Follow, info: FileInfo): boolean {
  return follow.place.info.birthNs !== info.birthNs;
}
