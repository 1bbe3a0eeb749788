import assert from "node:assert/strict";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { maxProofHeads } from "../../src/core/proof.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { verifyProof } from "../../src/verify/proof-check.ts";
import { makeProof, type ProvableChain, Unprovable } from "../../src/verify/proof-maker.ts";
import { ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";

const keys = { roots: [testRoot.key], vaults: [testVault.keys] };

function built(label = "payments", blocks = 8): ChainBuilder {
  const chain = new ChainBuilder(label);
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  while (chain.length < blocks) chain.seal([lines(id, `block ${chain.length}\n`)]);
  return chain;
}

const honest = built();
const last = honest.seq - 1;

/** A place that holds `chain`, but for what it is told to say instead. */
function place(chain: ChainBuilder, says: Partial<ProvableChain> = {}): ProvableChain {
  return {
    ...{ grant: chain.grant, receipt: utf8(chain.receipt()) },
    turn: async () => undefined,
    blockOf: async (seq) => {
      const index = chain.blocks.findIndex(({ header }) => header.firstSeq + header.count > seq);
      return index === -1 ? undefined : index;
    },
    heads: async (visit) => {
      for (const { head } of chain.blocks) visit(head);
    },
    async *blocks(from, to) {
      for (const { head, header, bytes } of chain.blocks.slice(from, to)) {
        yield { head, header, payload: bytes.subarray(headLength) };
      }
    },
    ...says,
  };
}

async function why(chain: ProvableChain, kind: "short" | "full", seq = last): Promise<string> {
  try {
    await makeProof(suite, chain, { kind, seq, keys });
    return "proved";
  } catch (caught) {
    assert.ok(caught instanceof Unprovable, String(caught));
    return caught.why;
  }
}

test("others get their turn while a long block is proved, and one of many records", async () => {
  const chain = new ChainBuilder("long");
  const { id, record } = chain.source("/var/log/app.log");
  const heartbeats = Array.from({ length: 5000 }, () => say({ type: "heartbeat", sources: [] }));
  chain.begin([...heartbeats, say(record)]);
  chain.seal([lines(id, "\n".repeat(20_000))]);
  for (const [seq, least] of [
    [chain.seq - 1, 30],
    [10, 4],
  ] as const) {
    let turns = 0;
    const turn = async (): Promise<void> => {
      turns += 1;
    };
    await makeProof(suite, place(chain, { turn }), { kind: "short", seq, keys });
    assert.ok(turns >= least, `${turns} turns`);
  }
});

test("what is made holds, of both kinds, for every envelope", async () => {
  for (let seq = 0; seq <= last; seq += 1) {
    for (const kind of ["short", "full"] as const) {
      const proof = await makeProof(suite, place(honest), { kind, seq, keys });
      const report = verifyProof(suite, proof, keys);
      assert.ok(report.holds);
      assert.equal(report.envelope?.seq, seq);
      assert.notEqual(proof.receipt, undefined);
    }
  }
});

test("without a receipt that covers the block there is a full proof only", async () => {
  for (const receipt of [undefined, utf8(honest.receipt(3))]) {
    assert.equal(await why(place(honest, { receipt }), "short"), "not-covered");
    const request = { kind: "full", seq: last, keys } as const;
    const proof = await makeProof(suite, place(honest, { receipt }), request);
    assert.equal(proof.receipt, undefined);
  }
});

test("a full proof leaves a receipt out that does not hold, or whose tree can't be built", async () => {
  const { receipt } = place(built("other"));
  const cut = { receipt: utf8(honest.receipt()) };
  const six = built("payments", 6);
  for (const each of [place(honest, { receipt }), place(six, cut)]) {
    const proof = await makeProof(suite, each, { kind: "full", seq: 7, keys });
    assert.equal(proof.receipt, undefined);
    assert.equal(await why(each, "short", 7), "damaged");
  }
});

test("a line behind more heads than a full proof holds has a short one only", async () => {
  const blockOf = async (): Promise<number> => maxProofHeads;
  assert.equal(await why(place(honest, { blockOf }), "full"), "too-long");
});

test("a place that lies gets no proof out of it", async () => {
  const other = built("other");
  const lies: Partial<ProvableChain>[] = [
    { grant: undefined },
    { grant: other.grant },
    { blockOf: async () => 2 },
    { blockOf: async () => 5 },
    { heads: place(other).heads },
    { blocks: place(other).blocks },
    { heads: async () => {} },
    {
      heads: async (visit) => {
        for (const { head } of honest.blocks.toReversed()) visit(head);
      },
    },
    {
      heads: async (visit) => {
        for (const [at, { head }] of honest.blocks.entries()) {
          visit(at === 3 ? head.with(400, (head[400] as number) ^ 1) : head);
        }
      },
    },
  ];
  for (const [at, says] of lies.entries()) {
    for (const kind of ["short", "full"] as const) {
      assert.equal(await why(place(honest, says), kind), "damaged", `lie ${at}, ${kind}`);
    }
  }
  assert.equal(await why(place(honest), "full", last + 1), "not-there");
});
