// Makes the proof of one line: a text that anyone can check offline.
//
// - What comes out was checked first: a proof that would not hold is never handed out.
// - The paths in the receipt's tree take every head of the chain once, a range at a time.
//
// Spec: docs/spec/proof.md.

import { headLength, openPayload } from "../core/block.ts";
import { parseCheckpoint, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { decodeEnvelope, firstPrev } from "../core/envelope.ts";
import { proveEnvelope } from "../core/envelope-proof.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import type { JsonObject } from "../core/json.ts";
import { payloadItems } from "../core/payload.ts";
import { formatProof, type LineProof } from "../core/proof.ts";
import { verifyProof } from "../core/proof-check.ts";
import { encodeRecord } from "../core/record.ts";
import { SourceTable } from "../core/sources.ts";
import { PathBuilder } from "../core/tree.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import { readBlock } from "../store/chain-reader.ts";
import type { ChainReader } from "../store/store.ts";
import { Damage } from "./damage.ts";
import { Problem } from "./problem.ts";
import { blockOfSeq } from "./seek.ts";
import { newestSnapshot } from "./snapshots.ts";

/** The proof's text. Throws Problem not-found where no receipt covers the line. */
export async function proveLine(
  suite: Suite,
  keys: VaultKeys,
  chain: ChainReader,
  receipt: Uint8Array,
  seq: number,
): Promise<string> {
  const { size } = parseCheckpoint(receipt);
  const index = await blockOfSeq(chain, size, seq);
  if (index >= size) throw new Problem("not-found", `no receipt covers envelope ${seq}`);
  const grant = (await chain.grant()) ?? new Uint8Array(0);
  const genesis = await headOf(chain, 0);
  const before = index === 0 ? undefined : await headOf(chain, index - 1);
  const { head, header, raw } = await openBlock(suite, chain, index);
  const prev =
    before === undefined
      ? firstPrev(suite, header.receiptHash, header.runId)
      : decodeHeader(before).lastHash;
  const opened = proveEnvelope(suite, header, raw, prev, seq);
  const { source: id } = decodeEnvelope(opened.envelope);
  const record = id === undefined ? undefined : await sourceRecord(suite, chain, index, id);
  const { own, previous } = await pathsOf(suite, chain, index, size);
  const proof: LineProof = {
    ...{ grant, genesis, receipt, index, blockPath: own, ...opened },
    previous: index < 2 ? undefined : { head: before as Uint8Array, path: previous },
    block: index === 0 ? undefined : head,
    source: record === undefined ? undefined : encodeRecord(record),
  };
  const [fault] = verifyProof(suite, proof, { roots: undefined, vaults: [keys] }).faults;
  if (fault !== undefined) throw new Damage(`proof would not hold: ${fault.code}`);
  return formatProof(proof);
}

// Declared since the newest snapshot, or listed in it; its id is its hash, so any copy will do.
async function sourceRecord(
  suite: Suite,
  chain: ChainReader,
  index: number,
  id: string,
): Promise<JsonObject | undefined> {
  const { block } = await newestSnapshot(chain, index + 1);
  const sources = new SourceTable(suite);
  sources.loosen();
  let record: JsonObject | undefined;
  for await (const { header, payload } of wholeBlocks(chain.wholeBlocks(block, index + 1))) {
    const raw = openPayload(suite, header, payload);
    for (const item of payloadItems(raw)) {
      if (item.kind !== "record") continue;
      sources.take(item, raw);
      record ??= sources.get(id)?.record;
    }
  }
  return record;
}

async function openBlock(
  suite: Suite,
  chain: ChainReader,
  index: number,
): Promise<{ head: Uint8Array; header: Header; raw: Uint8Array }> {
  const { head, payload } = await readBlock(chain, index);
  const header = decodeHeader(head);
  return { head, header, raw: openPayload(suite, header, payload) };
}

async function headOf(chain: ChainReader, block: number): Promise<Uint8Array> {
  const head = await chain.heads(block, 1);
  if (head.length === headLength) return head;
  throw new Damage(`head of stored block ${block} is missing`);
}

async function pathsOf(
  suite: Suite,
  chain: ChainReader,
  index: number,
  size: number,
): Promise<{ own: Uint8Array[]; previous: Uint8Array[] }> {
  const own = new PathBuilder(suite, index, size);
  const previous = index < 2 ? undefined : new PathBuilder(suite, index - 1, size);
  for (let from = 0; from < size; ) {
    const heads = await chain.heads(from, size - from);
    if (heads.length === 0) throw new Damage(`head of stored block ${from} is missing`);
    for (let at = 0; at < heads.length; at += headLength) {
      const hash = blockHash(suite, heads.subarray(at, at + headLength));
      own.append(hash);
      previous?.append(hash);
    }
    from += heads.length / headLength;
  }
  return { own: own.path(), previous: previous?.path() ?? [] };
}
