// The decision table about files that changed behind us, row by row.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Evidence,
  judge,
  lostBytes,
  type Outcome,
  resolve,
  type Verdict,
} from "../../src/tail/verdict.ts";

const calm: Evidence = {
  position: 100,
  seen: 100,
  down: false,
  sure: 100,
  size: 100,
  now: 100,
  lastBytes: "same",
  head: "same",
  between: 0,
  witness: false,
  copied: false,
  outside: "no",
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
  ["grown, other content", { size: 200, seen: 200, lastBytes: "changed" }, "restart", undefined],
  [
    "grown, other content, unread bytes were sure",
    {
      size: 200,
      seen: 200,
      sure: 140,
      lastBytes: "changed",
    },
    "restart",
    40,
  ],
  ["edited in place", { lastBytes: "changed", witness: true }, "rewritten", undefined],
  ["changed without a witness", { lastBytes: "changed" }, "restart", undefined],
  [
    "changed with its head",
    { lastBytes: "changed", head: "changed", witness: true },
    "restart",
    undefined,
  ],
  [
    "changed and shorter than seen",
    {
      lastBytes: "changed",
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
  ["after a restart of ours, as before", { down: true, lastBytes: "unknown" }, "go-on", 0],
  ["after a restart of ours, shorter", { down: true, size: 40 }, "restart", 0],
  [
    "after a restart of ours, other head",
    {
      down: true,
      lastBytes: "unknown",
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
    { lastBytes: "unknown", seen: 150, size: 120 },
    "cut-back",
    50,
  ],
  [
    "of what another chain sealed, shorter than seen, other head",
    { lastBytes: "unknown", head: "changed", seen: 150, size: 120 },
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

const outcomes: [string, Partial<Evidence>, Omit<Outcome, "verdict">][] = [
  ["nothing changed", {}, { next: "reading", rewrites: false }],
  ["emptied, all read", { size: 0, now: 0 }, { next: "emptied", rewrites: false }],
  ["edited in place", { lastBytes: "changed", witness: true }, { next: "reading", rewrites: true }],
  [
    "shorter than the position",
    { size: 50, now: 50 },
    { next: "reading", rewrites: false, ends: { lost: undefined }, begins: 0 },
  ],
  [
    "unread end cut off, and bytes between",
    { seen: 150, size: 120, between: 5 },
    { next: "reading", rewrites: false, ends: { lost: 35 }, begins: 100 },
  ],
  [
    "shorter, and we were down",
    { size: 50, down: true },
    { next: "reading", rewrites: false, ends: { lost: 0 }, begins: 0 },
  ],
  [
    "shorter, and we were down, but a copy had the rest",
    { size: 50, down: true, copied: true },
    { next: "reading", rewrites: false, ends: { lost: undefined }, begins: 0 },
  ],
  [
    "overwritten outside the pattern, as long as before",
    { lastBytes: "changed", outside: "unseen" },
    { next: "reading", rewrites: true },
  ],
  [
    "overwritten outside the pattern, longer, not seen there before",
    { lastBytes: "changed", outside: "unseen", size: 130, now: 130, seen: 130 },
    { next: "reading", rewrites: false, ends: { lost: undefined }, begins: 0 },
  ],
  [
    "overwritten outside the pattern, longer, seen there before",
    { lastBytes: "changed", outside: "seen", size: 130, now: 130, seen: 130, down: true },
    { next: "over", rewrites: true, ends: { lost: undefined } },
  ],
  [
    "cut outside the pattern, seen there before",
    { outside: "seen", size: 40, now: 40 },
    { next: "over", rewrites: false, ends: { lost: undefined } },
  ],
  [
    "nothing read of it, overwritten outside the pattern",
    { position: 0, seen: 100, sure: 0, head: "changed", outside: "seen" },
    { next: "reading", rewrites: false, ends: { lost: undefined }, begins: 0 },
  ],
];

for (const [name, change, outcome] of outcomes) {
  test(`outcome: ${name}: ${outcome.next}`, () => {
    const { verdict: _, ...rest } = resolve({ ...calm, ...change });
    assert.deepEqual(rest, outcome);
  });
}
