// The open block: raw payload bytes that grow until the block is closed.
//
// - The tail reads file bytes straight into the draft's room, behind where the span's head will
//   stand: a line is copied from the kernel once, and hashed once.
// - A draft knows nothing of files or keys; it only keeps the format's limits.

import { countLines, endOfLines } from "../core/derive.ts";
import { limits } from "../core/header.ts";
import {
  recordHeadLength,
  seedLength,
  spanHeadLength,
  writeRecord,
  writeSpanHead,
} from "../core/payload.ts";

export interface SpanPlace {
  readonly source: Uint8Array;
  readonly offset: number;
  /** Unix microseconds. */
  readonly time: number;
}

export class Draft {
  #raw: Uint8Array;
  #at = seedLength;
  count = 0;
  /** Smallest item time, Unix microseconds. */
  firstTime: number = Number.POSITIVE_INFINITY;
  /** Monotonic microseconds at which the first item came in; undefined while empty. */
  since: number | undefined;

  constructor(capacity: number) {
    this.#raw = newRaw(capacity);
  }

  get empty(): boolean {
    return this.count === 0;
  }

  get length(): number {
    return this.#at;
  }

  /** The payload so far. */
  get raw(): Uint8Array {
    return this.#raw.subarray(0, this.#at);
  }

  /** Begins anew with a fresh seed. */
  begin(seed: Uint8Array): void {
    this.clear();
    this.#raw.set(seed, 0);
  }

  /** Forgets everything; the memory stays. */
  clear(): void {
    this.#at = seedLength;
    this.count = 0;
    this.firstTime = Number.POSITIVE_INFINITY;
    this.since = undefined;
  }

  /** Where the next span's bytes may be put: at least `least` bytes, if the format allows them. */
  room(least = 0): Uint8Array {
    const end = this.#at + spanHeadLength + least;
    // A snapshot may have taken all that there was.
    if (end > this.#raw.length) this.#grow(end);
    return this.#raw.subarray(this.#at + spanHeadLength);
  }

  /** Bytes of records that still fit; one record a block may be as large as the format allows. */
  fits(recordBytes: number): boolean {
    return this.#at + recordHeadLength + recordBytes <= limits.rawLength;
  }

  /** Takes the span whose `length` bytes were put into room(). */
  addSpan(span: SpanPlace, length: number, lines: number, mono: number): void {
    writeSpanHead(this.#raw, this.#at, { ...span, length });
    this.#at += spanHeadLength + length;
    this.#note(span.time, lines, mono);
  }

  addRecord(record: Uint8Array, time: number, mono: number): void {
    const end = this.#at + recordHeadLength + record.length;
    if (end > this.#raw.length) this.#grow(end);
    this.#at = writeRecord(this.#raw, this.#at, time, record);
    this.#note(time, 1, mono);
  }

  /** How many envelopes the first `length` bytes of room() make. */
  linesIn(length: number): number {
    const start = this.#at + spanHeadLength;
    return countLines(this.#raw, start, start + length);
  }

  /** How many bytes of room(), of which `length` are used, the first `lines` lines take. */
  bytesOfLines(length: number, lines: number): number {
    const start = this.#at + spanHeadLength;
    return endOfLines(this.#raw, start, start + length, lines) - start;
  }

  #note(time: number, lines: number, mono: number): void {
    this.count += lines;
    this.firstTime = Math.min(this.firstTime, time);
    this.since ??= mono;
  }

  #grow(length: number): void {
    const wanted = Math.min(limits.rawLength + 1024, Math.max(length, 2 * this.#raw.length));
    const grown = newRaw(wanted);
    grown.set(this.raw);
    this.#raw = grown;
  }
}

/** A Buffer finds LFs several times faster than a plain Uint8Array (core/derive.ts). */
function newRaw(length: number): Uint8Array {
  return Buffer.alloc(length);
}
