// HKDF-SHA-256 (RFC 5869) with an empty salt: how one secret becomes the next.

import { hkdfSync } from "node:crypto";

/** 32 bytes derived from `secret` for the purpose `info`. */
export function hkdf(secret: Uint8Array, info: string): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", secret, new Uint8Array(0), info, 32));
}
