// Proofs of one line: good ones of both kinds, and ones with a single fault.

import { utf8 } from "../../../src/core/bytes.ts";
import type { FindingCode } from "../../../src/core/fault.ts";
import type { Header } from "../../../src/core/header.ts";
import type { FullProof, ShortProof } from "../../../src/core/proof.ts";
import { formatProof } from "../../../src/core/proof.ts";
import { encodeRecord } from "../../../src/core/record.ts";
import { type ChainBuilder, testTime, testVault } from "../../fakes/chain-builder.ts";
import { lines, say, sayBytes } from "../../fakes/chain-items.ts";
import { fullProof, pathOf, shortProof } from "../../fakes/chain-proofs.ts";
import { fixedBytes, TestVault } from "../../fakes/signers.ts";
import { fails, holds, type MadeProof, type ProofVectors, unreadable } from "./proof-story.ts";
import { StoryChain, type StorySetup } from "./story.ts";

/** Seven blocks: the genesis with envelopes 0 to 3, then a line each: envelope 8 is in block 5. */
function chainOf(setup: StorySetup = {}, blocks = 7): StoryChain {
  const chain = new StoryChain(setup, []);
  chain.go(blocks - chain.length);
  return chain;
}

const chain = chainOf();
const other = chainOf({ label: "other" });
const elsewhere = new TestVault("other.example");
const thief = new TestVault(testVault.name, "thief");
const vault = testVault.name;

const short = (seq = 8, size?: number): ShortProof => shortProof(chain, seq, size);
const full = (seq = 8, size?: number): FullProof => fullProof(chain, seq, size);

function flip(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.with(at, (bytes[at] as number) ^ 1);
}

/** One field of the envelope's preimage is changed. */
function enveloped(change: (envelope: Uint8Array) => Uint8Array): ShortProof {
  const proof = short();
  return { ...proof, envelope: change(proof.envelope) };
}

/** Another receipt of the whole chain. */
function receipted(by: TestVault, time = testTime + 9): Uint8Array {
  return utf8(by.receipt(chain.id, chain.length, chain.roots[chain.length] as Uint8Array, time));
}

/** The header of block 4 was bent before it was signed; the line is in block 5. */
function bentBefore(header: (header: Header) => Partial<Header>): ChainBuilder {
  const bent = chainOf({}, 4);
  bent.seal([bent.line()], { header });
  bent.go(2);
  return bent;
}

/** The same of block 5, which holds the line. */
function bentAt(header: (header: Header) => Partial<Header>): ChainBuilder {
  const bent = chainOf({}, 5);
  bent.seal([bent.line()], { header });
  bent.go();
  return bent;
}

/** A fault in a head that only a full proof holds. */
function inHead(
  story: string,
  code: FindingCode,
  header: (header: Header) => Partial<Header>,
): () => MadeProof {
  return fails(story, code, () => fullProof(bentBefore(header), 8));
}

const good: ProofVectors = {
  "short-of-a-record-of-the-genesis": holds("Envelope 0, the start record.", null, () => ({
    proof: short(0),
  })),
  "short-in-block-1": holds("A line of block 1.", null, () => ({ proof: short(4) })),
  "short-in-block-2": holds("A line of block 2: all heads are there.", null, () => ({
    proof: short(5),
  })),
  "short-in-block-3": holds("A line of block 3: block 2 is the vault's word.", vault, () => ({
    proof: short(6),
  })),
  "short-in-block-5": holds("A line of block 5, under a receipt of seven.", vault, () => ({
    proof: short(),
  })),
  "short-in-the-newest-block": holds("The receipt ends with the line's block.", vault, () => ({
    proof: short(8, 6),
  })),
  "short-in-a-large-block": holds("The 20th of 40 lines: a group and a path.", vault, () => {
    const large = chainOf({}, 5);
    large.seal([lines(large.app, "line\n".repeat(40))]);
    return { proof: shortProof(large, 27) };
  }),
  "full-of-a-record-of-the-genesis": holds("Envelope 0, from the grant on.", null, () => ({
    proof: full(0),
  })),
  "full-in-block-5": holds("A line of block 5, from the grant on, with a receipt.", null, () => ({
    proof: full(),
  })),
  "full-without-vault-keys": holds("The same, and no vault's keys are given.", null, () => ({
    ...{ proof: full(), vaults: [] },
  })),
  "full-without-receipt": holds("From the grant on, without a receipt.", null, () => ({
    ...{ proof: full(8, 0), vaults: [] },
  })),
  "full-over-a-silence": holds("A block came two minutes late: no fault of the line.", null, () => {
    const late = chainOf({}, 4);
    late.seal([late.line()], { mono: late.mono + 120_000_000 });
    late.go(2);
    return { proof: fullProof(late, 8) };
  }),
  "full-over-a-restart": holds("Another run began in block 4.", null, () => {
    const again = chainOf({}, 4);
    again.restart();
    again.go(2);
    return { proof: fullProof(again, again.seq - 1, 0) };
  }),
};

