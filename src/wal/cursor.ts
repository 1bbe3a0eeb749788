// Reads durable frames from anywhere in an open log, cheapest where the last read ended.
//
// - Reads queue behind each other, not behind appends and syncs.
// - Only what the log says is durable is read: what may still be lost must not leave this machine.
// - A segment may be deleted while it is read: the open file lives on until the next read.

import { SealtailError } from "../core/errors.ts";
import type { Files } from "../host/files.ts";
import type { Frame } from "./frame.ts";
import { SegmentReader } from "./reader.ts";
import { type Segment, segmentPath } from "./segment.ts";

/** What is there to be read, at one instant. */
export interface Readable {
  readonly segments: readonly Segment[];
  /** Frames below are durable. */
  readonly durableNext: number;
  /** Bytes of the newest segment that are durable. */
  readonly durableBytes: number;
}

const skipBytes = 1024 * 1024;

export class Cursor {
  readonly #files: Files;
  readonly #dir: string;
  readonly #look: () => Readable;
  // Owned by the read that runs.
  #reader: SegmentReader | undefined;
  #reads: Promise<unknown> = Promise.resolve();

  constructor(files: Files, dir: string, look: () => Readable) {
    this.#files = files;
    this.#dir = dir;
    this.#look = look;
  }

  /** As Wal.read says. */
  read(fromIndex: number, maxBytes: number): Promise<Frame[]> {
    const done = this.#reads.then(() => this.#read(fromIndex, maxBytes));
    this.#reads = done.catch(() => undefined);
    return done;
  }

  async #read(fromIndex: number, maxBytes: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    let left = maxBytes;
    let index = fromIndex;
    while (index < this.#look().durableNext && (frames.length === 0 || left > 0)) {
      const reader = await this.#seek(index);
      const before = { position: reader.position, next: reader.next };
      const more = await this.#batch(reader, left);
      const first = more[0];
      if (first === undefined) break;
      if (frames.length > 0 && first.bytes.length > left) {
        // It came alone because a batch never comes empty; it opens the next one.
        reader.rewind(before);
        break;
      }
      frames.push(...more);
      for (const frame of more) left -= frame.bytes.length;
      index += more.length;
      // What was whole goes out; the next call starts at the fault and says so.
      if (reader.fault !== undefined) break;
    }
    return frames;
  }

  /** Where the durable part of `segment` ends. */
  #endOf(segment: Segment): number {
    const { segments, durableBytes } = this.#look();
    const known = segments.find(({ first }) => first === segment.first) ?? segment;
    return known === segments.at(-1) ? durableBytes : known.size;
  }

  async #batch(reader: SegmentReader, maxBytes: number): Promise<Frame[]> {
    const frames = await reader.batch(this.#endOf(reader.segment), maxBytes);
    if (reader.fault !== undefined && frames.length === 0) {
      const { offset, reason } = reader.fault;
      const place = segmentPath(this.#dir, reader.segment.name);
      const text = `the frame at byte ${offset} was whole once and is not any more (${reason})`;
      throw new SealtailError("wal-corrupt", text, { place });
    }
    return frames;
  }

  /** A reader that stands before `index`, which is durable and kept. */
  async #seek(index: number): Promise<SegmentReader> {
    const segment = this.#look().segments.findLast(({ first }) => first <= index);
    if (segment === undefined) throw new RangeError(`frame ${index} is not kept`);
    const reader = this.#reader;
    if (reader?.segment.first === segment.first && reader.next <= index && !reader.fault) {
      await this.#skip(reader, index);
      return reader;
    }
    this.#reader = undefined;
    await reader?.close();
    const opened = await SegmentReader.open(this.#files, this.#dir, segment);
    this.#reader = opened;
    await this.#skip(opened, index);
    return opened;
  }

  async #skip(reader: SegmentReader, index: number): Promise<void> {
    while (reader.next < index) {
      const { position, next } = reader;
      const frames = await this.#batch(reader, skipBytes);
      if (frames.length === 0) throw new RangeError(`frame ${index} is not kept`);
      if (reader.next <= index) continue;
      // One batch too far: stand before the frame, by what lies in front of it.
      reader.rewind({ position, next });
      for (const frame of frames.slice(0, index - next)) reader.pass(frame);
    }
  }

  async close(): Promise<void> {
    await this.#reads;
    await this.#reader?.close();
    this.#reader = undefined;
  }
}
