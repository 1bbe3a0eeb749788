// Compression of payloads: zstd level 1, content size and checksum in the frame, in libuv's pool.
//
// - The output buffer is sized so that nearly every payload takes one trip to the pool: with the
//   16 KiB default a mebibyte takes dozens, and a third more time.
// - A small hash table: lines repeat what stood in the lines just before, so it makes log smaller
//   than the level's own table does, and stays in the processor's nearest cache (an eighth less
//   time; docs/performance.md).

import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";

const run = promisify(zstdCompress);

/** What the format asks of a frame. */
export const frameParams: Readonly<Record<number, number>> = {
  [constants.ZSTD_c_compressionLevel]: 1,
  [constants.ZSTD_c_hashLog]: 12,
  [constants.ZSTD_c_contentSizeFlag]: 1,
  [constants.ZSTD_c_checksumFlag]: 1,
};

/**
 * One zstd frame that holds `bytes`, which must not change until this returns. Its memory is its
 * own: discard() gives it back.
 */
export async function compress(bytes: Uint8Array): Promise<Uint8Array> {
  const chunkSize = 65_536 + (bytes.length >> 2);
  return await run(bytes, { params: frameParams, chunkSize, pledgedSrcSize: bytes.length });
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
