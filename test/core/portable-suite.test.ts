import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { concat } from "../../src/core/bytes.ts";
import { equationHolds } from "../../src/core/ed25519.ts";
import { portableSuite } from "../../src/core/portable-suite.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";

const portable = await portableSuite();
const { Point } = ed25519;
const order = Point.Fn.ORDER;
const p = Point.Fp.ORDER;

/** The eight points of small order; torsion[t] is t times a generator. */
const torsion = [Point.ZERO];
const generator = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa");
for (let t = 1; t < 8; t += 1) torsion.push(torsion[t - 1]!.add(generator));

/** 32 little-endian bytes, with `sign` in bit 255. */
function encoded(value: bigint, sign = 0): Uint8Array {
  const bytes = Uint8Array.from({ length: 32 }, (_, at) =>
    Number((value >> BigInt(8 * at)) & 255n),
  );
  bytes[31] = bytes[31]! | (sign << 7);
  return bytes;
}

function decoded(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

interface Parts {
  /** A = [a]B + torsion[tA], R = [r]B + torsion[tR]. */
  a: bigint;
  tA: number;
  r: bigint;
  tR: number;
  message: Uint8Array;
  /** Other encodings of A and R. */
  A?: Uint8Array;
  R?: Uint8Array;
}

/** A signature that holds at least when multiplied by the cofactor, and its k. */
function make(parts: Parts): { A: Uint8Array; signature: Uint8Array; k: bigint } {
  const point = (scalar: bigint, t: number): Uint8Array =>
    Point.BASE.multiplyUnsafe(scalar).add(torsion[t]!).toBytes();
  const A = parts.A ?? point(parts.a, parts.tA);
  const R = parts.R ?? point(parts.r, parts.tR);
  const k = decoded(sha512(concat(R, A, parts.message))) % order;
  const s = (parts.r + k * parts.a) % order;
  return { A, signature: concat(R, encoded(s)), k };
}

/** The verdict of both suites, which has to be the same. */
function verdict(A: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const native = nativeSuite.verifyEd25519(A, message, signature);
  const name = Buffer.from(concat(A, signature)).toString("hex");
  assert.equal(portable.verifyEd25519(A, message, signature), native, name);
  return native;
}

/** The verdict of the plain equation, which asks nothing of the order of A. */
function plain(A: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  return equationHolds(A, signature, sha512(concat(signature.subarray(0, 32), A, message)));
}

const scalar = (): bigint => decoded(randomBytes(64)) % order;

test("hashes equal the native ones at every length around a block", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, at) => at * 7);
  for (let length = 0; length <= bytes.length; length += 1) {
    const some = bytes.subarray(0, length);
    assert.deepEqual(portable.sha256(some), nativeSuite.sha256(some));
    assert.deepEqual(portable.shake256(some, 500), nativeSuite.shake256(some, 500));
    const [mine, theirs] = [new Uint8Array(40), new Uint8Array(40)];
    portable.sha256Into(bytes, length, mine, 5);
    nativeSuite.sha256Into(bytes, length, theirs, 5);
    assert.deepEqual(mine, theirs);
  }
});

test("sha256Into may write into the buffer that it reads", () => {
  for (const suite of [portable, nativeSuite]) {
    const bytes = new Uint8Array(100).fill(3);
    const want = suite.sha256(bytes.slice(0, 65));
    suite.sha256Into(bytes, 65, bytes, 20);
    assert.deepEqual(bytes.slice(20, 52), want);
  }
});

test("the first vectors of RFC 8032 verify", () => {
  for (const [seed, message] of [
    ["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", ""],
    ["4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72"],
    ["c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", "af82"],
  ] as const) {
    const secret = Buffer.from(seed, "hex");
    const bytes = Buffer.from(message, "hex");
    const signature = ed25519.sign(bytes, secret);
    assert.ok(verdict(ed25519.getPublicKey(secret), bytes, signature));
  }
});

test("signatures of node:crypto verify, and no bit of key, text or signature may change", () => {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const key = Buffer.from(publicKey.export({ format: "jwk" }).x!, "base64url");
  const text = randomBytes(33);
  const signature = sign(
    null,
    text,
    createPrivateKey(privateKey.export({ format: "pem", type: "pkcs8" })),
  );
  assert.ok(verdict(key, text, signature));
  assert.ok(plain(key, text, signature));
  const whole = concat(key, text, signature);
  // Every third: each of the eight bits of every third byte.
  for (let bit = 0; bit < whole.length * 8; bit += 3) {
    const bent = whole.slice();
    bent[bit >> 3] = bent[bit >> 3]! ^ (1 << (bit & 7));
    const parts = [bent.subarray(0, 32), bent.subarray(32, 65), bent.subarray(65)] as const;
    assert.ok(!verdict(...parts), `bit ${bit}`);
    if (bit % 16 === 0) assert.ok(!plain(...parts), `bit ${bit}`);
  }
});

