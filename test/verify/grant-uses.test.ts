// Two chains by a grant for one: whoever can write into the store, and has no key, makes the second
// one no better, whatever he takes from the first.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { concat, utf8 } from "../../src/core/bytes.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { reusedGrants } from "../../src/verify/grant-limits.ts";
import { ChainBuilder, testRoot, testTime, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { memorySource, type StoreFiles, storeChain } from "../fakes/chain-store.ts";
import { NoteSigner } from "../fakes/signers.ts";
import { judge } from "./judging.ts";

const beat = say({ type: "heartbeat", sources: [] });
const keys = { roots: [testRoot.key], vaults: [testVault.keys] };
const setup = { grantKey: "shared", terms: { subject: "pay" } };

/** Its third block records its first receipt. Its agent's clock is `ahead` seconds of the vault's. */
function firstChain(ahead = 0): ChainBuilder {
  const chain = new ChainBuilder("one", { ...setup, time: (testTime + ahead) * 1e6 });
  chain.begin();
  const { id, record } = chain.source("/a");
  chain.seal([say(record), lines(id, "1\n")]);
  chain.seal([say({ type: "receipt", note: chain.receipt(1, testTime + 1) })]);
  chain.seal([lines(id, "2\n")], {
    ...{ time: (testTime + ahead + 50) * 1e6, mono: 50e6 },
  });
  return chain;
}

/** Two blocks, and nothing that says when the vault had the first one. */
function nextChain(): ChainBuilder {
  const chain = new ChainBuilder("two", { ...setup, time: (testTime + 10) * 1e6 });
  chain.begin();
  const { id, record } = chain.source("/a");
  chain.seal([say(record), lines(id, "1\n")]);
  return chain;
}

const [first, second] = [firstChain(), nextChain()];
// It is known when the second began: else it may have begun before the first, and an older state of
// it been laid back, and nobody could tell which of the two is one too many.
second.seal([say({ type: "receipt", note: second.receipt(2, testTime + 12) })]);
const other = new ChainBuilder("other", { terms: { subject: "else" } });
other.begin();

function place(): StoreFiles {
  const files = storeChain(new Map(), first, { receipt: first.receipt(4, testTime + 51) });
  storeChain(files, second, { receipt: second.receipt(3, testTime + 14) });
  return storeChain(files, other);
}

const folder = `chains/${first.name}`;
const [grant, receipt, stored] = ["grant", "receipt", `${"0".repeat(16)}.blocks`].map(
  (name) => `${folder}/${name}`,
) as [string, string, string];
const bytesOf = (chain: ChainBuilder): Uint8Array[] => chain.blocks.map(({ bytes }) => bytes);

function bent(block: number, at: number): Uint8Array {
  const blocks = bytesOf(first).map((each) => each.slice());
  const bytes = blocks[block] as Uint8Array;
  bytes[at] = (bytes[at] as number) ^ 1;
  return concat(...blocks);
}

const without = (block: number): Uint8Array =>
  concat(...bytesOf(first).filter((_, at) => at !== block));
const upTo = (block: number): Uint8Array => concat(...bytesOf(first).slice(0, block));

type Harm = (files: StoreFiles) => void;

/** The first one surely began, all the same. */
const vague: Record<string, Harm> = {
  "the block that records its first receipt is gone": (files) => files.set(stored, without(2)),
  "a bit of that block's payload is bent": (files) => files.set(stored, bent(2, headLength + 60)),
  "a bit of that block's signature is bent": (files) => files.set(stored, bent(2, 400)),
  "that block and what follows is gone": (files) => files.set(stored, upTo(2)),
  "its last block is bent, and the receipt gone": (files) => {
    files.set(stored, bent(3, 400));
    files.delete(receipt);
  },
  "a later receipt lies there, and the blocks since then are gone": (files) => {
    files.set(stored, upTo(2));
    files.set(receipt, utf8(first.receipt(2, testTime + 40)));
  },
  "all receipts are gone": (files) => {
    files.set(stored, upTo(2));
    files.delete(receipt);
  },
  "its receipt is garbage, and the recorded one gone": (files) => {
    files.set(stored, upTo(2));
    files.set(receipt, utf8("x"));
  },
  "another copy of it is bent": (files) => {
    const away = `chains/${"0".repeat(64)}`;
    files.set(`${away}/grant`, first.grant);
    files.set(`${away}/${"0".repeat(16)}.blocks`, bent(2, headLength + 60));
  },
};

/** Nobody can tell whether the first one began by this grant. */
const hidden: Record<string, Harm> = {
  "its genesis is gone": (files) => files.set(stored, without(0)),
  "its genesis is bent": (files) => files.set(stored, bent(0, 400)),
  "its blocks are gone": (files) => files.delete(stored),
  "its grant is gone": (files) => files.delete(grant),
  "its grant is bent": (files) =>
    files.set(grant, utf8(`${new TextDecoder().decode(first.grant)} `)),
  "its grant is another chain's": (files) => files.set(grant, other.grant),
};

async function asAll(files: StoreFiles): Promise<[place: string, own: string, all: string[]]> {
  const { verdict, chains, all } = await judge(files);
  const own = chains.find(({ chain }) => chain === second.name);
  const found = all.filter(({ chain }) => chain === second.name).map(({ code }) => code);
  return [verdict, String(own?.verdict), found];
}

async function asPart(files: StoreFiles): Promise<[own: string, all: string[], doubts: number]> {
  const { verdict, all, doubts } = await judge(files, { only: new Set([second.name]) });
  return [verdict, all.map(({ code }) => code), doubts.length];
}

async function asLines(files: StoreFiles): Promise<[refused: number, doubts: number]> {
  const source = memorySource(files);
  const found = await reusedGrants(source, [second.name], { suite: nativeSuite, ...keys });
  return [found.refused.size, found.doubts.length];
}

/** Whoever reads the second one, with all or alone, refuses it or is told that nobody can tell. */
async function assertNotGood(files: StoreFiles): Promise<void> {
  const [whole, own, found] = await asAll(files);
  assert.ok(["INVALID", "INDETERMINATE"].includes(whole), whole);
  assert.deepEqual(found, own === "INVALID" ? ["GRANT_REUSED"] : []);
  const [verdict, all, doubts] = await asPart(files);
  assert.deepEqual([verdict, all], [own, found]);
  assert.ok(own === "INVALID" || (own === "INDETERMINATE" && doubts > 0), `${own} ${doubts}`);
  const [refused, why] = await asLines(files);
  assert.ok(own === "INVALID" ? refused === 1 : why > 0);
}

describe("of two chains by a grant for one", () => {
  test("the second is one too many, and the first is not", async () => {
    const { chains, all } = await judge(place());
    assert.deepEqual(
      all.map(({ code, chain }) => [code, chain]),
      [["GRANT_REUSED", second.name]],
    );
    assert.equal(chains.find(({ chain }) => chain === first.name)?.verdict, "VALID");
    assert.deepEqual(await asPart(place()), ["INVALID", ["GRANT_REUSED"], 0]);
    assert.deepEqual(await asLines(place()), [1, 0]);
    assert.equal((await judge(place(), { only: new Set([first.name]) })).verdict, "VALID");
  });

  for (const [what, harm] of Object.entries(vague)) {
    test(`the second does not become good where of the first ${what}`, async () => {
      const files = place();
      harm(files);
      await assertNotGood(files);
    });
  }

  for (const [what, harm] of Object.entries(hidden)) {
    test(`the second is not good where of the first ${what}`, async () => {
      const files = place();
      harm(files);
      const [whole, own, found] = await asAll(files);
      assert.ok(["INVALID", "INDETERMINATE"].includes(whole), whole);
      assert.deepEqual([own, found], ["INDETERMINATE", []]);
      const [verdict, codes, doubts] = await asPart(files);
      assert.deepEqual([verdict, codes, doubts > 0], ["INDETERMINATE", [], true]);
      const [refused, why] = await asLines(files);
      assert.deepEqual([refused, why > 0], [0, true]);
    });
  }

  test("where they began in one second nobody can tell that the other one was first", async () => {
    const files = storeChain(new Map(), first, { receipt: first.receipt(4, testTime + 51) });
    const next = nextChain();
    storeChain(files, next, { receipt: next.receipt(1, testTime + 1) });
    const { all, chains } = await judge(files);
    const reused = all.filter(({ code }) => code === "GRANT_REUSED");
    assert.equal(reused.length, 1);
    const left = chains.find(({ chain }) => chain !== reused[0]?.chain);
    assert.equal(left?.verdict, "INDETERMINATE");
  });

  for (const ahead of [0, 5, 11, 30, 1e6]) {
    test(`the second does not become good where the first, with a clock ${ahead} s ahead, is cut back`, async () => {
      const fast = firstChain(ahead);
      const files = storeChain(new Map(), fast, { receipt: fast.receipt(4, testTime + 51) });
      storeChain(files, second, { receipt: second.receipt(3, testTime + 14) });
      const whole = await judge(files);
      const reused = whole.all.filter(({ code }) => code === "GRANT_REUSED");
      assert.deepEqual(
        reused.map(({ chain }) => chain),
        [second.name],
      );
      const blocks = fast.blocks.slice(0, 2).map(({ bytes }) => bytes);
      files.set(`chains/${fast.name}/${"0".repeat(16)}.blocks`, concat(...blocks));
      for (const laid of [2, 11, 12, 13, 40]) {
        files.set(`chains/${fast.name}/receipt`, utf8(fast.receipt(2, testTime + laid)));
        await assertNotGood(files);
      }
    });
  }

  test("where nothing shows that either began before the other, the first receipts tell who is one too many", async () => {
    const files = storeChain(new Map(), first, { receipt: first.receipt(4, testTime + 51) });
    const next = nextChain();
    storeChain(files, next, { receipt: next.receipt(2, testTime + 12) });
    assert.deepEqual(await asPart(files), ["INVALID", ["GRANT_REUSED"], 0]);
    assert.equal((await judge(files, { only: new Set([first.name]) })).verdict, "INDETERMINATE");
  });
});

test("chains that a grant allows are good however little says when they began", async () => {
  for (const maxChains of [1, 2, 5]) {
    const files: StoreFiles = new Map();
    for (let at = 0; at < maxChains; at += 1) {
      const terms = { subject: "pay", maxChains };
      const time = (testTime + 30 * at) * 1e6;
      const chain = new ChainBuilder(`pod ${at}`, { grantKey: "pods", terms, time });
      chain.begin();
      const { id, record } = chain.source("/a");
      chain.seal([say(record), lines(id, "1\n")]);
      chain.seal([lines(id, "2\n")]);
      // All its blocks came in one request, and no later one records the answer.
      storeChain(files, chain, { receipt: chain.receipt(3, testTime + 30 * at + 9) });
    }
    const { verdict, chains } = await judge(files);
    assert.deepEqual([verdict, chains.length], ["VALID", maxChains]);
    for (const { chain } of chains) {
      const alone = await judge(files, { only: new Set([chain]) });
      assert.deepEqual([alone.verdict, alone.doubts], ["VALID", []]);
    }
  }
});

test("a chain under another grant is good whatever is missing of its first block", async () => {
  for (const harm of ["its genesis is gone", "its genesis is bent", "its blocks are gone"]) {
    const files = storeChain(new Map(), first);
    storeChain(files, other);
    hidden[harm]?.(files);
    const { chains } = await judge(files);
    assert.equal(chains.find(({ chain }) => chain === other.name)?.verdict, "VALID", harm);
    assert.equal((await judge(files, { only: new Set([other.name]) })).verdict, "VALID", harm);
  }
});

test("a chain is judged alike with all of its place and alone", async () => {
  const two = { grantKey: "two", terms: { subject: "pay", maxChains: 2 } };
  const chains = ["a", "b", "c"].map((label, at) => {
    const chain = new ChainBuilder(label, { ...two, time: (testTime + 10 * at) * 1e6 });
    chain.begin();
    return chain;
  });
  const hide = (files: StoreFiles, name: string): void => {
    files.delete(`chains/${name}/grant`);
  };
  for (const count of [2, 3]) {
    for (const hiddenAt of [undefined, ...chains.keys()]) {
      const files: StoreFiles = new Map();
      for (const chain of chains.slice(0, count)) storeChain(files, chain);
      storeChain(files, first);
      hide(files, first.name);
      if (hiddenAt !== undefined) hide(files, (chains[hiddenAt] as ChainBuilder).name);
      for (const { chain, verdict, findings } of (await judge(files)).chains) {
        const alone = await judge(files, { only: new Set([chain]) });
        assert.deepEqual(
          [alone.chains[0]?.verdict, alone.chains[0]?.findings],
          [verdict, findings],
          `${count} ${hiddenAt}`,
        );
      }
    }
  }
});

test("the copy of a chain's first head says by which grant it began", async () => {
  const root = new NoteSigner("stranger-root", 1);
  const long = new ChainBuilder("long", { root });
  long.begin();
  while (long.length < 1030) long.seal(long.length === 1024 ? [long.snapshot()] : [beat]);
  const files = storeChain(new Map(), first);
  storeChain(files, long, { perObject: 1024 });
  files.delete(`chains/${long.name}/${"0".repeat(16)}.blocks`);
  assert.equal((await judge(files, { only: new Set([first.name]) })).verdict, "VALID");
});

test("a chain is good beside a damaged grant of one that another key began", async () => {
  for (const harm of ["its grant is gone", "its grant is bent", "its grant is another chain's"]) {
    const files = storeChain(new Map(), first);
    const lone = new ChainBuilder("lone");
    lone.begin();
    storeChain(files, lone);
    storeChain(files, other);
    hidden[harm]?.(files);
    const { chains } = await judge(files);
    assert.equal(chains.find(({ chain }) => chain === lone.name)?.verdict, "VALID", harm);
    assert.equal((await judge(files, { only: new Set([lone.name]) })).verdict, "VALID", harm);
  }
});