const form: ProofVectors = {
  "version-2": unreadable("The first line names version 2.", "UNSUPPORTED", () =>
    formatProof(short()).replace("sealtail/1", "sealtail/2"),
  ),
  "kind-unknown": unreadable("The first line names another kind.", "UNSUPPORTED", () =>
    formatProof(full()).replace("full-line-proof", "long-line-proof"),
  ),
  "no-proof": unreadable("A grant.", "PROOF_INVALID", () => Buffer.from(chain.grant).toString()),
  "cr-lf": unreadable("Lines end in CR LF.", "PROOF_INVALID", () =>
    formatProof(short()).replaceAll("\n", "\r\n"),
  ),
  "short-with-heads": unreadable("A short proof has heads.", "PROOF_INVALID", () =>
    formatProof(full()).replace("full-line-proof", "line-proof"),
  ),
  "short-without-receipt": unreadable("A short proof without receipt.", "PROOF_INVALID", () => {
    const text = formatProof(short());
    return text.slice(0, text.indexOf("\n\n") + 1);
  }),
  "short-without-previous": unreadable("Block b - 1 is left out.", "PROOF_INVALID", () =>
    formatProof(short()).replace(/^previous .*\n(?:previous-path .*\n)*/m, ""),
  ),
  "full-without-heads": unreadable("A full proof without heads.", "PROOF_INVALID", () =>
    formatProof(full(8, 0)).replace(/^head .*\n/gm, ""),
  ),
  "full-with-another-index": unreadable("The index is not the last head's.", "PROOF_INVALID", () =>
    formatProof(full()).replace("index 5", "index 4"),
  ),
  "full-not-ended": unreadable("The last LF is missing.", "PROOF_INVALID", () =>
    formatProof(full(8, 0)).slice(0, -1),
  ),
  "full-with-an-empty-line": unreadable(
    "An empty line at the end.",
    "PROOF_INVALID",
    () => `${formatProof(full(8, 0))}\n`,
  ),
  "head-of-447-bytes": unreadable("A head of 447 bytes.", "PROOF_INVALID", () => {
    const proof = full();
    const heads = proof.heads.with(2, (proof.heads[2] as Uint8Array).subarray(1));
    return formatProof({ ...proof, heads });
  }),
  "index-with-zero": unreadable("The index has a leading zero.", "PROOF_INVALID", () =>
    formatProof(short()).replace("index 5", "index 05"),
  ),
  "group-of-17": unreadable("A group of 17 hashes.", "PROOF_INVALID", () => {
    const proof = short();
    return formatProof({ ...proof, group: Array.from({ length: 17 }, () => fixedBytes("hash")) });
  }),
  "stray-bits": unreadable("Bits in the base64's padding are set.", "PROOF_INVALID", () =>
    formatProof(short()).replace(/^(group .*)[A-Za-z0-9+/]=\n/m, "$19=\n"),
  ),
};

