// Asks the vault how much of an old chain it holds: an answer may have been lost.
//
// - A block that a vault holds gets a receipt whenever it is sent again, so the newest one is. It
//   goes without a grant: that begins no chain.
// - Only a receipt that agrees with our own tree counts. Sizes in refusals tell which block to send
//   next, and nothing else; but a vault that says it has nothing is believed.

import { equalBytes, hex } from "../core/bytes.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { blockHash, decodeHeader } from "../core/header.ts";
import type { Frontier } from "../core/tree.ts";
import type { Clock } from "../host/clock.ts";
import { checkReceipt } from "../ship/receipt-check.ts";
import type { Answer, Sink } from "../ship/sink.ts";
import { frontierIn, openBlock } from "../succession/opening.ts";
import type { Wal } from "../wal/wal.ts";

export interface Asking {
  readonly suite: Suite;
  readonly clock: Clock;
  readonly sink: Sink;
  readonly vaults: readonly VaultKeys[];
  readonly stopping: AbortSignal;
}

/**
 * held: a genuine receipt. nothing: the vault has none of it. more: it has blocks that the buffer
 * lost. unknown: it did not say; `later`: it may when it is asked again.
 */
export type Holding =
  | { readonly held: Uint8Array; readonly size: number }
  | "nothing"
  | "more"
  | { readonly unknown: string; readonly later: boolean };

/** How long an answer is waited for, in ms. */
const answerMs = 5000;
const probesMax = 4;

export async function askHolding(asking: Asking, wal: Wal): Promise<Holding> {
  const { suite, vaults } = asking;
  const roots = await rootsOf(suite, wal);
  let at = wal.next - 1;
  for (let probe = 0; probe < probesMax && at >= wal.first; probe += 1) {
    const [block] = await wal.read(at, 1);
    if (block === undefined) break;
    const answer = await send(asking, roots.chain, block.bytes);
    if (answer.outcome === "receipt") {
      const check = checkReceipt(suite, vaults, roots.chain, answer.note);
      // Anybody on the way may answer with what is no receipt of this chain.
      if (!check.genuine) return { unknown: check.code, later: true };
      const { size, root } = check.receipt;
      if (size > wal.next) return "more";
      const ours = await roots.at(size);
      if (ours === undefined || !equalBytes(ours, root))
        return { unknown: "receipt-root", later: false };
      return { held: answer.note, size };
    }
    if (answer.outcome !== "wrong-head") {
      const { outcome, code } = answer;
      return { unknown: code, later: outcome !== "fork" };
    }
    if (answer.size === 0) return "nothing";
    if (answer.size === undefined) return { unknown: answer.code, later: false };
    if (answer.size > at) return "more";
    at = answer.size - 1;
  }
  return { unknown: "blocks-freed", later: false };
}

/** Sends one block, without a grant: where it is stored, the answer is a receipt. */
export async function send(
  { clock, sink, stopping }: Pick<Asking, "clock" | "sink" | "stopping">,
  chainId: string,
  block: Uint8Array,
): Promise<Answer> {
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stopping]);
  void clock.sleep(answerMs, signal).then(() => over.abort());
  try {
    return await sink.post({ chainId, blocks: [block] }, signal);
  } finally {
    over.abort();
  }
}

interface Roots {
  readonly chain: string;
  at(size: number): Promise<Uint8Array | undefined>;
}

/** The chain's id, and the roots of its tree: each header states the one over the blocks before. */
async function rootsOf(suite: Suite, wal: Wal): Promise<Roots> {
  let frontier: Frontier | undefined;
  let chain = "";
  for await (const { bytes } of wal.scan(wal.firstIndexOfNewestSegment)) {
    const { header, raw } = openBlock(suite, bytes);
    const hash = blockHash(suite, bytes);
    chain = header.blockNo === 0 ? hex(hash) : hex(header.chainId);
    frontier ??= frontierIn(suite, header, raw);
    frontier?.append(hash);
  }
  return {
    chain,
    at: async (size) => {
      if (size === wal.next) return frontier?.root();
      if (size < wal.first) return undefined;
      const [next] = await wal.read(size, 1);
      return next && decodeHeader(next.bytes).chainRoot;
    },
  };
}
