// CRC-32 (IEEE 802.3, as in zlib): finds torn and rotten bytes on a disk, proves nothing.

import { crc32 as zlibCrc32 } from "node:zlib";

/** CRC-32 of `bytes`, continued from `seed`: the checksum of what came before (0 at the start). */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
