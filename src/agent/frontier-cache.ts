// An advisory cache: hashes of the newest sealed bytes of each source, kept over a restart.
//
// - It is no position: those are derived from the sealed blocks. A mark counts only if its offset
//   is the sealed one, and then tells whether the file still holds what was sealed.
// - It is written once all that it knows of is sealed. Else a crash would leave evidence of new
//   content beside a chain that says nothing of it, and the change would never show.
// - Losing it costs nothing but the chance to notice a file rewritten while we were down.

import { fromUtf8, hex, utf8 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import type { SealedTail } from "../core/sealed-tails.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import { type FrontierMark, frontierBytes } from "../tail/frontier.ts";
import { fingerprintBytes } from "../tail/identity.ts";
import type { Tail } from "../tail/tail.ts";

const isCount = (value: unknown, most: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;
const isHash = (value: unknown): boolean =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value);

function isMark(value: Partial<FrontierMark> | null): value is FrontierMark {
  const { offset, length, sha256, head, outside, skipNuls } = value ?? {};
  const most = Number.MAX_SAFE_INTEGER;
  if (!isCount(offset, most) || !isCount(length, frontierBytes) || !isHash(sha256)) return false;
  if (outside !== undefined && outside !== true) return false;
  if (skipNuls !== undefined && !isCount(skipNuls, most)) return false;
  if (head === undefined) return true;
  return isCount(head?.fingerprint_len, fingerprintBytes) && isHash(head.fingerprint);
}

/** Entries that are none are left out: nothing of a garbled cache may reach a sealed record. */
function parseMarks(text: string): Map<string, FrontierMark> {
  const entries = Object.entries(JSON.parse(text) as Record<string, Partial<FrontierMark> | null>);
  return new Map(entries.filter((entry): entry is [string, FrontierMark] => isMark(entry[1])));
}

/** Undefined while the tail has told of things that nobody took. */
function textOf(tail: Tail): string | undefined {
  const marks = tail.frontiers();
  return marks && JSON.stringify(Object.fromEntries(marks));
}

const limitBytes = 64 * 1024 * 1024;
const savePeriodMicros = 60_000_000;

export class FrontierCache {
  readonly #files: Files;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #marks: ReadonlyMap<string, FrontierMark>;
  /** When it was saved, or was as good as saved. */
  #savedAt: number;
  /** Bytes read and edits stated when the cache was saved: nothing moved since if they have not. */
  #savedAfter = 0;
  /** To be written when the chain is sealed up to this seq. */
  #taken: { readonly text: string; readonly seq: number } | undefined;
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
      // What was read since may have been read where a pattern means the file again.
      const outside = mark?.offset === offset ? mark.outside : undefined;
      return { ...mark, offset, length, sha256: hex(suite.sha256(sealed.bytes)), outside };
    }
    return mark;
  }

  /**
   * Takes in what the tail knows now and then, `drafted` being the seq of the next envelope, and
   * saves it when `sealed` has come that far. Throws when a sync failed the last time.
   */
  keep(tail: Tail, drafted: number, sealed: number): void {
    if (this.#failure !== undefined) throw this.#failure;
    const taken = this.#taken;
    if (taken !== undefined && sealed >= taken.seq) {
      this.#taken = undefined;
      this.#write(taken.text).catch((error) => {
        this.#failure = error;
      });
    }
    const now = this.#clock.mono();
    if (now - this.#savedAt < savePeriodMicros) return;
    const moved = [...tail.stats().values()].reduce(
      (sum, { readBytes, rewritten }) => sum + readBytes + rewritten,
      0,
    );
    const still = moved === this.#savedAfter;
    const text = still ? undefined : textOf(tail);
    // All files are asked for it: not at every turn where nothing moves.
    if (still || text !== undefined) this.#savedAt = now;
    if (text === undefined) return;
    this.#savedAfter = moved;
    this.#taken = { text, seq: drafted };
  }

  /** The chain is another one: what waited for the one before to be sealed is not written. */
  forget(): void {
    this.#taken = undefined;
  }

  /** After the last block. Throws nothing but a failed sync: then the disk cannot be trusted. */
  async save(tail: Tail): Promise<void> {
    this.#taken = undefined;
    const text = textOf(tail);
    if (text !== undefined) await this.#write(text);
  }

  #write(text: string): Promise<void> {
    const done = this.#saving.then(() => this.#save(text));
    this.#saving = done.catch(() => undefined);
    return done;
  }

  async #save(text: string): Promise<void> {
    try {
      await writeFileDurably(this.#files, this.#path, utf8(text));
    } catch (error) {
      if (error instanceof SealtailError && error.kind === "unsafe") throw error;
      // A full disk, say. It is only a cache.
    }
  }
}
