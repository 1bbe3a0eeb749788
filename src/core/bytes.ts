// Bytes, numbers and their text forms, each with exactly one encoding.
//
// - Integers are unsigned, big-endian; above 2^53 - 1 they are refused, never rounded.
// - Text forms are canonical: what decodes, encodes again to the same text, or it is refused.
//
// Spec: docs/spec/conventions.md.

import { Fault } from "./fault.ts";

export const maxInteger: number = Number.MAX_SAFE_INTEGER;

const twoTo32 = 0x1_0000_0000;

/** Big-endian u32 at `at`. The caller has checked the bounds. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 0x1_00_00_00 +
    (((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number))
  );
}

/** Big-endian u64 at `at`; throws LIMIT_EXCEEDED above 2^53 - 1. */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at);
  if (high > 0x1f_ffff) {
    throw new Fault("LIMIT_EXCEEDED", "number is above 2^53 - 1", at);
  }
  return high * twoTo32 + readU32(bytes, at + 4);
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** Throws RangeError for what is no integer in 0 … 2^53 - 1: a caller's mistake. */
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`number is ${value}, want an integer from 0 to 2^53 - 1`);
  }
  writeU32(bytes, at, Math.floor(value / twoTo32));
  writeU32(bytes, at + 4, value % twoTo32);
}

/** Sum of numbers of the format; throws LIMIT_EXCEEDED above 2^53 - 1. */
export function addNumbers(...terms: number[]): number {
  const sum = terms.reduce((total, term) => total + term, 0);
  if (sum > maxInteger) throw new Fault("LIMIT_EXCEEDED", "sum is above 2^53 - 1");
  return sum;
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Bytewise order; a prefix comes first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** Throws NON_CANONICAL for invalid UTF-8. A byte order mark is kept as the character it is. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new Fault("NON_CANONICAL", "text is not valid UTF-8");
  }
}

const hexDigits: readonly number[] = [...utf8("0123456789abcdef")];
/** Bytes that are made text in one call. */
const hexStretch = 4096;

/**
 * Made at once, not digit by digit: an engine keeps a text that was put together in twenty times
 * its length, and ids are kept by the thousand.
 */
export function hex(bytes: Uint8Array): string {
  if (bytes.length > hexStretch) {
    return hex(bytes.subarray(0, hexStretch)) + hex(bytes.subarray(hexStretch));
  }
  const digits = new Array<number>(2 * bytes.length);
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    digits[2 * at] = hexDigits[byte >> 4] as number;
    digits[2 * at + 1] = hexDigits[byte & 15] as number;
  }
  return String.fromCharCode(...digits);
}

/** Lower-case hex of exactly `length` bytes; throws NON_CANONICAL for anything else. */
export function fromHex(text: string, length: number): Uint8Array {
  if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) {
    throw new Fault("NON_CANONICAL", `want ${2 * length} lower-case hex digits`);
  }
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += argumentsMax) {
    binary += String.fromCharCode(...bytes.subarray(at, at + argumentsMax));
  }
  return btoa(binary);
}

/** So many arguments any engine takes. */
const argumentsMax = 8192;

/** RFC 4648 section 4 with padding; throws NON_CANONICAL unless it encodes again to the same text. */
export function fromBase64(text: string): Uint8Array {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) {
    throw new Fault("NON_CANONICAL", "text is not base64 with padding");
  }
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = binary.charCodeAt(at);
  // Only the last group can be padded, and so have bits that mean nothing.
  const last = bytes.subarray(bytes.length - (bytes.length % 3 || 3));
  if (text !== "" && base64(last) !== text.slice(-4)) {
    throw new Fault("NON_CANONICAL", "base64 has stray bits");
  }
  return bytes;
}

/** A decimal integer 0 … 2^53 - 1 without sign or leading zero; throws NON_CANONICAL or LIMIT_EXCEEDED. */
export function fromDecimal(text: string): number {
  if (!/^(0|[1-9][0-9]*)$/.test(text)) {
    throw new Fault("NON_CANONICAL", "want a decimal number without leading zero");
  }
  const value = Number(text);
  if (value > maxInteger || text.length > 16) {
    throw new Fault("LIMIT_EXCEEDED", "number is above 2^53 - 1");
  }
  return value;
}
