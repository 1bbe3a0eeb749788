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

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;

/** Entries that are none are left out: nothing of a garbled cache may reach a sealed record. */
function parseMarks(text: string): Map<string, FrontierMark> {
  const entries = Object.entries(JSON.parse(text) as Record<string, Partial<FrontierMark> | null>);
  return new Map(
    entries.filter((entry): entry is [string, FrontierMark] => {
      const { offset, length, head } = entry[1] ?? {};
      return isCount(offset) && isCount(length) && (!head || isCount(head.fingerprint_len));
    }),
  );
}

const limitBytes = 64 * 1024 * 1024;
const savePeriodMicros = 60_000_000;

export class FrontierCache {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #marks: ReadonlyMap<string, FrontierMark>;
  #savedAt: number;
  /** Bytes read and edits stated when the cache was saved: nothing moved since if they have not. */
  #savedAfter = 0;
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
      if (bytes !== undefined) marks = parseMarks(fromUtf8(bytes));
    } catch {
      diag.warn("frontier cache is unreadable, going on without it", {});
    }
    return new FrontierCache(files, clock, path, marks);
  }

  /** What is known of the file at `offset`: from the WAL, else from the cache (maybe of before). */
  markFor(
    suite: Suite,
    id: string,
    offset: number,
    sealed: SealedTail | undefined,
  ): FrontierMark | undefined {
    const mark = this.#marks.get(id);
    if (sealed !== undefined && sealed.offset === offset && sealed.bytes.length > 0) {
      const { length } = sealed.bytes;
      return { offset, length, sha256: hex(suite.sha256(sealed.bytes)), head: mark?.head };
    }
    return mark;
  }

  /** Saves now and then, and is never in the way. Throws when a sync failed the last time. */
  keep(tail: Tail): void {
    if (this.#failure !== undefined) throw this.#failure;
    const now = this.#clock.mono();
    if (now - this.#savedAt < savePeriodMicros) return;
    const moved = [...tail.stats().values()].reduce(
      (sum, { readBytes, rewritten }) => sum + readBytes + rewritten,
      0,
    );
    if (moved === this.#savedAfter) return;
    this.#savedAfter = moved;
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
