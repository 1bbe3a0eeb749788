// Blocks that are stored already come again: what that costs the vault, and what it answers.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

/** A stored chain whose first range has its headers object. */
async function stored(rig: Rig, label: string, size = 1100): Promise<ChainBuilder> {
  const chain = chainOf(label);
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  while (chain.length < size) {
    const snapshot = chain.length % 1024 === 0 ? [chain.snapshot()] : [];
    chain.seal([...snapshot, lines(id, "x\n")]);
  }
  assert.equal(gist(await rig.post(chain)), "200");
  return chain;
}

const times = (count: number, block: BuiltBlock): BuiltBlock[] =>
  Array.from({ length: count }, () => block);

test("a request of stored blocks has the vault read no more than it sends, in whatever order they come", async () => {
  const files = new FaultyFiles(new FakeFiles());
  await using rig = await Rig.start({ files });
  const chain = await stored(rig, "again");
  const { blocks } = chain;
  files.only = `/chains/${chain.name}`;
  const bodies: Record<string, readonly BuiltBlock[]> = {
    "one of an old range, again and again": times(600, blocks[0]!),
    "the newest, again and again": times(600, blocks[1099]!),
    "each once": blocks,
    "from the end back": [...blocks].reverse(),
    "to and fro": times(300, blocks[3]!).flatMap((block) => [block, blocks[1090]!]),
  };
  for (const [name, body] of Object.entries(bodies)) {
    files.calls.clear();
    const answer = await rig.post(chain, body);
    const reads = files.calls.get("read") ?? 0;
    const opened = files.calls.get("open") ?? 0;
    assert.equal(receiptOf(answer).size, 1100, name);
    assert.ok(reads <= 60 && opened <= 40, `${name}: ${opened} opened, ${reads} reads`);
  }
});

test("what does not follow the block before it is judged once it comes first", async () => {
  await using rig = await Rig.start();
  const chain = await stored(rig, "gaps", 5);
  for (let more = 0; more < 3; more++) chain.seal([say({ type: "heartbeat", sources: [] })]);
  const at = (block: number): BuiltBlock => chain.blocks[block]!;
  // New ones behind a stored one are taken, up to the first that does not follow.
  const taken = await rig.post(chain, [at(4), at(5), at(5), at(6)], undefined);
  assert.equal(receiptOf(taken).size, 6);
  const gap = await rig.post(chain, [at(1), at(3), at(7)], undefined);
  assert.equal(receiptOf(gap).size, 6);
  assert.equal(gist(await rig.post(chain, [at(7)])), "409 wrong-head");
  assert.equal(receiptOf(await rig.post(chain, chain.blocks)).size, 8);
});
