// Reads one segment from front to back, many frames with one large read.
//
// - Every frame is checked before it is handed out. At the first bad one the reader stops for
//   good: `fault` says where and why, and `position` stays at the end of the last whole frame.
// - Frames share the buffer of their batch; a reader that reuses its buffer hands out frames that
//   are valid only until the next batch.

import type { Files, OpenFile } from "../host/files.ts";
import { checkFrame, type Frame, type FrameFault, frameHeaderBytes } from "./frame.ts";
import { type Segment, segmentPath } from "./segment.ts";

export interface ReadFault {
  readonly offset: number;
  /** torn: the segment ends inside a frame. */
  readonly reason: FrameFault | "torn";
}

export class SegmentReader {
  readonly segment: Segment;
  readonly #file: OpenFile;
  readonly #reuse: boolean;
  #buffer: Uint8Array = new Uint8Array(0);
  /** Where the next frame begins. */
  position = 0;
  /** Index of the next frame. */
  next: number;
  fault: ReadFault | undefined;

  constructor(file: OpenFile, segment: Segment, reuse: boolean) {
    this.#file = file;
    this.segment = segment;
    this.next = segment.first;
    this.#reuse = reuse;
  }

  static async open(
    files: Files,
    dir: string,
    segment: Segment,
    options: { readonly reuse?: boolean } = {},
  ): Promise<SegmentReader> {
    const file = await files.open(segmentPath(dir, segment.name), "read");
    return new SegmentReader(file, segment, options.reuse ?? false);
  }

  async #load(length: number): Promise<Uint8Array> {
    if (!this.#reuse || this.#buffer.length < length) this.#buffer = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const at = this.position + done;
      const count = await this.#file.read(this.#buffer, done, length - done, at);
      if (count === 0) break;
      done += count;
    }
    return this.#buffer.subarray(0, done);
  }

  /**
   * The next whole frames that end at or before `end`, with at most `maxBytes` of content but at
   * least one frame if there is one. Empty at `end`, or at a fault.
   */
  async batch(end: number, maxBytes: number): Promise<Frame[]> {
    const left = end - this.position;
    if (left <= 0 || this.fault !== undefined) return [];
    // Room for the headers of a few hundred frames: if there are more, the batch is a bit smaller.
    const bytes = await this.#load(Math.min(left, maxBytes + 256 * frameHeaderBytes));
    const check = checkFrame(bytes, 0, this.next);
    if (check.kind !== "short") return this.#take(bytes, left, maxBytes);
    // The first frame is larger than the batch: read it whole, alone.
    if (check.want > left) return this.#stop(0, "torn");
    const whole = await this.#load(check.want);
    if (whole.length < check.want) return this.#stop(0, "torn");
    return this.#take(whole, left, maxBytes);
  }

  #take(bytes: Uint8Array, left: number, maxBytes: number): Frame[] {
    const frames: Frame[] = [];
    let at = 0;
    let total = 0;
    while (at < left) {
      const check = checkFrame(bytes, at, this.next);
      if (check.kind === "bad") this.#stop(at, check.reason);
      else if (check.kind === "short" && at + check.want > left) this.#stop(at, "torn");
      if (check.kind !== "whole") break;
      total += check.end - check.start;
      if (frames.length > 0 && total > maxBytes) break;
      frames.push({ index: check.index, bytes: bytes.subarray(check.start, check.end) });
      this.next += 1;
      at = check.end;
    }
    this.position += at;
    return frames;
  }

  /** Steps over `frame`, which must be the next one. */
  pass(frame: Frame): void {
    this.position += frameHeaderBytes + frame.bytes.length;
    this.next += 1;
  }

  /** Goes back to where it stood before a batch. */
  rewind(to: { readonly position: number; readonly next: number }): void {
    this.position = to.position;
    this.next = to.next;
    this.fault = undefined;
  }

  #stop(at: number, reason: ReadFault["reason"]): Frame[] {
    this.fault = { offset: this.position + at, reason };
    return [];
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** Largest tail that is searched for frames or kept aside; the rest of a larger one is not. */
const tailBytesMax = 64 * 1024 * 1024;

/** The bytes of a segment from `offset` on, at most 64 MiB of them. */
export async function readTail(
  files: Files,
  path: string,
  range: { readonly offset: number; readonly end: number },
): Promise<Uint8Array> {
  const bytes = new Uint8Array(Math.min(range.end - range.offset, tailBytesMax));
  const file = await files.open(path, "read");
  try {
    let done = 0;
    while (done < bytes.length) {
      const count = await file.read(bytes, done, bytes.length - done, range.offset + done);
      if (count === 0) break;
      done += count;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}