test("lengths other than 32 and 64 are false, not an error", () => {
  const { A, signature } = make({ a: 5n, tA: 0, r: 7n, tR: 0, message: new Uint8Array(3) });
  const text = new Uint8Array(3);
  assert.ok(verdict(A, text, signature));
  for (const length of [0, 31, 33, 63, 65]) {
    const other = new Uint8Array(length);
    assert.ok(!verdict(other, text, signature));
    assert.ok(!verdict(A, text, other));
  }
});

test("mixed and small orders of A and R are judged without the cofactor", () => {
  const seen = { held: 0, failed: 0 };
  for (let tA = 0; tA < 8; tA += 1) {
    for (let tR = 0; tR < 8; tR += 1) {
      for (const [a, r] of [
        [scalar(), scalar()],
        // R, A, or both of small order.
        [scalar(), 0n],
        [0n, scalar()],
        [0n, 0n],
      ] as const) {
        const message = randomBytes(20);
        const { A, signature, k } = make({ a, tA, r, tR, message });
        // [S]B - [k]A = [r]B - [k tA]T, so it is R if tR + k tA is 0 mod 8.
        const want = (tR + Number(k % 8n) * tA) % 8 === 0;
        const name = `A ${tA}, R ${tR}, k ${k}`;
        assert.equal(plain(A, message, signature), want, name);
        // Keys of small order are refused whatever the equation says.
        assert.equal(verdict(A, message, signature), want && a !== 0n, name);
        seen[want ? "held" : "failed"] += 1;
      }
    }
  }
  assert.ok(seen.held > 10 && seen.failed > 100, JSON.stringify(seen));
});

test("an S of the order and above is refused, though it is the same scalar", () => {
  for (let round = 0; round < 20; round += 1) {
    const message = randomBytes(round);
    const { A, signature } = make({ a: scalar(), tA: 0, r: scalar(), tR: 0, message });
    assert.ok(verdict(A, message, signature));
    const s = decoded(signature.subarray(32));
    for (let more = s + order; more < 2n ** 256n; more += order) {
      assert.ok(!verdict(A, message, concat(signature.subarray(0, 32), encoded(more))));
    }
  }
});

test("an S of 0 is taken, an S of the order is not, where the equation holds for both", () => {
  // With A and R neutral it holds for every multiple of the order.
  const neutral = Point.ZERO.toBytes();
  const message = new Uint8Array(0);
  assert.ok(plain(neutral, message, concat(neutral, encoded(0n))));
  for (const s of [order, 2n * order, 15n * order]) {
    assert.ok(!plain(neutral, message, concat(neutral, encoded(s))));
  }
  // S = 0 under a strong key: R = -[k]A, which nobody can make on purpose. It is just refused.
  const { A, signature } = make({ a: 3n, tA: 0, r: 5n, tR: 0, message });
  for (const s of [0n, order - 1n, order, order + 1n, 2n ** 252n, 2n ** 253n, 2n ** 256n - 1n]) {
    assert.ok(!verdict(A, message, concat(signature.subarray(0, 32), encoded(s))));
  }
});

test("an R that isn't written canonically never verifies", () => {
  for (const [y, t] of [
    [p + 1n, 0],
    [p, 2],
    [p, 6],
  ] as const) {
    for (const sign of [0, 1]) {
      for (let round = 0; round < 24; round += 1) {
        const R = encoded(y, sign);
        const made = make({ a: scalar(), tA: round % 8, r: 0n, tR: t, R, message: randomBytes(8) });
        assert.ok(!verdict(made.A, randomBytes(8), made.signature));
        const small = make({ a: 0n, tA: round % 8, r: 0n, tR: t, R, message: new Uint8Array(1) });
        assert.ok(!verdict(small.A, new Uint8Array(1), small.signature));
      }
    }
  }
  // Zero with a sign: another way to write the neutral point and the point of order 2.
  for (const y of [1n, p - 1n]) {
    const made = make({ a: 0n, tA: 0, r: 0n, tR: 0, R: encoded(y, 1), message: new Uint8Array(1) });
    assert.ok(!verdict(made.A, new Uint8Array(1), made.signature));
  }
});

test("a signature by a key that the format refuses is false, though its equation holds", () => {
  const keys = [encoded(1n, 1), encoded(p - 1n, 1), ...torsion.map((point) => point.toBytes())];
  for (let over = 0n; over < 19n; over += 1n) keys.push(encoded(p + over), encoded(p + over, 1));
  for (const A of keys) {
    for (let round = 0; round < 8; round += 1) {
      for (const tR of [0, round]) {
        const message = randomBytes(9);
        const { signature } = make({ a: 0n, tA: 0, r: 11n, tR, A, message });
        assert.ok(!verdict(A, message, signature));
      }
    }
  }
});

test("random bytes as key and signature get the same verdict from both suites", () => {
  const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  fc.assert(
    fc.property(bytes(32), bytes(32), bytes(32), bytes(10), (A, R, S, message) => {
      S[31] = S[31]! & 0x0f;
      assert.ok(!verdict(A, message, concat(R, S)));
      assert.ok(!plain(A, message, concat(R, S)));
    }),
    { numRuns: 300 },
  );
});
