// The block header: 384 bytes that commit to everything in a block and to all blocks before it.
//
// - Decoding judges the header's own bytes only; links to other blocks are the verifier's.
// - Numbers out of their range are LIMIT_EXCEEDED, found without rounding.
//
// Spec: docs/spec/block.md, "Header".

import { concat, isZero, maxInteger, readU32, readU64, utf8, writeU32, writeU64 } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault, orUndefined } from "./fault.ts";
import { leafHash } from "./tree.ts";

export const headerLength = 384;
export const signatureLength = 64;
export const magic = "SEALBLK1";
/** First 16 bytes of what a block signature signs. */
export const blockContext: Uint8Array = utf8("sealtail/1 block");

export const limits = {
  count: 1_048_576,
  rawLength: 8_388_608,
  storedLength: 8_454_144,
  maxSilenceMin: 1_000,
  maxSilenceMax: 86_400_000,
} as const;

export type BlockKind = "genesis" | "normal" | "final";
export type Codec = "raw" | "zstd";
const kinds: readonly BlockKind[] = ["genesis", "normal", "final"];
const codecs: readonly Codec[] = ["raw", "zstd"];

/** Times in Unix microseconds, `mono` in microseconds since the run began. Hashes are 32 bytes. */
export interface Header {
  readonly kind: BlockKind;
  readonly codec: Codec;
  /** Zero in the genesis, whose own block hash is the chain id. */
  readonly chainId: Uint8Array;
  readonly blockNo: number;
  readonly firstSeq: number;
  readonly count: number;
  readonly rawLength: number;
  readonly storedLength: number;
  readonly maxSilenceMs: number;
  readonly prevHash: Uint8Array;
  readonly chainRoot: Uint8Array;
  readonly lastHash: Uint8Array;
  readonly envelopeRoot: Uint8Array;
  readonly storedHash: Uint8Array;
  readonly nextPub: Uint8Array;
  readonly configHash: Uint8Array;
  readonly receiptHash: Uint8Array;
  readonly receiptSize: number;
  readonly runId: Uint8Array;
  readonly time: number;
  readonly mono: number;
  readonly firstTime: number;
}

export function encodeHeader(header: Header): Uint8Array {
  const bytes = new Uint8Array(headerLength);
  bytes.set(utf8(magic), 0);
  bytes[8] = 1;
  bytes[9] = kinds.indexOf(header.kind);
  bytes[10] = codecs.indexOf(header.codec) + 1;
  writeU32(bytes, 12, headerLength);
  bytes.set(header.chainId, 16);
  writeU64(bytes, 48, header.blockNo);
  writeU64(bytes, 56, header.firstSeq);
  writeU32(bytes, 64, header.count);
  writeU32(bytes, 68, header.rawLength);
  writeU32(bytes, 72, header.storedLength);
  writeU32(bytes, 76, header.maxSilenceMs);
  bytes.set(header.prevHash, 80);
  bytes.set(header.chainRoot, 112);
  bytes.set(header.lastHash, 144);
  bytes.set(header.envelopeRoot, 176);
  bytes.set(header.storedHash, 208);
  bytes.set(header.nextPub, 240);
  bytes.set(header.configHash, 272);
  bytes.set(header.receiptHash, 304);
  writeU64(bytes, 336, header.receiptSize);
  bytes.set(header.runId, 344);
  writeU64(bytes, 360, header.time);
  writeU64(bytes, 368, header.mono);
  writeU64(bytes, 376, header.firstTime);
  return bytes;
}

/**
 * Reads a header and judges its own bytes.
 * Throws MALFORMED (not a header), UNSUPPORTED (another version or suite), NON_CANONICAL or
 * LIMIT_EXCEEDED.
 */
