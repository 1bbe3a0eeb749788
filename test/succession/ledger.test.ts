// The ledger, where blocks of an old buffer were lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headLength, openPayload } from "../../src/core/block.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { Ledger } from "../../src/succession/ledger.ts";
import { ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";

/** What is taken of a run whose blocks before were lost; and where the sources stand then. */
function takenBehindLoss(file: string, items: (source: string) => readonly Item[]) {
  const builder = new ChainBuilder("old");
  builder.begin();
  const { id, record } = builder.source(file, 0);
  builder.seal([say({ ...record }), lines(id, "lost\n")]);
  builder.restart(items(id));
  const { header, bytes } = builder.blocks.at(-1) as (typeof builder.blocks)[number];
  const ledger = new Ledger(suite, { positions: [] });
  const taken = [...ledger.take(openPayload(suite, header, bytes.subarray(headLength)))];
  const said = taken.flatMap((each) =>
    each.kind === "bytes"
      ? [`bytes ${each.offset}`]
      : each.records.map((one) => (one.type === "gap" ? `gap ${one.from}-${one.to}` : one.type)),
  );
  return { said, positions: ledger.positions().map(({ offset }) => offset) };
}

test("a file of which only a snapshot is left is read again from where its bytes were lost", () => {
  const { said, positions } = takenBehindLoss("/a", () => []);
  assert.deepEqual(said, ["source"]);
  assert.deepEqual(positions, [0]);
});

test("lost bytes that later ones are left of are a gap", () => {
  const { said, positions } = takenBehindLoss("/a", (id) => [lines(id, "left\n", 5)]);
  assert.deepEqual(said, ["source", "gap 0-5", "bytes 5"]);
  assert.deepEqual(positions, [10]);
});

test("lost bytes of a file that ended are a gap", () => {
  const end = { type: "end", size: 5, cause: "deleted" } as const;
  const { said, positions } = takenBehindLoss("/a", (source) => [say({ ...end, source })]);
  assert.deepEqual(said, ["source", "gap 0-5", "end"]);
  assert.deepEqual(positions, []);
});
