import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import {
  type BackoffName,
  backoffPlans,
  leastDelayMs,
  parseHttpDate,
  parseRetryAfter,
  retryAfterMsMax,
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

const now = Date.UTC(2026, 10, 23, 3, 0, 0);
const asked: readonly (readonly [text: string | undefined, want: number | undefined])[] = [
  ["7", 7000],
  [" 120 ", 120_000],
  ["0", 0],
  ["999999999", retryAfterMsMax],
  ["Mon, 23 Nov 2026 03:00:30 GMT", 30_000],
  ["Mon, 23 Nov 2026 02:00:00 GMT", 0],
  ["Fri, 01 Jan 2100 00:00:00 GMT", retryAfterMsMax],
  [undefined, undefined],
  ["", undefined],
  ["-5", undefined],
  ["1.5", undefined],
  ["soon", undefined],
  ["2026-11-23T03:00:30Z", undefined],
  ["Mon, 23 Nov 2026 03:00:30 +0100", undefined],
  ["9".repeat(400), undefined],
];
for (const [text, want] of asked) {
  test(`Retry-After ${JSON.stringify(text?.slice(0, 40))} asks for ${want} ms`, () => {
    assert.equal(parseRetryAfter(text, now), want);
  });
}

test("a date that no calendar has is none", () => {
  assert.equal(parseHttpDate("Mon, 45 Nov 2026 03:00:30 GMT"), undefined);
});
