import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { checkZstdFrame } from "../../src/core/zstd-frame.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { SeededRandom } from "../fakes/random.ts";

const random = new SeededRandom(7);
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));
const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");

test("digests equal the known answers", () => {
  const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(hex(nativeSuite.sha256(new Uint8Array(0))), empty);
  const shake = "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f";
  assert.equal(hex(nativeSuite.shake256(new Uint8Array(0), 32)), shake);
  assert.equal(nativeSuite.shake256(bytes("x"), 100_000).length, 100_000);
});

test("a digest is fresh memory of 32 bytes", () => {
  const one = nativeSuite.sha256(bytes("a"));
  const two = nativeSuite.sha256(bytes("b"));
  assert.equal(one.buffer.byteLength, 32);
  assert.notEqual(one.buffer, two.buffer);
});

test("a digest lands in its place, every byte value intact, and nowhere else", () => {
  for (let round = 0; round < 300; round++) {
    const input = random.bytes(1 + (round % 70));
    const end = round % (input.length + 1);
    const out = new Uint8Array(50).fill(0xee);
    nativeSuite.sha256Into(input, end, out, 9);
    const want = createHash("sha256").update(input.subarray(0, end)).digest();
    assert.equal(hex(out.subarray(9, 41)), hex(want));
    assert.ok(out.subarray(0, 9).every((byte) => byte === 0xee));
    assert.ok(out.subarray(41).every((byte) => byte === 0xee));
  }
  const small = new Uint8Array(40);
  assert.throws(() => nativeSuite.sha256Into(bytes("x"), 1, small, 9), RangeError);
});

const order = ed25519.Point.Fn.ORDER;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

function numberOf(data: Uint8Array): bigint {
  return data.reduceRight((sum, byte) => sum * 256n + BigInt(byte), 0n);
}

interface Crafted {
  readonly key: Uint8Array;
  readonly sig: Uint8Array;
  /** The challenge, reduced: what the key is multiplied with. */
  readonly k: bigint;
}

/** A signature made by hand, with multiples of a point of order 8 added to R and to the key. */
function crafted(torsionR: number, torsionA: number, text = "text"): Crafted {
  const eighth = ed25519.Point.fromHex(
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  );
  const secret = 123456789n;
  const nonce = 987654321n;
  let key = ed25519.Point.BASE.multiply(secret);
  let commitment = ed25519.Point.BASE.multiply(nonce);
  for (let i = 0; i < torsionA; i++) key = key.add(eighth);
  for (let i = 0; i < torsionR; i++) commitment = commitment.add(eighth);
  const r = commitment.toBytes();
  const k = numberOf(sha512(Buffer.concat([r, key.toBytes(), bytes(text)]))) % order;
  const s = littleEndian((nonce + k * secret) % order);
  return { key: key.toBytes(), sig: new Uint8Array(Buffer.concat([r, s])), k };
}

const verify = nativeSuite.verifyEd25519;

test("good signatures pass, and every flipped bit fails", () => {
  const pair = generateKeyPairSync("ed25519");
  const key = new Uint8Array(pair.publicKey.export({ format: "der", type: "spki" }).subarray(12));
  const sig = new Uint8Array(sign(null, bytes("text"), pair.privateKey));
  assert.ok(verify(key, bytes("text"), sig));
  assert.ok(!verify(key, bytes("texT"), sig));
  for (let bit = 0; bit < 512; bit++) {
    const bent = sig.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.ok(!verify(key, bytes("text"), bent), `bit ${bit}`);
  }
});

test("a signature that only the cofactor would save is refused", () => {
  const plain = crafted(0, 0);
  assert.ok(verify(plain.key, bytes("text"), plain.sig));
  for (const torsion of [1, 2, 4]) {
    const mixed = crafted(torsion, 0);
    assert.ok(!verify(mixed.key, bytes("text"), mixed.sig), `R of order ${torsion}`);
    assert.ok(ed25519.verify(mixed.sig, bytes("text"), mixed.key), "the cofactor does save it");
  }
});

