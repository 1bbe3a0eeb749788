// The write-ahead log: an ordered, durable list of opaque frames with consecutive indexes.
//
// - Frames never straddle segments, so a whole segment can be deleted at once.
// - append() returns before the frame is durable, sync() after. Nobody else syncs these files.
// - A segment is synced before the next one is made: only the newest can be torn by a crash.
// - A crash at any instant leaves a prefix of what was appended that holds all that was synced.
// - A write that fails (disk full) leaves no half frame: it is cut off before the next append.
// - After a failed sync nothing works any more and every call throws that same error: what the
//   disk holds is unknown, and only recovery at the next start finds out.
// - Segments go oldest first, each deletion durable before the next: a crash leaves no hole.
//
// One owner. Calls that change the log queue behind each other; reads do not wait for them.

import { type ErrorCode, SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import { unlinkIfPresent } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files, OpenFile } from "../host/files.ts";
import { Cursor } from "./cursor.ts";
import { encodeFrameHeader, type Frame } from "./frame.ts";
import { type Found, recover, type WalOptions } from "./recovery.ts";
import type { Damage } from "./repair.ts";
import { type Segment, segmentName, segmentPath } from "./segment.ts";

export type { WalOptions } from "./recovery.ts";

const scanBytes = 1024 * 1024;

const codeOf = (error: unknown): ErrorCode | undefined =>
  error instanceof SealtailError ? error.code : undefined;

export class Wal {
  readonly #files: Files;
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #segmentBytes: number;
  /** At this size the newest segment is long enough. */
  #segmentEnd: number;
  readonly #onSync: (micros: number) => void;
  readonly #onFailure: (code: ErrorCode | undefined) => void;

  /** What open() found wrong, in order, and cut. Empty after a crash that only tore the end. */
  readonly damage: readonly Damage[];
  /** The torn end that open() cut, if there was one. */
  readonly torn: Damage | undefined;

