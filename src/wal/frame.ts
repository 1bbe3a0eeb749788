// The unit of the write-ahead log: length, checksum, index, bytes. It knows nothing of audit.
//
//     off len
//       0   4  length of the bytes, 1 … 16 MiB      4   4  CRC-32 over index ‖ bytes
//       8   8  index, one more than the frame before     16      the bytes
//
// - Integers are big-endian. The index is under the checksum: a frame is only valid in its place.
// - A run of zeros is never a frame: no frame is empty.

import { crc32 } from "../host/crc32.ts";

export const frameHeaderBytes = 16;

/** Longest content of a frame; a block with its header stays far below. */
export const frameBytesMax: number = 16 * 1024 * 1024;

export interface Frame {
  readonly index: number;
  readonly bytes: Uint8Array;
}

export type FrameFault = "bad-length" | "bad-checksum" | "wrong-index";

/** What lies at a place: a frame, too few bytes to say (`want` are needed), or no frame. */
export type FrameCheck =
  | { readonly kind: "whole"; readonly index: number; readonly start: number; readonly end: number }
  | { readonly kind: "short"; readonly want: number }
  | { readonly kind: "bad"; readonly reason: FrameFault };

const indexAt = (view: DataView, at: number): number =>
  view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The 16 bytes that stand before the content, which may lie in several parts. */
export function encodeFrameHeader(index: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  if (length < 1 || length > frameBytesMax) {
    throw new RangeError(`a frame of ${length} bytes, want 1 to ${frameBytesMax}`);
  }
  if (!Number.isSafeInteger(index) || index < 0) throw new RangeError(`a frame index of ${index}`);
  const header = new Uint8Array(frameHeaderBytes);
  const view = viewOf(header);
  view.setUint32(0, length);
  view.setUint32(8, Math.floor(index / 2 ** 32));
  view.setUint32(12, index >>> 0);
  let sum = crc32(header.subarray(8));
  for (const part of parts) sum = crc32(part, sum);
  view.setUint32(4, sum);
  return header;
}

/** Looks for the frame `expected` at `at`. Offsets are those of `bytes`. Checks everything. */
export function checkFrame(bytes: Uint8Array, at: number, expected: number): FrameCheck {
  if (bytes.length - at < frameHeaderBytes) return { kind: "short", want: frameHeaderBytes };
  const view = viewOf(bytes);
  const length = view.getUint32(at);
  if (length < 1 || length > frameBytesMax) return { kind: "bad", reason: "bad-length" };
  const start = at + frameHeaderBytes;
  const end = start + length;
  if (end > bytes.length) return { kind: "short", want: frameHeaderBytes + length };
  if (crc32(bytes.subarray(at + 8, end)) !== view.getUint32(at + 4)) {
    return { kind: "bad", reason: "bad-checksum" };
  }
  const index = indexAt(view, at + 8);
  return index === expected
    ? { kind: "whole", index, start, end }
    : { kind: "bad", reason: "wrong-index" };
}

/** Frames behind a tear are looked for this far ahead of the expected index. */
const indexReach = 2 ** 20;

/**
 * Whether a valid frame of index `expected` or later begins anywhere at or behind `from`. What is
 * older is no sign of loss: a file system may show stale content behind a tear.
 * Content made to look like many frames costs no more than 16 passes; then the answer is true,
 * which is the careful one.
 */
export function hasFrameBehind(bytes: Uint8Array, from: number, expected: number): boolean {
  const view = viewOf(bytes);
  let budget = bytes.length * 16;
  for (let at = from; at + frameHeaderBytes < bytes.length; at++) {
    const index = indexAt(view, at + 8);
    if (index < expected || index > expected + indexReach) continue;
    const check = checkFrame(bytes, at, index);
    if (check.kind === "whole") return true;
    if (check.kind === "bad" && check.reason === "bad-checksum") budget -= view.getUint32(at);
    if (budget < 0) return true;
  }
  return false;
}
