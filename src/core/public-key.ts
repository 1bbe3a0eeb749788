// The rule for Ed25519 public keys: a canonical y, not of small order, on the curve.
//
// - Checked before any signature is, so both suites only ever see keys on which they agree.
// - Keys are public: nothing here is constant time.
//
// Spec: docs/spec/conventions.md, "Keys and signatures"; RFC 8032 section 5.1.3.

import { Fault } from "./fault.ts";

const p = 2n ** 255n - 19n;
const d = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/** y of the points of order 1, 2, 4 and 8 (two values: y and -y), whatever their sign bit. */
const smallOrder: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  p - 1n,
  2707385501144840649318225287225658788936804267575313519463743609750303402022n,
  p - 2707385501144840649318225287225658788936804267575313519463743609750303402022n,
]);

/** Throws Fault BAD_KEY unless `bytes` is a public key that the format allows. */
export function checkPublicKey(bytes: Uint8Array): void {
  if (bytes.length !== 32) {
    throw new Fault("BAD_KEY", `public key is ${bytes.length} bytes, want 32`);
  }
  const y = littleEndian(bytes);
  if (y >= p) throw new Fault("BAD_KEY", "public key is not canonical");
  if (smallOrder.has(y)) throw new Fault("BAD_KEY", "public key is of small order");
  // x² = (y² - 1) / (dy² + 1), and a fraction is a square exactly if its product is. The
  // denominator is never 0, because -1/d is no square.
  const square = (y * y) % p;
  if (jacobi(((square - 1n) * (d * square + 1n)) % p, p) !== 1) {
    throw new Fault("BAD_KEY", "public key is not a point on the curve");
  }
}

/** The number in 32 little-endian bytes, bit 255 (the sign of x) cleared. */
function littleEndian(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const high = (view.getBigUint64(24, true) << 64n) | view.getBigUint64(16, true);
  const low = (view.getBigUint64(8, true) << 64n) | view.getBigUint64(0, true);
  return ((high << 128n) | low) & (2n ** 255n - 1n);
}

/** The Jacobi symbol (value / modulus): for a prime, 1 exactly for squares other than 0. */
function jacobi(value: bigint, modulus: bigint): number {
  let a = value;
  let n = modulus;
  let symbol = 1;
  while (a !== 0n) {
    const twos = trailingZeros(a);
    a >>= BigInt(twos);
    const n8 = Number(BigInt.asUintN(3, n));
    if (twos % 2 === 1 && (n8 === 3 || n8 === 5)) symbol = -symbol;
    if (n8 % 4 === 3 && BigInt.asUintN(2, a) === 3n) symbol = -symbol;
    [a, n] = [n % a, a];
  }
  return n === 1n ? symbol : 0;
}

function trailingZeros(value: bigint): number {
  let count = 0;
  for (let rest = value; ; rest >>= 32n) {
    const low = Number(BigInt.asUintN(32, rest));
    if (low !== 0) return count + 31 - Math.clz32(low & -low);
    count += 32;
  }
}
