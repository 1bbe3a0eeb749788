import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChainBuilder, testTime, testVault } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { storeChain } from "../fakes/chain-store.ts";
import { NoteSigner, TestVault } from "../fakes/signers.ts";
import { codes, judge } from "./judging.ts";

const beat = say({ type: "heartbeat", sources: [] });
const elsewhere = new TestVault("elsewhere.example");

function chainOf(length: number, setup: ConstructorParameters<typeof ChainBuilder>[1] = {}) {
  const chain = new ChainBuilder("app", setup);
  chain.begin();
  while (chain.length < length) chain.seal([beat]);
  return chain;
}

describe("what is vouched for", () => {
  test("of a sound chain every block is, under a trusted grant", async () => {
    const [report] = (await judge(storeChain(new Map(), chainOf(3)))).chains;
    assert.deepEqual([report?.standing, report?.vouchedTo], ["trusted", 3]);
  });

  test("of a chain whose grant another root signed nothing is, whatever its receipts say", async () => {
    const chain = chainOf(3, { root: new NoteSigner("stranger") });
    const judged = await judge(storeChain(new Map(), chain));
    assert.deepEqual(codes(judged.all), ["UNKNOWN_ROOT"]);
    const { standing, vouchedTo, receiptedBlocks } = judged.chains[0] as never;
    assert.deepEqual([standing, vouchedTo, receiptedBlocks], ["refused", 0, 0]);
  });

  test("nothing is, where a receipt shows that the chain began outside of its grant's dates", async () => {
    const chain = chainOf(2, { terms: { notAfter: testTime - 10 } });
    const judged = await judge(storeChain(new Map(), chain));
    assert.deepEqual(codes(judged.all), ["GRANT_EXPIRED"]);
    assert.deepEqual([judged.chains[0]?.standing, judged.chains[0]?.vouchedTo], ["refused", 0]);
  });

  test("every block is, where the chain began in the last second of its grant, and the receipt came later", async () => {
    const chain = new ChainBuilder("app", { terms: { notAfter: testTime } });
    chain.begin([], { time: testTime * 1e6 + 999_999 });
    chain.seal([beat], { time: testTime * 1e6 + 1_999_999 });
    const judged = await judge(storeChain(new Map(), chain));
    assert.deepEqual(codes(judged.all), ["TIME_SKEW 0"]);
    assert.deepEqual([judged.chains[0]?.standing, judged.chains[0]?.vouchedTo], ["trusted", 2]);
  });

  test("nothing is, in a chain beyond those that its grant allows", async () => {
    const setup = { grantKey: "shared", terms: { subject: "pods" } };
    const [one, two] = [new ChainBuilder("one", setup), new ChainBuilder("two", setup)];
    one.begin();
    two.begin([], { time: (testTime + 60) * 1e6 });
    const files = storeChain(storeChain(new Map(), one), two);
    const judged = await judge(files);
    const standings = new Map(judged.chains.map((each) => [each.chain, each.standing]));
    assert.deepEqual(codes(judged.all), ["GRANT_REUSED"]);
    assert.deepEqual([standings.get(one.name), standings.get(two.name)], ["trusted", "refused"]);
  });

  test("without a root key it is the chain's own word, and said to be", async () => {
    const judged = await judge(storeChain(new Map(), chainOf(3)), { roots: [] });
    assert.deepEqual(codes(judged.all), ["UNKNOWN_ROOT"]);
    assert.deepEqual([judged.chains[0]?.standing, judged.chains[0]?.vouchedTo], ["unjudged", 3]);
  });

  test("a break behind which only another trusted vault vouches ends it there", async () => {
    const chain = chainOf(5);
    const note = elsewhere.receipt(chain.id, 5, chain.roots[5] as Uint8Array, testTime + 9);
    const blocks = chain.blocks.map(({ bytes }) => bytes).filter((_, at) => at !== 2);
    const files = storeChain(new Map(), chain, { blocks, receipt: note });
    const judged = await judge(files, { vaults: [testVault.keys, elsewhere.keys] });
    assert.deepEqual(codes(judged.all), [
      "BLOCK_MISSING 2",
      "RECEIPT_MISMATCH",
      "UNAUTHENTICATED 3",
    ]);
    assert.equal(judged.chains[0]?.vouchedTo, 3);
  });
});
