// zstd frames written by hand, so that no compressor's version decides a vector's bytes.

import { constants, zstdCompressSync } from "node:zlib";
import { concat } from "../../../src/core/bytes.ts";

const mostInBlock = 131_072;

/** What to write into a frame that is not as it must be. */
export interface FrameBend {
  readonly descriptor?: number;
  readonly window?: number;
  readonly contentBytes?: number;
  readonly checksum?: Uint8Array;
}

/** One frame of plain and run-length blocks: single segment, content size, checksum. */
export function frameOf(raw: Uint8Array, bend: FrameBend = {}): Uint8Array {
  const descriptor = bend.descriptor ?? 0xa4;
  const parts: Uint8Array[] = [Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, descriptor)];
  if ((descriptor & 0x20) === 0) parts.push(Uint8Array.of(bend.window ?? 0x58));
  if (descriptor >> 6 === 2) parts.push(littleEndian(bend.contentBytes ?? raw.length, 4));
  parts.push(...blocksOf(raw));
  if ((descriptor & 4) !== 0) parts.push(bend.checksum ?? checksumOf(raw));
  return concat(...parts);
}

function* blocksOf(raw: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < raw.length; ) {
    const run = runLength(raw, at);
    const isRun = run > 64;
    const length = isRun ? run : plainLength(raw, at);
    const last = at + length === raw.length ? 1 : 0;
    yield littleEndian((length << 3) | (isRun ? 2 : 0) | last, 3);
    yield raw.subarray(at, at + (isRun ? 1 : length));
    at += length;
  }
}

function runLength(raw: Uint8Array, at: number): number {
  let end = at;
  while (end < raw.length && end - at < mostInBlock && raw[end] === raw[at]) end += 1;
  return end - at;
}

function plainLength(raw: Uint8Array, at: number): number {
  let end = at;
  while (end < raw.length && end - at < mostInBlock && runLength(raw, end) <= 64) end += 1;
  return end - at;
}

/** XXH64's low 32 bits, as the compressor writes them behind its frame. */
function checksumOf(raw: Uint8Array): Uint8Array {
  const frame = zstdCompressSync(raw, { params: { [constants.ZSTD_c_checksumFlag]: 1 } });
  return Uint8Array.from(frame.subarray(-4));
}

function littleEndian(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => Math.floor(value / 256 ** at) % 256);
}
