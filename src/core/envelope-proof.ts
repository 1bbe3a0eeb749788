// One envelope of an opened block with its path to the block's envelope_root, for a line proof.
//
// Spec: docs/spec/proof.md.

import { readU64 } from "./bytes.ts";
import { derivation } from "./derive.ts";
import type { Suite } from "./digest.ts";
import { field } from "./envelope.ts";
import { EnvelopePathBuilder } from "./envelope-tree.ts";
import type { Header } from "./header.ts";
import type { LineProof } from "./proof.ts";

export type ProvedEnvelope = Pick<LineProof, "envelope" | "group" | "path">;

/**
 * Derives envelope `seq` from the payload `raw`; `prev` is the hash of the envelope before the
 * block's first. Step by step, of about a millisecond each: a block may hold a million envelopes.
 * Throws RangeError for a seq of another block, and what deriving throws.
 */
export function* proveEnvelope(
  suite: Suite,
  header: Header,
  raw: Uint8Array,
  prev: Uint8Array,
  seq: number,
): Generator<void, ProvedEnvelope, undefined> {
  const { firstSeq, count } = header;
  const builder = new EnvelopePathBuilder(suite, seq - firstSeq, count);
  let envelope: Uint8Array = new Uint8Array(0);
  const onEnvelope = (preimage: Uint8Array, hash: Uint8Array): void => {
    builder.add(hash);
    if (readU64(preimage, field.seq) === seq) envelope = preimage.slice();
  };
  yield* derivation(suite, { raw, prev, firstSeq, count, onEnvelope });
  return { envelope, ...builder.path() };
}
