import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { equalBytes, fromHex, utf8 } from "../../src/core/bytes.ts";
import { checkpointText, parseCheckpoint } from "../../src/core/checkpoint.ts";
import { Fault } from "../../src/core/fault.ts";
import { blockHash } from "../../src/core/header.ts";
import { formatNote } from "../../src/core/note.ts";
import { portableSuite } from "../../src/core/portable-suite.ts";
import {
  type FullProof,
  formatProof,
  type LineProof,
  maxProofHeads,
  parseProof,
  type ShortProof,
} from "../../src/core/proof.ts";
import { encodeRecord } from "../../src/core/record.ts";
import { verifyInclusion } from "../../src/core/tree.ts";
import { noteSigner } from "../../src/host/keys.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { type ProofReport, verifyProof } from "../../src/verify/proof-check.ts";
import { testTime } from "../fakes/chain-builder.ts";
import { SeededRandom } from "../fakes/random.ts";
import { remembering } from "../fakes/remembering.ts";
import { type ProofChain, proofChain } from "./proof-chain.ts";

const suite = remembering(nativeSuite);
const chain = proofChain([3, 40, 1, 16, 17, 5]);
const total = chain.blocks.reduce((sum, { header }) => sum + header.count, 0);

function check(proof: LineProof, of: ProofChain = chain): ProofReport {
  return verifyProof(suite, proof, { roots: [of.root], vaults: of.vaults });
}

/** With the root key alone. */
function checkAlone(proof: LineProof): ProofReport {
  return verifyProof(suite, proof, { roots: [chain.root], vaults: undefined });
}

function codes(report: ProofReport): string[] {
  return report.faults.map(({ code }) => code);
}

test("every envelope of a chain has proofs that parse and hold under every receipt", () => {
  for (let seq = 0; seq < total; seq++) {
    const block = chain.blocks.findLastIndex(({ header }) => header.firstSeq <= seq);
    const sizes = [block + 1, chain.blocks.length];
    const proofs = [
      ...sizes.map((size) => chain.proof(seq, size)),
      ...[...sizes, 0].map((size) => chain.full(seq, size)),
    ];
    for (const proof of proofs) {
      const parsed = parseProof(utf8(formatProof(proof)));
      assert.deepEqual(parsed, proof);
      const report = check(parsed);
      assert.deepEqual(report.faults, [], `seq ${seq}, ${proof.kind}`);
      assert.ok(report.holds);
      assert.equal(report.envelope?.seq, seq);
      assert.equal(report.header?.blockNo, block);
      assert.equal(report.receipt?.size !== undefined, proof.receipt !== undefined);
      assert.equal(report.source?.path, seq === 0 ? undefined : "/var/log/app.log");
    }
  }
});

test("both suites come to the same", async () => {
  const portable = await portableSuite();
  const keys = { roots: [chain.root], vaults: chain.vaults };
  for (const proof of [chain.proof(20), chain.proof(64), chain.full(64)]) {
    assert.deepEqual(verifyProof(portable, proof, keys), verifyProof(suite, proof, keys));
  }
});

test("a full proof needs the root key alone, a short one the vault's too", () => {
  for (const size of [0, chain.blocks.length]) {
    const report = checkAlone(chain.full(total - 1, size));
    assert.deepEqual([report.faults, report.holds, report.word], [[], true, undefined]);
    assert.equal(report.receipt?.time, undefined);
  }
  assert.equal(check(chain.full(total - 1)).receipt?.time, testTime + 6);
  assert.equal(checkAlone(chain.proof(total - 1)).holds, false);
  const rootless = { roots: undefined, vaults: chain.vaults };
  assert.equal(verifyProof(suite, chain.full(9), rootless).holds, false);
});

