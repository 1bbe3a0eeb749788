// Open files: who holds a descriptor, and who gives one back.
//
// - A file is opened as soon as it has unread bytes, so that it may be renamed or deleted while
//   nobody reads. When more than half of the descriptors are taken it is given back once it was
//   read to its end and is quiet, or when others need it more; a look at its path finds new growth.
// - Never given back: deleted files and files whose path is not known: they could not be found
//   again.

import { errnoOf } from "../host/file-error.ts";
import type { FileInfo, Files, OpenFile } from "../host/files.ts";
import { type BytePath, pathToHost } from "./byte-path.ts";
import type { Follow } from "./follow.ts";

/** Descriptors given back at once when the process has none left. */
const spareAtOnce = 8;
/** One of so many open files is given back when another one is to be opened. */
const openPerGiven = 64;

export type OpenOutcome = "open" | "moved" | "no-descriptor" | { readonly cause: unknown };

interface Ways {
  /** Whether what was opened is what its path leads to by links that are followed. */
  leadsTo(path: BytePath, file: OpenFile, info: FileInfo): Promise<boolean>;
}

interface Others {
  /** The path of a file that was to be opened leads to this one. */
  meetInPlace(follow: Follow, info: FileInfo): Promise<void>;
}

export class OpenFiles {
  readonly #files: Files;
  #max: number;
  readonly #open = new Set<Follow>();
  readonly #ways: Ways;
  readonly #others: Others;

  constructor(files: Files, max: number, ways: Ways, others: Others) {
    this.#files = files;
    this.#ways = ways;
    this.#others = others;
    this.#max = max;
  }

  /** Whether descriptors may be taken for files that have nothing to read yet. */
  get roomy(): boolean {
    return this.#open.size < this.#max / 2;
  }

  /**
   * Opens the file if it is not open. `force` takes a descriptor from a file with unread bytes if
   * there is no other way. "moved": the path is another file's by now.
   */
  async open(follow: Follow, force: boolean): Promise<OpenOutcome> {
    if (follow.handle.isOpen) return "open";
    if (!follow.place.located) return "moved";
    if (this.#open.size >= this.#max) {
      // To find them means to look at all that are open: some more at once where these are many.
      const most = Math.ceil(this.#max / openPerGiven);
      if (!(await this.#release(most, force ? 1 : 0, follow))) return "no-descriptor";
    }
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { path } = follow.place;
        return await this.#take(follow, await this.#files.open(pathToHost(path), "read"));
      } catch (cause) {
        const errno = errnoOf(cause);
        if (errno === "ENOENT" || errno === "ENOTDIR") return "moved";
        if (errno !== "EMFILE" && errno !== "ENFILE") return { cause };
        // Others in this process need some too: to write, to answer.
        if (attempt > 3 || !(await this.spare(follow, force))) return "no-descriptor";
      }
    }
  }

  /** The file's descriptor is this one from now on, if it is the file; else it is closed. */
  async #take(follow: Follow, file: OpenFile): Promise<OpenOutcome> {
    const { place } = follow;
    let taken = false;
    try {
      const info = await file.stat();
      if (!isSame(place.info, info)) {
        await this.#others.meetInPlace(follow, info);
        return "moved";
      }
      // Before the looks on its way, which are younger.
      follow.observe(info);
      if (!(await this.#ways.leadsTo(place.path, file, info))) return "moved";
      follow.handle.take(file);
      taken = true;
      this.#open.add(follow);
      return "open";
    } finally {
      if (!taken) await file.close();
    }
  }

  /**
   * After an error in reading: a descriptor may have gone bad for ever (a server's restart, a mount
   * made anew) while the path leads to the same file. The old one is kept until that is certain.
   */
  async renew(follow: Follow): Promise<void> {
    const { located, path } = follow.place;
    if (!follow.handle.isOpen || !located) return;
    try {
      const fresh = await this.#files.open(pathToHost(path), "read");
      await this.#take(follow, fresh);
    } catch {
      // Tried again with the next read.
    }
  }

  /** The descriptor of one is the other's now. */
  handOn(follow: Follow, fresh: Follow): void {
    if (this.#open.delete(follow)) this.#open.add(fresh);
    // Whether a copy is needed is for the new one to find out.
    void fresh.handle.closeCopy();
  }

  async close(follow: Follow): Promise<void> {
    follow.happened({ is: "copy-closed" });
    this.#open.delete(follow);
    await follow.handle.close();
  }

  /**
   * Closes the files that can best do without: `most` of those that were read to their end or,
   * where there are none, `unread` others. False if there is none.
   */
  async #release(most: number, unread: number, needer: Follow | undefined): Promise<boolean> {
    const read: Follow[] = [];
    const others: Follow[] = [];
    for (const follow of this.#open) {
      if (follow === needer || !isFindable(follow)) continue;
      if (follow.caughtUp) read.push(follow);
      else if (unread > 0) others.push(follow);
    }
    const [from, count] = read.length > 0 ? [read, most] : [others, unread];
    const given = from.sort((a, b) => a.extent.grewAt - b.extent.grewAt).slice(0, count);
    for (const follow of given) await this.close(follow);
    return given.length > 0;
  }

  /**
   * The process has no descriptor left: some of ours are given back, and fewer are held from now
   * on. False if none could be.
   */
  async spare(needer?: Follow, force = true): Promise<boolean> {
    const given = await this.#release(spareAtOnce, force ? spareAtOnce : 0, needer);
    this.#max = Math.max(1, Math.min(this.#max, this.#open.size + 1));
    return given;
  }

  /**
   * Gives back what was quiet since `before` (mono µs), but only while descriptors are few: who is
   * held open cannot be moved to where nobody looks, and written to there.
   */
  async closeIdle(before: number): Promise<void> {
    for (const follow of this.#open) {
      if (this.roomy) return;
      const idle = follow.caughtUp && isFindable(follow);
      if (idle && follow.extent.grewAt < before) await this.close(follow);
    }
  }

  async closeAll(): Promise<void> {
    for (const follow of this.#open) await this.close(follow);
  }
}

/** It could be opened again. */
function isFindable({ place }: Follow): boolean {
  return place.located && place.unlinkedAt === undefined;
}

function isSame(known: FileInfo, info: FileInfo): boolean {
  const { kind, dev, ino, birthNs } = info;
  return kind === "file" && dev === known.dev && ino === known.ino && birthNs === known.birthNs;
}
