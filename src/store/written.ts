// What the writer of a chain knows of the content of an object that it wrote, so that it can tell
// by reading whether that is still there.
//
// - What stands for an object without reading it (print.ts) does not tell the vault's own write
//   from another one in the same moment. Reading does.
// - An object is sure once it was read when nobody could change it any more without a trace.
// - Reading costs as much as an object is long. While one grows, all of it is read at most at half
//   a mebibyte a second once it is long, and what was just written each time.

import type { Files, OpenFile } from "../host/files.ts";
import { RunningHash } from "../host/running-hash.ts";
import { tracelessMs } from "./print.ts";
import type { DirShelf } from "./shelf.ts";

export interface WrittenPlace {
  readonly files: Files;
  readonly shelf: DirShelf;
  /** Unix microseconds. */
  readonly now: () => number;
}

const pieceBytes = 262_144;
const microsPerByte = 2;
/** Reading so few costs hardly more than opening the object. */
const fewBytes = 65_536;

export class Written {
  readonly path: string;
  readonly #place: WrittenPlace;
  readonly #hash = new RunningHash();
  #bytes = 0;
  /** When all of it was read last, in Unix microseconds. */
  #readAt = 0;
  #sure = false;
  #changedAt = 0;

  constructor(place: WrittenPlace, path: string) {
    this.#place = place;
    this.path = path;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get digest(): string {
    return this.#hash.digest();
  }

  /** Whether it was read since it last changed, when nobody could change it unseen any more. */
  get sure(): boolean {
    return this.#sure;
  }

  /** How long ago all of it was read, in microseconds. */
  get age(): number {
    return Math.abs(this.#place.now() - this.#readAt);
  }

  /** How long ago it was changed. */
  get rest(): number {
    return Math.abs(this.#place.now() - this.#changedAt);
  }

  /** Takes over the first `bytes` bytes of what is stored, as they are. */
  async take(bytes: number): Promise<void> {
    await this.#opened(async (file) => {
      const info = await file.stat();
      this.#bytes = bytes;
      await this.#read(file, bytes, this.#hash);
      this.#sure = tracelessMs(info, this.#readAt) === 0;
    });
  }

  /** These were written behind the others; none: its attributes were changed. */
  add(parts: readonly Uint8Array[]): void {
    this.#sure = false;
    this.#changedAt = this.#place.now();
    for (const part of parts) {
      this.#hash.add(part);
      this.#bytes += part.length;
    }
  }

  /** Whether `parts`, the newest ones, are there; where it is time for it, whether all is. */
  async holdsNewest(file: OpenFile, parts: readonly Uint8Array[]): Promise<boolean> {
    const due = this.#bytes <= fewBytes || this.age >= this.#bytes * microsPerByte;
    if (due) return await this.#holds(file);
    let [number, at] = [0, 0];
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    return await eachPiece(file, this.#bytes - length, this.#bytes, (piece) => {
      for (let done = 0; done < piece.length; ) {
        const part = parts[number] as Uint8Array;
        const left = Math.min(part.length - at, piece.length - done);
        const stored = piece.subarray(done, done + left);
        if (Buffer.compare(stored, part.subarray(at, at + left)) !== 0) return false;
        [done, at] = [done + left, at + left];
        if (at === part.length) [number, at] = [number + 1, 0];
      }
      return true;
    });
  }

  /** Whether all of it is there, and nothing else. */
  async holds(): Promise<boolean> {
    return await this.#opened((file) => this.#holds(file));
  }

  async #holds(file: OpenFile): Promise<boolean> {
    const info = await file.stat();
    const found = new RunningHash();
    const whole = info.size === this.#bytes && (await this.#read(file, this.#bytes, found));
    if (!whole || found.digest() !== this.#hash.digest()) return false;
    this.#sure = tracelessMs(info, this.#readAt) === 0;
    return true;
  }

  async #read(file: OpenFile, bytes: number, into: RunningHash): Promise<boolean> {
    this.#readAt = this.#place.now();
    return await eachPiece(file, 0, bytes, (piece) => {
      into.add(piece);
      return true;
    });
  }

  async #opened<T>(work: (file: OpenFile) => Promise<T>): Promise<T> {
    const { files, shelf } = this.#place;
    const file = await files.open(shelf.path(this.path), "read-plain");
    try {
      return await work(file);
    } finally {
      await file.close();
    }
  }
}

/** Until `visit` says no. False then, and where the file ends before `to`. */
async function eachPiece(
  file: OpenFile,
  from: number,
  to: number,
  visit: (piece: Uint8Array) => boolean,
): Promise<boolean> {
  const room = new Uint8Array(Math.min(pieceBytes, to - from));
  for (let at = from; at < to; ) {
    const got = await file.read(room, 0, Math.min(room.length, to - at), at);
    if (got === 0 || !visit(room.subarray(0, got))) return false;
    at += got;
  }
  return true;
}
