import assert from "node:assert/strict";
import { test } from "node:test";
import { parseHttpDate, parseRetryAfter, retryAfterMsMax } from "../../src/core/retry-after.ts";

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
