import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { equalBytes, fromHex, utf8 } from "../../src/core/bytes.ts";
import { checkpointText, parseCheckpoint } from "../../src/core/checkpoint.ts";
import { Fault } from "../../src/core/fault.ts";
import { blockHash } from "../../src/core/header.ts";
import { formatNote } from "../../src/core/note.ts";
import { portableSuite } from "../../src/core/portable-suite.ts";
import { formatProof, type LineProof, parseProof } from "../../src/core/proof.ts";
import { type ProofReport, verifyProof } from "../../src/core/proof-check.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { verifyInclusion } from "../../src/core/tree.ts";
import { noteSigner } from "../../src/host/keys.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { SeededRandom } from "../fakes/random.ts";
import { type ProofChain, proofChain, source } from "./proof-chain.ts";

const chain = proofChain([3, 40, 1, 16, 17, 5]);
const total = chain.blocks.reduce((sum, { header }) => sum + header.count, 0);

function check(proof: LineProof, of: ProofChain = chain): ProofReport {
  return verifyProof(suite, proof, { roots: [of.root], vaults: of.vaults });
}

function codes(report: ProofReport): string[] {
  return report.faults.map(({ code }) => code);
}

test("every envelope of a chain has a proof that parses and holds under every receipt", () => {
  for (let seq = 0; seq < total; seq++) {
    const block = chain.blocks.findLastIndex(({ header }) => header.firstSeq <= seq);
    for (const size of [block + 1, chain.blocks.length]) {
      const proof = chain.proof(seq, size);
      const parsed = parseProof(utf8(formatProof(proof)));
      assert.deepEqual(parsed, proof);
      const report = check(parsed);
      assert.deepEqual(report.faults, [], `seq ${seq} of ${size}`);
      assert.equal(report.envelope?.seq, seq);
      assert.equal(report.header?.blockNo, block);
      assert.equal(report.receipt?.size, size);
      assert.equal(report.source?.path, seq === 0 ? undefined : "/var/log/app.log");
    }
  }
});

test("both suites come to the same", async () => {
  const portable = await portableSuite();
  const proof = chain.proof(20);
  const keys = { roots: [chain.root], vaults: chain.vaults };
  assert.deepEqual(verifyProof(portable, proof, keys), verifyProof(suite, proof, keys));
});

test("what a proof leaves open is said", () => {
  assert.ok(!check(chain.proof(1)).unchecked.some((text) => text.includes("vouches")));
  const late = check(chain.proof(total - 1)).unchecked;
  assert.ok(late.includes("blocks 1 to 3: the vault vouches for them"));
  const bare = verifyProof(suite, chain.proof(9), { roots: undefined, vaults: undefined });
  assert.deepEqual(bare.faults, []);
  assert.equal(bare.unchecked.length, 4);
});

test("the last part is a C2SP tlog-proof that stands alone", () => {
  const proof = chain.proof(30);
  const text = formatProof(proof);
  const tlog = text.slice(text.indexOf("c2sp.org/tlog-proof@v1\n")).split("\n");
  const blank = tlog.indexOf("");
  const index = Number(/^index (\d+)$/.exec(tlog[1]!)?.[1]);
  const path = tlog.slice(2, blank).map((line) => new Uint8Array(Buffer.from(line, "base64")));
  const { size, root } = parseCheckpoint(utf8(tlog.slice(blank + 1).join("\n")));
  const leaf = blockHash(suite, proof.block!);
  assert.equal(index, 1);
  assert.ok(verifyInclusion(suite, { index, size, leaf, path, root }));
});

// One byte of the text, or of a decoded part, is changed: nothing of it may be believed.
const samples = [0, 2, 10, 43, 50, 80].map((seq) => chain.proof(seq));

test("a text with any byte changed is refused", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...samples.map((proof) => utf8(formatProof(proof)))),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (good, place, change) => {
        const bad = good.slice();
        const at = place % bad.length;
        bad[at] = (bad[at] as number) ^ change;
        refused(bad);
      },
    ),
    { numRuns: 600 },
  );
});

test("a text cut short, doubled in part or with a line moved is refused", () => {
  for (const proof of samples) {
    const text = formatProof(proof);
    const lines = text.split("\n");
    for (let at = 0; at < lines.length; at++) {
      for (const count of [0, 2]) {
        const copy = [...lines];
        copy.splice(at, 1, ...Array.from({ length: count }, () => lines[at] as string));
        refused(utf8(copy.join("\n")));
      }
      if (at === 0 || lines[at] === lines[at - 1]) continue;
      const swapped = [...lines];
      [swapped[at - 1], swapped[at]] = [lines[at] as string, lines[at - 1] as string];
      if (swapped.join("\n") !== text) refused(utf8(swapped.join("\n")));
    }
    for (let length = 0; length < text.length; length += 97) refused(utf8(text.slice(0, length)));
    refused(utf8(`${text}\n`));
    refused(utf8(text.replaceAll("\n", "\r\n")));
    refused(utf8(`\n${text}`));
  }
});

