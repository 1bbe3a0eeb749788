// Proofs of lines of a built chain: put together from its parts, whether or not they would hold.

import { headLength, openPayload } from "../../src/core/block.ts";
import { utf8 } from "../../src/core/bytes.ts";
import { decodeEnvelope, firstPrev } from "../../src/core/envelope.ts";
import type { FullProof, ShortProof } from "../../src/core/proof.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { proveEnvelope } from "../../src/verify/proof-maker.ts";
import type { BuiltBlock, ChainBuilder } from "./chain-builder.ts";
import { derive } from "./chain-items.ts";
import { inclusionPath } from "./inclusion-path.ts";

type Proved = Pick<ShortProof, "grant" | "envelope" | "group" | "path" | "source" | "index">;

function provedLine(chain: ChainBuilder, seq: number): Proved {
  const index = chain.blocks.findLastIndex(({ header }) => header.firstSeq <= seq);
  const { header } = chain.blocks[index] as BuiltBlock;
  const steps = proveEnvelope(suite, header, rawOf(chain, index), hashBefore(chain, index), seq);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  const opened = step.value;
  const { source: id } = decodeEnvelope(opened.envelope);
  const record = id === undefined ? undefined : chain.sources.get(id)?.record;
  const source = record === undefined ? undefined : encodeRecord(record);
  return { grant: chain.grant, ...opened, source, index };
}

function rawOf(chain: ChainBuilder, index: number): Uint8Array {
  const { header, bytes } = chain.blocks[index] as BuiltBlock;
  return openPayload(suite, header, bytes.subarray(headLength));
}

/** The hash of the envelope before the block's first, whatever headers say of it. */
function hashBefore(chain: ChainBuilder, index: number): Uint8Array {
  const { runId } = (chain.blocks[0] as BuiltBlock).header;
  let hash = firstPrev(suite, suite.sha256(chain.grant), runId);
  for (let at = 0; at < index; at += 1) {
    const { firstSeq } = (chain.blocks[at] as BuiltBlock).header;
    hash = derive(rawOf(chain, at), hash, firstSeq).lastHash;
  }
  return hash;
}

/** The path of block `index` in the tree of the first `size` blocks. */
export function pathOf(chain: ChainBuilder, index: number, size: number): Uint8Array[] {
  const leaves = chain.blocks.slice(0, size).map(({ hash }) => hash);
  return inclusionPath(suite, leaves, index);
}

/** Under a receipt of `size` blocks, by default all. */
export function shortProof(
  chain: ChainBuilder,
  seq: number,
  size: number = chain.length,
): ShortProof {
  const proved = provedLine(chain, seq);
  const { index } = proved;
  const headAt = (at: number): Uint8Array => (chain.blocks[at] as BuiltBlock).head;
  const previous = (): ShortProof["previous"] => {
    return { head: headAt(index - 1), path: pathOf(chain, index - 1, size) };
  };
  return {
    ...{ kind: "short", ...proved, genesis: headAt(0) },
    previous: index < 2 ? undefined : previous(),
    block: index === 0 ? undefined : headAt(index),
    blockPath: pathOf(chain, index, size),
    receipt: utf8(chain.receipt(size)),
  };
}

/** Under a receipt of `size` blocks; 0: without one. */
export function fullProof(
  chain: ChainBuilder,
  seq: number,
  size: number = chain.length,
): FullProof {
  const proved = provedLine(chain, seq);
  const { index } = proved;
  const heads = chain.blocks.slice(0, index + 1).map(({ head }) => head);
  const place =
    size === 0
      ? { blockPath: [], receipt: undefined }
      : { blockPath: pathOf(chain, index, size), receipt: utf8(chain.receipt(size)) };
  return { kind: "full", ...proved, ...place, heads };
}
