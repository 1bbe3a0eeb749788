// What an agent without state believes of the chain that a vault shows it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, utf8 } from "../../src/core/bytes.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { believe, type ShownChain } from "../../src/succession/vault-chain.ts";
import { ChainBuilder, second, testRoot, testTime, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { TestVault } from "../fakes/signers.ts";

const keys = { roots: [testRoot.key], vaults: [testVault.keys] };

function shown(chain: ChainBuilder): ShownChain {
  const some = (from: number, count: number) => chain.blocks.slice(from, from + count);
  return {
    id: chain.name,
    grant: async () => chain.grant,
    receipt: async () => utf8(chain.receipt()),
    heads: async (from, count) => concat(...some(from, count).map(({ head }) => head)),
    async *blocks(from, count) {
      for (const { bytes } of some(from, count)) yield bytes;
    },
  };
}

/** Two lines, one a block: before the second one `pause` seconds pass, and a receipt is recorded. */
function chainOf(pause: number, vault: TestVault = testVault): ChainBuilder {
  const chain = new ChainBuilder("pay");
  chain.begin();
  const { id, record } = chain.source("/var/log/pay.log");
  chain.seal([say(record), lines(id, "one\n")]);
  const note = vault.receipt(chain.id, 2, chain.roots[2] as Uint8Array, testTime);
  const later = { mono: chain.mono + pause * second, time: chain.time + pause * second };
  chain.seal([say({ type: "receipt", note }), lines(id, "two\n")], later);
  return chain;
}

async function offsetsIn(chain: ChainBuilder): Promise<readonly number[]> {
  const { positions } = await believe(suite, keys, "pay", shown(chain));
  return positions.map(({ offset }) => offset);
}

test("a chain that was silent for longer than it promised is believed: so it was", async () => {
  assert.deepEqual(await offsetsIn(chainOf(1)), [8]);
  assert.deepEqual(await offsetsIn(chainOf(120)), [8]);
});

test("a chain in which the vault's earlier keys signed a recorded receipt is believed", async () => {
  const earlier = new TestVault(testVault.name, "earlier keys");
  assert.deepEqual(await offsetsIn(chainOf(1, earlier)), [8]);
});
