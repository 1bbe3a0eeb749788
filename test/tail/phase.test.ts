// The phases of a followed file: the table row by row, and what holds on every way through it.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  after,
  isDoubtful,
  isEmptied,
  type Phase,
  type PhaseEvent,
  reading,
  resumed,
  wasDown,
} from "../../src/tail/phase.ts";

const released = {
  record: {
    type: "source",
    name: "app",
    path: "/a.log",
    dev: "1",
    ino: "2",
    birth: "3",
    generation: 0,
    fingerprint: "",
    fingerprint_len: 0,
  },
  offset: 7,
  mark: undefined,
} as const;

const doubtful: Phase = { is: "doubtful", copied: false, down: false, emptied: false };
const skipping: Phase = { is: "skipping", to: 9, released: undefined, doubtful: false };

const misfit: PhaseEvent = { is: "misfit" };
const found: PhaseEvent = { is: "copy-found", to: 120, readable: true };
const sizeFound: PhaseEvent = { is: "copy-found", to: 120, readable: false };
const verdict = (next: "reading" | "emptied" | "over"): PhaseEvent => ({ is: "verdict", next });

const rows: [string, Phase, PhaseEvent, Phase][] = [
  ["what does not fit makes a doubt", reading, misfit, doubtful],
  ["a doubt is no deeper for a second misfit", doubtful, misfit, doubtful],
  ["a verdict ends a doubt", doubtful, verdict("reading"), reading],
  [
    "a copy is read before a verdict",
    doubtful,
    found,
    { is: "copying", to: 120, down: false, emptied: false },
  ],
  ["a copy of known size alone is not read", doubtful, sizeFound, { ...doubtful, copied: true }],
  [
    "a copy read to its end is looked for no more",
    { is: "copying", to: 120, down: true, emptied: false },
    { is: "copy-read" },
    { is: "doubtful", copied: true, down: true, emptied: false },
  ],
  [
    "a copy closed too early is looked for again",
    { is: "copying", to: 120, down: false, emptied: true },
    { is: "copy-closed" },
    { is: "doubtful", copied: false, down: false, emptied: true },
  ],
  ["a file found empty waits", doubtful, verdict("emptied"), { is: "emptied", down: false }],
  [
    "an empty file remembers that we were down",
    resumed,
    verdict("emptied"),
    { is: "emptied", down: true },
  ],
  [
    "bytes in an emptied file are a doubt that knows it was empty",
    { is: "emptied", down: true },
    misfit,
    { is: "doubtful", copied: false, down: true, emptied: true },
  ],
  [
    "what is sealed already is skipped",
    reading,
    { is: "skip", to: 7, released },
    { is: "skipping", to: 7, released, doubtful: false },
  ],
  ["skipped is read on", skipping, { is: "skipped" }, reading],
  ["a misfit waits while it skips", skipping, misfit, { ...skipping, doubtful: true }],
  ["and is looked at then", { ...skipping, doubtful: true }, { is: "skipped" }, doubtful],
  ["a file cut before it was skipped is read", skipping, verdict("reading"), reading],
  ["a closed source stays closed", { is: "over" }, misfit, { is: "over" }],
];

for (const [name, phase, event, next] of rows) {
  test(`phase: ${phase.is}, ${event.is}: ${name}`, () => {
    assert.deepEqual(after(phase, event), next);
  });
}

const events: readonly PhaseEvent[] = [
  misfit,
  { is: "skip", to: 9 },
  { is: "skipped" },
  found,
  sizeFound,
  { is: "copy-read" },
  { is: "copy-closed" },
  verdict("reading"),
  verdict("emptied"),
  verdict("over"),
];

/** Every phase that some way leads to, with every event in it. */
function* everyStep(): Generator<{ phase: Phase; event: PhaseEvent; next: Phase }> {
  const known = new Map([reading, resumed].map((phase) => [JSON.stringify(phase), phase]));
  for (const phase of known.values()) {
    for (const event of events) {
      const next = after(phase, event);
      known.set(JSON.stringify(next), next);
      yield { phase, event, next };
    }
  }
}

test("only a verdict ends a doubt, and only what closes a source leaves nothing to do", () => {
  for (const { phase, event, next } of everyStep()) {
    const said = `${JSON.stringify(phase)} ${event.is}`;
    if (isDoubtful(phase) && !isDoubtful(next)) assert.equal(event.is, "verdict", said);
    if (phase.is === "over") assert.equal(next.is, "over", said);
    if (next.is === "over" && phase.is !== "over") assert.equal(event.is, "verdict", said);
  }
});

test("that we were down, and that a file was empty, is known until something is decided", () => {
  for (const { phase, event, next } of everyStep()) {
    const said = `${JSON.stringify(phase)} ${event.is}`;
    const decided = event.is === "verdict" || event.is === "skip";
    if (wasDown(phase) && !wasDown(next)) assert.ok(decided, said);
    if (isEmptied(phase) && !isEmptied(next)) assert.ok(decided, said);
    if (!wasDown(phase)) assert.equal(wasDown(next), false, said);
  }
});

test("a copy is read in one phase only, and what was read of it is not looked for again", () => {
  for (const { phase, event, next } of everyStep()) {
    const said = `${JSON.stringify(phase)} ${event.is}`;
    if (next.is === "copying" && phase.is !== "copying") assert.equal(event.is, "copy-found", said);
    const copied = phase.is === "doubtful" && phase.copied;
    if (copied && event.is === "misfit") assert.deepEqual(next, phase, said);
  }
});
