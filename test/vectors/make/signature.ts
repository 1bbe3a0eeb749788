// Signatures that some libraries accept and RFC 8032 without the cofactor does not.

import { createHash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { concat } from "../../../src/core/bytes.ts";
import { headerLength } from "../../../src/core/header.ts";
import type { Signer } from "../../fakes/signers.ts";
import { fixedBytes } from "../../fakes/signers.ts";
import { type Vector, type Vectors, vector } from "./story.ts";

const { Point } = ed25519;
const order = Point.Fn.ORDER;
/** A point of order 8. */
const torsion = Point.fromHex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");

function number(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function bytesOf(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
}

/** Signs by the book, but for `r` and `s`, which may be bent. */
function bentSigner(
  bendR: (r: InstanceType<typeof Point>) => Uint8Array,
  bendS: (s: bigint) => bigint,
  label = "bent",
): Signer {
  const seed = fixedBytes(`key ${label}`);
  const { scalar, pointBytes } = ed25519.utils.getExtendedPublicKey(seed);
  const sign = (message: Uint8Array): Uint8Array => {
    const nonce = number(createHash("sha512").update(seed).update(message).digest()) % order;
    const r = bendR(Point.BASE.multiply(nonce));
    const k = number(createHash("sha512").update(r).update(pointBytes).update(message).digest());
    return concat(r, bytesOf(bendS((nonce + (k % order) * scalar) % order)));
  };
  return { publicKey: pointBytes, sign };
}

/** Block 1 names a key that we know; block 2 is signed by it in its own way. */
function signed(what: string, signer: Signer, good = false): Vector {
  return vector("ed25519.md", what, (story) => {
    const chain = story.chain();
    chain.seal([chain.line()], { header: () => ({ nextPub: signer.publicKey }) });
    chain.seal([chain.line()], { signer });
    chain.go();
    story.store(chain);
    if (good) story.expect("VALID");
    else story.expect("INVALID", ["BAD_SIGNATURE", 2], ["REANCHORED", 3]);
  });
}

const same = (r: InstanceType<typeof Point>): Uint8Array => r.toBytes();

export const signature: Vectors = {
  plain: signed(
    "Signed by the book.",
    bentSigner(same, (s) => s),
    true,
  ),
  "s-plus-order": signed(
    "S + L: the same number to those who reduce it.",
    bentSigner(same, (s) => s + order),
  ),
  "r-of-mixed-order": signed(
    "R has a part of order 8, which multiplying by the cofactor hides.",
    bentSigner(
      (r) => r.add(torsion).toBytes(),
      (s) => s,
    ),
  ),
  zero: vector("ed25519.md", "A signature of zeros.", (story) => {
    const chain = story.chain();
    chain.go();
    const block = chain.seal([chain.line()]);
    block.bytes.fill(0, headerLength, headerLength + 64);
    story.store(chain);
    story.expect("INVALID", ["BAD_SIGNATURE", 2]);
  }),
  "without-context": signed("The header is signed without the context before it.", {
    publicKey: bentSigner(same, (s) => s).publicKey,
    sign: (message) => bentSigner(same, (s) => s).sign(message.subarray(16)),
  }),
};