  // Changed only in #queued work.
  #segments: Segment[];
  #file: OpenFile | undefined;
  #next: number;
  /** Frames below are durable. */
  #durableNext: number;
  /** Bytes of the newest segment that are durable. */
  #durableBytes: number;
  /** The newest segment's name and attributes have not been synced yet. */
  #newName = false;
  /** Set by a write that failed: what has to be removed before anything is appended. */
  #unfinished: "tail" | { readonly path: string } | undefined;
  #poison: unknown;
  readonly #cursor: Cursor;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: WalOptions, found: Found) {
    this.#files = options.files;
    this.#dir = options.dir;
    this.#clock = options.clock;
    this.#segmentBytes = options.segmentBytes ?? 16 * 1024 * 1024;
    this.#segmentEnd = this.#segmentBytes;
    this.#onSync = options.onSync ?? ((): void => {});
    this.#onFailure = options.onFailure ?? ((): void => {});
    this.damage = found.damage;
    this.torn = found.torn;
    this.#segments = found.segments;
    this.#file = found.file;
    this.#next = found.next;
    this.#durableNext = found.next;
    this.#durableBytes = found.segments.at(-1)?.size ?? 0;
    this.#cursor = new Cursor(this.#files, this.#dir, () => ({
      segments: this.#segments,
      durableNext: this.#durableNext,
      durableBytes: this.#durableBytes,
    }));
  }

  /**
   * Opens the log: reads every frame, keeps aside and cuts what is torn or damaged, and syncs the
   * newest segment and the directory, so that all that is there now is durable.
   */
  static async open(options: WalOptions): Promise<Wal> {
    const found = await recover(options);
    return new Wal(options, found);
  }

  /** Index of the oldest kept frame; equal to `next` when there is none. */
  get first(): number {
    return this.#segments[0]?.first ?? this.#next;
  }

  /** Index of the next append. An empty log says 0 and takes any. */
  get next(): number {
    return this.#next;
  }

  /** Frames below this index are durable, and read() returns them. */
  get durableNext(): number {
    return this.#durableNext;
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.size, 0);
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /** True when the next frame had better start a segment. */
  get wantsSegment(): boolean {
    return (this.#segments.at(-1)?.size ?? this.#segmentBytes) >= this.#segmentEnd;
  }

  /** Asks for another segment, so that the newest one can be freed. One that fails is asked for anew. */
  wantSegment(): void {
    this.#segmentEnd = Math.min(this.#segmentEnd, this.#segments.at(-1)?.size ?? this.#segmentEnd);
  }

  /** Undefined when the log is empty. */
  get firstIndexOfNewestSegment(): number | undefined {
    return this.#segments.at(-1)?.first;
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(() => {
      if (this.#poison !== undefined) throw this.#poison;
      return work();
    });
    this.#queue = done.catch(() => undefined);
    return done;
  }

  /** Runs a sync. If it fails, that was the last thing this log did; if it never began, ask again. */
  async #syncing(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#onFailure(codeOf(error));
      if (codeOf(error) !== "too-many-open-files") this.#poison = error;
      throw error;
    }
  }

  /**
   * Appends one frame whose content is `parts`, joined. Not durable before sync(). The parts must
   * not change until this returns. On an error (disk-full …) nothing is appended, and trying
   * again is fine unless the error is unsafe.
   */
  async append(
    index: number,
    parts: readonly Uint8Array[],
    options: { readonly startsSegment?: boolean } = {},
  ): Promise<void> {
    const header = encodeFrameHeader(index, parts);
    const all = [header, ...parts];
    const size = all.reduce((sum, part) => sum + part.length, 0);
    await this.#queued(async () => {
      if (this.#segments.length > 0 && index !== this.#next) {
        throw new RangeError(`frame ${index} appended, want ${this.#next}`);
      }
      await this.#removeUnfinished();
      const newest = this.#segments.at(-1);
      if (newest === undefined || options.startsSegment === true) {
        await this.#appendToNew(index, all, size);
      } else {
        await this.#appendTo(newest, all);
        newest.size += size;
        this.#next = index + 1;
      }
    });
  }

  async #appendTo(segment: Segment, parts: readonly Uint8Array[]): Promise<void> {
    try {
      this.#file ??= await this.#files.open(segmentPath(this.#dir, segment.name), "write");
      await this.#file.writev(parts, segment.size);
    } catch (error) {
      this.#onFailure(codeOf(error));
      this.#unfinished = "tail";
      await this.#tryRemoveUnfinished();
      throw error;
    }
  }

  async #appendToNew(index: number, parts: readonly Uint8Array[], size: number): Promise<void> {
    await this.#sync();
    const name = segmentName(index);
    const path = segmentPath(this.#dir, name);
    let file: OpenFile | undefined;
    try {
      file = await this.#files.open(path, "create");
      await file.writev(parts, 0);
    } catch (error) {
      this.#onFailure(codeOf(error));
      // A file that was there before is not ours to delete. Otherwise the name may exist now, with
      // nothing, half a frame or all of it.
      if (codeOf(error) === "file-exists") throw error;
      this.#unfinished = { path };
      // Who cannot have another one may go on in the newest, and asks again when that has grown.
      this.#segmentEnd = (this.#segments.at(-1)?.size ?? 0) + this.#segmentBytes;
      await file?.close().catch(() => undefined);
      await this.#tryRemoveUnfinished();
      throw error;
    }
    const previous = this.#file;
    // All at once: a read that looks in between must not take the old segment for the new one.
    this.#file = file;
    this.#newName = true;
    this.#durableBytes = 0;
    this.#segments.push({ name, first: index, size });
    this.#segmentEnd = this.#segmentBytes;
    this.#next = index + 1;
    await previous?.close().catch(() => undefined);
  }

  /** At once if that works, or else before the next append: the disk may need room first. */
  async #tryRemoveUnfinished(): Promise<void> {
    try {
      await this.#removeUnfinished();
    } catch {
      // Still in #unfinished; the caller throws the error that came first.
    }
  }

  async #removeUnfinished(): Promise<void> {
    if (this.#unfinished === undefined) return;
    if (this.#unfinished === "tail") {
      const [file, newest] = [this.#file, this.#segments.at(-1)];
      if (file !== undefined && newest !== undefined) {
        await file.truncate(newest.size);
        // Without this a crash could bring back a frame whose append was said to have failed.
        await this.#syncing(() => file.datasync());
      }
    } else {
      await unlinkIfPresent(this.#files, this.#unfinished.path);
      // Without this a crash could bring the file back, with a frame whose index is taken by then.
      await this.#syncing(() => this.#files.syncDir(this.#dir));
    }
    this.#unfinished = undefined;
  }

  /**
   * Returns when all that was appended before is durable. Fails for ever once it failed, but for
   * too-many-open-files: then call it again.
   */
  sync(): Promise<void> {
    return this.#queued(() => this.#sync());
  }

  async #sync(): Promise<void> {
    const file = this.#file;
    if (file === undefined || this.#durableNext === this.#next) return;
    const before = this.#clock.mono();
    await this.#syncing(async () => {
      if (!this.#newName) return await file.datasync();
      await file.sync();
      await this.#files.syncDir(this.#dir);
      this.#newName = false;
    });
    this.#onSync(this.#clock.mono() - before);
    this.#durableNext = this.#next;
    this.#durableBytes = this.#segments.at(-1)?.size ?? 0;
  }

  /**
   * Deletes whole segments all of whose frames are below `index`: oldest first, and never the
   * newest one that holds a durable frame. Returns when the deletions are durable.
   */
  freeBelow(index: number): Promise<void> {
    return this.#queued(async () => {
      for (;;) {
        const [oldest, second] = this.#segments;
        if (oldest === undefined || second === undefined) return;
        if (second.first > index || second.first >= this.#durableNext) return;
        await unlinkIfPresent(this.#files, segmentPath(this.#dir, oldest.name));
        failpoint("free-after-unlink");
        await this.#syncing(() => this.#files.syncDir(this.#dir));
        this.#segments.shift();
      }
    });
  }

  /**
   * Durable frames from `fromIndex` on: at most `maxBytes` of content, at least one frame if there
   * is one. Reading on where the last call ended is cheap. A frame that was whole once and no
   * longer is: wal-corrupt.
   */
  async read(fromIndex: number, maxBytes: number): Promise<Frame[]> {
    if (this.#poison !== undefined) throw this.#poison;
    return await this.#cursor.read(fromIndex, maxBytes);
  }

  /** Durable frames in order, from `fromIndex` (the oldest unless told): for recovery. */
  async *scan(fromIndex: number = this.first): AsyncIterable<Frame> {
    for (let index = fromIndex; index < this.#durableNext; ) {
      const frames = await this.read(index, scanBytes);
      if (frames.length === 0) return;
      yield* frames;
      index += frames.length;
    }
  }

  /** Lets go of the files, without a sync. */
  async close(): Promise<void> {
    await this.#queue;
    this.#poison ??= new TypeError("the log is closed");
    await this.#file?.close();
    await this.#cursor.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
