// The last sealed bytes of a file are found however long it was quiet, as far as the vault shows
// blocks that the hashes confirm; what cannot be confirmed is not believed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat } from "../../src/core/bytes.ts";
import { SealtailError } from "../../src/core/errors.ts";
import { decodeHeader, encodeHeader } from "../../src/core/header.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { openBlock } from "../../src/core/opening.ts";
import { payloadItems, writeRecord } from "../../src/core/payload.ts";
import { encodeRecord, snapshotPeriod } from "../../src/core/record.ts";
import { SealedTails } from "../../src/core/sealed-tails.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { type Edge, TailSearch } from "../../src/succession/tail-search.ts";
import type { ShownChain } from "../../src/succession/vault-chain.ts";
import { ChainBuilder, type SealOptions } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";

/** What a vault shows of a chain, as honest as it is told to be. */
class Shown implements ShownChain {
  readonly id: string;
  readonly #stored: Uint8Array[];
  /** Blocks before it have no payload any more. */
  kept = 0;
  /** Whether it does not answer from the next question for blocks on. */
  leaves = false;
  #away = false;
  /** Heads before it are not shown. */
  headless = 0;
  /** Whether it answers with an error where heads are not shown. */
  refuses = false;
  readonly read: number[] = [];

  constructor(chain: ChainBuilder) {
    this.id = chain.name;
    this.#stored = chain.blocks.map(({ bytes }) => bytes.slice());
  }

  bend(at: number, byte: number): void {
    const block = this.#stored[at] as Uint8Array;
    const place = byte < 0 ? block.length + byte : byte;
    block[place] = (block[place] as number) ^ 1;
  }

