// Fork proofs: two different blocks of one height, both signed by the key that had to sign.
//
// Spec: docs/spec/store.md, "forks".

import { headLength } from "../core/block.ts";
import { equalBytes } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { type Header, headerLength, signedBytes } from "../core/header.ts";

/** Proof objects by block number: two heads each. Whoever collects them caps their number. */
export type ForkProofs = ReadonlyMap<number, readonly Uint8Array[]>;

interface Walked {
  readonly suite: Suite;
  readonly key: Uint8Array | undefined;
  readonly header: Header;
  readonly head: Uint8Array;
}

/** Reports each proof for this height that holds: one of its heads is genuine and not ours. */
export function judgeForks(
  proofs: ForkProofs | undefined,
  walked: Walked,
  report: (message: string) => void,
): void {
  const { suite, key, header, head } = walked;
  if (key === undefined) return;
  for (const proof of proofs?.get(header.blockNo) ?? []) {
    const heads = [proof.subarray(0, headLength), proof.subarray(headLength)];
    const twin = heads.find(
      (each) =>
        each.length === headLength &&
        !equalBytes(each, head.subarray(0, headLength)) &&
        suite.verifyEd25519(key, signedBytes(each), each.subarray(headerLength)),
    );
    if (twin !== undefined) report("another block of this height was signed by the same key");
  }
}
