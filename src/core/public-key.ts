// The rule for Ed25519 public keys: a canonical y, not of small order, on the curve.
//
// - Keys are public: nothing here is constant time.
//
// Spec: docs/spec/conventions.md, "Keys and signatures"; RFC 8032 section 5.1.3.

import { d, littleEndian, p } from "./ed25519.ts";
import { Fault } from "./fault.ts";

const yOfOrder8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

/** y of the points of order 1, 2, 4 and 8 (two values), whatever their sign bit. */
const smallOrder: ReadonlySet<bigint> = new Set([1n, p - 1n, 0n, yOfOrder8, p - yOfOrder8]);

/** Throws Fault BAD_KEY unless `bytes` is a public key that the format allows. */
export function checkPublicKey(bytes: Uint8Array): void {
  if (bytes.length !== 32) {
    throw new Fault("BAD_KEY", `public key is ${bytes.length} bytes, want 32`);
  }
  const y = yOf(bytes);
  if (y >= p) throw new Fault("BAD_KEY", "public key is not canonical");
  if (smallOrder.has(y)) throw new Fault("BAD_KEY", "public key is of small order");
  // x² = (y² - 1) / (dy² + 1), and a fraction is a square exactly if its product is. The
  // denominator is never 0, because -1/d is no square.
  const square = (y * y) % p;
  if (jacobi(((square - 1n) * (d * square + 1n)) % p, p) !== 1) {
    throw new Fault("BAD_KEY", "public key is not a point on the curve");
  }
}

/** Whether `bytes` is a public key that the format allows. */
export function isPublicKey(bytes: Uint8Array): boolean {
  try {
    checkPublicKey(bytes);
    return true;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return false;
  }
}

/**
 * Whether 32 bytes that stand for a point are not canonical in y, or of small order. On these,
 * libraries differ from each other and from one release to the next. About a microsecond.
 */
export function isWeakPoint(bytes: Uint8Array): boolean {
  const y = yOf(bytes);
  return y >= p || smallOrder.has(y);
}

/** The number in 32 little-endian bytes, without bit 255, the sign of x. */
function yOf(bytes: Uint8Array): bigint {
  return BigInt.asUintN(255, littleEndian(bytes));
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
