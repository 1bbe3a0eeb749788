// Copies: a log that is rotated by copying and cutting leaves its unread end in the copy.
//
// - A copy is believed only if it holds the source's first bytes and the bytes before the position
//   as they were sealed, and goes on behind them.
// - It is looked for beside the file and one directory below, under names that begin alike. One
//   that a pattern means, or that we follow under another name, is read for itself, and nothing is
//   taken from it; but for a rotated one that the copy was made over, which is read no more.
// - It is opened as a log is: only where its path leads by links that are followed (links.ts).
// - If we were down it is read up to its first NULs only (read.ts): a power cut may have put them
//   there.
// - One that is compressed already is not read; how much is missing shows in its size.
// - Only the one that goes on from what was read is read. Where a later one lies beside it, the log
//   was cut again: what that one holds is missing.

import type { Suite } from "../core/digest.ts";
import { wallTimeOf } from "../host/clock.ts";
import { errnoOf } from "../host/file-error.ts";
import type { DirItem, FileInfo, Files, OpenFile } from "../host/files.ts";
import { type BytePath, directoryOf, joinNames, pathFromHost, pathToHost } from "./byte-path.ts";
import type { Follow } from "./follow.ts";
import { fingerprintBytes, sameHead } from "./identity.ts";
import { isSealedBefore, readAt } from "./last-bytes.ts";
import { holeLeast, NulSearch } from "./nuls.ts";

export interface Copy {
  /** Undefined: it is compressed by now, and only its size is known. */
  readonly file: OpenFile | undefined;
  readonly size: number;
  /** Up to here it is read. */
  readonly readTo: number;
  /**
   * When it was complete at the earliest, by the clock that its log's ctime is of. Undefined where
   * nothing tells.
   */
  readonly madeNs: bigint | undefined;
  /** Size of what lies beside it and was made later: the log was cut again since. */
  readonly later: number;
}

export type ReadableCopy = Copy & { readonly file: OpenFile };

export const isReadable = (copy: Copy): copy is ReadableCopy => copy.file !== undefined;

const dirsMax = 50;
const candidatesMax = 32;
const gzipLeast = 18;
/** More cannot have been written between two looks: then it is another log's. */
const gzipMissingMost = 2 ** 30;
const clockTickUs = 20_000;
/** Looks at the names while they change. */
const attempts = 3;

/** "app" of "app.log": rotated copies are "app.log.1", "app.log-20260101", "app-2.log". */
function stemOf(name: string): string {
  const dot = name.indexOf(".", 1);
  return dot < 0 ? name : name.slice(0, dot);
}

/** "app.log.1.gz", "app.log-20260101.gz", "app-2.log.gz": its content cannot be asked. */
function isCompressedOf(name: string, other: string): boolean {
  return other.endsWith(".gz") && isRotatedOf(name, other);
}

/** The same, compressed or not: "app.log.1", "app.log.1.xz". */
function isRotatedOf(name: string, other: string): boolean {
  const stem = stemOf(name);
  const end = name.slice(stem.length);
  const count = /^[.-][0-9T:_.-]+$/;
  const bare = other.replace(/\.(gz|bz2|xz|zst)$/, "");
  if (bare.startsWith(name)) return count.test(bare.slice(name.length));
  return bare.endsWith(end) && count.test(bare.slice(stem.length, bare.length - end.length));
}

/**
 * What a gzip file made since we last knew the log says that it held: the last four bytes of one
 * are its content's size, modulo 2^32. 0 for anything else.
 */
