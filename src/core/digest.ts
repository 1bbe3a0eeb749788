// The cryptographic suite that core and verify are given: they never reach for one themselves.
//
// - Two suites exist, the native one (host/native-suite.ts) and the portable one
//   (core/portable-suite.ts). They agree on every input, hostile ones included; vectors prove it.
//
// Spec: docs/spec/conventions.md.

export interface Suite {
  sha256(bytes: Uint8Array): Uint8Array;
  /**
   * Writes the SHA-256 of bytes[0, end) into `out` at `at`.
   * For the hot path: the allocation of a result costs more than the hash.
   */
  sha256Into(bytes: Uint8Array, end: number, out: Uint8Array, at: number): void;
  shake256(bytes: Uint8Array, length: number): Uint8Array;
  /**
   * RFC 8032 Ed25519 without the cofactor: S < L, and encode([S]B - [k]A) equals R byte for byte,
   * with k reduced mod L. False for anything malformed, and for every key that core/public-key.ts
   * refuses. Never throws.
   */
  verifyEd25519(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /**
   * Decompresses one zstd frame, whose outer shape core/zstd-frame.ts has checked, to exactly
   * `rawLength` bytes. Throws on anything else, without using more memory than that.
   */
  zstdDecompress(frame: Uint8Array, rawLength: number): Uint8Array;
  /** Gives back the memory of what zstdDecompress() returned. Nobody may look at it again. */
  discard(raw: Uint8Array): void;
}

/** Domain bytes: the first byte of what is hashed says what it is. */
export const domain = { leaf: 0, node: 1, envelope: 2, source: 3 } as const;
