import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { concat } from "../../src/core/bytes.ts";
import type { Suite } from "../../src/core/digest.ts";
import { Fault } from "../../src/core/fault.ts";
import { portableSuite } from "../../src/core/portable-suite.ts";
import { checkZstdFrame, zstdFrameEnd } from "../../src/core/zstd-frame.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";

const portable = await portableSuite();
const {
  ZSTD_c_checksumFlag: checksumFlag,
  ZSTD_c_compressionLevel: level,
  ZSTD_c_contentSizeFlag: sizeFlag,
  ZSTD_c_windowLog: windowLog,
} = constants;

function compressed(raw: Uint8Array, params: Record<number, number> = {}): Uint8Array {
  const options = {
    params: { [checksumFlag]: 1, [sizeFlag]: 1, ...params },
    pledgedSrcSize: raw.length,
  };
  return new Uint8Array(zstdCompressSync(raw, options));
}

/** The four bytes at the end of a frame of this content. */
const checksumOf = (raw: Uint8Array): Uint8Array => compressed(raw).slice(-4);

/** Text that compresses like log lines do. */
function lines(length: number, salt = 1): Uint8Array {
  let text = "";
  for (let line = salt; text.length < length; line += 1) {
    text += `10.0.${line % 7}.${(line * 7919) % 251} GET /orders/${line * 104_729} 200\n`;
  }
  return Buffer.from(text.slice(0, length));
}

function shapeOf(bytes: Uint8Array, rawLength: number): boolean {
  try {
    checkZstdFrame(bytes, rawLength);
    return true;
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === "PAYLOAD_CORRUPT");
    assert.ok(error.at !== undefined && error.at >= 0 && error.at <= bytes.length);
    return false;
  }
}

function decompress(suite: Suite, bytes: Uint8Array, rawLength: number): Uint8Array | undefined {
  try {
    return Uint8Array.from(suite.zstdDecompress(bytes, rawLength));
  } catch (error) {
    assert.ok(error instanceof Fault && error.code === "PAYLOAD_CORRUPT", String(error));
    return undefined;
  }
}

/** deepEqual would take minutes to show where megabytes differ. */
function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return Buffer.compare(one, other) === 0;
}

/** What both suites make of a frame that has the right shape; they have to agree. */
function opened(bytes: Uint8Array, rawLength: number): Uint8Array | undefined {
  if (!shapeOf(bytes, rawLength)) return undefined;
  const native = decompress(nativeSuite, bytes, rawLength);
  const other = decompress(portable, bytes, rawLength);
  assert.ok(isSame(other, native), Buffer.from(bytes.subarray(0, 200)).toString("hex"));
  return native;
}

/** A block header and its bytes; `size` where it isn't their number. */
function block(type: 0 | 1 | 2 | 3, body: Uint8Array, last: boolean, size = body.length) {
  const word = (size << 3) | (type << 1) | (last ? 1 : 0);
  return concat(Uint8Array.of(word, word >> 8, word >> 16), body);
}

/** A frame made by hand: no single segment, content size in four bytes. */
function frame(window: number, raw: Uint8Array, ...blocks: Uint8Array[]): Uint8Array {
  const head = Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x84, window, 0, 0, 0, 0);
  new DataView(head.buffer).setUint32(6, raw.length, true);
  return concat(head, ...blocks, checksumOf(raw));
}

/** A compressed block: one literal byte, then a copy of 65,539 to 131,074 bytes. */
function copied(literal: number, length: number, offset: number): Uint8Array {
  const offsetCode = Math.floor(Math.log2(offset + 3));
  // Read from the last bit backwards: a mark, the offset, the length.
  let bits = "1";
  bits += (offset + 3 - 2 ** offsetCode).toString(2).padStart(offsetCode, "0");
  bits += (length - 65_539).toString(2).padStart(16, "0");
  const stream: number[] = [];
  for (let rest = BigInt(`0b${bits}`); rest > 0n; rest >>= 8n) stream.push(Number(rest & 255n));
  return Uint8Array.of(1 << 3, literal, 1, 0x54, 1, offsetCode, 52, ...stream);
}

/** What `copied` stands for, behind `before`. */
function applied(before: Uint8Array, literal: number, length: number, offset: number): Uint8Array {
  const raw = concat(before, Uint8Array.of(literal), new Uint8Array(length));
  for (let at = before.length + 1; at < raw.length; at += 1) raw[at] = raw[at - offset]!;
  return raw;
}

