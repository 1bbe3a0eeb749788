// The decision table about files that changed behind us, row by row.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Evidence, judge, lostBytes, type Verdict } from "../../src/tail/verdict.ts";

const calm: Evidence = {
  position: 100,
  seen: 100,
  down: false,
  sure: 100,
  size: 100,
  now: 100,
  frontier: "same",
  head: "same",
  between: 0,
  witness: false,
};

const rows: [string, Partial<Evidence>, Verdict, number | undefined][] = [
  ["nothing changed", {}, "go-on", undefined],
  ["it grew", { seen: 150, size: 150 }, "go-on", undefined],
  ["emptied, all read", { size: 0, now: 0 }, "wait", undefined],
  ["emptied, and written again since", { size: 0, now: 140 }, "restart", undefined],
  ["emptied, but something came and went", { size: 0, now: 0, between: 7 }, "restart", 7],
  ["emptied with unread bytes", { seen: 120, size: 0, now: 0 }, "restart", 20],
  ["shorter than the position, all read", { size: 50 }, "restart", undefined],
  ["shorter than the position, unread bytes", { seen: 130, size: 50 }, "restart", 30],
  ["cut twice, unread bytes each time", { seen: 130, size: 0, between: 7 }, "restart", 37],
  ["unread end cut off", { seen: 150, size: 120 }, "cut-back", 50],
  ["grown, other content", { size: 200, seen: 200, frontier: "changed" }, "restart", undefined],
  [
    "grown, other content, unread bytes were sure",
    {
      size: 200,
      seen: 200,
      sure: 140,
      frontier: "changed",
    },
    "restart",
    40,
  ],
  ["edited in place", { frontier: "changed", witness: true }, "rewritten", undefined],
  ["changed without a witness", { frontier: "changed" }, "restart", undefined],
  [
    "changed with its head",
    { frontier: "changed", head: "changed", witness: true },
    "restart",
    undefined,
  ],
  [
    "changed and shorter than seen",
    {
      frontier: "changed",
      witness: true,
      seen: 150,
      size: 120,
    },
    "restart",
    50,
  ],
  ["head edited", { head: "changed" }, "rewritten", undefined],
  ["nothing read, other head", { position: 0, sure: 0, head: "changed" }, "restart", undefined],
  ["nothing read, shorter than seen", { position: 0, sure: 0, size: 60 }, "restart", 100],
  ["after a restart of ours, as before", { down: true, frontier: "unknown" }, "go-on", 0],
  ["after a restart of ours, shorter", { down: true, size: 40 }, "restart", 0],
  [
    "after a restart of ours, other head",
    {
      down: true,
      frontier: "unknown",
      head: "changed",
    },
    "restart",
    0,
  ],
  ["after a restart of ours, empty", { down: true, size: 0, now: 0 }, "wait", 0],
  ["after a restart, emptied unread", { down: true, seen: 150, size: 0, now: 0 }, "restart", 50],
  ["after a restart, unread end cut", { down: true, seen: 150, size: 120 }, "cut-back", 50],
  [
    "of what another chain sealed, unread end cut",
    { frontier: "unknown", seen: 150, size: 120 },
    "cut-back",
    50,
  ],
  [
    "of what another chain sealed, shorter than seen, other head",
    { frontier: "unknown", head: "changed", seen: 150, size: 120 },
    "restart",
    50,
  ],
];

for (const [name, change, verdict, lost] of rows) {
  test(`verdict: ${name}: ${verdict}`, () => {
    const evidence = { ...calm, ...change };
    assert.equal(judge(evidence), verdict);
    if (verdict === "restart" || verdict === "cut-back") assert.equal(lostBytes(evidence), lost);
  });
}
