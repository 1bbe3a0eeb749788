// Compression of payloads: zstd level 1, content size and checksum in the frame, in libuv's pool.
//
// - The output buffer is sized so that nearly every payload takes one trip to the pool: with the
//   16 KiB default a mebibyte takes dozens, and a third more time. One that holds any payload is
//   worse: V8 counts it, and collects the whole heap three times as often.
// - Where a frame fills that buffer to the last byte, zlib asks for the rest, and libzstd, which
//   has none, begins a second frame: an empty one, that no verifier lets pass. It is cut off.
// - A small hash table: lines repeat what stood in the lines just before, so it makes log smaller
//   than the level's own table does, and stays in the processor's nearest cache (an eighth less
//   time; docs/performance.md).

import { promisify } from "node:util";
import { constants, zstdCompress } from "node:zlib";
import { zstdFrameEnd } from "../core/zstd-frame.ts";

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
  const options = { params: frameParams, chunkSize, pledgedSrcSize: bytes.length };
  const made = await run(bytes, options);
  return made.length <= chunkSize ? made : made.subarray(0, zstdFrameEnd(made));
}