test("with a key of mixed order the verdict hangs on the challenge alone", () => {
  for (let i = 0; i < 40; i++) {
    const mixed = crafted(0, 1, `text ${i}`);
    assert.equal(verify(mixed.key, bytes(`text ${i}`), mixed.sig), mixed.k % 8n === 0n);
  }
});

test("S is refused from the group's order on", () => {
  const { key, sig } = crafted(0, 0);
  const s = numberOf(sig.subarray(32));
  for (const multiple of [1n, 2n]) {
    const bent = new Uint8Array(
      Buffer.concat([sig.subarray(0, 32), littleEndian(s + multiple * order)]),
    );
    assert.ok(!verify(key, bytes("text"), bent));
  }
});

test("whatever is malformed is false, never an error", () => {
  const { key, sig } = crafted(0, 0);
  const noPoint = new Uint8Array(32).fill(0xff);
  for (const bad of [new Uint8Array(0), key.subarray(1), new Uint8Array(33), noPoint]) {
    assert.equal(verify(bad, bytes("text"), sig), false);
  }
  for (const bad of [new Uint8Array(0), sig.subarray(1), new Uint8Array(65)]) {
    assert.equal(verify(key, bytes("text"), bad), false);
  }
  for (let round = 0; round < 200; round++) {
    assert.equal(verify(random.bytes(32), bytes("text"), random.bytes(64)), false);
  }
});

const params = { [constants.ZSTD_c_checksumFlag]: 1 };
const frameOf = (raw: Uint8Array): Uint8Array =>
  new Uint8Array(zstdCompressSync(raw, { params, pledgedSrcSize: raw.length }));

test("a zstd frame opens to exactly its bytes", () => {
  for (const raw of [bytes("a"), random.bytes(1000), new Uint8Array(3_000_000)]) {
    assert.equal(hex(nativeSuite.zstdDecompress(frameOf(raw), raw.length)), hex(raw));
  }
});

test("a zstd frame that is not exactly that is PAYLOAD_CORRUPT", () => {
  const raw = bytes("hello ".repeat(200));
  const frame = frameOf(raw);
  const joined = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));
  const skippable = Uint8Array.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9]);
  const badChecksum = frame.slice();
  badChecksum[frame.length - 1] = (badChecksum[frame.length - 1] ?? 0) ^ 1;
  // Descriptor 0 (no content size, no checksum), window log 24, one last raw block of one byte.
  const wide = Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd, 0, 14 << 3, (1 << 3) | 1, 0, 0, 0x41]);
  const narrow = wide.with(5, 13 << 3);
  assert.deepEqual([...nativeSuite.zstdDecompress(narrow, 1)], [0x41]);
  assert.throws(() => nativeSuite.zstdDecompress(wide, 1), { code: "PAYLOAD_CORRUPT" });
  const table: [string, Uint8Array, number][] = [
    ["junk behind", joined(frame, bytes("junk")), raw.length],
    ["a second frame", joined(frame, frame), raw.length],
    ["an empty second frame", joined(frame, frameOf(new Uint8Array(0))), raw.length],
    ["a skippable frame behind", joined(frame, skippable), raw.length],
    ["a frame cut short", frame.subarray(0, -1), raw.length],
    ["a frame without its checksum", frame.subarray(0, -4), raw.length],
    ["a wrong checksum", badChecksum, raw.length],
    ["more output than told", frame, raw.length - 1],
    ["less output than told", frame, raw.length + 1],
    ["nothing", new Uint8Array(0), raw.length],
    ["a bomb", frameOf(new Uint8Array(50_000_000)), 1000],
  ];
  const open = (frame: Uint8Array, length: number): void => {
    checkZstdFrame(frame, length);
    nativeSuite.zstdDecompress(frame, length);
  };
  for (const [name, bad, length] of table) {
    assert.throws(() => open(bad, length), { code: "PAYLOAD_CORRUPT" }, name);
  }
});
