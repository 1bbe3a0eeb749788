// NULs up to the end of a file: room that a writer took and has not filled yet, so no data so far.
//
// - A memory-mapped or preallocating writer extends its file with NULs and fills them in place.
//   They are held back: pending, not read, and looked at again by content, because filling a map
//   need not change size or times.
// - Whatever comes to stand behind them makes them data, and so does the file's end for good.
// - Looks are bounded, however long the run: where it begins is found once, from the end backwards;
//   afterwards its beginning, what the file grew by, and a slice of the rest are looked at.

import type { OpenFile } from "../host/files.ts";
import { readAt } from "./last-bytes.ts";

const chunkBytes = 65_536;
const searchBytes: number = 1024 * 1024;
/** Read at most in one look. */
const lookBytes: number = 4 * 1024 * 1024;
/**
 * A shorter run is data: UTF-16 and UTF-32 have NULs in each character, compressed files end in
 * some. At the end of a file that is known to be filled in, one is enough.
 */
export const holeLeast = 4;

const zeros: Buffer = Buffer.alloc(searchBytes);
const holeStart: Buffer = zeros.subarray(0, holeLeast);

/** How many bytes of these come before NULs that reach to the end. */
export function solidLength(bytes: Uint8Array): number {
  const blank = zeros.subarray(0, bytes.length);
  if (bytes.length <= searchBytes && Buffer.compare(bytes, blank) === 0) return 0;
  let length = bytes.length;
  while (length > 0 && bytes[length - 1] === 0) length -= 1;
  return length;
}

/** Where the first run of NULs at `from` or later begins that may be room; -1: there is none. */
export function firstHole(bytes: Uint8Array, from = 0): number {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(holeStart, from);
}

/** Bytes that nobody will fill in any more: what a fingerprint may cover. */
export function withoutHoles(bytes: Uint8Array): Uint8Array {
  const hole = firstHole(bytes);
  return bytes.subarray(0, solidLength(hole < 0 ? bytes : bytes.subarray(0, hole)));
}

/** A search for where the NULs at a file's end begin, from the end backwards. */
export class NulSearch {
  /** Of the file when the search began. */
  readonly size: number;
  #from: number;
  #cutTo: number | undefined;
  readonly #floor: number;
  #room: Uint8Array | undefined;

  /** Nothing before `floor` is looked at. */
  constructor(size: number, floor: number) {
    this.size = size;
    this.#from = size;
    this.#floor = Math.min(floor, size);
  }

  /** Bytes from here to `size` are NUL. */
  get from(): number {
    return this.#from;
  }

  /** The file ended here while we looked, before `size`: what it lost is not known to be NUL. */
  get cutTo(): number | undefined {
    return this.#cutTo;
  }

  /** Goes on; true once `from` is where the run begins. */
  async step(file: OpenFile): Promise<boolean> {
    // Most files end in data: a small piece shows that.
    let length = this.#from === this.size ? 4096 : searchBytes;
    this.#room ??= new Uint8Array(length);
    for (let left = lookBytes; left > 0 && this.#from > this.#floor; left -= length) {
      const start = Math.max(this.#floor, this.#from - length);
      if (this.#room.length < length) this.#room = new Uint8Array(length);
      const wanted = this.#from - start;
      const got = await file.read(this.#room, 0, wanted, start);
      if (got < wanted) {
        this.#cutTo = start + got;
        return true;
      }
      const solid = solidLength(this.#room.subarray(0, got));
      this.#from = start + solid;
      if (solid > 0) return true;
      length = searchBytes;
    }
    return this.#from <= this.#floor;
  }

  async run(file: OpenFile): Promise<number> {
    while (!(await this.step(file)));
    return this.#from;
  }
}

/** NULs that reach to the end of a file, as far as known. */
export class HeldNuls {
  #from: number;
  /** The file's size when it was last looked at with stat. */
  #size: number;
  #stale = false;
  #touched = false;
  /** NULs were seen up to here. */
  #to: number;
  #cursor: number;
  #search: NulSearch | undefined;

  constructor(from: number, size: number) {
    this.#from = from;
    this.#size = size;
    this.#to = size;
    this.#cursor = from;
  }

  /** Where they begin: data ends here. */
  get from(): number {
    return this.#from;
  }

  /** To be looked at. */
  get stale(): boolean {
    return this.#stale;
  }

  /** The file changed: all of it is looked at again, slice by slice. */
  get touched(): boolean {
    return this.#touched;
  }

  get length(): number {
    return Math.max(0, this.#size - this.#from);
  }

  /** False: data reaches to the end, so nothing is held back. */
  get any(): boolean {
    return this.#from < this.#size;
  }

  /** A stat says that the file is so long, and whether it was written to since the last one. */
  statted(size: number, touched: boolean): void {
    this.#stale = true;
    this.#touched ||= touched || this.#size !== size;
    this.#size = size;
  }

  /** One look. True: there is more to look at, at once. */
  async look(file: OpenFile): Promise<boolean> {
    this.#stale = false;
    let left = this.#touched ? lookBytes : 2 * chunkBytes;
    while (await this.#isData(file, this.#from, chunkBytes)) {
      left -= chunkBytes;
      if (left <= 0) return true;
    }
    this.#to = Math.min(this.#to, this.#size);
    if (this.#to < this.#size) {
      // What it grew by is searched from its end: NULs before data are data.
      this.#search ??= new NulSearch(this.#size, this.#to);
      if (!(await this.#search.step(file))) return true;
      const { from } = this.#search;
      // More NULs are no data that makes those before them data.
      if (from > this.#to) this.#from = Math.max(this.#from, Math.min(from, this.#size));
      this.#to = Math.min(this.#search.size, this.#size);
      this.#search = undefined;
    }
    await this.#lookOn(file, left);
    return false;
  }

  /** A slice of the rest, round and round: somebody may fill it in from anywhere. */
  async #lookOn(file: OpenFile, most: number): Promise<void> {
    if (this.#cursor < this.#from) this.#cursor = this.#from;
    for (let left = most; left > 0 && this.any; left -= chunkBytes) {
      const end = Math.min(this.#cursor + chunkBytes, this.#size);
      await this.#isData(file, this.#cursor, end - this.#cursor);
      this.#cursor = end;
      if (end < this.#size) continue;
      this.#cursor = this.#from;
      this.#touched = false;
      return;
    }
  }

  /** Whether there is data in that place; then the run begins behind it. */
  async #isData(file: OpenFile, at: number, most: number): Promise<boolean> {
    const length = Math.min(most, this.#size - at);
    if (length <= 0) return false;
    const solid = solidLength(await readAt(file, at, length));
    if (solid > 0) this.#from = Math.max(this.#from, at + solid);
    return solid > 0;
  }
}