export function decodeHeader(bytes: Uint8Array): Header {
  checkFixedBytes(bytes);
  const header: Header = {
    kind: kinds[bytes[9] as number] as BlockKind,
    codec: codecs[(bytes[10] as number) - 1] as Codec,
    chainId: bytes.slice(16, 48),
    blockNo: readU64(bytes, 48),
    firstSeq: readU64(bytes, 56),
    count: within("count", readU32(bytes, 64), 1, limits.count, 64),
    rawLength: within("raw_len", readU32(bytes, 68), 1, limits.rawLength, 68),
    storedLength: within("stored_len", readU32(bytes, 72), 1, limits.storedLength, 72),
    maxSilenceMs: readU32(bytes, 76),
    prevHash: bytes.slice(80, 112),
    chainRoot: bytes.slice(112, 144),
    lastHash: bytes.slice(144, 176),
    envelopeRoot: bytes.slice(176, 208),
    storedHash: bytes.slice(208, 240),
    nextPub: bytes.slice(240, 272),
    configHash: bytes.slice(272, 304),
    receiptHash: bytes.slice(304, 336),
    receiptSize: readU64(bytes, 336),
    runId: bytes.slice(344, 360),
    time: readU64(bytes, 360),
    mono: readU64(bytes, 368),
    firstTime: readU64(bytes, 376),
  };
  checkSums(header);
  checkKind(header);
  return header;
}

/** The header in a head's bytes; undefined for what is none. */
export function headerOf(head: Uint8Array): Header | undefined {
  return orUndefined(() => decodeHeader(head));
}

// The numbers that come after this block must exist, too.
function checkSums({ blockNo, firstSeq, count }: Header): void {
  if (blockNo >= maxInteger) throw new Fault("LIMIT_EXCEEDED", "block_no is above 2^53 - 2", 48);
  if (firstSeq > maxInteger - count) {
    throw new Fault("LIMIT_EXCEEDED", "first_seq and count are above 2^53 - 1", 56);
  }
}

function checkFixedBytes(bytes: Uint8Array): void {
  if (bytes.length < headerLength) throw new Fault("MALFORMED", "header is cut short");
  const found = String.fromCharCode(...bytes.subarray(0, 8));
  if (found !== magic) {
    const other = /^SEALBLK[0-9A-Z]$/.test(found);
    throw other
      ? new Fault("UNSUPPORTED", `block format is ${found}, want ${magic}`, 0)
      : new Fault("MALFORMED", "no block begins here", 0);
  }
  if (bytes[8] !== 1) throw new Fault("UNSUPPORTED", `suite is ${bytes[8]}, want 1`, 8);
  if ((bytes[9] as number) > 2) throw new Fault("NON_CANONICAL", `kind is ${bytes[9]}`, 9);
  if (bytes[10] !== 1 && bytes[10] !== 2) {
    throw new Fault("UNSUPPORTED", `codec is ${bytes[10]}, want 1 or 2`, 10);
  }
  if (bytes[11] !== 0) throw new Fault("NON_CANONICAL", "reserved byte is not zero", 11);
  if (readU32(bytes, 12) !== headerLength) {
    throw new Fault("NON_CANONICAL", `header_len is ${readU32(bytes, 12)}, want 384`, 12);
  }
}

function checkKind(header: Header): void {
  const { kind, blockNo, maxSilenceMs } = header;
  if ((kind === "genesis") !== (blockNo === 0)) {
    throw new Fault("NON_CANONICAL", `block ${blockNo} is of kind ${kind}`, 9);
  }
  if (kind === "final" && !isZero(header.nextPub)) {
    throw new Fault("NON_CANONICAL", "final block names a next key", 240);
  }
  if (!(kind === "final" && maxSilenceMs === 0)) {
    within("max_silence_ms", maxSilenceMs, limits.maxSilenceMin, limits.maxSilenceMax, 76);
  }
}

function within(name: string, value: number, least: number, most: number, at: number): number {
  if (value < least || value > most) {
    throw new Fault("LIMIT_EXCEEDED", `${name} is ${value}, want ${least} to ${most}`, at);
  }
  return value;
}

/** What the block signature signs. */
export function signedBytes(header: Uint8Array): Uint8Array {
  return concat(blockContext, header.subarray(0, headerLength));
}

/** Whether the key signed this head, header ‖ signature. */
export function isSignedBy(suite: Suite, key: Uint8Array, head: Uint8Array): boolean {
  return suite.verifyEd25519(key, signedBytes(head), head.subarray(headerLength));
}

/** Block hash, and leaf of the chain's tree: H(00 ‖ header ‖ signature). The genesis' is the chain id. */
export function blockHash(suite: Suite, head: Uint8Array): Uint8Array {
  return leafHash(suite, head.subarray(0, headerLength + signatureLength));
}