test("frames of every level and window up to 8 MiB pass and open", () => {
  for (const length of [1, 255, 256, 257, 65_791, 65_792, 400_000]) {
    for (const raw of [lines(length), new Uint8Array(length), randomBytes(length)]) {
      for (const params of [{ [level]: 1 }, { [level]: 9 }, { [level]: -5 }, { [windowLog]: 10 }]) {
        const bytes = compressed(raw, params);
        assert.ok(isSame(opened(bytes, length), raw));
      }
    }
  }
  const large = lines(8_388_608);
  assert.ok(isSame(opened(compressed(large), large.length), large));
});

test("a frame that breaks one rule of the shape is refused", () => {
  const raw = lines(5_000);
  const good = compressed(raw);
  const bent = (at: number, byte: number): Uint8Array => good.map((b, i) => (i === at ? byte : b));
  const flags = good[4]!;
  // Two blocks and a window, to break by hand.
  const parts = [block(0, raw.subarray(0, 1_000), false), block(0, raw.subarray(1_000), true)];
  const made = frame(24, raw, ...parts);
  assert.ok(isSame(opened(made, 5_000), raw));
  for (const [name, bytes] of Object.entries({
    "no bytes": new Uint8Array(0),
    "magic only": good.subarray(0, 4),
    "another magic": bent(0, 0x29),
    "a skippable frame": concat(Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 9), good),
    "a skippable frame behind": concat(good, Uint8Array.of(0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0)),
    "reserved bit": bent(4, flags | 8),
    "no checksum": compressed(raw, { [checksumFlag]: 0 }),
    "checksum bit cleared": bent(4, flags & ~4),
    "a dictionary id of 1 byte": bent(4, flags | 1),
    "a dictionary id of 4 bytes": bent(4, flags | 3),
    "no content size": compressed(raw, { [sizeFlag]: 0 }),
    "a wrong content size": bent(5, good[5]! ^ 1),
    "another frame behind": concat(good, good),
    "an empty frame behind": concat(good, compressed(new Uint8Array(0))),
    "a byte behind": concat(good, new Uint8Array(1)),
    "a byte too few": good.subarray(0, -1),
    "a window of 9 MiB": frame((13 << 3) | 1, raw, ...parts),
    "a window of 16 MiB": frame(14 << 3, raw, ...parts),
    "the largest window": frame(0xff, raw, ...parts),
    "a reserved block": frame(24, raw, block(3, raw, true)),
    "a block larger than the window": frame(0, raw, block(0, raw, true)),
    "a run larger than the window": frame(
      0,
      new Uint8Array(5_000),
      block(1, Uint8Array.of(0), true, 5_000),
    ),
    "an empty compressed block": frame(24, raw, block(2, new Uint8Array(0), false), ...parts),
    "a compressed block of one byte": frame(24, raw, block(2, new Uint8Array(1), false), ...parts),
    "no last block": frame(24, raw, parts[0]!, block(0, raw.subarray(1_000), false)),
    "blocks after the last": frame(24, raw, ...parts, parts[1]!),
    "a block that ends outside": frame(
      8,
      raw,
      parts[0]!,
      block(0, raw.subarray(4_000), true, 4_000),
    ),
  })) {
    assert.equal(shapeOf(bytes, 5_000), false, name);
  }
  for (const length of [0, 1, 4_999, 5_001, 2 ** 32 + 5_000]) assert.ok(!shapeOf(good, length));
});

test("a content size of eight bytes is read whole", () => {
  const raw = lines(700);
  const body = concat(block(0, raw, true), checksumOf(raw));
  const head = (high: number): Uint8Array => {
    const bytes = new Uint8Array(14).fill(0);
    bytes.set([0x28, 0xb5, 0x2f, 0xfd, 0xc4, 8, 700 & 255, 700 >> 8]);
    bytes[13] = high;
    return bytes;
  };
  assert.ok(isSame(opened(concat(head(0), body), 700), raw));
  assert.ok(!shapeOf(concat(head(1), body), 700));
  assert.ok(!shapeOf(concat(head(255), body), 700));
});

test("a single segment of more than 8 MiB is refused before anything is decompressed", () => {
  const raw = new Uint8Array(8_388_609);
  const bytes = compressed(raw, { [level]: 19, [windowLog]: 27 });
  assert.equal(bytes[4]! & 0x20, 0x20);
  assert.ok(!shapeOf(bytes, raw.length));
});

test("the unused bit of the descriptor is not interpreted", () => {
  const raw = lines(5_000);
  const bytes = compressed(raw);
  bytes[4] = bytes[4]! | 0x10;
  assert.ok(isSame(opened(bytes, raw.length), raw));
});

test("every single bit flip of a frame gets one verdict from both suites", () => {
  for (const [raw, params] of [
    [lines(900), { [level]: 1 }],
    [lines(3_000), { [level]: 19, [windowLog]: 10 }],
    [randomBytes(120), {}],
    [new Uint8Array(300_000), {}],
  ] as const) {
    const good = compressed(raw, params);
    for (let bit = 0; bit < good.length * 8; bit += 1) {
      const bent = good.slice();
      bent[bit >> 3] = bent[bit >> 3]! ^ (1 << (bit & 7));
      const result = opened(bent, raw.length);
      // Some flips leave the content alone, such as the unused bit, or the width of a window.
      if (result !== undefined) assert.ok(isSame(result, raw));
    }
  }
});

