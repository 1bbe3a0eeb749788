// A small genuine chain for proofs: each block holds the lines that it is given, nothing more.
//
// - No snapshots and no configuration: a proof looks at signatures, trees and envelopes only.

import type { VaultKeys } from "../../src/core/checkpoint.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { VerifierKey } from "../../src/core/note.ts";
import type { FullProof, ShortProof } from "../../src/core/proof.ts";
import { type BuiltBlock, ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { fullProof, shortProof } from "../fakes/chain-proofs.ts";

export interface ProofChain {
  readonly root: VerifierKey;
  readonly vaults: readonly VaultKeys[];
  readonly blocks: readonly BuiltBlock[];
  readonly source: JsonObject;
  /** The proof of envelope `seq` under a receipt of `size` blocks. */
  proof(seq: number, size?: number): ShortProof;
  /** The same from the grant on; of size 0: without a receipt. */
  full(seq: number, size?: number): FullProof;
}

/** Block k holds the source record if k is 0, then `counts[k]` lines. */
export function proofChain(counts: readonly number[], label = "payments"): ProofChain {
  const chain = new ChainBuilder(label);
  const { id, record } = chain.source("/var/log/app.log");
  for (const [block, count] of counts.entries()) {
    const text = Array.from({ length: count }, (_, line) => `block ${block} line ${line}\n`);
    chain.seal([...(block === 0 ? [say(record)] : []), lines(id, text.join(""))]);
  }
  return {
    ...{ root: testRoot.key, vaults: [testVault.keys], blocks: chain.blocks, source: record },
    proof: (seq, size) => shortProof(chain, seq, size),
    full: (seq, size) => fullProof(chain, seq, size),
  };
}
