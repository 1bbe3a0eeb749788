// Sizes seen: what is kept of very many looks, so that what was cut between them shows.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SizesSeen } from "../../src/tail/sizes-seen.ts";

const seen = (...sizes: readonly number[]): SizesSeen => {
  const all = new SizesSeen();
  for (const size of sizes) all.add(size);
  return all;
};

test("growth is one step, and the first size and each fall are kept", () => {
  assert.deepEqual([...seen(2, 5, 5, 9)], [2, 9]);
  assert.deepEqual([...seen(9, 5, 2, 7, 8, 0)], [9, 5, 2, 8, 0]);
});

test("a content that another one took the place of unseen is a fall", () => {
  const sizes = seen(2, 9);
  sizes.cutAt(5);
  assert.deepEqual([...sizes], [2, 5, 0, 9]);
});

test("of very many falls the first and the last are kept", () => {
  const sizes = seen(1);
  for (let n = 2; n < 10_000; n += 1) {
    sizes.add(n);
    sizes.add(0);
  }
  const kept = [...sizes];
  assert.ok(kept.length <= 64);
  assert.deepEqual([kept[0], kept[1], kept[2]], [1, 2, 0]);
  assert.deepEqual(kept.slice(-4), [9_998, 0, 9_999, 0]);
});
