import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { base64, hex, utf8 } from "../../src/core/bytes.ts";
import { type HttpAnswer, readAnswer } from "../../src/ship/answer.ts";
import { outcomes } from "../../src/ship/sink.ts";

const nowMs = Date.UTC(2026, 10, 23);

function answer(status: number, rest: Partial<HttpAnswer> = {}): ReturnType<typeof readAnswer> {
  const none = { contentType: undefined, retryAfter: undefined, date: undefined };
  return readAnswer({ status, ...none, body: new Uint8Array(0), ...rest }, nowMs);
}

function problem(status: number, members: object): ReturnType<typeof readAnswer> {
  const contentType = "application/problem+json; charset=utf-8";
  return answer(status, { contentType, body: utf8(JSON.stringify(members)) });
}

const plain: readonly (readonly [status: number, outcome: string, code: string])[] = [
  [204, "bad-answer", "http-204"],
  [201, "bad-answer", "http-201"],
  [301, "refused", "http-301"],
  [308, "refused", "http-308"],
  [400, "refused", "http-400"],
  [401, "refused", "http-401"],
  [403, "refused", "http-403"],
  [404, "refused", "http-404"],
  [408, "throttled", "http-408"],
  [409, "wrong-head", "wrong-head"],
  [413, "refused", "http-413"],
  [422, "refused", "http-422"],
  [425, "throttled", "http-425"],
  [429, "throttled", "http-429"],
  [500, "server-error", "http-500"],
  [503, "throttled", "http-503"],
  [504, "server-error", "http-504"],
];
for (const [status, outcome, code] of plain) {
  test(`a bare ${status} is ${outcome}`, () => {
    const read = answer(status);
    assert.deepEqual([read.outcome, read.code], [outcome, code]);
  });
}

test("only a 200 of type text/plain may hold a receipt", () => {
  const body = utf8("anything");
  const good = answer(200, { contentType: "Text/Plain;charset=utf-8", body });
  assert.ok(good.outcome === "receipt");
  assert.equal(good.note, body);
  for (const contentType of [undefined, "", "text/html", "application/octet-stream"]) {
    assert.equal(answer(200, { contentType, body }).outcome, "bad-answer");
  }
  const long = answer(200, { contentType: "text/plain", body: undefined });
  assert.deepEqual([long.outcome, long.code], ["bad-answer", "too-long"]);
});

test("the vault's head is read from the problem, its root in either spelling", () => {
  const root = new Uint8Array(32).fill(200);
  for (const text of [base64(root), hex(root)]) {
    const read = problem(409, { code: "wrong-head", size: 7, root: text });
    assert.ok(read.outcome === "wrong-head");
    assert.deepEqual([read.size, read.root], [7, root]);
  }
});

test("hints that make no sense are no hints", () => {
  for (const size of [-1, 1.5, "7", 2 ** 53, null, {}]) {
    const read = problem(409, { size, root: 5 });
    assert.ok(read.outcome === "wrong-head");
    assert.deepEqual([read.size, read.root], [undefined, undefined]);
  }
});

test("fork, unknown chain and findings are told apart", () => {
  assert.equal(problem(409, { code: "fork" }).outcome, "fork");
  assert.equal(problem(409, { code: "FORK" }).outcome, "fork");
  const lost = problem(404, { code: "unknown-chain" });
  assert.ok(lost.outcome === "wrong-head");
  assert.equal(lost.size, 0);
  const refused = problem(422, { code: "refused", finding: "BAD_SIGNATURE" });
  assert.deepEqual([refused.outcome, refused.code], ["refused", "http-422 BAD_SIGNATURE"]);
  assert.equal(problem(403, { code: "grant-expired" }).code, "http-403 grant-expired");
  const full = problem(503, { code: "disk-full" });
  assert.deepEqual([full.outcome, full.code], ["throttled", "http-503 disk-full"]);
});

test("what a peer writes reaches nobody unless it is a plain word", () => {
  const read = problem(403, { code: "<b>secret line\n</b>", finding: "x".repeat(65) });
  assert.equal(read.code, "http-403");
  const untyped = answer(403, { contentType: "text/html", body: utf8('{"code":"word"}') });
  assert.equal(untyped.code, "http-403");
});

test("Retry-After dates are judged by the vault's own clock where it tells it", () => {
  const retryAfter = "Mon, 23 Nov 2026 01:00:40 GMT";
  const date = "Mon, 23 Nov 2026 01:00:00 GMT";
  const read = answer(503, { retryAfter, date });
  assert.equal(read.retryAfterMs, 40_000);
  assert.equal(read.vaultTime, Date.UTC(2026, 10, 23, 1) * 1000);
  assert.equal(answer(503, { retryAfter }).retryAfterMs, 600_000);
});

test("no answer makes the reader throw, and each is one of the known outcomes", () => {
  const optional = fc.option(fc.string(), { nil: undefined });
  const type = fc.oneof(optional, fc.constantFrom("text/plain", "application/problem+json"));
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.json().map((text) => utf8(text)),
  );
  const any = fc.record({
    status: fc.integer({ min: 200, max: 599 }),
    contentType: type,
    retryAfter: optional,
    date: optional,
    body: fc.option(bytes, { nil: undefined }),
  });
  fc.assert(
    fc.property(any, (one) => {
      assert.ok(outcomes.includes(readAnswer(one, nowMs).outcome));
    }),
  );
});
