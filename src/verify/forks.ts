// Fork proofs: two different blocks of one height, both signed by the key that had to sign.
//
// - A proof that holds is FORK; one that proves nothing is PROOF_INVALID, for it was put there to
//   accuse, or it was bent.
//
// Spec: docs/spec/store.md, "forks".

import { headLength } from "../core/block.ts";
import { equalBytes } from "../core/bytes.ts";
import type { ChainSource } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import type { FindingCode } from "../core/fault.ts";
import { headerLength, signedBytes } from "../core/header.ts";
import { PieceReader } from "./piece-reader.ts";
import { ask } from "./unreadable.ts";

export interface ForkProof {
  readonly object: string;
  /** header ‖ signature, twice. */
  readonly bytes: Uint8Array;
}

/** Proof objects by block number. */
export type ForkProofs = Map<number, readonly ForkProof[]>;

// More proofs than this prove nothing more.
const maxForks = 1000;

/** Reads a chain's fork proofs; says in `unchecked` if there are too many. Throws Unreadable. */
export async function readForks(
  chain: ChainSource,
  unchecked: (what: string) => void,
): Promise<ForkProofs> {
  const objects = await ask("the list of forks", chain.forks);
  if (objects.length > maxForks) unchecked(`fork proofs beyond the first ${maxForks}`);
  const proofs: ForkProofs = new Map();
  for (const object of objects.slice(0, maxForks)) {
    const reader = new PieceReader(object);
    await reader.has(2 * headLength + 1);
    const proof = { object: object.name, bytes: reader.peek(2 * headLength + 1).slice() };
    await reader.close();
    proofs.set(object.firstBlock, [...(proofs.get(object.firstBlock) ?? []), proof]);
  }
  return proofs;
}

interface Walked {
  readonly suite: Suite;
  /** The key that signed the walked block. */
  readonly key: Uint8Array;
  readonly head: Uint8Array;
}

/** Judges the proofs for the height of a walked block. */
export function judgeForks(
  proofs: readonly ForkProof[],
  walked: Walked,
  report: (code: FindingCode, message: string, object: string) => void,
): void {
  for (const { object, bytes } of proofs) {
    if (holds(bytes, walked)) {
      report("FORK", "another block of this height was signed by the same key", object);
    } else {
      report("PROOF_INVALID", "fork proof holds no other block signed for this height", object);
    }
  }
}

function holds(proof: Uint8Array, { suite, key, head }: Walked): boolean {
  if (proof.length !== 2 * headLength) return false;
  const heads = [proof.subarray(0, headLength), proof.subarray(headLength)];
  return heads.some(
    (each) =>
      !equalBytes(each, head.subarray(0, headLength)) &&
      suite.verifyEd25519(key, signedBytes(each), each.subarray(headerLength)),
  );
}