test("every truncation of a frame is refused", () => {
  const raw = lines(4_000);
  const good = compressed(raw);
  for (let length = 0; length < good.length; length += 1) {
    assert.ok(!shapeOf(good.subarray(0, length), raw.length));
  }
});

test("a wrong checksum is refused by both suites", () => {
  const raw = lines(4_000);
  const good = compressed(raw);
  for (let at = good.length - 4; at < good.length; at += 1) {
    const bent = good.map((byte, index) => (index === at ? byte ^ 1 : byte));
    assert.ok(shapeOf(bent, raw.length));
    assert.equal(opened(bent, raw.length), undefined);
  }
});

test("blocks that hold more or less than the content size are refused by both suites", () => {
  const raw = lines(5_000);
  for (const length of [4_999, 5_001, 70_000]) {
    const bytes = frame(24, raw, block(0, raw, true));
    new DataView(bytes.buffer).setUint32(6, length, true);
    assert.ok(shapeOf(bytes, length));
    assert.equal(opened(bytes, length), undefined);
  }
});

test("a run that stands for more than the content is refused by both suites", () => {
  const raw = new Uint8Array(100);
  const run = block(1, Uint8Array.of(0), false, 131_072);
  const bytes = frame(80, raw, ...Array.from({ length: 500 }, () => run), block(0, raw, true));
  assert.ok(shapeOf(bytes, 100));
  assert.equal(opened(bytes, 100), undefined);
});

test("a compressed block that stands for more than 128 KiB gets one verdict", () => {
  const before = lines(2_048);
  for (const length of [131_071, 131_072, 131_074]) {
    const raw = applied(before, 9, length, 5);
    const blocks = [block(0, before, false), block(2, copied(9, length, 5), true)];
    const bytes = frame(80, raw, ...blocks);
    const result = opened(bytes, raw.length);
    // RFC 8878 forbids more. The decoder that both suites have looks at the content's end alone
    // when it is given room for all of it at once.
    if (length === 131_071) assert.ok(isSame(result, raw));
  }
});

test("a copy from behind the window gets one verdict", () => {
  // A window of 128 KiB, and three times as much before the copy.
  const before = lines(393_216);
  const blocks = [0, 131_072, 262_144].map((at) =>
    block(0, before.subarray(at, at + 131_072), false),
  );
  for (const offset of [1, 131_000, 131_072, 131_073, 200_000, 393_217, 393_218]) {
    const raw = applied(before, 9, 65_539, offset);
    const bytes = frame(56, raw, ...blocks, block(2, copied(9, 65_539, offset), true));
    const result = opened(bytes, raw.length);
    // RFC 8878 forbids offsets beyond the window. The decoder that both suites have lets them pass
    // while they stay inside the content, so it stays a property of that decoder.
    if (offset <= 131_072) assert.ok(isSame(result, raw));
    if (offset > 393_217) assert.equal(result, undefined);
  }
});

test("random mixtures of frames, blocks and junk get one verdict from both suites", () => {
  const raw = lines(3_000);
  const good = [compressed(raw), compressed(raw, { [level]: 12, [windowLog]: 10 })];
  const edit = fc.record({
    at: fc.nat(4_000),
    remove: fc.nat(6),
    insert: fc.uint8Array({ maxLength: 6 }),
  });
  fc.assert(
    fc.property(fc.nat(1), fc.array(edit, { minLength: 1, maxLength: 3 }), (which, edits) => {
      let bytes = good[which]!;
      for (const { at, remove, insert } of edits) {
        const place = at % bytes.length;
        bytes = concat(bytes.subarray(0, place), insert, bytes.subarray(place + remove));
      }
      const result = opened(bytes, raw.length);
      if (result !== undefined) assert.ok(isSame(result, raw));
    }),
    { numRuns: 4_000 },
  );
});

test("random bodies behind a good header get one verdict from both suites", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 60 }), fc.nat(400), (body, length) => {
      const raw = new Uint8Array(length + 1);
      opened(frame(0, raw, block(2, body, true)), raw.length);
    }),
    { numRuns: 4_000 },
  );
});

test("a frame ends where its own blocks say, whatever follows", () => {
  const frames = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 40 }));
  fc.assert(
    fc.property(frames, ([raw, behind]) => {
      const frame = compressed(raw);
      assert.equal(zstdFrameEnd(concat(frame, behind)), frame.length);
    }),
  );
});
