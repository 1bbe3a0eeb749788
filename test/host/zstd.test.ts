import assert from "node:assert/strict";
import { test } from "node:test";
import { checkZstdFrame } from "../../src/core/zstd-frame.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { compress } from "../../src/host/zstd.ts";
import { SeededRandom } from "../fakes/random.ts";

const lines = (n: number): Uint8Array =>
  new Uint8Array(Buffer.from("2026-01-01 user=7 action=login status=200\n".repeat(n)));

// RFC 8878, 3.1.1.1: the descriptor's bits 7-6 and 5 tell the content size field, bit 2 tells
// the checksum.
function shapeOf(frame: Uint8Array): { contentSize: number; checksum: boolean } {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  assert.equal(view.getUint32(0), 0x28b52ffd);
  const descriptor = frame[4] ?? 0;
  const single = (descriptor & 0x20) !== 0;
  const at = single ? 5 : 6;
  const sizes = [single ? frame[at] : undefined, 256, 0, 0];
  const flag = descriptor >> 6;
  if (flag === 1) sizes[1] = view.getUint16(at, true) + 256;
  if (flag === 2) sizes[2] = view.getUint32(at, true);
  return { contentSize: sizes[flag] ?? -1, checksum: (descriptor & 4) !== 0 };
}

test("every frame tells its content size and carries a checksum", async () => {
  const random = new SeededRandom(1);
  for (const raw of [
    lines(1),
    lines(100),
    lines(50_000),
    random.bytes(255),
    random.bytes(100_000),
  ]) {
    const frame = await compress(raw);
    assert.deepEqual(shapeOf(frame), { contentSize: raw.length, checksum: true });
    assert.deepEqual(Buffer.from(nativeSuite.zstdDecompress(frame, raw.length)), Buffer.from(raw));
  }
});

// zlib adds an empty frame where the first one fills its buffer to the last byte. Text of random
// base64 at these lengths once did: 65,536 bytes and a quarter of its own.
test("a payload becomes one frame, however long the frame comes out", async () => {
  const random = new SeededRandom(1);
  const base64 = Buffer.from(Buffer.from(random.bytes(98_400)).toString("base64"));
  for (let length = 130_900; length < 131_100; length++) {
    checkZstdFrame(await compress(base64.subarray(0, length)), length);
  }
  const none = random.bytes(1_400_000);
  for (const length of [1, 2, 255, 256, 65_535, 131_071, 131_072, 131_073, 262_145, 1_400_000]) {
    checkZstdFrame(await compress(none.subarray(0, length)), length);
  }
});

test("payloads are compressed side by side", async () => {
  const frames = await Promise.all([1, 2, 3, 4].map((n) => compress(lines(n * 1000))));
  assert.deepEqual(frames[3], await compress(lines(4000)));
});
