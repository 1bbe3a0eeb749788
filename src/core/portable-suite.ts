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
  } catch {
    return undefined;
  }
}

function zstdDecompress(decoder: ZSTDDecoder, frame: Uint8Array, rawLength: number): Uint8Array {
  // To the decoder a length of 0 means unknown.
  if (!Number.isSafeInteger(rawLength) || rawLength < 1) {
    throw new RangeError(`raw length is ${rawLength}, want at least 1`);
  }
  // Every error of the decoder, a wrong checksum too, comes out as no bytes.
  const raw = decodedOrNothing(decoder, frame, rawLength);
  if (raw.length !== rawLength) {
    throw new Fault("PAYLOAD_CORRUPT", "the zstd frame can't be decompressed");
  }
  return raw;
}

function decodedOrNothing(decoder: ZSTDDecoder, frame: Uint8Array, length: number): Uint8Array {
  try {
    return decoder.decode(frame, length);
  } catch {
    // A trap in WebAssembly. None is known.
    return new Uint8Array(0);
  }
}
