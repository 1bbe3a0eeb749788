// A small genuine chain for proofs: each block holds the lines that it is given, nothing more.
//
// - No snapshots and no configuration: a proof looks at signatures, trees and envelopes only.

import { concat, readU64, utf8 } from "../../src/core/bytes.ts";
import { checkpointText, type VaultKeys } from "../../src/core/checkpoint.ts";
import { deriveEnvelopes } from "../../src/core/derive.ts";
import { field, firstPrev } from "../../src/core/envelope.ts";
import { EnvelopePathBuilder } from "../../src/core/envelope-tree.ts";
import { formatGrant } from "../../src/core/grant.ts";
import { blockHash, encodeHeader, type Header, signedBytes } from "../../src/core/header.ts";
import { formatNote, type VerifierKey } from "../../src/core/note.ts";
import {
  recordHeadLength,
  spanHeadLength,
  writeRecord,
  writeSpanHead,
} from "../../src/core/payload.ts";
import type { FullProof, ShortProof } from "../../src/core/proof.ts";
import { encodeRecord, type SourceRecord, sourceIdOf } from "../../src/core/record.ts";
import { Frontier, inclusionPath, rootOf } from "../../src/core/tree.ts";
import { noteSigner, signer } from "../../src/host/keys.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { SeededRandom } from "../fakes/random.ts";

const seconds = 1_700_000_000;

export const source: SourceRecord = {
  type: "source",
  name: "app",
  path: "/var/log/app.log",
  dev: "1",
  ino: "2",
  birth: "0",
  generation: 0,
  fingerprint: "00".repeat(32),
  fingerprint_len: 0,
};

interface Made {
  readonly head: Uint8Array;
  readonly header: Header;
  readonly raw: Uint8Array;
  readonly prev: Uint8Array;
}

export interface ProofChain {
  readonly root: VerifierKey;
  readonly vaults: readonly VaultKeys[];
  readonly blocks: readonly Made[];
  /** The proof of envelope `seq` under a receipt of `size` blocks. */
  proof(seq: number, size?: number): ShortProof;
  /** The same from the grant on; of size 0: without a receipt. */
  full(seq: number, size?: number): FullProof;
}

