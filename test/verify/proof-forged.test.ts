import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, utf8 } from "../../src/core/bytes.ts";
import { checkpointText, type VaultKeys } from "../../src/core/checkpoint.ts";
import { deriveEnvelopes } from "../../src/core/derive.ts";
import { EnvelopePathBuilder } from "../../src/core/envelope-tree.ts";
import { blockHash, encodeHeader, signedBytes } from "../../src/core/header.ts";
import { formatNote, type VerifierKey } from "../../src/core/note.ts";
import { spanHeadLength, writeSpanHead } from "../../src/core/payload.ts";
import { formatProof, type LineProof, parseProof, type ShortProof } from "../../src/core/proof.ts";
import { encodeRecord, sourceIdOf } from "../../src/core/record.ts";
import { rootOf } from "../../src/core/tree.ts";
import { noteSigner, signer } from "../../src/host/keys.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { type ProofReport, verifyProof } from "../../src/verify/proof-check.ts";
import { testTime } from "../fakes/chain-builder.ts";
import { inclusionPath } from "../fakes/inclusion-path.ts";
import { SeededRandom } from "../fakes/random.ts";
import { proofChain } from "./proof-chain.ts";

// What a vault can make with its own keys and nothing else: a block that nobody signed, which names
// the vault's own key, a block signed by that one, and a receipt over both.

const victim = proofChain([3, 40, 1, 7, 7, 7]);
const random = new SeededRandom(99);
const genesis = victim.blocks[0]!;
const chainId = blockHash(suite, genesis.head);
const thief = signer(random.bytes(32));

interface Forger {
  readonly name: string;
  readonly keys: VaultKeys;
  readonly receipt: (size: number, root: Uint8Array) => Uint8Array;
}

function forger(name: string): Forger {
  const [receipt, time] = [
    noteSigner(random.bytes(32), name, 1),
    noteSigner(random.bytes(32), `${name}/time`, 4),
  ];
  return {
    name,
    keys: { receipt: receipt.key, time: time.key },
    receipt: (size, root) => {
      const text = checkpointText(name, chainId, size, root);
      const signatures = [receipt.signNote(text), time.cosign(testTime + 50, text)];
      return utf8(formatNote(text, signatures));
    },
  };
}

/** A line that nobody wrote, in block `index` of the victim's chain, and what must lead to it. */
function forged(index: number, by: Forger, text = "transfer 1000000 to mallory\n"): ShortProof {
  const before = victim.blocks[index - 1]!.header;
  const prevHeader = encodeHeader({ ...before, nextPub: thief.publicKey });
  const prevHead = index === 1 ? genesis.head : concat(prevHeader, new Uint8Array(64));
  const line = utf8(text);
  const raw = new Uint8Array(32 + spanHeadLength + line.length);
  const id = sourceIdOf(suite, encodeRecord(victim.source));
  const span = { source: id, offset: 0, time: before.firstTime, length: line.length };
  writeSpanHead(raw, 32, span);
  raw.set(line, 32 + spanHeadLength);
  const firstSeq = before.firstSeq + before.count;
  const count = text.split("\n").length - 1;
  const builder = new EnvelopePathBuilder(suite, 0, count);
  let envelope: Uint8Array = new Uint8Array(0);
  const prev = before.lastHash;
  const derived = deriveEnvelopes(suite, {
    ...{ raw, prev, firstSeq, count },
    onEnvelope: (preimage, hash) => {
      builder.add(hash);
      if (envelope.length === 0) envelope = preimage.slice();
    },
  });
  const header = encodeHeader({
    ...{ ...victim.blocks[index]!.header, firstSeq, count, storedHash: suite.sha256(raw) },
    ...{ rawLength: raw.length, storedLength: raw.length, prevHash: blockHash(suite, prevHead) },
    ...{ lastHash: derived.lastHash, envelopeRoot: derived.envelopeRoot },
    ...(index === 2 ? { chainRoot: rootOf(suite, [chainId, blockHash(suite, prevHead)]) } : {}),
  });
  const head = concat(header, thief.sign(signedBytes(header)));
  const leaves = victim.blocks.slice(0, index - 1).map((block) => blockHash(suite, block.head));
  leaves.push(blockHash(suite, prevHead), blockHash(suite, head));
  const path = inclusionPath(suite, leaves, index - 1);
  return {
    ...{ ...victim.proof(20), genesis: genesis.head, index, block: head },
    previous: index < 2 ? undefined : { head: prevHead, path },
    ...{ blockPath: inclusionPath(suite, leaves, index), envelope, ...builder.path() },
    receipt: by.receipt(leaves.length, rootOf(suite, leaves)),
  };
}

function judge(
  proof: LineProof,
  vaults: readonly VaultKeys[],
  roots: readonly VerifierKey[] = [victim.root],
): ProofReport {
  return verifyProof(suite, parseProof(utf8(formatProof(proof))), { roots, vaults });
}

const codes = ({ faults }: ProofReport): string[] => faults.map(({ code }) => code);

test("the keys of another trusted vault than the grant's audience make no proof", () => {
  const other = forger("dev.example");
  const report = judge(forged(5, other), [...victim.vaults, other.keys]);
  assert.deepEqual(codes(report), ["RECEIPT_MISMATCH"]);
  assert.equal(report.holds, false);
});

test("what the audience's own keys can forge is said to be that vault's word", () => {
  const own = forger("vault.example");
  const report = judge(forged(5, own), [own.keys]);
  assert.deepEqual(codes(report), []);
  assert.deepEqual(report.word, { vault: "vault.example", from: 1, to: 4 });
});

test("no vault's keys make a proof for the first three blocks: all heads are there", () => {
  const own = forger("vault.example");
  for (const index of [1, 2]) {
    assert.deepEqual(codes(judge(forged(index, own), [own.keys])), ["BAD_SIGNATURE"], `${index}`);
  }
});

test("no vault's keys make a full proof, whatever receipt comes with it", () => {
  const own = forger("vault.example");
  const { previous, block, ...rest } = forged(5, own);
  const honest = victim.blocks.map(({ head }) => head);
  const heads = [...honest.slice(0, 4), previous!.head, block!];
  for (const receipt of [rest.receipt, undefined]) {
    const report = judge({ ...rest, kind: "full", heads, receipt }, [own.keys]);
    assert.deepEqual(codes(report), ["BAD_SIGNATURE"]);
    assert.equal(report.word, undefined);
  }
});

test("an envelope that holds two lines is no line, even where its block's signer made it", () => {
  const own = forger("vault.example");
  const proof = forged(5, own, "paid\n");
  const envelope = proof.envelope.slice();
  envelope[97] = 0x0a;
  const report = judge({ ...proof, envelope }, [own.keys]);
  assert.deepEqual(codes(report), ["MALFORMED"]);
  assert.equal(report.envelope, undefined);
});
