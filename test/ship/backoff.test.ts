import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { retryAfterMsMax } from "../../src/core/retry-after.ts";
import {
  type BackoffName,
  backoffPlans,
  leastDelayMs,
  retryDelayMs,
} from "../../src/ship/backoff.ts";

const names = Object.keys(backoffPlans) as BackoffName[];
const chances = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("every wait lies between the least and the plan's cap, however often it failed", () => {
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(), chances, (name, failures, chance) => {
      const delay = retryDelayMs(name, failures + 1, chance);
      assert.ok(delay >= leastDelayMs && delay <= backoffPlans[name].capMs, `${delay}`);
    }),
  );
});

test("the ceiling doubles from the base up to the cap, and chance takes any part of it", () => {
  const almostOne = 1 - 2 ** -32;
  const ceilings = [1, 2, 3, 7, 8, 9].map((n) => Math.round(retryDelayMs("soon", n, almostOne)));
  assert.deepEqual(ceilings, [250, 500, 1000, 16_000, 30_000, 30_000]);
  assert.equal(retryDelayMs("soon", 5, 0.5), 2000);
  assert.equal(retryDelayMs("soon", 5, 0), leastDelayMs);
});

test("a wait that the peer asked for is kept, with a little more on top", () => {
  for (const chance of [0, 0.5, 0.99]) {
    const delay = retryDelayMs("soon", 1, chance, 20_000);
    assert.ok(delay >= 20_000 && delay <= 22_000, `${delay}`);
  }
  assert.ok(retryDelayMs("soon", 1, 0.9, Number.MAX_SAFE_INTEGER) <= retryAfterMsMax + 30_000);
});

test("while draining nobody makes us wait longer than the drain's cap and its jitter", () => {
  for (const chance of [0, 0.99]) {
    assert.ok(retryDelayMs("drain", 30, chance, 600_000) <= backoffPlans.drain.capMs * 1.1);
  }
});