/** Block k holds the source record if k is 0, then `counts[k]` lines. */
export function proofChain(counts: readonly number[], seed = 1): ProofChain {
  const random = new SeededRandom(seed);
  const root = noteSigner(random.bytes(32), "acme-root", 1);
  const receipts = noteSigner(random.bytes(32), "vault.example", 1);
  const times = noteSigner(random.bytes(32), "vault.example/time", 4);
  let key = signer(random.bytes(32));
  const text = formatGrant({
    id: random.bytes(16),
    role: "write",
    subject: "payments",
    audience: "vault.example",
    sources: ["/var/log/**"],
    notBefore: seconds - 100,
    notAfter: seconds + 100,
    maxChains: 1,
    maxSilenceMs: 60_000,
    key: key.publicKey,
  });
  const grant = utf8(formatNote(text, [root.signNote(text)]));
  const runId = random.bytes(16);
  const frontier = new Frontier(suite);
  const blocks: Made[] = [];
  let [firstSeq, offset, chainId] = [0, 0, new Uint8Array(32) as Uint8Array];
  let prevHash: Uint8Array = new Uint8Array(32);
  let prev = firstPrev(suite, suite.sha256(grant), runId);
  for (const [blockNo, lines] of counts.entries()) {
    const next = signer(random.bytes(32));
    const { raw, end } = payload(random.bytes(32), blockNo, lines, offset);
    const count = lines + (blockNo === 0 ? 1 : 0);
    const derived = deriveEnvelopes(suite, { raw, prev, firstSeq, count });
    const header: Header = {
      ...{ kind: blockNo === 0 ? "genesis" : "normal", codec: "raw", chainId, blockNo, firstSeq },
      ...{ count, rawLength: raw.length, storedLength: raw.length, maxSilenceMs: 60_000 },
      ...{ prevHash, chainRoot: frontier.root(), lastHash: derived.lastHash },
      ...{ envelopeRoot: derived.envelopeRoot, storedHash: suite.sha256(raw) },
      ...{ nextPub: next.publicKey, configHash: new Uint8Array(32) },
      receiptHash: blockNo === 0 ? suite.sha256(grant) : new Uint8Array(32),
      ...{ receiptSize: 0, runId, time: seconds * 1e6, mono: blockNo, firstTime: seconds * 1e6 },
    };
    const bytes = encodeHeader(header);
    const head = concat(bytes, key.sign(signedBytes(bytes)));
    blocks.push({ head, header, raw, prev });
    prevHash = blockHash(suite, head);
    if (blockNo === 0) chainId = prevHash;
    frontier.append(prevHash);
    [key, prev, firstSeq, offset] = [next, derived.lastHash, firstSeq + count, end];
  }
  const hashes = blocks.map(({ head }) => blockHash(suite, head));
  const blockOf = (seq: number) => blocks.findLastIndex(({ header }) => header.firstSeq <= seq);
  const opened = (seq: number) => {
    const { header, raw, prev: before } = blocks[blockOf(seq)]!;
    const builder = new EnvelopePathBuilder(suite, seq - header.firstSeq, header.count);
    let envelope: Uint8Array = new Uint8Array(0);
    const { firstSeq: first, count } = header;
    deriveEnvelopes(suite, {
      ...{ raw, prev: before, firstSeq: first, count },
      onEnvelope: (preimage, hash) => {
        builder.add(hash);
        if (readU64(preimage, field.seq) === seq) envelope = preimage.slice();
      },
    });
    const record = envelope[2] === 1 ? undefined : encodeRecord(source);
    return { grant, envelope, ...builder.path(), source: record };
  };
  const covered = (seq: number, size: number) => {
    const leaves = hashes.slice(0, size);
    const note = checkpointText("vault.example", chainId, size, rootOf(suite, leaves));
    const signatures = [receipts.signNote(note), times.cosign(seconds + 5, note)];
    const index = blockOf(seq);
    const blockPath = inclusionPath(suite, leaves, index);
    return { index, blockPath, receipt: utf8(formatNote(note, signatures)) };
  };
  return {
    root: root.key,
    vaults: [{ receipt: receipts.key, time: times.key }],
    blocks,
    proof(seq, size = blocks.length) {
      const index = blockOf(seq);
      const path = () => inclusionPath(suite, hashes.slice(0, size), index - 1);
      return {
        ...{ kind: "short", ...opened(seq), ...covered(seq, size) },
        genesis: blocks[0]!.head,
        previous: index < 2 ? undefined : { head: blocks[index - 1]!.head, path: path() },
        block: index === 0 ? undefined : blocks[index]!.head,
      };
    },
    full(seq, size = blocks.length) {
      const index = blockOf(seq);
      const bare = { index, blockPath: [], receipt: undefined };
      const place = size === 0 ? bare : covered(seq, size);
      const heads = blocks.slice(0, index + 1).map(({ head }) => head);
      return { kind: "full", ...opened(seq), ...place, heads };
    },
  };
}

function payload(
  seed: Uint8Array,
  blockNo: number,
  lines: number,
  offset: number,
): { raw: Uint8Array; end: number } {
  const text = Array.from({ length: lines }, (_, i) => `block ${blockNo} line ${i}\n`).join("");
  const [bytes, record] = [utf8(text), encodeRecord(source)];
  const recordBytes = blockNo === 0 ? recordHeadLength + record.length : 0;
  const spanBytes = bytes.length === 0 ? 0 : spanHeadLength + bytes.length;
  const raw = new Uint8Array(32 + recordBytes + spanBytes);
  raw.set(seed);
  if (blockNo === 0) writeRecord(raw, 32, seconds * 1e6, record);
  const at = 32 + recordBytes;
  if (bytes.length > 0) {
    const id = sourceIdOf(suite, record);
    writeSpanHead(raw, at, { source: id, offset, time: seconds * 1e6, length: bytes.length });
    raw.set(bytes, at + spanHeadLength);
  }
  return { raw, end: offset + bytes.length };
}
