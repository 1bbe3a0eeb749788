// Open files: who holds a descriptor, and who gives one back.
//
// - A file is opened as soon as it has unread bytes, so that it may be renamed or deleted while
//   nobody reads. It is given back when it was read to its end and is quiet, or when others need
//   the descriptor more; a look at its path finds new growth.
// - Never given back: deleted files and files whose path is not known: they could not be found
//   again.

import { errnoOf } from "../host/file-error.ts";
import type { Files, OpenFile } from "../host/files.ts";
import { pathToHost } from "./byte-path.ts";
import type { Follow } from "./follow.ts";

export type OpenOutcome = "open" | "moved" | "no-descriptor" | { readonly cause: unknown };

export class OpenFiles {
  readonly #files: Files;
  readonly #max: number;
  readonly #open = new Set<Follow>();

  constructor(files: Files, max: number) {
    this.#files = files;
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
    if (follow.handle !== undefined) return "open";
    if (!follow.located) return "moved";
    if (this.#open.size >= this.#max && !(await this.#release(follow, force))) {
      return "no-descriptor";
    }
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#take(follow, await this.#files.open(pathToHost(follow.path), "read"));
      } catch (cause) {
        const errno = errnoOf(cause);
        if (errno === "ENOENT" || errno === "ENOTDIR") return "moved";
        if (errno !== "EMFILE" && errno !== "ENFILE") return { cause };
        if (attempt > 3 || !(await this.#release(follow, force))) return "no-descriptor";
      }
    }
  }

  async #take(follow: Follow, handle: OpenFile): Promise<OpenOutcome> {
    const info = await handle.stat();
    const known = follow.info;
    const same =
      info.kind === "file" &&
      info.dev === known.dev &&
      info.ino === known.ino &&
      info.birthNs === known.birthNs;
    if (!same) {
      await handle.close();
      return "moved";
    }
    follow.handle = handle;
    this.#open.add(follow);
    follow.observe(info);
    return "open";
  }

  async close(follow: Follow): Promise<void> {
    const { handle } = follow;
    follow.handle = undefined;
    this.#open.delete(follow);
    // The file was only read: an error in closing it changes nothing.
    await handle?.close().catch(() => undefined);
  }

  /** Closes the file that can best do without; false if there is none. */
  async #release(needer: Follow, force: boolean): Promise<boolean> {
    let best: Follow | undefined;
    for (const follow of this.#open) {
      if (follow === needer || !follow.located || follow.unlinkedAt !== undefined) continue;
      if (!follow.caughtUp && !force) continue;
      if (best === undefined || rank(follow) < rank(best)) best = follow;
    }
    if (best === undefined) return false;
    await this.close(best);
    return true;
  }

  /** Gives back what was quiet since `before` (mono µs). */
  async closeIdle(before: number): Promise<void> {
    for (const follow of this.#open) {
      const idle = follow.caughtUp && follow.located && follow.unlinkedAt === undefined;
      if (idle && follow.grewAt < before) await this.close(follow);
    }
  }

  async closeAll(): Promise<void> {
    for (const follow of this.#open) await this.close(follow);
  }
}

/** Lower gives its descriptor back first: read to its end, then longest quiet. */
function rank(follow: Follow): number {
  return (follow.caughtUp ? 0 : 2 ** 52) + follow.grewAt;
}
