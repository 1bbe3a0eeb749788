// The Ed25519 equation in plain arithmetic: slow, and the same on every platform.
//
// - It is the format's rule to the letter: S < L, and encode([S]B - [k]A) equals R byte for byte,
//   with k = SHA-512(R ‖ A ‖ M) mod L and no cofactor. R is never decoded.
// - For the signatures on which libraries differ, about a millisecond each. Not constant time: it
//   only ever sees public values.
//
// Spec: docs/spec/conventions.md; RFC 8032 sections 5.1.3, 5.1.4 and 5.1.7.

import { equalBytes } from "./bytes.ts";

/** The field's prime. */
export const p: bigint = 2n ** 255n - 19n;
/** The curve's constant: -x² + y² = 1 + dx²y². */
export const d: bigint =
  37095705934669439343138083508754565189542113879843219016388785533085940283555n;
/** Order of the base point. */
const order = 2n ** 252n + 27742317777372353535851937790883648493n;
const rootOfMinusOne =
  19681161376707505956807079304988542015446066515923890162744021073123829784752n;

/** Extended homogeneous coordinates: x = X/Z, y = Y/Z, xy = T/Z. */
interface Point {
  readonly X: bigint;
  readonly Y: bigint;
  readonly Z: bigint;
  readonly T: bigint;
}

const neutral: Point = { X: 0n, Y: 1n, Z: 1n, T: 0n };
const base: Point = pointAt(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n,
);

/**
 * Whether a signature holds, given `digest` = SHA-512(R ‖ A ‖ M). False for a key that is no
 * canonical point and for wrong lengths; never throws.
 */
export function equationHolds(
  publicKey: Uint8Array,
  signature: Uint8Array,
  digest: Uint8Array,
): boolean {
  if (publicKey.length !== 32 || signature.length !== 64 || digest.length !== 64) return false;
  const s = littleEndian(signature.subarray(32));
  if (s >= order) return false;
  const a = decoded(publicKey);
  if (a === undefined) return false;
  const k = littleEndian(digest) % order;
  const minusA = { ...a, X: modulo(-a.X), T: modulo(-a.T) };
  return equalBytes(encoded(sumOfMultiples(s, base, k, minusA)), signature.subarray(0, 32));
}

/** The number in little-endian bytes, whose count is a multiple of 8. */
export function littleEndian(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let value = 0n;
  for (let at = bytes.length - 8; at >= 0; at -= 8) {
    value = (value << 64n) | view.getBigUint64(at, true);
  }
  return value;
}

function decoded(bytes: Uint8Array): Point | undefined {
  const y = BigInt.asUintN(255, littleEndian(bytes));
  if (y >= p) return undefined;
  const u = modulo(y * y - 1n);
  const v = modulo(d * y * y + 1n);
  const v3 = modulo(v * v * v);
  let x = modulo(u * v3 * power(modulo(u * v3 * v3 * v), (p - 5n) / 8n));
  const square = modulo(v * x * x);
  if (square !== u) {
    if (square !== modulo(-u)) return undefined;
    x = modulo(x * rootOfMinusOne);
  }
  const odd = ((bytes[31] as number) & 0x80) !== 0;
  if (x === 0n && odd) return undefined;
  return pointAt(((x & 1n) === 1n) === odd ? x : p - x, y);
}

function encoded(point: Point): Uint8Array {
  const inverse = power(point.Z, p - 2n);
  const x = modulo(point.X * inverse);
  let rest = modulo(point.Y * inverse) | ((x & 1n) << 255n);
  const bytes = new Uint8Array(32);
  for (let at = 0; at < 32; at += 1) {
    bytes[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

/** [m]P + [n]Q for m, n < 2^253, both multiplied in one pass. */
function sumOfMultiples(m: bigint, P: Point, n: bigint, Q: Point): Point {
  const both = add(P, Q);
  let sum = neutral;
  for (let bit = 252n; bit >= 0n; bit -= 1n) {
    sum = add(sum, sum);
    const ofP = ((m >> bit) & 1n) === 1n;
    const ofQ = ((n >> bit) & 1n) === 1n;
    if (ofP && ofQ) sum = add(sum, both);
    else if (ofP) sum = add(sum, P);
    else if (ofQ) sum = add(sum, Q);
  }
  return sum;
}

/** Complete: it holds for equal points and the neutral one, too. */
function add(one: Point, other: Point): Point {
  const a = modulo((one.Y - one.X) * (other.Y - other.X));
  const b = modulo((one.Y + one.X) * (other.Y + other.X));
  const c = modulo(2n * d * one.T * other.T);
  const e = modulo(2n * one.Z * other.Z);
  return {
    X: modulo((b - a) * (e - c)),
    Y: modulo((e + c) * (b + a)),
    Z: modulo((e - c) * (e + c)),
    T: modulo((b - a) * (b + a)),
  };
}

function pointAt(x: bigint, y: bigint): Point {
  return { X: x, Y: y, Z: 1n, T: modulo(x * y) };
}

function power(value: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = value;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if ((rest & 1n) === 1n) result = modulo(result * square);
    square = modulo(square * square);
  }
  return result;
}

function modulo(value: bigint): bigint {
  const rest = value % p;
  return rest < 0n ? rest + p : rest;
}
