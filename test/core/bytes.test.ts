import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  addNumbers,
  base64,
  compareBytes,
  concat,
  equalBytes,
  fromBase64,
  fromDecimal,
  fromHex,
  fromUtf8,
  hex,
  isZero,
  maxInteger,
  readU32,
  readU64,
  utf8,
  writeU32,
  writeU64,
} from "../../src/core/bytes.ts";
import { Fault, type FindingCode } from "../../src/core/fault.ts";

const numbers = fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, maxInteger));

function fails(code: FindingCode, read: () => unknown): void {
  assert.throws(read, (caught) => caught instanceof Fault && caught.code === code);
}

test("u64 reads back what was written, as the platform writes it", () => {
  fc.assert(
    fc.property(numbers, fc.nat(7), (value, at) => {
      const bytes = new Uint8Array(16);
      writeU64(bytes, at, value);
      assert.equal(readU64(bytes, at), value);
      assert.equal(new DataView(bytes.buffer).getBigUint64(at), BigInt(value));
    }),
  );
});

test("u32 reads back what was written", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 32 - 1), (value) => {
      const bytes = new Uint8Array(4);
      writeU32(bytes, 0, value);
      assert.equal(readU32(bytes, 0), value);
      assert.equal(new DataView(bytes.buffer).getUint32(0), value);
    }),
  );
});

test("a u64 above 2^53 - 1 is refused without rounding", () => {
  const bytes = new Uint8Array(8);
  for (const value of [2n ** 53n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n]) {
    new DataView(bytes.buffer).setBigUint64(0, value);
    fails("LIMIT_EXCEEDED", () => readU64(bytes, 0));
  }
  assert.throws(() => writeU64(bytes, 0, 2 ** 53), RangeError);
  assert.throws(() => writeU64(bytes, 0, -1), RangeError);
  assert.throws(() => writeU64(bytes, 0, 0.5), RangeError);
});

test("a sum above 2^53 - 1 is refused", () => {
  assert.equal(addNumbers(maxInteger - 1, 1), maxInteger);
  fails("LIMIT_EXCEEDED", () => addNumbers(maxInteger, 1));
});

test("hex, base64 and UTF-8 read back what was written", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      assert.deepEqual(fromHex(hex(bytes), bytes.length), bytes);
      assert.deepEqual(fromBase64(base64(bytes)), bytes);
      assert.equal(base64(bytes), Buffer.from(bytes).toString("base64"));
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.equal(fromUtf8(utf8(text)), text);
    }),
  );
});

test("text that decodes, encodes again to the same text", () => {
  const near = fc.stringMatching(/^[A-Za-z0-9+/=]{0,12}$/);
  fc.assert(
    fc.property(near, (text) => {
      try {
        assert.equal(base64(fromBase64(text)), text);
      } catch (caught) {
        assert.ok(caught instanceof Fault);
      }
    }),
  );
});

test("other forms of the same bytes are refused", () => {
  for (const text of ["AA", "AA=", "AB==", "A===", "====", "AA==\n", "A-_=", "AAA=AAA="]) {
    fails("NON_CANONICAL", () => fromBase64(text));
  }
  for (const text of ["0A", "0", "0g", " 00", "0x00"]) {
    fails("NON_CANONICAL", () => fromHex(text, 1));
  }
  for (const bytes of [
    [0xff],
    [0xc0, 0x80],
    [0xed, 0xa0, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xe2],
  ]) {
    fails("NON_CANONICAL", () => fromUtf8(Uint8Array.from(bytes)));
  }
});

test("a byte order mark is a character like any other", () => {
  assert.equal(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf)), "\ufeff");
});

test("decimals have one form, and are never rounded", () => {
  fc.assert(fc.property(numbers, (value) => assert.equal(fromDecimal(String(value)), value)));
  for (const text of ["", "00", "01", "+1", "-1", "1.0", "1e3", " 1", "1 ", "\u0661", "1\n"]) {
    fails("NON_CANONICAL", () => fromDecimal(text));
  }
  for (const text of ["9007199254740992", "9007199254740993", "1".repeat(400)]) {
    fails("LIMIT_EXCEEDED", () => fromDecimal(text));
  }
});

test("bytes are compared in order, a prefix first", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 6 }), fc.uint8Array({ maxLength: 6 }), (a, b) => {
      assert.equal(Math.sign(compareBytes(a, b)), Buffer.compare(a, b));
      assert.equal(equalBytes(a, b), Buffer.compare(a, b) === 0);
      assert.equal(concat(a, b).length, a.length + b.length);
      assert.equal(isZero(a), Buffer.from(a).equals(Buffer.alloc(a.length)));
    }),
  );
});
