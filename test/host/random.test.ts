import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "../../src/host/random.ts";
import { SeededRandom } from "../fakes/random.ts";

test("random bytes are as many as asked for, fresh each time, in memory of their own", () => {
  for (const n of [0, 32, 70_000]) {
    const bytes = systemRandom.bytes(n);
    assert.equal(bytes.length, n);
    assert.equal(bytes.buffer.byteLength, n);
  }
  assert.notDeepEqual(systemRandom.bytes(32), systemRandom.bytes(32));
  // The part past one call of the generator is filled too.
  assert.ok(
    systemRandom
      .bytes(70_000)
      .subarray(69_000)
      .some((byte) => byte !== 0),
  );
});

test("seeded bytes repeat", () => {
  assert.deepEqual(new SeededRandom(5).bytes(40), new SeededRandom(5).bytes(40));
  assert.notDeepEqual(new SeededRandom(5).bytes(40), new SeededRandom(6).bytes(40));
});
