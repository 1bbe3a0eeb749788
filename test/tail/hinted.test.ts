// Hints are gathered for a moment, but not those of names that came or went.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Hinted } from "../../src/tail/hinted.ts";

test("a change of content waits for others, a name that came or went does not", () => {
  const hinted = new Hinted();
  assert.equal(hinted.due, undefined);
  hinted.add("/log/a", 1_000, false);
  hinted.add("/log/b", 5_000, false);
  assert.equal(hinted.due, 21_000);
  hinted.add("/log/a", 6_000, true);
  assert.equal(hinted.due, 6_000);
  assert.deepEqual([...hinted.take()], ["/log/a", "/log/b"]);
  assert.equal(hinted.due, undefined);
});

test("more hints than can be kept mean that everything must be looked at", () => {
  const hinted = new Hinted();
  for (let n = 0; n < 1_000; n += 1) assert.ok(hinted.add(`/log/${n}`, 0, false));
  assert.ok(!hinted.add("/log/one more", 0, false));
  assert.ok(!hinted.add(undefined, 0, false));
  assert.equal(hinted.take().size, 1_000);
});
