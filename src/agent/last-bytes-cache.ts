// An advisory cache: hashes of the newest sealed bytes of each source, kept over a restart.
//
// - It is no position: those are derived from the sealed blocks. A mark counts only if its offset
//   is the sealed one, and then tells whether the file still holds what was sealed.
// - It is written once all that it knows of is sealed. Else a crash would leave evidence of new
//   content beside a chain that says nothing of it, and the change would never show.
// - A bent hash would make an unchanged file a rewritten one: it is believed whole or not at all.
// - Losing it costs nothing but the chance to notice a file rewritten while we were down.

import { fromUtf8, hex, utf8 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import type { SealedTail } from "../core/sealed-tails.ts";
import { readChecked, writeChecked } from "../host/checked-file.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import type { LastBytesMark } from "../tail/last-bytes.ts";
import type { Tail } from "../tail/tail.ts";

/** Undefined while the tail has told of things that nobody took. */
function textOf(tail: Tail): string | undefined {
  const marks = tail.lastBytes();
  return marks && JSON.stringify(Object.fromEntries(marks));
}

const limitBytes = 64 * 1024 * 1024;
const savePeriodMicros = 60_000_000;

export interface LastBytesParts {
  readonly files: Files;
  readonly suite: Suite;
  readonly clock: Clock;
  readonly diag: Diag;
}

export class LastBytesCache {
  readonly #files: Files;
  readonly #suite: Suite;
  readonly #clock: Clock;
  readonly #path: string;
  readonly #marks: ReadonlyMap<string, LastBytesMark>;
  /** When it was saved, or was as good as saved. */
  #savedAt: number;
  /** Bytes read and edits stated when the cache was saved: nothing moved since if they have not. */
  #savedAfter = 0;
  /** To be written when the chain is sealed up to this seq. */
  #taken: { readonly text: string; readonly seq: number } | undefined;
  #saving: Promise<void> = Promise.resolve();
  #failure: unknown;

  private constructor(
    { files, suite, clock }: LastBytesParts,
    path: string,
    marks: ReadonlyMap<string, LastBytesMark>,
  ) {
    this.#files = files;
    this.#suite = suite;
    this.#clock = clock;
    this.#path = path;
    this.#marks = marks;
    this.#savedAt = clock.mono();
  }

  /** A cache that cannot be read is an empty one. */
  static async open(parts: LastBytesParts, path: string): Promise<LastBytesCache> {
    const { files, suite, diag } = parts;
    const bytes = await readChecked(files, suite, path, limitBytes).catch(() => "damaged" as const);
    const unreadable = bytes === "damaged";
    if (unreadable) diag.warn("the cache of last bytes is unreadable, going on without it", {});
    const isThere = bytes !== undefined && !unreadable;
    const marks = isThere ? Object.entries<LastBytesMark>(JSON.parse(fromUtf8(bytes))) : [];
    return new LastBytesCache(parts, path, new Map(marks));
  }

  /** What is known of the file at `offset`: from the WAL, else from the cache (maybe of before). */
  markFor(id: string, offset: number, sealed: SealedTail | undefined): LastBytesMark | undefined {
    const mark = this.#marks.get(id);
    if (sealed !== undefined && sealed.offset === offset && sealed.bytes.length > 0) {
      const { length } = sealed.bytes;
      // What was read since may have been read where a pattern means the file again.
      const outside = mark?.offset === offset ? mark.outside : undefined;
      return { ...mark, offset, length, sha256: hex(this.#suite.sha256(sealed.bytes)), outside };
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
      await writeChecked(this.#files, this.#suite, this.#path, utf8(text));
    } catch (error) {
      if (error instanceof SealtailError && error.kind === "unsafe") throw error;
      // A full disk, say. It is only a cache.
    }
  }
}
