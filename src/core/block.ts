// A block in bytes: header ‖ signature ‖ stored payload; and how a stored payload is opened.
//
// - Nothing is decompressed before its length and hash are known good.
//
// Spec: docs/spec/block.md, docs/spec/payload.md "Opening".

import { equalBytes } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { type Header, headerLength, signatureLength } from "./header.ts";
import { checkZstdFrame } from "./zstd-frame.ts";

/** Header and signature: what is left of a block when its payload is deleted. */
export const headLength: number = headerLength + signatureLength;

/**
 * Opens a stored payload. Throws Fault PAYLOAD_LENGTH_MISMATCH, PAYLOAD_HASH_MISMATCH or
 * PAYLOAD_CORRUPT, in this order. Whatever else is thrown, as where memory runs out, is an error of
 * ours and says nothing about the payload.
 */
export function openPayload(suite: Suite, header: Header, stored: Uint8Array): Uint8Array {
  if (stored.length !== header.storedLength) {
    throw new Fault(
      "PAYLOAD_LENGTH_MISMATCH",
      `payload is ${stored.length} bytes, want ${header.storedLength}`,
    );
  }
  if (!equalBytes(suite.sha256(stored), header.storedHash)) {
    throw new Fault("PAYLOAD_HASH_MISMATCH", "payload does not have the hash that was signed");
  }
  if (header.codec === "raw") {
    if (header.rawLength === stored.length) return stored;
    throw new Fault("PAYLOAD_LENGTH_MISMATCH", "raw_len of an uncompressed payload is wrong");
  }
  checkZstdFrame(stored, header.rawLength);
  return suite.zstdDecompress(stored, header.rawLength);
}