  /** Another payload, under a head that names it. */
  replace(at: number, payload: Uint8Array): void {
    const header = {
      ...decodeHeader(this.#stored[at] as Uint8Array),
      ...{ codec: "raw" as const, rawLength: payload.length, storedLength: payload.length },
      storedHash: suite.sha256(payload),
    };
    this.#stored[at] = concat(encodeHeader(header), new Uint8Array(64), payload);
  }

  grant = async (): Promise<undefined> => undefined;
  receipt = async (): Promise<undefined> => {
    if (this.#away) throw new SealtailError("vault-unreachable", "away");
  };

  heads = async (from: number, count: number): Promise<Uint8Array> => {
    if (this.#away) throw new SealtailError("vault-unreachable", "away");
    if (from < this.headless) {
      if (this.refuses) throw new SealtailError("vault-refused", "status 503");
      return new Uint8Array(0);
    }
    return concat(...this.#stored.slice(from, from + count).map((each) => each.subarray(0, 448)));
  };

  async *blocks(from: number, count: number): AsyncGenerator<Uint8Array> {
    this.#away ||= this.leaves;
    for (let at = from; at < Math.min(from + count, this.#stored.length); at += 1) {
      if (this.#away || at < this.kept) throw new SealtailError("vault-unreachable", "cut off");
      this.read.push(at);
      yield this.#stored[at] as Uint8Array;
    }
  }
}

/** The payload that holds one record. */
function opened(record: JsonObject): Uint8Array {
  const raw = new Uint8Array(1024);
  return raw.slice(0, writeRecord(raw, 32, 1, encodeRecord(record)));
}

interface Story {
  readonly chain: ChainBuilder;
  readonly id: string;
  /** The newest block from which on its tails are known. */
  readonly edge: Edge;
  readonly offset: number;
}

/** A chain that sealed some texts of one file, then was busy with another. */
function quiet(
  texts: readonly string[],
  more: { readonly quietFor?: number; readonly options?: SealOptions } = {},
): Story {
  const chain = new ChainBuilder("quiet");
  const [file, other] = [chain.source("/log/a.log"), chain.source("/log/other.log")];
  chain.begin([say(file.record), say(other.record)]);
  for (const text of texts) chain.seal([lines(file.id, text)], more.options);
  for (let at = 0; at < (more.quietFor ?? 3); at += 1) {
    const due = chain.length % snapshotPeriod === 0 ? [chain.snapshot()] : [];
    chain.seal([...due, lines(other.id, "busy\n")]);
  }
  return { chain, id: file.id, edge: endOf(chain), offset: texts.join("").length };
}

function endOf({ length: at, blocks }: ChainBuilder): Edge {
  return { at, hash: blocks[at - 1]?.hash as Uint8Array };
}

async function search(
  { chain, id, edge, offset }: Story,
  shown: readonly Shown[] = [new Shown(chain)],
  bytesMax?: number,
): Promise<{ text: string | undefined; unread: string | undefined }> {
  const tails = new SealedTails();
  for (const { bytes } of chain.blocks.slice(edge.at)) {
    const { raw } = openBlock(suite, bytes);
    for (const item of payloadItems(raw)) tails.take(item, raw);
  }
  const chainOf = (name: string): Shown =>
    shown.find((each) => each.id === name) ?? new Shown(new ChainBuilder("none"));
  const searching = new TailSearch({ suite, tails, wanted: [[id, offset]], chainOf, bytesMax });
  await searching.run(chain.name, edge);
  const tail = tails.all.get(id);
  if (tail !== undefined) assert.equal(tail.offset, offset);
  return { text: tail && Buffer.from(tail.bytes).toString(), unread: searching.unread };
}

const found = (text: string): object => ({ text, unread: undefined });

test("the last bytes of a quiet file are found, over as many blocks as they were sealed in", async () => {
  assert.deepEqual(await search(quiet(["one\n", "two\n", "three\n"])), found("one\ntwo\nthree\n"));
  const long = "x".repeat(700);
  assert.deepEqual(await search(quiet([long, "end\n"])), found(`${"x".repeat(508)}end\n`));
});

test("they are joined with what is known of them already", async () => {
  const story = quiet(["one\n", "two\n"], { quietFor: 0 });
  const edge = { at: 2, hash: story.chain.blocks[1]?.hash as Uint8Array };
  assert.deepEqual(await search({ ...story, edge }), found("one\ntwo\n"));
});

test("they are found behind more blocks than heads are asked for at once", async () => {
  assert.deepEqual(await search(quiet(["one\n"], { quietFor: 1100 })), found("one\n"));
});

test("no more is read than is needed", async () => {
  const story = quiet(["x".repeat(512), "y".repeat(512)], { quietFor: 0 });
  const shown = new Shown(story.chain);
  await search({ ...story, edge: { ...endOf(story.chain) } }, [shown], 600);
  assert.deepEqual(shown.read, [2]);
});

test("what lies before a gap, or was stated as rewritten, is no evidence", async () => {
  for (const [record, text] of [
    [{ type: "gap", from: 4, to: 8, cause: "skipped" }, "two\n"],
    [{ type: "rewritten", from: 0, to: 3 }, "\ntwo\n"],
  ] as const) {
    const chain = new ChainBuilder("stated");
    const file = chain.source("/log/a.log");
    chain.begin([say(file.record)]);
    chain.seal([lines(file.id, "one\n")]);
    chain.seal([say({ ...record, source: file.id })]);
    chain.seal([lines(file.id, "two\n")]);
    const offset = record.type === "gap" ? 12 : 8;
    for (const at of [2, 3, 4]) {
      const edge = { at, hash: chain.blocks[at - 1]?.hash as Uint8Array };
      assert.deepEqual(await search({ chain, id: file.id, edge, offset }), found(text));
    }
  }
});

/** A chain that goes on for another at a file's end, and never sealed anything of it itself. */
function successor(before: Story, change: { readonly root?: string } = {}): Story {
  const chain = new ChainBuilder("next");
  const { length: size, roots } = before.chain;
  const root = Buffer.from(roots[size] as Uint8Array).toString("hex");
  const positions = before.chain.sources.positions();
  const named = { chain: before.chain.name, size, root, reason: "lost", positions, ...change };
  chain.begin([say({ type: "predecessor", ...named })]);
  chain.seal([say({ type: "heartbeat", sources: [] })]);
  return { ...before, chain, edge: endOf(chain) };
}

test("they are found in a chain before, however long it is", async () => {
  for (const quietFor of [3, 1100]) {
    const before = quiet(["one\n"], { quietFor });
    const story = successor(before);
    const shown = [new Shown(story.chain), new Shown(before.chain)];
    assert.deepEqual(await search(story, shown), found("one\n"));
    const begun = { ...story, edge: { at: 0, hash: new Uint8Array(32) } };
    assert.deepEqual(await search(begun, shown), found("one\n"));
  }
});

test("a chain before that is another than the one named, or is not there, says nothing", async () => {
  const before = quiet(["one\n"]);
  const other = successor(before, { root: "0".repeat(64) });
  const missing = await search(other, [new Shown(other.chain), new Shown(before.chain)]);
  assert.deepEqual(missing, {
    text: undefined,
    unread: "the chain before is not the one that is named",
  });
  const story = successor(before);
  const { text, unread } = await search(story);
  assert.equal(text, undefined);
  assert.ok(unread !== undefined);
});

test("a payload that is not the one signed, or is gone, says nothing", async () => {
  const story = quiet(["one\n", "two\n"]);
  const bent = new Shown(story.chain);
  bent.bend(2, -1);
  const gone = new Shown(story.chain);
  gone.kept = 3;
  for (const [shown, why] of [
    [bent, /hash/],
    [gone, /cut off/],
  ] as const) {
    const { text, unread } = await search(story, [shown]);
    assert.equal(text, undefined);
    assert.match(String(unread), why);
  }
});

// What is known from the edge on was checked by itself, so this is no word against it.
test("heads that are not those that the blocks behind them name say nothing", async () => {
  const story = quiet(["one\n"]);
  const shown = new Shown(story.chain);
  shown.bend(1, 440);
  const unread = "its heads are not those that its blocks name";
  assert.deepEqual(await search(story, [shown]), { text: undefined, unread });
});

test("an older stretch of heads that a place no longer has, or cannot read, says nothing", async () => {
  const before = quiet(["one\n"], { quietFor: 1100 });
  const story = successor(before);
  for (const [refuses, why] of [
    [false, "it shows fewer heads than it has"],
    [true, "status 503"],
  ] as const) {
    for (const [each, own] of [
      [before, []],
      [story, [new Shown(story.chain)]],
    ] as const) {
      const shown = new Shown(before.chain);
      Object.assign(shown, { headless: snapshotPeriod, refuses });
      const found = await search(each, [shown, ...own]);
      assert.deepEqual(found, { text: undefined, unread: why });
    }
  }
});

test("a record that lacks what its type must have says nothing", async () => {
  // Cannot be made text.
  const odd = { toString: 1, valueOf: 1 };
  const chain = new ChainBuilder("odd");
  const file = chain.source("/log/a.log");
  chain.begin([say(file.record)]);
  chain.seal([lines(file.id, "one\n")]);
  for (const type of ["gap", "rewritten"]) chain.seal([say({ type, source: odd, to: odd })]);
  const story = { chain, id: file.id, edge: endOf(chain), offset: 4 };
  assert.deepEqual(await search(story), found("one\n"));
});

test("a chain before whose snapshot or genesis is malformed says nothing", async () => {
  const before = quiet(["one\n"], { quietFor: 1100 });
  const story = successor(before);
  const own = new Shown(story.chain);
  for (const payload of [opened({ type: "snapshot" }), new Uint8Array(100).fill(9)]) {
    const shown = new Shown(before.chain);
    shown.replace(snapshotPeriod, payload);
    const { text, unread } = await search(story, [own, shown]);
    assert.equal(text, undefined);
    assert.ok(unread !== undefined);
  }
  const chain = new ChainBuilder("next");
  chain.begin([say({ type: "predecessor", chain: { toString: 1 } })]);
  const begun = { ...story, chain, edge: endOf(chain) };
  assert.deepEqual(await search(begun), { text: undefined, unread: undefined });
});

test("a vault that no longer answers is told from one that has no more to show", async () => {
  const story = quiet(["one\n"]);
  const shown = new Shown(story.chain);
  shown.leaves = true;
  await assert.rejects(search(story, [shown]), { code: "vault-unreachable" });
});

test("the search ends at its limit of bytes, and says so", async () => {
  const { text, unread } = await search(quiet(["one\n"], { quietFor: 9 }), undefined, 2000);
  assert.equal(text, undefined);
  assert.equal(unread, "the limit of bytes is reached");
});
