// Files: the only door to the file system.
//
// - Everything is asynchronous and runs in libuv's pool; nothing here blocks the loop, but for
//   glance(), which asks the kernel for what it holds in memory and costs a tenth of a trip there.
// - Errors are SealtailErrors with the path as their place; any failed sync is sync-failed.
// - A new or renamed file is durable only when its own sync and syncDir of its directory returned.
// - After a sync that the disk failed, nothing is written or synced any more by this process, by
//   whatever part of it: whoever failed ends it, and others must not build on it meanwhile.
// - Files are opened without waiting: a pipe named like a log cannot hang the program.

import { isUtf8 } from "node:buffer";
import type { BigIntStats, Dirent, Stats } from "node:fs";
import { constants, readlinkSync, statSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import fs from "node:fs/promises";
import type { SealtailError } from "../core/errors.ts";
import { errnoOf, fileError, type Path, parentOf, pathBytes, syncError } from "./file-error.ts";
import { nextTurn } from "./turn.ts";

export type { Path } from "./file-error.ts";

export type FileKind = "file" | "dir" | "link" | "other";

export interface FileInfo {
  readonly dev: bigint;
  readonly ino: bigint;
  /** When the file was made, in Unix nanoseconds; 0 where the file system does not know. */
  readonly birthNs: bigint;
  readonly mtimeNs: bigint;
  /** Last change of content or attributes: unlike the others it cannot be set. */
  readonly ctimeNs: bigint;
  readonly size: number;
  readonly kind: FileKind;
  /** Permission bits only. */
  readonly mode: number;
  readonly nlink: number;
  /** Number of the user that owns it. */
  readonly uid: number;
}

export interface DirItem {
  /** Text, or the bytes of a name that is not UTF-8. */
  readonly name: Path;
  /** Of the name itself: a link is "link", whatever it points to. */
  readonly kind: FileKind;
}

/** An open file. One owner; calls may overlap, but nothing orders overlapping writes. */
export interface OpenFile {
  /**
   * Reads up to `length` bytes at `position` into `into` from `at` on.
   * Returns the number of bytes read; 0 is the end of the file.
   */
  read(into: Uint8Array, at: number, length: number, position: number): Promise<number>;
  /** Writes all of `bytes`. After an error any part of them may be in the file. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Writes all parts, one behind the other, with as few calls as the system allows. */
  writev(parts: readonly Uint8Array[], position: number): Promise<void>;
  truncate(size: number): Promise<void>;
  /** Returns when content and size are durable. A failure is sync-failed: stop. */
  datasync(): Promise<void>;
  /** Returns when content and all attributes are durable. A failure is sync-failed: stop. */
  sync(): Promise<void>;
  stat(): Promise<FileInfo>;
  /** The path at which it lies now, without links; undefined where the system does not say. */
  place?(): Uint8Array | undefined;
  /** Closing twice is fine. */
  close(): Promise<void>;
}

/**
 * read: existing. read-plain: existing, and fails (ELOOP) where the name is a link.
 * write: existing, for reading and writing. create: must not exist yet.
 */
export type OpenMode = "read" | "read-plain" | "write" | "create";

export interface Files {
  /** `perm` counts for "create" only (0o600 unless told). */
  open(path: Path, mode: OpenMode, perm?: number): Promise<OpenFile>;
  /** Follows links. Undefined when there is no such file. */
  stat(path: Path): Promise<FileInfo | undefined>;
  /** Of the name itself: a link is "link". Undefined when there is no such name. */
  linkStat(path: Path): Promise<FileInfo | undefined>;
  /** What a link says, as bytes. Undefined when there is no such link. */
  readLink(path: Path): Promise<Uint8Array | undefined>;
  /**
   * As stat(), for many files that were looked at a short while ago: some at a time without the
   * pool, and others get their turn between them. Undefined for each that is not there.
   */
  glance(paths: readonly Path[]): Promise<(FileInfo | undefined)[]>;
  /** The bytes of the path with every link resolved. Undefined when there is no such file. */
  realPath(path: Path): Promise<Uint8Array | undefined>;
  /** Sorted by bytes of the name. Undefined when there is no such directory. */
  list(dir: Path): Promise<DirItem[] | undefined>;
  /** Makes the directory and those above it; fine if it is there. Not durable by itself. */
  mkdir(path: Path, perm: number): Promise<void>;
  /** Replaces `to` if it exists. */
  rename(from: Path, to: Path): Promise<void>;
  unlink(path: Path): Promise<void>;
  /** Removes an empty directory. */
  rmdir(path: Path): Promise<void>;
  chmod(path: Path, perm: number): Promise<void>;
  /** Makes names in `dir` durable: created, renamed or unlinked. Unsafe where a sync failed. */
  syncDir(dir: Path): Promise<void>;
  /** Bytes that we may still write on the file system of `dir`; Infinity: it does not say. */
  freeBytes(dir: Path): Promise<number>;
  /** Bytes that the file system of `dir` holds in all; Infinity: it does not say. */
  diskBytes(dir: Path): Promise<number>;
}

/** The user whose rights this process has; undefined where systems know no such number. */
export const currentUser = (): number | undefined => process.geteuid?.();

const read = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** A directory that could not be opened was not synced, so no sync failed. */
const unopened: readonly string[] = ["EMFILE", "ENFILE", "EACCES"];

const flags: Readonly<Record<OpenMode, number>> = {
  read,
  "read-plain": read | (constants.O_NOFOLLOW ?? 0),
  write: constants.O_RDWR,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
};

const slash = 0x2f;

function native(path: Path): string | Buffer {
  return typeof path === "string" ? path : pathBytes(path);
}

function kindOf(item: BigIntStats | Dirent<Buffer>): FileKind {
  if (item.isFile()) return "file";
  if (item.isDirectory()) return "dir";
  return item.isSymbolicLink() ? "link" : "other";
}

function infoOf(stats: BigIntStats): FileInfo {
  return {
    dev: stats.dev,
    ino: stats.ino,
    birthNs: stats.birthtimeNs,
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    size: Number(stats.size),
    kind: kindOf(stats),
    mode: Number(stats.mode & 0o7777n),
    nlink: Number(stats.nlink),
    uid: Number(stats.uid),
  };
}

const missing = (error: unknown): boolean => ["ENOENT", "ENOTDIR"].includes(errnoOf(error) ?? "");

/** The first sync that a disk failed; what a caller did wrong (a closed file) is no such thing. */
let failed: SealtailError | undefined;

function assertSafe(): void {
  if (failed !== undefined) throw failed;
}

function syncFailed(doing: string, path: Path, cause: unknown): SealtailError {
  const error = syncError(doing, path, cause);
  const byDisk = ["EIO", "ENOSPC", "EDQUOT", "EROFS", "ESTALE"].includes(errnoOf(cause) ?? "");
  if (byDisk) failed ??= error;
  return error;
}

// The kernel answers from its memory, whatever disk the file lies on: not worth a trip to the pool.
function placeOf(descriptor: number): Uint8Array | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const path = readlinkSync(`/proc/self/fd/${descriptor}`, { encoding: "buffer" });
    // Otherwise it is not reachable from our root.
    return path[0] === slash ? path : undefined;
  } catch {
    return undefined;
  }
}

