import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { Fault } from "../../src/core/fault.ts";
import { checkPublicKey } from "../../src/core/public-key.ts";

const p = 2n ** 255n - 19n;

/** 32 little-endian bytes of y, with the sign bit of x. */
function encoded(y: bigint, sign = 0): Uint8Array {
  const bytes = new Uint8Array(32);
  let rest = y;
  for (let at = 0; at < 32; at += 1) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[31] = (bytes[31] as number) | (sign << 7);
  return bytes;
}

function refuses(bytes: Uint8Array): boolean {
  try {
    checkPublicKey(bytes);
    return false;
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === "BAD_KEY");
    return true;
  }
}

test("keys that a library makes are taken", () => {
  for (let round = 0; round < 50; round += 1) {
    const { publicKey } = generateKeyPairSync("ed25519");
    const raw = Buffer.from(publicKey.export({ format: "jwk" }).x as string, "base64url");
    checkPublicKey(raw);
  }
});

test("a key that is not 32 bytes is refused", () => {
  const { publicKey } = ed25519.keygen();
  assert.ok(refuses(publicKey.subarray(1)));
  assert.ok(refuses(Buffer.concat([publicKey, new Uint8Array(1)])));
  assert.ok(refuses(new Uint8Array(0)));
});

test("every point of small order is refused, with either sign bit", () => {
  let point = ed25519.Point.fromHex(
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  );
  const generator = point;
  const encodings = new Set<string>();
  for (let order = 0; order < 8; order += 1) {
    const bytes = point.toBytes();
    encodings.add(Buffer.from(bytes).toString("hex"));
    assert.ok(refuses(bytes));
    bytes[31] = (bytes[31] as number) ^ 0x80;
    assert.ok(refuses(bytes));
    point = point.add(generator);
  }
  assert.equal(encodings.size, 8);
});

test("every y of p and above is refused, with either sign bit", () => {
  for (let over = 0n; over < 19n; over += 1n) {
    assert.ok(refuses(encoded(p + over)));
    assert.ok(refuses(encoded(p + over, 1)));
  }
});

test("the verdict on random and small values equals the curve library's", () => {
  let taken = 0;
  const ys = Array.from({ length: 300 }, (_, index) => BigInt(index));
  for (let round = 0; round < 300; round += 1) {
    ys.push(p - BigInt(round) - 1n);
    ys.push(BigInt(`0x${Buffer.from(ed25519.keygen().secretKey).toString("hex")}`) % p);
  }
  for (const y of ys) {
    for (const sign of [0, 1]) {
      let good = false;
      try {
        const point = ed25519.Point.fromBytes(encoded(y, sign));
        good = !point.isSmallOrder();
      } catch {}
      assert.equal(!refuses(encoded(y, sign)), good, `y = ${y}`);
      if (good) taken += 1;
    }
  }
  assert.ok(taken > 500);
});

test("a point of mixed order is taken: only the small orders are not", () => {
  const torsion = ed25519.Point.fromHex(
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  );
  checkPublicKey(ed25519.Point.BASE.add(torsion).toBytes());
});
