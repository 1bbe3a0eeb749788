// Sources that are declared again after they were closed, however often.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { storeChain } from "../fakes/chain-store.ts";
import { codes, judge } from "./judging.ts";

async function found(items: (id: string, open: Item) => readonly Item[]): Promise<string[]> {
  const chain = new ChainBuilder("payments");
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal(items(id, say(record)));
  return codes((await judge(storeChain(new Map(), chain))).all);
}

const end = (source: string, size: number): Item =>
  say({ type: "end", source, size, cause: "deleted" });
const lost = (source: string, from: number): Item =>
  say({ type: "gap", source, from, cause: "rotated-away" });

describe("a source that was closed", () => {
  test("is remembered up to where it ever was, though it was closed again before that", async () => {
    const closings = [(id: string) => end(id, 0), (id: string) => lost(id, 0)];
    for (const close of closings) {
      const all = await found((id, open) => [
        ...[open, lines(id, "first\n"), end(id, 6)],
        ...[open, close(id)],
        ...[open, lines(id, "other\n", 0)],
      ]);
      assert.deepEqual(
        all.filter((code) => !code.startsWith("GAP_DECLARED")),
        ["SOURCE_REWRITTEN 1"],
      );
    }
  });

  test("is named by the gap that closed it", async () => {
    const chain = new ChainBuilder("payments");
    chain.begin();
    const { id, record } = chain.source("/var/log/app.log");
    chain.seal([say(record), lost(id, 0)]);
    const { all } = await judge(storeChain(new Map(), chain));
    const gap = all.find(({ code }) => code === "GAP_DECLARED");
    const text = "an unknown number of bytes of /var/log/app.log from offset 0, rotated-away";
    assert.equal(gap?.message, text);
  });
});
