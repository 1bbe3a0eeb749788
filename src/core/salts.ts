// The salts of a block a few at a time: for readers, who may stop in the middle of a block.
//
// - The same bytes as saltsOf(), squeezed out of the hash as they are asked for: a block may hold a
//   million envelopes, and all their salts are 16 MB.
//
// Spec: docs/spec/envelope.md.

import { shake256 } from "@noble/hashes/sha3.js";
import { concat, utf8 } from "./bytes.ts";
import { saltLength } from "./envelope.ts";

/** Gives the next `count` salts at each call. */
export function saltStream(seed: Uint8Array): (count: number) => Uint8Array {
  const hash = shake256.create({}).update(concat(utf8("sealtail/1 salt"), seed));
  return (count) => hash.xof(saltLength * count);
}