const authority: ProofVectors = {
  "root-unknown": fails("Another root key is trusted.", "UNKNOWN_ROOT", () => ({
    ...{ proof: full(8, 0), roots: [], vaults: [] },
  })),
  "grant-bent": fails("The grant's subject was changed.", "GRANT_BAD_SIGNATURE", () => {
    const grantNote = (note: string): string => note.replace("subject app", "subject ape");
    return fullProof(chainOf({ grantNote }), 8);
  }),
  "grant-to-read": fails("The grant is for reading.", "GRANT_WRONG_ROLE", () =>
    fullProof(chainOf({ terms: { role: "read" } }), 8),
  ),
  "audience-not-trusted": fails("Another vault's keys are given.", "GRANT_WRONG_AUDIENCE", () => ({
    ...{ proof: full(8, 0), vaults: [elsewhere] },
  })),
  "genesis-of-another-key": fails("The genesis is another chain's.", "BAD_SIGNATURE", () => {
    const proof = full(8, 0);
    return { ...proof, heads: proof.heads.with(0, other.blocks[0]?.head as Uint8Array) };
  }),
  "genesis-not-signed": fails("The genesis' signature is bent.", "BAD_SIGNATURE", () => {
    const proof = full(8, 0);
    return { ...proof, heads: proof.heads.with(0, flip(proof.heads[0] as Uint8Array, 400)) };
  }),
  "genesis-of-another-grant": fails("The genesis names another grant.", "RECEIPT_MISMATCH", () => {
    const genesis = { header: () => ({ receiptHash: fixedBytes("grant") }) };
    return fullProof(chainOf({ genesis }), 8, 0);
  }),
  "genesis-is-block-1": fails("In place of the genesis stands block 1.", "WRONG_CHAIN", () => {
    const proof = full(8, 0);
    return { ...proof, heads: proof.heads.slice(1) };
  }),
};

const receipts: ProofVectors = {
  "receipt-of-another-trusted-vault": fails(
    "The keys of the vault that signed the receipt are trusted, but the grant is for another one.",
    "RECEIPT_MISMATCH",
    () => ({
      proof: { ...short(), receipt: receipted(elsewhere) },
      vaults: [testVault, elsewhere],
    }),
  ),
  "full-receipt-of-another-trusted-vault": fails("The same.", "RECEIPT_MISMATCH", () => ({
    proof: { ...full(), receipt: receipted(elsewhere) },
    vaults: [testVault, elsewhere],
  })),
  "receipt-forged": fails("The receipt is by other keys.", "RECEIPT_BAD_SIGNATURE", () => ({
    ...full(),
    receipt: receipted(thief),
  })),
  "receipt-too-early": fails("Its time is before the grant's.", "GRANT_NOT_YET_VALID", () => ({
    ...short(),
    receipt: receipted(testVault, testTime - 7200),
  })),
  "receipt-of-fewer-blocks": fails("It does not cover the block.", "PROOF_INVALID", () => ({
    ...full(),
    receipt: utf8(chain.receipt(5)),
  })),
  "receipt-of-another-root": fails("It is over another tree.", "PROOF_INVALID", () => ({
    ...short(),
    receipt: utf8(testVault.receipt(chain.id, 7, fixedBytes("root"), testTime + 9)),
  })),
  "path-of-the-block-bent": fails("A hash of its path is bent.", "PROOF_INVALID", () => {
    const proof = short();
    return { ...proof, blockPath: proof.blockPath.with(0, fixedBytes("hash")) };
  }),
  "path-of-the-block-before-bent": fails("The same of block b - 1.", "PROOF_INVALID", () => {
    const proof = short();
    const { head, path } = proof.previous as NonNullable<ShortProof["previous"]>;
    return { ...proof, previous: { head, path: path.with(0, fixedBytes("hash")) } };
  }),
};

