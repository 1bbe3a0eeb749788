// The head of the agent's own chain: what the next block must continue.
//
// - Owned by the sealer; recovery makes one from the WAL, enrolment a fresh one.

import type { Suite } from "../core/digest.ts";
import type { Header } from "../core/header.ts";
import { Frontier } from "../core/tree.ts";

/** What a block about to be signed continues. Changes with every signed block. */
export interface ChainHead {
  /** Number of the next block. */
  blockNo: number;
  /** In the genesis zero; then the chain id. */
  chainId: Uint8Array;
  prevHash: Uint8Array;
  /** Tree over all blocks so far, and its root. */
  frontier: Frontier;
  root: Uint8Array;
  /** The secret that signs the next block; in the genesis the first one, s_1. */
  secret: Uint8Array;
}

/** The head of a chain that does not exist yet; `secret` is s_1. */
export function newHead(suite: Suite, secret: Uint8Array): ChainHead {
  const frontier = new Frontier(suite);
  return {
    blockNo: 0,
    chainId: new Uint8Array(32),
    prevHash: new Uint8Array(32),
    frontier,
    root: frontier.root(),
    secret,
  };
}

/** Goes on behind a block that was signed. */
export function advanceHead(head: ChainHead, header: Header, hash: Uint8Array): void {
  if (header.blockNo === 0) head.chainId = hash;
  head.blockNo = header.blockNo + 1;
  head.prevHash = hash;
  head.frontier.append(hash);
  head.root = head.frontier.root();
}
