// Fork proofs: two different blocks of one height, both signed by the key that had to sign.
//
// - A proof that holds is FORK; one that proves nothing is PROOF_INVALID, for it was put there to
//   accuse, or it was bent. None is passed over, whatever height its name gives.
// - A head counts only if it is of this chain and this height: whoever can write into a store has
//   heads of other chains at hand.
//
// Spec: docs/spec/store.md, "forks".

import { headLength } from "../core/block.ts";
import { equalBytes } from "../core/bytes.ts";
import type { ChainSource } from "../core/chain-source.ts";
import type { Suite } from "../core/digest.ts";
import type { FindingCode } from "../core/fault.ts";
import { headerOf, isSignedBy } from "../core/header.ts";
import { firstBytes } from "./piece-reader.ts";
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
    const bytes = (await firstBytes(object, 2 * headLength + 1)).slice();
    const proof = { object: object.name, bytes };
    proofs.set(object.firstBlock, [...(proofs.get(object.firstBlock) ?? []), proof]);
  }
  return proofs;
}

/** What the proofs of one height are judged by. */
export interface Height {
  readonly suite: Suite;
  readonly chainId: Uint8Array;
  readonly block: number;
  /** The key that had to sign the block; undefined where it is not known: nothing can be proved. */
  readonly key: Uint8Array | undefined;
  /** The head that was walked; undefined where there is none. */
  readonly walked: Uint8Array | undefined;
}

/** Judges the proofs for one height. */
export function judgeForks(
  proofs: readonly ForkProof[],
  height: Height,
  report: (code: FindingCode, message: string, object: string) => void,
): void {
  for (const { object, bytes } of proofs) {
    const why = flawOf(bytes, height);
    if (why === undefined) {
      report("FORK", "two blocks of this height were signed by the same key", object);
    } else {
      report("PROOF_INVALID", `fork proof proves nothing: ${why}`, object);
    }
  }
}

/**
 * Why a proof does not hold. Beside the head that was walked, one other is enough; where none was
 * walked, the proof needs two.
 */
function flawOf(proof: Uint8Array, height: Height): string | undefined {
  if (proof.length !== 2 * headLength) return "it does not hold two heads";
  const heads = [proof.subarray(0, headLength), proof.subarray(headLength)] as const;
  if (equalBytes(...heads)) return "its heads are the same";
  if (height.key === undefined) return "the key of that block is not known";
  const { walked } = height;
  const others = heads.filter((head) => walked === undefined || !equalBytes(head, walked));
  const flaws = others.map((head) => flawOfHead(head, height));
  const holds = flaws.filter((flaw) => flaw === undefined).length;
  return holds >= (walked === undefined ? 2 : 1) ? undefined : flaws.find((flaw) => flaw);
}

function flawOfHead(head: Uint8Array, { suite, chainId, block, key }: Height): string | undefined {
  const header = headerOf(head);
  if (header === undefined) return "it holds a head that is none";
  // A genesis is its chain: another one is the beginning of another chain.
  const ours = header.kind !== "genesis" && equalBytes(header.chainId, chainId);
  if (!ours) return "it holds a head of another chain";
  if (header.blockNo !== block) return `it holds a head of block ${header.blockNo}`;
  const signed = key !== undefined && isSignedBy(suite, key, head);
  return signed ? undefined : "the key of that block did not sign its head";
}
