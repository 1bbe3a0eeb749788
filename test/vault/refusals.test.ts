// What a vault's log says of what it refuses.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fault } from "../../src/core/fault.ts";
import { Problem } from "../../src/vault/problem.ts";
import { Refusals } from "../../src/vault/refusals.ts";
import { FakeClock } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";

test("of a chain and finding one refusal in ten seconds is said, with how many more there were", async () => {
  const [diag, clock, counted] = [new RecordingDiag(), new FakeClock(), [] as string[]];
  const observer = { refused: (check: string) => counted.push(check) };
  const refusals = new Refusals({ observer, diag, clock });
  const refuse = (code: "BAD_SIGNATURE" | "MALFORMED"): Problem | undefined =>
    refusals.explain("ab", new Fault(code, "no"));
  assert.equal(refuse("BAD_SIGNATURE")?.extra.finding, "BAD_SIGNATURE");
  for (let n = 0; n < 5; n += 1) refuse("BAD_SIGNATURE");
  refuse("MALFORMED");
  await clock.advance(10_000);
  refuse("BAD_SIGNATURE");
  const said = diag.lines.map(({ fields }) => [fields["finding"], fields["more"]]);
  assert.deepEqual(said, [
    ["BAD_SIGNATURE", undefined],
    ["MALFORMED", undefined],
    ["BAD_SIGNATURE", 5],
  ]);
  assert.equal(counted.length, 8);
});

test("no chain takes another one's line, and a stranger's many chains few lines", () => {
  const [diag, clock] = [new RecordingDiag(), new FakeClock()];
  const refusals = new Refusals({ observer: { refused: () => {} }, diag, clock });
  for (const chain of ["one", "two", "one"]) refusals.explain(chain, new Fault("MALFORMED", "no"));
  assert.deepEqual(
    diag.lines.map(({ fields }) => fields["chain"]),
    ["one", "two"],
  );
  for (let at = 0; at < 1000; at += 1) refusals.explain(`${at}`, new Fault("MALFORMED", "no"));
  assert.equal(diag.lines.length, 101);
});

test("what says nothing of a block is counted only, and other errors are not explained", () => {
  const [diag, counted] = [new RecordingDiag(), [] as string[]];
  const observer = { refused: (check: string) => counted.push(check) };
  const refusals = new Refusals({ observer, diag, clock: new FakeClock() });
  assert.equal(refusals.explain("ab", new Error("other")), undefined);
  assert.equal(refusals.explain("ab", new Problem("busy", "later"))?.code, "busy");
  assert.deepEqual([counted, diag.lines], [["busy"], []]);
});