function refused(bytes: Uint8Array): void {
  let proof: LineProof;
  try {
    proof = parseProof(bytes);
  } catch (caught) {
    assert.ok(caught instanceof Fault);
    assert.equal(caught.code, "PROOF_INVALID");
    return;
  }
  const report = check(proof);
  if (report.faults.length > 0) return;
  // A note stays the same statement when its signature lines are repeated or change places.
  const twin = samples.find((sample) => equalBytes(sample.envelope, proof.envelope))!;
  assert.deepEqual({ ...proof, receipt: twin.receipt }, twin);
  assert.deepEqual(report, check(twin));
}

test("parts of two genuine proofs cannot be mixed", () => {
  const other = proofChain([3, 40, 1, 16, 17, 5], 2);
  const donors = [...samples, other.proof(10), chain.proof(11), chain.proof(43, 5)];
  const parts = Object.keys(samples[0]!) as (keyof LineProof)[];
  for (const good of samples) {
    for (const donor of donors) {
      for (const part of parts) {
        const mixed = { ...good, [part]: donor[part] };
        if (donors.some((each) => same(mixed, each))) continue;
        refused(utf8(formatProof(mixed)));
      }
    }
  }
});

function same(a: LineProof, b: LineProof): boolean {
  return equalBytes(utf8(formatProof(a)), utf8(formatProof(b)));
}

const wrong: readonly (readonly [
  what: string,
  code: string,
  bend: (proof: LineProof) => LineProof,
])[] = [
  ["the block's signature", "BAD_SIGNATURE", (p) => ({ ...p, block: flip(p.block!, 400) })],
  ["the genesis' signature", "BAD_SIGNATURE", (p) => ({ ...p, genesis: flip(p.genesis, 400) })],
  ["the line", "PROOF_INVALID", (p) => ({ ...p, envelope: flip(p.envelope, 97) })],
  ["the seq", "PROOF_INVALID", (p) => ({ ...p, envelope: flip(p.envelope, 43) })],
  ["a seq of another block", "SEQ_MISMATCH", (p) => ({ ...p, envelope: flip(p.envelope, 40) })],
  ["the grant", "NON_CANONICAL", (p) => ({ ...p, grant: flip(p.grant, 3) })],
  ["a missing source", "PROOF_INVALID", (p) => ({ ...p, source: undefined })],
  [
    "another source",
    "PROOF_INVALID",
    (p) => ({ ...p, source: encodeRecord({ ...source, ino: "3" }) }),
  ],
  ["the receipt's size", "RECEIPT_BAD_SIGNATURE", (p) => ({ ...p, receipt: flip(p.receipt, 79) })],
];

for (const [what, code, bend] of wrong) {
  test(`a proof with ${what} bent is ${code}`, () => {
    const report = check(bend(chain.proof(64)));
    assert.ok(codes(report).includes(code), codes(report).join(" "));
  });
}

function flip(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

test("a receipt of another trusted vault than the grant's audience proves nothing", () => {
  const random = new SeededRandom(9);
  const pairOf = (name: string) => ({
    receipt: noteSigner(random.bytes(32), name, 1),
    time: noteSigner(random.bytes(32), `${name}/time`, 4),
  });
  const resigned = (name: string): ProofReport => {
    const { receipt, time } = pairOf(name);
    const proof = chain.proof(20);
    const { chainId, size, root } = parseCheckpoint(proof.receipt);
    const text = checkpointText(name, fromHex(chainId, 32), size, root);
    const note = utf8(formatNote(text, [receipt.signNote(text), time.cosign(1_700_000_050, text)]));
    const vaults = [...chain.vaults, { receipt: receipt.key, time: time.key }];
    return verifyProof(suite, { ...proof, receipt: note }, { roots: [chain.root], vaults });
  };
  assert.deepEqual(codes(resigned("dev.example")), ["RECEIPT_MISMATCH"]);
  // A vault that exchanged its keys: both pairs have the audience's name.
  assert.deepEqual(codes(resigned("vault.example")), []);
});

test("a proof says nothing to someone who trusts other keys", () => {
  const stranger = noteSigner(new Uint8Array(32).fill(9), "acme-root", 1).key;
  const proof = chain.proof(5);
  const roots = verifyProof(suite, proof, { roots: [stranger], vaults: chain.vaults });
  assert.deepEqual(codes(roots), ["UNKNOWN_ROOT"]);
  const vaults = verifyProof(suite, proof, { roots: [chain.root], vaults: [] });
  assert.deepEqual(codes(vaults), ["GRANT_WRONG_AUDIENCE", "RECEIPT_BAD_SIGNATURE"]);
});
