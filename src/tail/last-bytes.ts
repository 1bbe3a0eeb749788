// The last bytes before a position, as evidence that the file is still the same.
//
// - Identity by inode cannot see a file that was truncated and written again; these bytes can.
// - They are the bytes as handed over, kept in memory; only their hash ever leaves.

import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import type { SourceRecord } from "../core/record.ts";
import type { OpenFile } from "../host/files.ts";
import type { Fingerprint, Sameness } from "./identity.ts";

/** Bytes kept before the position: more than a usual line, so a timestamp is among them. */
export const lastBytesMax = 512;

/** What an advisory cache may keep over a restart. */
export interface LastBytesMark {
  /** The position that the bytes end at. */
  readonly offset: number;
  readonly length: number;
  /** SHA-256 of the bytes, in hex. */
  readonly sha256: string;
  /** Of the file's first bytes, if they are others than when the source was declared. */
  readonly head?: Fingerprint | undefined;
  /** The file was read to its end, and seen unchanged, where no pattern means it. */
  readonly outside?: true | undefined;
  /** NULs up to here were there at the first start, and are skipped once they are data. */
  readonly skipNuls?: number | undefined;
}

/** A closed source, and what tells whether a file still is what was sealed under it. */
export interface ReleasedSource {
  readonly record: SourceRecord;
  /** Sealed, or stated as a gap, up to here. */
  readonly offset: number;
  readonly mark: LastBytesMark | undefined;
}

/** Reads exactly there; less where the file ends. */
export async function readAt(file: OpenFile, from: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  return bytes.subarray(0, length === 0 ? 0 : await file.read(bytes, 0, length, from));
}

/** The last bytes before `position`; less where the file ends before. */
export function readBefore(file: OpenFile, position: number): Promise<Uint8Array> {
  const length = Math.min(lastBytesMax, position);
  return readAt(file, position - length, length);
}

/** Whether `bytes`, which end at the mark's place, are those that it was made of. */
export function isMarked(
  suite: Suite,
  mark: LastBytesMark | undefined,
  bytes: Uint8Array,
): Sameness {
  if (mark === undefined || mark.length > mark.offset || mark.length === 0) return "unknown";
  // The file ends before: the last bytes are not those of the mark's place.
  if (bytes.length < Math.min(lastBytesMax, mark.offset)) return "changed";
  const marked = bytes.subarray(bytes.length - mark.length);
  return hex(suite.sha256(marked)) === mark.sha256 ? "same" : "changed";
}

export interface Sealed {
  readonly position: number;
  readonly lastBytes: LastBytes;
  /** Stands in for them while they are not known. */
  readonly mark: LastBytesMark | undefined;
}

/** Whether `file` holds before the position what was sealed there. */
export async function isSealedBefore(
  suite: Suite,
  { position, lastBytes, mark }: Sealed,
  file: OpenFile,
): Promise<Sameness> {
  const { length } = lastBytes;
  if (length > 0) {
    const now = await readAt(file, position - length, length);
    return lastBytes.difference(now) === undefined ? "same" : "changed";
  }
  return isMarked(suite, mark, await readBefore(file, position));
}

export class LastBytes {
  #window: Uint8Array = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get bytes(): Uint8Array {
    return this.#window.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  /** bytes[0, length) follow what is known. */
  push(bytes: Uint8Array, length: number): void {
    const whole = this.#length + length;
    const wanted = Math.min(lastBytesMax, whole);
    if (this.#window.length < wanted) {
      const grown = new Uint8Array(whole < lastBytesMax / 4 ? lastBytesMax / 4 : lastBytesMax);
      grown.set(this.bytes);
      this.#window = grown;
    }
    const fresh = Math.min(length, lastBytesMax);
    const kept = wanted - fresh;
    this.#window.copyWithin(0, this.#length - kept, this.#length);
    this.#window.set(bytes.subarray(length - fresh, length), kept);
    this.#length = wanted;
  }

  /**
   * Compares with what the file holds there now. Undefined: the same; else the first and one more
   * than the last differing byte, counted from the window's start.
   */
  difference(now: Uint8Array): { first: number; end: number } | undefined {
    const kept = this.bytes;
    if (now.length === kept.length && Buffer.compare(now, kept) === 0) return undefined;
    let first = 0;
    while (first < now.length && now[first] === kept[first]) first += 1;
    let end = kept.length;
    if (now.length === kept.length) while (now[end - 1] === kept[end - 1]) end -= 1;
    return { first, end };
  }

  mark(suite: Suite, offset: number): LastBytesMark {
    return { offset, length: this.#length, sha256: hex(suite.sha256(this.bytes)) };
  }
}
