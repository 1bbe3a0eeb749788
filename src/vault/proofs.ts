// Makes the proof of one line of a stored chain: a text that anyone can check offline.
//
// - How a proof is made is verify/proof-maker.ts; this supplies it with heads and blocks.
// - It is the short one. Who wants one that takes no vault's word makes it from the heads, which
//   are here for everybody who may read.

import { parseCheckpoint, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { formatProof } from "../core/proof.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import type { Clock } from "../host/clock.ts";
import { nextTurn } from "../host/turn.ts";
import type { ChainReader } from "../store/store.ts";
import { makeProof, Unprovable } from "../verify/proof-maker.ts";
import { Damage } from "./damage.ts";
import { Problem } from "./problem.ts";
import { rested } from "./queue.ts";
import { blockOfSeq, headPages } from "./stored-heads.ts";

/** The proof's text. Throws Problem not-found where no receipt covers the line, and Damage. */
export async function proveLine(
  suite: Suite,
  vaultKeys: VaultKeys,
  chain: ChainReader,
  receipt: Uint8Array,
  seq: number,
  clock: Pick<Clock, "mono" | "sleep">,
): Promise<string> {
  const { size } = parseCheckpoint(receipt);
  const provable = {
    ...{ grant: await chain.grant(), receipt },
    blockOf: async (wanted: number) => {
      const block = await blockOfSeq(chain, size, wanted);
      return block < size ? block : undefined;
    },
    heads: async (visit: (head: Uint8Array) => void) => {
      for await (const page of headPages(chain, size)) page.forEach(visit);
    },
    blocks: (from: number, to: number) => rested(wholeBlocks(chain.wholeBlocks(from, to)), clock),
    turn: nextTurn,
  };
  const keys = { roots: undefined, vaults: [vaultKeys] };
  try {
    return formatProof(await makeProof(suite, provable, { kind: "short", seq, keys }));
  } catch (caught) {
    if (!(caught instanceof Unprovable)) throw caught;
    if (caught.why === "damaged") throw new Damage(`proof would not hold: ${caught.message}`);
    throw new Problem("not-found", `no receipt covers envelope ${seq}`);
  }
}
