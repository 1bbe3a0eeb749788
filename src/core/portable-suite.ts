// The suite for every place without node:crypto: browsers, and the tests that compare both.
//
// - It agrees with the native suite on every input, hostile ones included.
// - Ed25519 is checked here, without the cofactor: the curve library's own verify multiplies by it
//   and accepts more than RFC 8032 section 5.1.7 with its equation as written. Points alone are
//   used.
// - zstd is the official decoder as WebAssembly. It is given frames whose outer shape was checked,
//   so it never asks for more memory than the frame and the length that is wanted.
//
// Spec: docs/spec/conventions.md.

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { shake256 } from "@noble/hashes/sha3.js";
import { ZSTDDecoder } from "zstddec";
import { concat, equalBytes } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { littleEndian } from "./ed25519.ts";
import { Fault } from "./fault.ts";
import { isWeakPoint } from "./public-key.ts";

const { Point } = ed25519;
const order = Point.Fn.ORDER;

/** The portable suite. Asynchronous because browsers compile WebAssembly so; compiled once. */
export async function portableSuite(): Promise<Suite> {
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return {
    sha256: (bytes) => sha256(bytes),
    sha256Into: (bytes, end, out, at) => out.set(sha256(bytes.subarray(0, end)), at),
    shake256: (bytes, length) => shake256(bytes, { dkLen: length }),
    verifyEd25519,
    zstdDecompress: (frame, rawLength) => zstdDecompress(decoder, frame, rawLength),
    discard: () => {},
  };
}

function verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== 32 || signature.length !== 64) return false;
  if (isWeakPoint(publicKey)) return false;
  const r = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= order) return false;
  const a = pointOf(publicKey);
  if (a === undefined) return false;
  const k = littleEndian(sha512(concat(r, publicKey, message))) % order;
  const want = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k));
  return equalBytes(want.toBytes(), r);
}

function pointOf(publicKey: Uint8Array): InstanceType<typeof Point> | undefined {
  try {
    return Point.fromBytes(publicKey);
  } catch (error) {
    // What is no point is an Error of the library's; memory that runs out is a RangeError.
    if (error instanceof RangeError) throw error;
    return undefined;
  }
}

function zstdDecompress(decoder: ZSTDDecoder, frame: Uint8Array, rawLength: number): Uint8Array {
  // To the decoder a length of 0 means unknown.
  if (!Number.isSafeInteger(rawLength) || rawLength < 1) {
    throw new RangeError(`raw length is ${rawLength}, want at least 1`);
  }
  const raw = decoder.decode(frame, rawLength);
  if (raw.length === rawLength) return raw;
  // Every error of the decoder comes out as no bytes, a wrong checksum and memory that ran out
  // alike. Where a good frame of the same size fails as well, it was not the frame.
  const probe = goodFrame(frame.length, rawLength);
  if (decoder.decode(probe, rawLength).length !== rawLength) {
    throw new RangeError("the zstd decoder has no memory");
  }
  throw new Fault("PAYLOAD_CORRUPT", "the zstd frame can't be decompressed");
}

const blockBytesMax = 2 ** 17;

/** A frame of `rawLength` zeros in run-length blocks, padded where it is shorter than `length`. */
function goodFrame(length: number, rawLength: number): Uint8Array {
  const blocks = Math.ceil(rawLength / blockBytesMax);
  const head = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0);
  new DataView(head.buffer).setUint32(5, rawLength, true);
  const body = new Uint8Array(4 * blocks);
  for (let at = 0; at < blocks; at += 1) {
    const size = Math.min(blockBytesMax, rawLength - at * blockBytesMax);
    const word = size * 8 + 2 + (at === blocks - 1 ? 1 : 0);
    body.set([word & 255, (word >> 8) & 255, word >> 16, 0], 4 * at);
  }
  const frame = concat(head, body);
  // A skippable frame behind it takes no room in the output.
  const rest = Math.max(0, length - frame.length - 8);
  const skipped = Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0);
  new DataView(skipped.buffer).setUint32(4, rest, true);
  return concat(frame, skipped, new Uint8Array(rest));
}