test("a proof says whose word it takes, and what it leaves open", () => {
  const { word, unchecked } = check(chain.proof(total - 1));
  assert.deepEqual(word, { vault: "vault.example", from: 1, to: 4 });
  assert.ok(unchecked.includes("blocks 1 to 4: vault.example vouches for them, nobody else"));
  for (const proof of [chain.proof(1), chain.proof(44), chain.full(total - 1)]) {
    const report = check(proof);
    assert.equal(report.word, undefined);
    assert.ok(!report.unchecked.some((text) => text.includes("vouches")));
  }
  const bare = verifyProof(suite, chain.proof(9), { roots: undefined, vaults: undefined });
  assert.deepEqual([bare.faults, bare.holds], [[], false]);
  assert.equal(bare.unchecked.length, 5);
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
const seqs = [0, 2, 10, 43, 50, 80];
const samples: readonly LineProof[] = [
  ...seqs.map((seq) => chain.proof(seq)),
  ...seqs.map((seq) => chain.full(seq)),
  ...seqs.map((seq) => chain.full(seq, 0)),
];
/** One of each form. */
const few: readonly LineProof[] = [0, 2, 4, 6 + 4, 12 + 4].map((at) => samples[at]!);

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
  for (const proof of few) {
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

const firstLines = ["sealtail/1 line-proof", "sealtail/1 full-line-proof"];

function refused(bytes: Uint8Array): void {
  let proof: LineProof;
  try {
    proof = parseProof(bytes);
  } catch (caught) {
    assert.ok(caught instanceof Fault);
    const [line] = Buffer.from(bytes).toString().split("\n", 1) as [string];
    const other =
      /^sealtail\/[1-9][0-9]* [a-z0-9-]+-proof$/.test(line) && !firstLines.includes(line);
    assert.equal(caught.code, other ? "UNSUPPORTED" : "PROOF_INVALID");
    return;
  }
  const report = check(proof);
  if (report.faults.length > 0) return;
  // A note stays the same statement when its signature lines are repeated or change places.
  const twin = samples.find(
    ({ kind, envelope, receipt }) =>
      kind === proof.kind &&
      equalBytes(envelope, proof.envelope) &&
      (receipt === undefined) === (proof.receipt === undefined),
  )!;
  assert.deepEqual({ ...proof, receipt: twin.receipt }, twin);
  assert.deepEqual(report, check(twin));
}

test("parts of two genuine proofs cannot be mixed", () => {
  const other = proofChain([3, 40, 1, 16, 17, 5], "other");
  const donors: readonly LineProof[] = [
    ...[...samples, other.proof(10), other.full(10), other.full(80)],
    ...[chain.proof(11), chain.proof(43, 5), chain.full(11, 0), chain.full(11)],
  ];
  for (const good of few) {
    for (const donor of donors.filter(({ kind }) => kind === good.kind)) {
      for (const part of Object.keys(good) as (keyof LineProof)[]) {
        const mixed = { ...good, [part]: donor[part] };
        if (donors.some((each) => same(mixed, each))) continue;
        refused(utf8(formatProof(mixed)));
      }
    }
  }
});

test("a version or kind of proof that is not known is not judged", () => {
  const text = chain.full(9);
  for (const line of [
    "sealtail/2 line-proof",
    "sealtail/1 line2-proof",
    "sealtail/12345678901 a-b-proof",
  ]) {
    const other = utf8(formatProof(text).replace(/^.*/, line));
    assert.throws(() => parseProof(other), { code: "UNSUPPORTED" });
  }
  for (const line of ["sealtail/1 grant", "sealtail/0 line-proof", "line-proof", ""]) {
    const other = utf8(formatProof(text).replace(/^.*/, line));
    assert.throws(() => parseProof(other), { code: "PROOF_INVALID" });
  }
});

test("a full proof has a head for each block, no more than the limit, and its own place", () => {
  const proof = chain.full(50);
  const { heads } = proof;
  const parsed = (bent: Partial<FullProof>) => () =>
    parseProof(utf8(formatProof({ ...proof, ...bent })));
  for (const wrongly of [heads.slice(1), heads.slice(0, -1), [...heads, ...heads], []]) {
    assert.throws(parsed({ heads: wrongly }), { code: "PROOF_INVALID" });
  }
  const [line] = /^head .*\n/m.exec(formatProof(proof)) as unknown as [string];
  const many = formatProof(chain.full(50, 0)).replace(line, line.repeat(maxProofHeads));
  assert.throws(() => parseProof(utf8(many)), {
    code: "PROOF_INVALID",
    message: /has 100003 heads, at most 100000/,
  });
});

function same(a: LineProof, b: LineProof): boolean {
  return equalBytes(utf8(formatProof(a)), utf8(formatProof(b)));
}

type Bend = (proof: ShortProof) => LineProof;

const wrong: readonly (readonly [what: string, code: string, bend: Bend])[] = [
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
    (p) => ({ ...p, source: encodeRecord({ ...chain.source, ino: "3" }) }),
  ],
  ["the receipt's size", "RECEIPT_BAD_SIGNATURE", (p) => ({ ...p, receipt: flip(p.receipt, 79) })],
];

for (const [what, code, bend] of wrong) {
  test(`a proof with ${what} bent is ${code}`, () => {
    const report = check(bend(chain.proof(64)));
    assert.ok(codes(report).includes(code), codes(report).join(" "));
  });
}

test("in a full proof every head must be signed by the key that the one before names", () => {
  const proof = chain.full(64);
  assert.equal(proof.heads.length, 5);
  for (const at of proof.heads.keys()) {
    for (const byte of [400, 20, 60, 90, 120, 250, 345]) {
      const heads = proof.heads.with(at, flip(proof.heads[at]!, byte));
      assert.deepEqual(codes(checkAlone({ ...proof, heads })).at(0), "BAD_SIGNATURE");
    }
    if (at === 0) continue;
    const swapped = proof.heads.with(at, proof.heads[at - 1]!).with(at - 1, proof.heads[at]!);
    assert.notDeepEqual(codes(checkAlone({ ...proof, heads: swapped })), []);
    const doubled = proof.heads.with(at, proof.heads[at - 1]!);
    assert.notDeepEqual(codes(checkAlone({ ...proof, heads: doubled })), []);
  }
});

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
    const note = utf8(formatNote(text, [receipt.signNote(text), time.cosign(testTime + 50, text)]));
    const vaults = [...chain.vaults, { receipt: receipt.key, time: time.key }];
    return verifyProof(suite, { ...proof, receipt: note }, { roots: [chain.root], vaults });
  };
  assert.deepEqual(codes(resigned("dev.example")), ["RECEIPT_MISMATCH"]);
  // A vault that exchanged its keys: both pairs have the audience's name.
  assert.deepEqual(codes(resigned("vault.example")), []);
});

test("a full proof's receipt is judged like any other, and must cover the line's block", () => {
  const proof = chain.full(64);
  const bent = [
    { ...proof, receipt: flip(proof.receipt!, 79) },
    { ...proof, receipt: chain.proof(20, 2).receipt },
    { ...proof, blockPath: [] },
    { ...proof, receipt: proofChain([3, 40, 1, 16, 17, 5], "other").proof(64).receipt },
  ];
  for (const each of bent) assert.notDeepEqual(codes(check(each)), []);
});

test("a proof says nothing to someone who trusts other keys", () => {
  const stranger = noteSigner(new Uint8Array(32).fill(9), "acme-root", 1).key;
  const proof = chain.proof(5);
  const roots = verifyProof(suite, proof, { roots: [stranger], vaults: chain.vaults });
  assert.deepEqual(codes(roots), ["UNKNOWN_ROOT"]);
  const vaults = verifyProof(suite, proof, { roots: [chain.root], vaults: [] });
  assert.deepEqual(codes(vaults), ["GRANT_WRONG_AUDIENCE", "RECEIPT_BAD_SIGNATURE"]);
});
