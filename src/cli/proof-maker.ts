// Makes the proof of one line out of a chain that was opened: supplies verify/proof-maker.ts.
//
// - The heads are walked twice: once to find the block, once for those that the proof needs.

import type { Pieces } from "../core/chain-source.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import type { LineProof } from "../core/proof.ts";
import { FramingError, type WholeBlock, wholeBlocks } from "../core/whole-blocks.ts";
import { nativeSuite as suite } from "../host/native-suite.ts";
import { makeProof, type ProofRequest, Unprovable } from "../verify/proof-maker.ts";
import type { ChainReport } from "../verify/report.ts";
import { type VerifyOptions, verifyChain } from "../verify/verify.ts";
import type { OpenedChain } from "./chains-source.ts";
import { readingAll } from "./watched-chain.ts";

/** Throws proof-impossible, and what the place throws. */
export async function proveLine(chain: OpenedChain, request: ProofRequest): Promise<LineProof> {
  const [receipt, grant] = [await chain.receipt(), await chain.grant()];
  const provable = {
    ...{ grant, receipt },
    blockOf: (seq: number) => locate(chain, seq),
    // Nobody else waits for one.
    turn: async () => undefined,
    // Blocks that stand aside were passed over: those that are accepted follow each other.
    heads: async (visit: (head: Uint8Array) => void) => {
      let next = 0;
      await walkHeads(chain, ({ blockNo }, _walk, head) => {
        if (blockNo !== next) return;
        next += 1;
        visit(head);
      });
    },
    blocks: (from: number, to: number) => readBlocks(chain, from, to),
  };
  try {
    return await makeProof(suite, provable, request);
  } catch (caught) {
    if (caught instanceof Unprovable) throw impossible(caught, request);
    throw caught;
  }
}

function impossible({ why, message }: Unprovable, { kind }: ProofRequest): SealtailError {
  const text = `couldn't prove the line: ${message}`;
  const hint = hintFor(why, kind);
  return new SealtailError("proof-impossible", text, hint === undefined ? {} : { hint });
}

function hintFor(why: Unprovable["why"], kind: LineProof["kind"]): string | undefined {
  if (why === "too-long") {
    return (
      "leave --full out for a proof that takes the vault's word, or hand out the chain " +
      "(`sealtail export`): `sealtail verify` takes nobody's"
    );
  }
  if (why === "not-covered" && kind === "short") {
    return "wait for the vault's next receipt, or prove it from the grant on with --full";
  }
  return undefined;
}

/** Walks the heads of a chain; findings are verify's affair. */
async function walkHeads(
  chain: OpenedChain,
  onAccepted: NonNullable<VerifyOptions["onAccepted"]>,
): Promise<ChainReport> {
  const quiet = { suite, roots: [], vaults: [], headersOnly: true, copies: true, report: () => {} };
  return await readingAll(chain, (readable) => verifyChain(readable, { ...quiet, onAccepted }));
}

async function locate(chain: OpenedChain, seq: number): Promise<number | undefined> {
  let found: number | undefined;
  const { genesis } = await walkHeads(chain, ({ blockNo, firstSeq, count }) => {
    if (firstSeq <= seq && seq < firstSeq + count) found ??= blockNo;
  });
  // The proof would hold, of a line of another chain than the one that was asked for.
  if (genesis === chain.id) return found;
  throw new Unprovable("damaged", `what is stored here is chain ${genesis} (WRONG_CHAIN)`);
}

/**
 * The blocks [from, to) as far as they can be made out, in order. One is held at a time. Framing is
 * believed as far as it goes: what comes out is compared with hashes that were signed.
 */
async function* readBlocks(
  chain: OpenedChain,
  from: number,
  to: number,
): AsyncGenerator<WholeBlock, void, undefined> {
  const objects = await chain.blocks();
  const first = Math.max(
    0,
    objects.findLastIndex(({ firstBlock }) => firstBlock <= from),
  );
  for (const object of objects.slice(first)) {
    if (object.firstBlock >= to) return;
    for await (const block of blocksOf(object.open())) {
      if (block.header.blockNo >= to) return;
      if (block.header.blockNo >= from) yield block;
    }
  }
}

// Where the framing is damaged, the blocks end.
async function* blocksOf(pieces: Pieces): AsyncGenerator<WholeBlock, void, undefined> {
  try {
    yield* wholeBlocks(pieces);
  } catch (caught) {
    if (!(caught instanceof Fault || caught instanceof FramingError)) throw caught;
  }
}