const heads: ProofVectors = {
  "head-not-signed": fails("The signature of head 3 is bent.", "BAD_SIGNATURE", () => {
    const proof = full();
    return { ...proof, heads: proof.heads.with(3, flip(proof.heads[3] as Uint8Array, 447)) };
  }),
  "head-of-another-key": fails("Head 3 is signed by another key.", "BAD_SIGNATURE", () => {
    const bent = chainOf({}, 3);
    bent.seal([bent.line()], { signer: other.signer });
    bent.go(3);
    return fullProof(bent, 8);
  }),
  "head-left-out": fails("Head 3 is left out; the line's is the fifth.", "BLOCK_ORDER", () => {
    const { index, ...proof } = full(8, 0);
    return { ...proof, index: index - 1, heads: proof.heads.toSpliced(3, 1) };
  }),
  "head-twice": fails("Head 2 stands there twice.", "BLOCK_DUPLICATE", () => {
    const { index, ...proof } = full(8, 0);
    const again = proof.heads[2] as Uint8Array;
    return { ...proof, index: index + 1, heads: proof.heads.toSpliced(2, 0, again) };
  }),
  "head-of-another-chain": fails("Head 3 is another chain's.", "WRONG_CHAIN", () => {
    const proof = full();
    return { ...proof, heads: proof.heads.with(3, other.blocks[3]?.head as Uint8Array) };
  }),
  "head-names-another-chain": inHead("Block 4 names another chain.", "WRONG_CHAIN", () => ({
    chainId: fixedBytes("chain"),
  })),
  "head-names-another-before": inHead("Block 4 names another before.", "BAD_PREV", () => ({
    prevHash: fixedBytes("hash"),
  })),
  "head-with-another-root": inHead("chain_root is another.", "CHAIN_ROOT_MISMATCH", () => ({
    chainRoot: fixedBytes("root"),
  })),
  "head-with-another-seq": inHead("first_seq is one too high.", "SEQ_MISMATCH", (header) => ({
    firstSeq: header.firstSeq + 1,
  })),
  "head-names-no-key": inHead("next_pub is no key.", "BAD_KEY", () => ({
    nextPub: new Uint8Array(32),
  })),
  "head-names-its-own-key": fails("next_pub is the key that signed.", "KEY_REUSE", () => {
    const bent = chainOf({}, 4);
    const { publicKey } = bent.signer;
    bent.seal([bent.line()], { header: () => ({ nextPub: publicKey }) });
    bent.go(2);
    return fullProof(bent, 8);
  }),
  "head-names-an-earlier-key": fails("next_pub signed block 2.", "KEY_REUSE", () => {
    const bent = chainOf({}, 2);
    const { publicKey } = bent.signer;
    bent.go(2);
    bent.seal([bent.line()], { header: () => ({ nextPub: publicKey }) });
    bent.go(2);
    return fullProof(bent, 8);
  }),
  "head-promises-too-much": inHead(
    "max_silence_ms is above the grant's.",
    "LIMIT_EXCEEDED",
    () => ({
      maxSilenceMs: 70_000,
    }),
  ),
  "block-after-a-final-one": fails("Block 5 follows a final one.", "EXTENDED_AFTER_FINAL", () => {
    const bent = chainOf({}, 4);
    bent.seal([bent.line()], { kind: "final" });
    bent.go(2);
    return fullProof(bent, 8);
  }),
  "short-block-after-a-final-one": fails("The same.", "EXTENDED_AFTER_FINAL", () => {
    const bent = chainOf({}, 4);
    bent.seal([bent.line()], { kind: "final" });
    bent.go(2);
    return shortProof(bent, 8);
  }),
  "short-block-1-not-signed": fails(
    "The line is in block 2; nobody signed block 1, but a receipt covers both.",
    "BAD_SIGNATURE",
    () => {
      const bent = chainOf({}, 1);
      bent.seal([bent.line()], { signer: other.signer });
      bent.go();
      return shortProof(bent, 5);
    },
  ),
  "short-block-not-signed": fails("The signature of block b is bent.", "BAD_SIGNATURE", () => {
    const proof = short();
    return { ...proof, block: flip(proof.block as Uint8Array, 400) };
  }),
  "short-block-of-another-key": fails("Another key signed block b.", "BAD_SIGNATURE", () => {
    const bent = chainOf({}, 5);
    bent.seal([bent.line()], { signer: other.signer });
    bent.go();
    return shortProof(bent, 8);
  }),
  "short-block-before-names-no-key": fails("next_pub of b - 1 is no key.", "BAD_KEY", () =>
    shortProof(
      bentBefore(() => ({ nextPub: new Uint8Array(32) })),
      8,
    ),
  ),
  "short-block-names-another-before": fails("prev_hash of block b is another.", "BAD_PREV", () =>
    shortProof(
      bentAt(() => ({ prevHash: fixedBytes("hash") })),
      8,
    ),
  ),
  "short-block-before-is-another": fails("b - 1 is block 3.", "BLOCK_ORDER", () => {
    const head = chain.blocks[3]?.head as Uint8Array;
    return { ...short(), previous: { head, path: pathOf(chain, 3, 7) } };
  }),
  "short-block-before-of-another-chain": fails("b - 1 is another chain's.", "WRONG_CHAIN", () => {
    const proof = short();
    const head = other.blocks[4]?.head as Uint8Array;
    return {
      ...proof,
      previous: { ...(proof.previous as NonNullable<ShortProof["previous"]>), head },
    };
  }),
};

