// The native suite: node:crypto and node:zlib, for agent, vault and command line.
//
// - crypto.hash into a latin1 string, then latin1Write into place, is the fastest way to a digest
//   on Node 24: 0.5 µs for 300 bytes, against 1.1 µs for a "buffer" and 1.5 to 2 µs for
//   createHash. Allocating the result costs more than the hash; a 32-byte string is cheap.
// - OpenSSL verifies Ed25519 as RFC 8032 without the cofactor: it refuses S >= L and compares
//   encode([S]B - [k]A) with R byte for byte. Tests hold it to that with mixed-order signatures.
// - Node itself, since some release of 24, refuses every R of small order before OpenSSL is asked.
//   The format doesn't, so those few are judged by core/ed25519.ts, the same on every release.

import { createHash, createPublicKey, hash as typedHash, verify } from "node:crypto";
import { constants, zstdDecompressSync } from "node:zlib";
import type { Suite } from "../core/digest.ts";
import { equationHolds } from "../core/ed25519.ts";
import { Fault } from "../core/fault.ts";
import { isWeakPoint } from "../core/public-key.ts";
import { discard } from "./memory.ts";

const digestBytes = 32;

type Latin1Write = (this: Uint8Array, text: string, at: number, length: number) => number;
const latin1Write = (Buffer.prototype as unknown as { latin1Write: Latin1Write }).latin1Write;

// The declared types lack the encoding "latin1", which the runtime has under that name.
const hash = typedHash as (algorithm: string, input: Uint8Array, encoding: string) => string;

/** SubjectPublicKeyInfo of an Ed25519 key, up to the 32 bytes of the key itself. */
const spkiPrefix = Uint8Array.from([
  0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
]);

function sha256Into(bytes: Uint8Array, end: number, out: Uint8Array, at: number): void {
  if (at + digestBytes > out.length) throw new RangeError("a digest does not fit in its place");
  const input = end === bytes.length ? bytes : bytes.subarray(0, end);
  latin1Write.call(out, hash("sha256", input, "latin1"), at, digestBytes);
}

function verifyEd25519(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== 32 || signature.length !== 64 || isWeakPoint(key)) return false;
  const r = signature.subarray(0, 32);
  if (isWeakPoint(r)) {
    const digest = createHash("sha512").update(r).update(key).update(message).digest();
    return equationHolds(key, signature, digest);
  }
  const der = Buffer.alloc(spkiPrefix.length + 32);
  der.set(spkiPrefix);
  der.set(key, spkiPrefix.length);
  // Nothing in 32 bytes makes these throw: whatever does is no statement about the signature.
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  return verify(null, message, publicKey, signature);
}

// That nothing follows the frame, core/zstd-frame.ts has checked: releases of node differ there.
function zstdDecompress(frame: Uint8Array, rawLength: number): Uint8Array {
  const raw = decompress(frame, rawLength);
  if (raw.length !== rawLength) {
    const text = `the zstd frame holds ${raw.length} bytes, want ${rawLength}`;
    throw new Fault("PAYLOAD_CORRUPT", text);
  }
  return raw;
}

/** Errors that the bytes of a frame cause, and nothing else: memory that runs out is none. */
const badFrameCodes: ReadonlySet<string> = new Set([
  ...["ERR_BUFFER_TOO_LARGE", "Z_BUF_ERROR", "Z_DATA_ERROR"],
  ...[
    ...["prefix_unknown", "version_unsupported", "frameParameter_unsupported"],
    ...["frameParameter_windowTooLarge", "corruption_detected", "checksum_wrong"],
    ...["literals_headerWrong", "dictionary_corrupted", "dictionary_wrong", "srcSize_wrong"],
    ...["tableLog_tooLarge", "maxSymbolValue_tooLarge", "maxSymbolValue_tooSmall"],
    ...["dstSize_tooSmall", "noForwardProgress_destFull", "noForwardProgress_inputEmpty"],
  ].map((name) => `ZSTD_error_${name}`),
]);

function decompress(frame: Uint8Array, rawLength: number): Uint8Array {
  const options = {
    maxOutputLength: rawLength,
    // Room for all of it at once makes libzstd decode in one pass, as the portable suite does: its
    // streaming decoder judges some hostile frames otherwise. A little more than needed, because a
    // chunk that is exactly full makes zlib ask for a second one.
    chunkSize: rawLength + 64,
    params: { [constants.ZSTD_d_windowLogMax]: 23 },
  };
  try {
    return zstdDecompressSync(frame, options);
  } catch (error) {
    if (!badFrameCodes.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    throw new Fault("PAYLOAD_CORRUPT", "the zstd frame can't be decompressed");
  }
}

export const nativeSuite: Suite = {
  sha256(bytes) {
    const out = new Uint8Array(digestBytes);
    sha256Into(bytes, bytes.length, out, 0);
    return out;
  },
  sha256Into,
  shake256(bytes, length) {
    const made = createHash("shake256", { outputLength: length }).update(bytes).digest();
    return new Uint8Array(made.buffer, made.byteOffset, made.length);
  },
  verifyEd25519,
  zstdDecompress,
  discard,
};