async function sizeOfGzip(follow: Follow, file: OpenFile): Promise<number> {
  const { position, base, extent } = follow;
  const { size, mtimeNs, ctimeNs } = await file.stat();
  const since = BigInt(wallTimeOf(base.clock, extent.sureAt) - clockTickUs) * 1_000n;
  const magic = await readAt(file, 0, 2);
  // An older one gets another ctime with each rotation, but keeps its mtime: that of its log, which
  // logrotate asked for before it copied.
  if (size < gzipLeast || ctimeNs < since || mtimeNs < follow.generation.begunNs) return 0;
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) return 0;
  const low = Buffer.from(await readAt(file, size - 4, 4)).readUInt32LE();
  const missing = (low - (position % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return missing < gzipMissingMost ? position + missing : 0;
}

/**
 * Where what a copy holds ends. Made while we were down, it may have been cut by a power failure,
 * which leaves a file's size and NULs in place of its bytes: what stood there is missing.
 */
async function believedTo(follow: Follow, file: OpenFile, size: number): Promise<number> {
  if (!follow.wasDown) return size;
  const end = await new NulSearch(size, follow.position).run(file);
  return size - end < holeLeast ? size : end;
}

const nameOf = (path: BytePath): string => path.slice(path.lastIndexOf("/") + 1);

/** Whether one may have grown from the other. */
function isCommonStart(one: Uint8Array, other: Uint8Array): boolean {
  const length = Math.min(one.length, other.length);
  return length > 0 && Buffer.compare(one.subarray(0, length), other.subarray(0, length)) === 0;
}

interface Candidate {
  readonly path: BytePath;
  readonly info: FileInfo;
}

interface Ways {
  /** Whether a pattern means the path. */
  wants(path: BytePath): boolean;
  /** Whether the path must not be followed: by links that nobody trusts, or into our own data. */
  refuses(path: BytePath): Promise<boolean>;
  /** Whether what was opened is what its path leads to by links that are followed. */
  leadsTo(path: BytePath, file: OpenFile, info: FileInfo): Promise<boolean>;
  /** Whether the file is our own data under another name. */
  isOwn(path: BytePath, info: FileInfo): Promise<boolean>;
}

export class Copies {
  readonly #files: Files;
  readonly #suite: Suite;
  readonly #ways: Ways;
  readonly #who: (info: FileInfo) => Follow | "awaited" | undefined;

  constructor(
    files: Files,
    suite: Suite,
    ways: Ways,
    who: (info: FileInfo) => Follow | "awaited" | undefined,
  ) {
    this.#files = files;
    this.#suite = suite;
    this.#ways = ways;
    this.#who = who;
  }

  /**
   * A copy that holds what is missing of the file's old content. The caller closes it. `head`: the
   * first bytes that stand in the file now.
   */
  async find(follow: Follow, head: Uint8Array): Promise<Copy | undefined> {
    const { lastBytes, mark } = follow.generation;
    if (lastBytes.length === 0 && mark === undefined) return undefined;
    for (let left = attempts; ; left -= 1) {
      const moved = { any: false };
      const candidates = await this.#candidates(follow);
      const copy = await this.#among(candidates, follow, head, moved);
      if (copy?.file !== undefined || !moved.any || left <= 1) return copy;
    }
  }

  /** `moved`: some of them are not there any more, and may have other names by now. */
  async #among(
    candidates: readonly Candidate[],
    follow: Follow,
    head: Uint8Array,
    moved: { any: boolean },
  ): Promise<Copy | undefined> {
    let compressed: Copy | undefined;
    for (const { path } of candidates) {
      const file = await this.#open(path).catch((cause: unknown) => {
        moved.any ||= errnoOf(cause) === "ENOENT";
        return undefined;
      });
      if (file === undefined) continue;
      const copied = await this.#copied(follow, file).catch(() => undefined);
      const later =
        copied === undefined ? 0 : await this.#laterThan(copied.madeNs, candidates, follow, head);
      // Having missed nothing is worth knowing if we were away; else it ends the search.
      if (copied && (copied.size > follow.position || follow.wasDown || later > 0)) {
        return { file, ...copied, later };
      }
      const named = isCompressedOf(nameOf(follow.place.path), nameOf(path));
      const once = named ? await sizeOfGzip(follow, file).catch(() => 0) : 0;
      await file.close();
      if (copied !== undefined) return undefined;
      if (once > follow.position) {
        compressed ??= { file: undefined, size: once, readTo: 0, madeNs: undefined, later: 0 };
      }
    }
    return compressed;
  }

  /** How much lies beside a copy that was made later, of contents that are not there any more. */
  async #laterThan(
    madeNs: bigint | undefined,
    candidates: readonly Candidate[],
    { place }: Follow,
    now: Uint8Array,
  ): Promise<number> {
    if (madeNs === undefined) return 0;
    const name = nameOf(place.path);
    let bytes = 0;
    for (const { path, info } of candidates) {
      const isOurs = isRotatedOf(name, nameOf(path)) && this.#who(info) === undefined;
      if (!isOurs || info.mtimeNs <= madeNs) continue;
      const file = await this.#open(path).catch(() => undefined);
      const head = file && (await readAt(file, 0, fingerprintBytes).catch(() => undefined));
      await file?.close();
      // The log may be copied already and not cut yet.
      if (head !== undefined && !isCommonStart(head, now)) bytes += info.size;
    }
    return bytes;
  }

  /** Undefined where the path leads somewhere by a link that is not followed, or to our own data. */
  async #open(path: BytePath): Promise<OpenFile | undefined> {
    if (await this.#ways.refuses(path)) return undefined;
    const file = await this.#files.open(pathToHost(path), "read");
    const info = await file.stat().catch(() => undefined);
    const trusted = info && (await this.#ways.leadsTo(path, file, info).catch(() => false));
    if (trusted && !(await this.#ways.isOwn(path, info))) return file;
    await file.close();
    return undefined;
  }

  async #list(dir: BytePath): Promise<readonly DirItem[]> {
    return (await this.#files.list(pathToHost(dir)).catch(() => undefined)) ?? [];
  }

  async #candidates({ place }: Follow): Promise<Candidate[]> {
    const { path } = place;
    const dir = directoryOf(path);
    const stem = stemOf(nameOf(path));
    const found: BytePath[] = [];
    const gather = (where: BytePath, items: readonly DirItem[]): void => {
      for (const { kind, name } of items) {
        const each = joinNames(where, pathFromHost(name));
        const alike = kind === "file" && nameOf(each).startsWith(stem) && each !== path;
        if (alike && !this.#ways.wants(each)) found.push(each);
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

  async #newest(paths: readonly BytePath[]): Promise<Candidate[]> {
    const found: Candidate[] = [];
    for (const path of paths.slice(0, 1_000)) {
      const info = await this.#files.stat(pathToHost(path)).catch(() => undefined);
      if (info?.kind === "file") found.push({ path, info });
    }
    found.sort((a, b) => (a.info.ctimeNs > b.info.ctimeNs ? -1 : 1));
    return found.slice(0, candidatesMax);
  }

  /** Whether what the file holds is read for itself. */
  async #isRead(who: Follow | "awaited" | undefined, file: OpenFile): Promise<boolean> {
    if (who === undefined || who === "awaited") return who === "awaited";
    return (
      !who.leftPattern || (await isSealedBefore(this.#suite, who.generation, file)) !== "changed"
    );
  }

  /** What the file is, if it is a copy. */
  async #copied(follow: Follow, file: OpenFile): Promise<Omit<Copy, "file" | "later"> | undefined> {
    const { position, print } = follow.generation;
    const info = await file.stat();
    if (info.size < position || print === undefined) return undefined;
    if (await this.#isRead(this.#who(info), file)) return undefined;
    const head = await readAt(file, 0, fingerprintBytes);
    if (sameHead(this.#suite, print, head) !== "same") return undefined;
    if ((await isSealedBefore(this.#suite, follow.generation, file)) !== "same") return undefined;
    const { size, dev, mtimeNs, ctimeNs } = info;
    const readTo = await believedTo(follow, file, size);
    // Another device may keep coarser times, or have a clock of its own.
    if (dev !== follow.place.info.dev) return { size, readTo, madeNs: undefined };
    // Renaming it moves the second on; the first can be set, but not to be believed above that.
    const isSet = mtimeNs > ctimeNs;
    return { size, readTo, madeNs: isSet ? ctimeNs : mtimeNs };
  }
}