const envelopes: ProofVectors = {
  "line-with-a-line-end": fails("There is an LF in the line.", "MALFORMED", () =>
    enveloped((envelope) => envelope.with(97, 10)),
  ),
  "line-of-nothing": fails("The line is empty, and not ended.", "MALFORMED", () =>
    enveloped((envelope) => envelope.slice(0, 96).with(95, 0).with(3, 0)),
  ),
  "line-too-long": fails("262,144 bytes and an LF make two lines.", "LIMIT_EXCEEDED", () =>
    enveloped((envelope) => {
      const long = new Uint8Array(96 + 262_144).fill(120);
      long.set(envelope.subarray(0, 96));
      return long.with(92, 0).with(93, 4).with(94, 0).with(95, 0);
    }),
  ),
  "envelope-of-another-length": fails("len is one too high.", "MALFORMED", () =>
    enveloped((envelope) => envelope.with(95, (envelope[95] as number) + 1)),
  ),
  "envelope-version-2": fails("The envelope's version is 2.", "UNSUPPORTED", () =>
    enveloped((envelope) => envelope.with(1, 2)),
  ),
  "envelope-of-kind-2": fails("The envelope's kind is 2.", "NON_CANONICAL", () =>
    enveloped((envelope) => envelope.with(2, 2)),
  ),
  "envelope-flag-2": fails("An unknown flag is set.", "NON_CANONICAL", () =>
    enveloped((envelope) => envelope.with(3, 3)),
  ),
  "envelope-of-another-block": fails("Its seq is another block's.", "SEQ_MISMATCH", () =>
    enveloped((envelope) => envelope.with(43, 7)),
  ),
  "line-changed": fails("A letter of the line is another.", "PROOF_INVALID", () =>
    enveloped((envelope) => envelope.with(96, 76)),
  ),
  "group-changed": fails("The group holds another hash.", "PROOF_INVALID", () => ({
    ...short(),
    group: [fixedBytes("hash")],
  })),
  "link-to-another-block": fails("Block b - 1 ended otherwise.", "LINK_MISMATCH", () =>
    fullProof(
      bentBefore(() => ({ lastHash: fixedBytes("hash") })),
      8,
    ),
  ),
  "last-hash-of-another": fails("last_hash is not the last line's.", "LINK_MISMATCH", () =>
    shortProof(
      bentAt(() => ({ lastHash: fixedBytes("hash") })),
      8,
    ),
  ),
};

const contents: ProofVectors = {
  "source-missing": fails("A line without its source record.", "PROOF_INVALID", () => ({
    ...short(),
    source: undefined,
  })),
  "source-of-a-record": fails("A record with a source record.", "PROOF_INVALID", () => ({
    ...short(0),
    source: short().source,
  })),
  "source-of-another": fails("Another source's record.", "PROOF_INVALID", () => ({
    ...short(),
    source: encodeRecord(chain.source("/var/log/other.log").record),
  })),
  "source-of-another-type": fails("The record is a stop record.", "PROOF_INVALID", () => {
    const bent = chainOf({}, 5);
    const record = { type: "stop", reason: "sigterm" };
    bent.seal([say(record), lines(bent.sources.idOf(record), "line\n")]);
    return { ...shortProof(bent, 9), source: encodeRecord(record) };
  }),
  "source-malformed": fails("The source record lacks keys.", "MALFORMED", () => {
    const bent = chainOf({}, 5);
    const record = { type: "source", path: "/var/log/app.log" };
    bent.seal([say(record), lines(bent.sources.idOf(record), "line\n")]);
    return shortProof(bent, 9);
  }),
  "source-out-of-scope": fails("The grant is for other files.", "SOURCE_OUT_OF_SCOPE", () =>
    fullProof(chainOf({ terms: { sources: ["/srv/**"] } }), 8),
  ),
  "record-malformed": fails("The record lacks keys.", "MALFORMED", () => {
    const bent = chainOf({}, 5);
    bent.seal([say({ type: "stop" })]);
    return shortProof(bent, 8);
  }),
  "record-not-canonical": fails("The record has a space in it.", "NON_CANONICAL", () => {
    const bent = chainOf({}, 5);
    bent.seal([sayBytes('{"type": "stop"}')]);
    return shortProof(bent, 8);
  }),
};

export const proofs: ProofVectors = {
  ...{ ...good, ...form, ...authority, ...receipts },
  ...{ ...heads, ...envelopes, ...contents },
};
