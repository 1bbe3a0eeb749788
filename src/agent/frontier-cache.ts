// An advisory cache: hashes of the newest sealed bytes of each source, kept over a restart.
//
// - It is no position: those are derived from the sealed blocks. A mark counts only if its offset
//   is the sealed one, and then tells whether the file still holds what was sealed.
// - Losing it costs nothing but the chance to notice a file rewritten while we were down.

import { fromUtf8, hex, utf8 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import type { SealedTail } from "../seal/recovery.ts";
import type { FrontierMark } from "../tail/frontier.ts";
import type { Tail } from "../tail/tail.ts";

const limitBytes = 64 * 1024 * 1024;
const savePeriodMicros = 60_000_000;

export class FrontierCache {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #marks: ReadonlyMap<string, FrontierMark>;
  #savedAt: number;
  /** Bytes that the tail had read when the cache was saved: nothing moved since if it has not. */
  #savedBytes = 0;
  #saving: Promise<void> = Promise.resolve();
  #failure: unknown;

  private constructor(
    files: Files,
    clock: Clock,
    path: string,
    marks: ReadonlyMap<string, FrontierMark>,
  ) {
    this.#files = files;
    this.#clock = clock;
    this.#path = path;
    this.#marks = marks;
    this.#savedAt = clock.mono();
  }

  /** A cache that cannot be read is an empty one. */
  static async open(files: Files, clock: Clock, path: string, diag: Diag): Promise<FrontierCache> {
    let marks = new Map<string, FrontierMark>();
    try {
      const bytes = await readWhole(files, path, limitBytes);
      if (bytes !== undefined) marks = new Map(Object.entries(JSON.parse(fromUtf8(bytes))));
    } catch {
      diag.warn("frontier cache is unreadable, going on without it", {});
    }
    return new FrontierCache(files, clock, path, marks);
  }

  /** What is known of the bytes before `offset`: from the WAL, else from the cache. */
  markFor(
    suite: Suite,
    id: string,
    offset: number,
    sealed: SealedTail | undefined,
  ): FrontierMark | undefined {
    if (sealed !== undefined && sealed.offset === offset && sealed.bytes.length > 0) {
      return { offset, length: sealed.bytes.length, sha256: hex(suite.sha256(sealed.bytes)) };
    }
    const mark = this.#marks.get(id);
    return mark?.offset === offset ? mark : undefined;
  }

  /** Saves now and then, and is never in the way. Throws when a sync failed the last time. */
  keep(tail: Tail): void {
    if (this.#failure !== undefined) throw this.#failure;
    const now = this.#clock.mono();
    if (now - this.#savedAt < savePeriodMicros) return;
    const read = [...tail.stats().values()].reduce((sum, { readBytes }) => sum + readBytes, 0);
    if (read === this.#savedBytes) return;
    this.#savedBytes = read;
    this.#savedAt = now;
    this.save(tail).catch((error) => {
      this.#failure = error;
    });
  }

  /** Throws nothing but a failed sync: then the disk cannot be trusted with anything. */
  save(tail: Tail): Promise<void> {
    const done = this.#saving.then(() => this.#save(tail));
    this.#saving = done.catch(() => undefined);
    return done;
  }

  async #save(tail: Tail): Promise<void> {
    try {
      const text = JSON.stringify(Object.fromEntries(tail.frontiers()));
      await writeFileDurably(this.#files, this.#path, utf8(text));
    } catch (error) {
      if (error instanceof SealtailError && error.kind === "unsafe") throw error;
      // A full disk, say. It is only a cache.
    }
  }
}
