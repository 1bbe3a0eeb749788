import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { ed25519 } from "@noble/curves/ed25519.js";
import { equationHolds } from "../../src/core/ed25519.ts";

function holds(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const hash = createHash("sha512").update(signature.subarray(0, 32)).update(key).update(message);
  return equationHolds(key, signature, hash.digest());
}

test("the first vectors of RFC 8032 hold", () => {
  for (const [key, message, signature] of [
    [
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
      "",
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
      "72",
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
      "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
      "af82",
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
  ] as const) {
    const [a, m, s] = [key, message, signature].map((hex) => Buffer.from(hex, "hex"));
    assert.ok(holds(a!, m!, s!));
    assert.ok(!holds(a!, Buffer.concat([m!, Buffer.of(0)]), s!));
  }
});

test("signatures of the curve library hold, and not when a byte is bent", () => {
  for (let round = 0; round < 40; round += 1) {
    const { secretKey, publicKey } = ed25519.keygen();
    const message = new Uint8Array(round).fill(round);
    const signature = ed25519.sign(message, secretKey);
    assert.ok(holds(publicKey, message, signature));
    signature[(round * 7) % 64]! ^= 1 << (round % 8);
    assert.ok(!holds(publicKey, message, signature));
  }
});

test("wrong lengths are false, not an error", () => {
  const { secretKey, publicKey } = ed25519.keygen();
  const signature = ed25519.sign(new Uint8Array(1), secretKey);
  const digest = new Uint8Array(64);
  for (const length of [0, 8, 31, 33, 63, 65, 72]) {
    const other = new Uint8Array(length);
    assert.ok(!equationHolds(other, signature, digest));
    assert.ok(!equationHolds(publicKey, other, digest));
    assert.ok(!equationHolds(publicKey, signature, other));
  }
});
