import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { concat } from "../../src/core/bytes.ts";
import { type BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { say } from "../fakes/chain-items.ts";
import { type StoreFiles, storeChain } from "../fakes/chain-store.ts";
import { signer } from "../fakes/signers.ts";
import { codes, judge } from "./judging.ts";

const beat = say({ type: "heartbeat", sources: [] });
const stop = say({ type: "stop", reason: "sigterm" });

interface Forked {
  readonly chain: ChainBuilder;
  readonly ours: BuiltBlock;
  readonly twin: BuiltBlock;
}

/** A chain of four blocks, with two blocks of height 2. */
function forked(label = "app"): Forked {
  const chain = new ChainBuilder(label);
  chain.begin();
  chain.seal([beat]);
  const twin = chain.twin([stop]);
  const ours = chain.seal([beat]);
  chain.seal([beat]);
  return { chain, ours, twin };
}

/** What is found once `heads` are kept as a fork's proof of `block`. */
async function found(
  chain: ChainBuilder,
  heads: readonly Uint8Array[],
  block: number,
): Promise<string[]> {
  const files: StoreFiles = storeChain(new Map(), chain);
  const name = `${block.toString(16).padStart(16, "0")}-${"ab".repeat(32)}`;
  files.set(`chains/${chain.name}/forks/${name}`, concat(...heads));
  return codes((await judge(files)).all);
}

describe("a fork's proof", () => {
  test("holds if both heads are of this chain and height, and signed by the key of it", async () => {
    const { chain, ours, twin } = forked();
    assert.deepEqual(await found(chain, [ours.head, twin.head], 2), ["FORK 2"]);
    assert.deepEqual(await found(chain, [twin.head, ours.head], 2), ["FORK 2"]);
  });

  test("under another number than its heads have is never passed over", async () => {
    const { chain, ours, twin } = forked();
    for (const block of [0, 1, 3, 4, 99]) {
      const codesOf = await found(chain, [ours.head, twin.head], block);
      assert.deepEqual(codesOf, [`PROOF_INVALID ${block}`]);
    }
  });

  test("proves nothing with a head of another chain, unsigned, or cut", async () => {
    const { chain, ours, twin } = forked();
    const other = forked("other");
    const unsigned = chain.blocks[2]!.head.slice();
    unsigned[440]! ^= 1;
    const thief = new ChainBuilder("app");
    thief.begin();
    thief.seal([beat]);
    const stolen = thief.twin([stop], { signer: signer("thief") });
    const proofs = [
      [ours.head, other.ours.head],
      [other.ours.head, other.twin.head],
      [ours.head, unsigned],
      [ours.head, stolen.head],
      [ours.head],
      [ours.head, twin.head, new Uint8Array(1)],
      [],
    ];
    for (const heads of proofs) {
      assert.deepEqual(await found(chain, heads, 2), ["PROOF_INVALID 2"]);
    }
  });
});
