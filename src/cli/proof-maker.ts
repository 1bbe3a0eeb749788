// Makes the proof of one line out of a stored chain.
//
// - The heads are walked twice: once to find the block, once to build its paths in the tree of the
//   newest receipt. Payloads are read only back to the nearest snapshot, for the source record.
// - What comes out was checked: a proof that would not hold is never handed out.

import { openPayload } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { parseCheckpoint } from "../core/checkpoint.ts";
import { decodeEnvelope, firstPrev } from "../core/envelope.ts";
import { proveEnvelope } from "../core/envelope-proof.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import { encodeJson, type JsonObject } from "../core/json.ts";
import { payloadItems } from "../core/payload.ts";
import type { LineProof } from "../core/proof.ts";
import { verifyProof } from "../core/proof-check.ts";
import { decodeRecord, sourceIdOf } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { PathBuilder } from "../core/tree.ts";
import { nativeSuite as suite } from "../host/native-suite.ts";
import { type VerifyOptions, verifyChain } from "../verify/verify.ts";
import { readBlocks } from "./block-reader.ts";
import type { OpenedChain } from "./chains-source.ts";
import type { TrustedKeys } from "./trusted-keys.ts";
import { readingAll } from "./watched-chain.ts";

/** Blocks between two snapshots at most. */
const snapshotPeriod = 1024;

interface Located {
  readonly header: Header;
  readonly head: Uint8Array;
  readonly genesis: Uint8Array;
  /** The head before; undefined for the genesis. */
  readonly before: Uint8Array | undefined;
}

interface Opened {
  readonly envelope: Uint8Array;
  readonly group: readonly Uint8Array[];
  readonly path: readonly Uint8Array[];
}

/** Throws proof-impossible. Without keys, root and vault are not judged. */
export async function makeProof(
  chain: OpenedChain,
  seq: number,
  keys: TrustedKeys,
): Promise<LineProof> {
  const [receipt, grant] = [await chain.receipt(), await chain.grant()];
  if (receipt === undefined || grant === undefined) {
    throw impossible(`there is no ${grant === undefined ? "grant" : "receipt"} of the chain`);
  }
  try {
    const { size } = parseCheckpoint(receipt);
    const found = await locate(chain, seq);
    const index = found.header.blockNo;
    if (index >= size) {
      throw impossible(`block ${index} has no receipt yet, the newest covers ${size} blocks`);
    }
    const { blockPath, beforePath } = await pathsOf(chain, index, size);
    const opened = await openEnvelope(chain, found, suite.sha256(grant), seq);
    const { source } = decodeEnvelope(opened.envelope);
    const proof: LineProof = {
      ...{ grant, genesis: found.genesis, ...opened, index, blockPath, receipt },
      previous: index < 2 ? undefined : { head: found.before as Uint8Array, path: beforePath },
      block: index === 0 ? undefined : found.head,
      source: source === undefined ? undefined : await sourceRecord(chain, index, source),
    };
    refuseFaulty(proof, keys);
    return proof;
  } catch (caught) {
    if (caught instanceof Fault) throw impossible(`${caught.message} (${caught.code})`);
    throw caught;
  }
}

function impossible(why: string): SealtailError {
  return new SealtailError("proof-impossible", `couldn't prove the line: ${why}`);
}

/** Walks the heads of a chain; findings are verify's affair. */
async function walkHeads(
  chain: OpenedChain,
  onAccepted: NonNullable<VerifyOptions["onAccepted"]>,
): Promise<void> {
  const quiet = { suite, roots: [], vaults: [], headersOnly: true, report: () => {} };
  await readingAll(chain, (readable) => verifyChain(readable, { ...quiet, onAccepted }));
}

async function locate(chain: OpenedChain, seq: number): Promise<Located> {
  let genesis: Uint8Array | undefined;
  let newest: Uint8Array | undefined;
  let found: Located | undefined;
  let end = 0;
  await walkHeads(chain, (header, _walk, stored) => {
    const head = stored.slice();
    if (header.blockNo === 0) genesis = head;
    end = header.firstSeq + header.count;
    if (found === undefined && genesis !== undefined && header.firstSeq <= seq && seq < end) {
      found = { header, head, genesis, before: newest };
    }
    newest = head;
  });
  if (found !== undefined) return found;
  throw impossible(`no block holds envelope ${seq}, the chain ends before ${end}`);
}

async function pathsOf(
  chain: OpenedChain,
  index: number,
  size: number,
): Promise<{ blockPath: Uint8Array[]; beforePath: Uint8Array[] }> {
  const own = new PathBuilder(suite, index, size);
  const before = index < 2 ? undefined : new PathBuilder(suite, index - 1, size);
  let fed = 0;
  await walkHeads(chain, ({ blockNo }, _walk, head) => {
    if (blockNo !== fed || fed >= size) return;
    const hash = blockHash(suite, head);
    own.append(hash);
    before?.append(hash);
    fed += 1;
  });
  if (fed < size) throw impossible(`block ${fed}, which the receipt covers, is not usable`);
  return { blockPath: own.path(), beforePath: before?.path() ?? [] };
}

async function openEnvelope(
  chain: OpenedChain,
  { header, head, before }: Located,
  grantHash: Uint8Array,
  seq: number,
): Promise<Opened> {
  const { blockNo } = header;
  for await (const block of readBlocks(chain, blockNo, blockNo + 1)) {
    if (!equalBytes(block.head, head)) continue;
    const raw = openPayload(suite, header, block.payload);
    const prev =
      before === undefined
        ? firstPrev(suite, grantHash, header.runId)
        : decodeHeader(before).lastHash;
    return proveEnvelope(suite, header, raw, prev, seq);
  }
  throw impossible(`the payload of block ${blockNo} is not there`);
}

// The source was declared, or stands in a snapshot, no further back than the last period's first
// block. Its id is a hash of the record, so that any copy of it will do.
async function sourceRecord(chain: OpenedChain, block: number, id: string): Promise<Uint8Array> {
  for await (const each of readBlocks(chain, block - (block % snapshotPeriod), block + 1)) {
    for (const record of recordsOf(each.header, each.payload)) {
      const bytes = encodeJson(record);
      if (hex(sourceIdOf(suite, bytes)) === id) return bytes;
    }
  }
  throw impossible("the record of its source is not there");
}

function* recordsOf(header: Header, payload: Uint8Array): Generator<JsonObject> {
  let raw: Uint8Array;
  try {
    raw = openPayload(suite, header, payload);
    for (const item of payloadItems(raw)) {
      if (item.kind !== "record") continue;
      const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
      if (type === "source") yield value;
      const list = type === "snapshot" ? value["sources"] : value["positions"];
      for (const { record } of positionsIn(list)) yield record;
    }
  } catch (caught) {
    // Another block may hold it.
    if (!(caught instanceof Fault)) throw caught;
  }
}

function refuseFaulty(proof: LineProof, keys: TrustedKeys): void {
  const { roots, vaults } = keys;
  const report = verifyProof(suite, proof, {
    roots: roots.length === 0 ? undefined : roots,
    vaults: vaults.length === 0 ? undefined : vaults,
  });
  const [fault] = report.faults;
  if (fault !== undefined) throw fault;
}
