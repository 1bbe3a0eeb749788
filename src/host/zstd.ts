// Compression of payloads: zstd level 1, content size and checksum in the frame, in libuv's pool.
//
// - The output buffer holds the largest frame there can be, and one byte more. Where a frame fills
//   its buffer to the last byte, zlib asks for the rest, and libzstd, which has none, begins a
//   second frame: an empty one, that no verifier lets pass. And a payload takes one trip to the
//   pool: with the 16 KiB default a mebibyte takes dozens, and a third more time.
// - A small hash table: lines repeat what stood in the lines just before, so it makes log smaller
//   than the level's own table does, and stays in the processor's nearest cache (an eighth less
//   time; docs/performance.md).

import { promisify } from "node:util";
import { constants, type ZstdOptions, zstdCompress } from "node:zlib";

const run = promisify(zstdCompress);

/** What the format asks of a frame. */
const params: Readonly<Record<number, number>> = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_hashLog]: 12,
  [constants.ZSTD_c_contentSizeFlag]: 1,
  [constants.ZSTD_c_checksumFlag]: 1,
};

/** How `length` bytes become one frame; for both of zlib's ways, in the pool and at once. */
export function frameOptions(length: number): ZstdOptions {
  return { params, chunkSize: frameBytesMax(length) + 1, pledgedSrcSize: length };
}

// libzstd's ZSTD_compressBound(): each of its blocks of 128 KiB can be stored as it is.
function frameBytesMax(length: number): number {
  const small = Math.max(0, 131_072 - length);
  return length + (length >> 8) + (small >> 11);
}

/**
 * One zstd frame that holds `bytes`, which must not change until this returns. Its memory is its
 * own: discard() gives it back.
 */
export async function compress(bytes: Uint8Array): Promise<Uint8Array> {
  return await run(bytes, frameOptions(bytes.length));
}

/**
 * Gives back the memory of a frame or a payload that nobody will look at again. Left to the garbage
 * collector, they make it go through the whole heap for every ten blocks: a fifth of the work of an
 * agent or a vault.
 */
export function discard(bytes: Uint8Array): void {
  // A small one may share its memory with other small buffers.
  if (bytes.buffer.byteLength <= 65_536 || !(bytes.buffer instanceof ArrayBuffer)) return;
  bytes.buffer.transfer(0);
}