class SystemFile implements OpenFile {
  readonly #handle: FileHandle;
  readonly #path: Path;
  #closed = false;
  readonly place = (): Uint8Array | undefined => placeOf(this.#handle.fd);

  constructor(handle: FileHandle, path: Path) {
    this.#handle = handle;
    this.#path = path;
  }

  async #do<T>(doing: string, work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw fileError(doing, this.#path, cause);
    }
  }

  async read(into: Uint8Array, at: number, length: number, position: number): Promise<number> {
    const work = this.#handle.read(into, at, length, position);
    return (await this.#do("read the file", work)).bytesRead;
  }

  async write(bytes: Uint8Array, position: number): Promise<void> {
    assertSafe();
    let done = 0;
    while (done < bytes.length) {
      const work = this.#handle.write(bytes, done, bytes.length - done, position + done);
      done += (await this.#do("write the file", work)).bytesWritten;
    }
  }

  async writev(parts: readonly Uint8Array[], position: number): Promise<void> {
    assertSafe();
    const total = parts.reduce((sum, part) => sum + part.length, 0);
    if (total === 0) return;
    const work = this.#handle.writev(parts as Uint8Array[], position);
    let done = (await this.#do("write the file", work)).bytesWritten;
    if (done === total) return;
    // A short write: the rest one by one, so that the disk can say what is wrong with it.
    let start = 0;
    for (const part of parts) {
      const skip = Math.min(Math.max(done - start, 0), part.length);
      await this.write(part.subarray(skip), position + start + skip);
      start += part.length;
      done = Math.max(done, start);
    }
  }

  async truncate(size: number): Promise<void> {
    assertSafe();
    await this.#do("cut the file", this.#handle.truncate(size));
  }

  async datasync(): Promise<void> {
    assertSafe();
    try {
      await this.#handle.datasync();
    } catch (cause) {
      throw syncFailed("sync the file", this.#path, cause);
    }
  }

  async sync(): Promise<void> {
    assertSafe();
    try {
      await this.#handle.sync();
    } catch (cause) {
      throw syncFailed("sync the file", this.#path, cause);
    }
  }

  async stat(): Promise<FileInfo> {
    return infoOf(await this.#do("look at the file", this.#handle.stat({ bigint: true })));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#do("close the file", this.#handle.close());
  }
}

async function attempt<T>(doing: string, path: Path, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw fileError(doing, path, cause);
  }
}

async function unlessMissing<T>(
  doing: string,
  path: Path,
  work: Promise<T>,
): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (missing(cause)) return undefined;
    throw fileError(doing, path, cause);
  }
}

// Not node's own recursion: where the kernel says ENOENT of a parent that is there (/proc), that
// never returns.
async function makeDir(path: Path, perm: number, again = true): Promise<void> {
  try {
    await fs.mkdir(native(path), { mode: perm });
  } catch (cause) {
    const there = (await statIfPresent(path))?.isDirectory();
    if (errnoOf(cause) === "EEXIST" && there === true) return;
    if (errnoOf(cause) !== "ENOENT" || !again) throw cause;
    // Somebody else may make the parent meanwhile.
    const parent = parentOf(path);
    if ((await statIfPresent(parent)) === undefined) await makeDir(parent, perm);
    await makeDir(path, perm, false);
  }
}

async function statIfPresent(path: Path): Promise<Stats | undefined> {
  return await fs.stat(native(path)).catch(() => undefined);
}

/** A tenth of a millisecond, where the kernel knows the files. */
const glancesAtOnce = 32;

function glanceAt(path: Path): FileInfo | undefined {
  try {
    return infoOf(statSync(native(path), { bigint: true }));
  } catch (cause) {
    if (missing(cause)) return undefined;
    throw fileError("look at the file", path, cause);
  }
}

async function bytesOn(dir: Path, which: "bavail" | "blocks"): Promise<number> {
  const work = fs.statfs(native(dir), { bigint: true });
  const stats = await attempt("ask for the room of the file system", dir, work);
  return stats.blocks === 0n ? Number.POSITIVE_INFINITY : Number(stats[which] * stats.bsize);
}

export const systemFiles: Files = {
  async open(path, mode, perm = 0o600) {
    const verb = mode === "create" ? "create" : "open";
    const opened = fs.open(native(path), flags[mode], perm);
    return new SystemFile(await attempt(`${verb} the file`, path, opened), path);
  },

  async stat(path) {
    const work = fs.stat(native(path), { bigint: true });
    const stats = await unlessMissing("look at the file", path, work);
    return stats && infoOf(stats);
  },

  async linkStat(path) {
    const work = fs.lstat(native(path), { bigint: true });
    const stats = await unlessMissing("look at the name", path, work);
    return stats && infoOf(stats);
  },

  async readLink(path) {
    const work = fs.readlink(native(path), { encoding: "buffer" });
    return await unlessMissing("read the link", path, work);
  },

  async glance(paths) {
    const found: (FileInfo | undefined)[] = [];
    for (let at = 0; at < paths.length; at += glancesAtOnce) {
      if (at > 0) await nextTurn();
      for (const path of paths.slice(at, at + glancesAtOnce)) found.push(glanceAt(path));
    }
    return found;
  },

  async realPath(path) {
    const work = fs.realpath(native(path), { encoding: "buffer" });
    return await unlessMissing("resolve the path", path, work);
  },

  async list(dir) {
    const work = fs.readdir(native(dir), { encoding: "buffer", withFileTypes: true });
    const found = await unlessMissing("list the directory", dir, work);
    found?.sort((a, b) => Buffer.compare(a.name, b.name));
    return found?.map((item) => ({
      name: isUtf8(item.name) ? item.name.toString() : new Uint8Array(item.name),
      kind: kindOf(item),
    }));
  },

  mkdir: (path, perm) => attempt("make the directory", path, makeDir(path, perm)),

  rename: (from, to) => attempt("rename the file", from, fs.rename(native(from), native(to))),

  unlink: (path) => attempt("delete the file", path, fs.unlink(native(path))),

  rmdir: (path) => attempt("remove the directory", path, fs.rmdir(native(path))),

  chmod: (path, perm) => attempt("set the file's mode", path, fs.chmod(native(path), perm)),

  async syncDir(dir) {
    assertSafe();
    let handle: FileHandle | undefined;
    try {
      handle = await fs.open(native(dir), "r");
      await handle.sync();
    } catch (cause) {
      const untried = handle === undefined ? unopened : ["EINVAL"];
      const tried = !untried.includes(errnoOf(cause) ?? "");
      throw (tried ? syncFailed : fileError)("sync the directory", dir, cause);
    } finally {
      await handle?.close();
    }
  },

  freeBytes: (dir) => bytesOn(dir, "bavail"),
  diskBytes: (dir) => bytesOn(dir, "blocks"),
};
