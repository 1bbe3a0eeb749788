import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  checkFrame,
  encodeFrameHeader,
  frameBytesMax,
  frameHeaderBytes,
  hasFrameBehind,
} from "../../src/wal/frame.ts";

function encode(index: number, ...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([encodeFrameHeader(index, parts), ...parts]));
}

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text));

test("a frame has exactly these bytes", () => {
  const hex = Buffer.from(encode(0x0102030405, bytes("ab"), bytes("c"))).toString("hex");
  assert.equal(hex, "00000003be1d1cd70000000102030405616263");
});

test("a frame is found again whole, however its content was cut into parts", () => {
  const index = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  const parts = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(index, parts, fc.nat(20), (at, contents, before) => {
      const content = Buffer.concat(contents);
      if (content.length === 0) return;
      const frame = encode(at, ...contents);
      assert.deepEqual(frame, encode(at, content));
      const placed = new Uint8Array([...new Uint8Array(before), ...frame, 1, 2, 3]);
      const check = checkFrame(placed, before, at);
      const start = before + frameHeaderBytes;
      assert.deepEqual(check, { kind: "whole", index: at, start, end: start + content.length });
    }),
  );
});

test("every truncation is short, and every flipped bit is noticed", () => {
  const frame = encode(7, bytes("some content"));
  for (let length = 0; length < frame.length; length++) {
    const check = checkFrame(frame.subarray(0, length), 0, 7);
    const want = length < frameHeaderBytes ? frameHeaderBytes : frame.length;
    assert.deepEqual(check, { kind: "short", want });
  }
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const bent = frame.slice();
    bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.notEqual(checkFrame(bent, 0, 7).kind, "whole", `bit ${bit}`);
  }
});

test("zeros, a huge length and a wrong index are no frames", () => {
  assert.deepEqual(checkFrame(new Uint8Array(100), 0, 0), { kind: "bad", reason: "bad-length" });
  const huge = encode(1, bytes("x"));
  huge[0] = 0xff;
  assert.deepEqual(checkFrame(huge, 0, 1), { kind: "bad", reason: "bad-length" });
  const other = checkFrame(encode(2, bytes("x")), 0, 1);
  assert.deepEqual(other, { kind: "bad", reason: "wrong-index" });
});

test("a frame that nobody could read back is not made", () => {
  assert.throws(() => encodeFrameHeader(0, []), RangeError);
  assert.throws(() => encodeFrameHeader(0, [new Uint8Array(frameBytesMax + 1)]), RangeError);
  assert.throws(() => encodeFrameHeader(-1, [bytes("x")]), RangeError);
  assert.throws(() => encodeFrameHeader(2 ** 53, [bytes("x")]), RangeError);
});

test("a frame behind a tear is found at any byte, unless it is an older one", () => {
  for (const junk of [1, 15, 16, 17, 500]) {
    const tail = new Uint8Array([...new Uint8Array(junk).fill(0x55), ...encode(9, bytes("x"))]);
    assert.equal(hasFrameBehind(tail, 0, 9), true);
    assert.equal(hasFrameBehind(tail, 0, 5), true);
    assert.equal(hasFrameBehind(tail, 0, 10), false);
    assert.equal(hasFrameBehind(tail, 0, 2 ** 40), false);
  }
  assert.equal(hasFrameBehind(new Uint8Array(5000), 0, 0), false);
});

test("content that imitates many frames is given up on, on the careful side", () => {
  const header = encodeFrameHeader(3, [bytes("not this")]);
  new DataView(header.buffer).setUint32(0, 500_000);
  const tail = new Uint8Array(1_000_000);
  for (let at = 0; at + 16 <= tail.length; at += 16) tail.set(header, at);
  // None of them is whole: who looked at each to the end would say so.
  assert.equal(hasFrameBehind(tail, 0, 3), true);
});
