// The signatures of docs/spec/ed25519.md on which libraries differ, each with the format's verdict.

import { createHash } from "node:crypto";
import { ed25519 } from "@noble/curves/ed25519.js";
import { concat, hex, utf8 } from "../src/core/bytes.ts";
import { littleEndian } from "../src/core/ed25519.ts";
import { nativeSuite as suite } from "../src/host/native-suite.ts";

const { Point } = ed25519;
const order = Point.Fn.ORDER;
type CurvePoint = typeof Point.BASE;

/** A point of order 8. */
const torsion = Point.fromHex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
const a = 0x1234_5678_9abc_def0n;
const r = 0x0fed_cba9_8765_4321n;

interface Signed {
  readonly what: string;
  readonly accept: boolean;
  readonly key: Uint8Array;
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
}

function scalarBytes(value: bigint): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) bytes[i] = Number(rest & 255n);
  return bytes;
}

function digestOf(R: Uint8Array, key: Uint8Array, message: Uint8Array): bigint {
  const input = concat(R, key, message);
  return littleEndian(new Uint8Array(createHash("sha512").update(input).digest()));
}

/** S = r + k·a: a signature whose R and key may carry a torsion part besides. */
function sign(R: Uint8Array, nonce: bigint, key: Uint8Array, message: Uint8Array): Uint8Array {
  const k = digestOf(R, key, message) % order;
  return concat(R, scalarBytes((nonce + k * a) % order));
}

/** The first message "0", "1", … for which `fits` holds. */
function messageFor(fits: (message: Uint8Array) => boolean): Uint8Array {
  for (let n = 0; ; n++) {
    const message = utf8(String(n));
    if (fits(message)) return message;
  }
}

function cases(): Signed[] {
  const bytesOf = (point: CurvePoint): Uint8Array => point.toBytes();
  const plain = bytesOf(Point.BASE.multiply(a));
  const mixed = bytesOf(Point.BASE.multiply(a).add(torsion));
  const R = bytesOf(Point.BASE.multiply(r));
  const identity = bytesOf(Point.ZERO);
  const zeroMessage = utf8("0");
  const good = sign(R, r, plain, zeroMessage);
  const big = concat(R, scalarBytes(littleEndian(good.subarray(32)) + order));
  const reduced = messageFor((message) => {
    const digest = digestOf(R, mixed, message);
    return (digest % order) % 8n === 0n && digest % 8n !== 0n;
  });
  const unreduced = messageFor((message) => {
    const digest = digestOf(R, mixed, message);
    return (digest % order) % 8n !== 0n && digest % 8n === 0n;
  });
  const stray = bytesOf(Point.BASE.multiply(r).add(torsion));
  const longIdentity = identity.slice();
  longIdentity[31] = 0x80;
  return [
    made("plain", true, plain, zeroMessage, good),
    made("S + L", false, plain, zeroMessage, big),
    made("A of mixed order, 8 divides k mod L", true, mixed, reduced, sign(R, r, mixed, reduced)),
    made(
      "A of mixed order, 8 divides only the unreduced k",
      false,
      mixed,
      unreduced,
      sign(R, r, mixed, unreduced),
    ),
    made("R of mixed order", false, plain, zeroMessage, sign(stray, r, plain, zeroMessage)),
    made(
      "R is the neutral point",
      true,
      plain,
      zeroMessage,
      sign(identity, 0n, plain, zeroMessage),
    ),
    made(
      "R is the neutral point with its sign bit set",
      false,
      plain,
      zeroMessage,
      sign(longIdentity, 0n, plain, zeroMessage),
    ),
  ];
}

function made(
  what: string,
  accept: boolean,
  key: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): Signed {
  if (suite.verifyEd25519(key, message, signature) !== accept) {
    throw new Error(`the example "${what}" is not judged as it says`);
  }
  return { what, accept, key, message, signature };
}

export function ed25519Example(): string {
  return cases()
    .map(({ what, accept, key, message, signature }) =>
      [
        `${accept ? "accept" : "reject"}: ${what}`,
        `  key        ${hex(key)}`,
        `  message    ${hex(message)}`,
        `  signature  ${hex(signature.subarray(0, 32))}`,
        `             ${hex(signature.subarray(32))}`,
      ].join("\n"),
    )
    .join("\n");
}

/** Encodings with a clear sign bit of the y of every point of small order. */
export function smallOrderExample(): string {
  const order8 = torsion.toBytes();
  const encodings = [Point.ZERO, torsion.add(torsion), torsion, torsion.negate()].map((point) => {
    const bytes = point.toBytes();
    bytes[31] = (bytes[31] as number) & 0x7f;
    return hex(bytes);
  });
  const others = [3, 4].map((times) => {
    let point = Point.ZERO;
    for (let i = 0; i < times; i++) point = point.add(torsion);
    const bytes = point.toBytes();
    bytes[31] = (bytes[31] as number) & 0x7f;
    return hex(bytes);
  });
  return [...new Set([...encodings, ...others, hex(order8)])].sort().join("\n");
}
