// One field of a header is wrong, and the key that must sign it signed it so.

import { p } from "../../../src/core/ed25519.ts";
import type { FindingCode } from "../../../src/core/fault.ts";
import type { Header } from "../../../src/core/header.ts";
import type { Verdict } from "../../../src/verify/finding.ts";
import { second } from "../../fakes/chain-builder.ts";
import { fixedBytes } from "../../fakes/signers.ts";
import { type Expected, type Vector, type Vectors, vector } from "./story.ts";

/** Four blocks; block 2 is bent before it is signed. Receipts cover all. */
function bent(
  spec: string,
  what: string,
  header: (header: Header) => Partial<Header>,
  ...findings: readonly Expected[]
): Vector {
  return vector(spec, what, (story) => {
    const chain = story.chain();
    chain.go();
    chain.seal([chain.line()], { header });
    chain.go();
    story.store(chain);
    story.expect("INVALID", ...findings);
  });
}

/** The same with bytes. Block 2 can't be used; the receipt vouches for what follows. */
function bytes(
  what: string,
  place: number,
  value: readonly number[],
  code: FindingCode,
  verdict: Verdict = "INVALID",
): Vector {
  return vector("block.md, The header's own bytes", what, (story) => {
    const chain = story.chain();
    chain.go();
    const headerBytes = (header: Uint8Array): Uint8Array => {
      header.set(value, place);
      return header;
    };
    chain.seal([chain.line()], { headerBytes });
    chain.go();
    story.store(chain);
    story.expect(verdict, [code, 2], ["REANCHORED", 3]);
  });
}

const ones = (length: number): number[] => new Array(length).fill(0xff);

const own: Vectors = {
  "magic-of-version-2": bytes("The magic is SEALBLK2.", 7, [0x32], "UNSUPPORTED", "INDETERMINATE"),
  "magic-bent": bytes("The magic is XEALBLK1.", 0, [0x58], "MALFORMED"),
  "suite-9": bytes("suite is 9.", 8, [9], "UNSUPPORTED", "INDETERMINATE"),
  "kind-3": bytes("kind is 3.", 9, [3], "NON_CANONICAL"),
  "kind-genesis-later": bytes("Block 2 says it is a genesis.", 9, [0], "NON_CANONICAL"),
  "codec-0": bytes("codec is 0.", 10, [0], "UNSUPPORTED", "INDETERMINATE"),
  "codec-9": bytes("codec is 9.", 10, [9], "UNSUPPORTED", "INDETERMINATE"),
  reserved: bytes("The reserved byte is 1.", 11, [1], "NON_CANONICAL"),
  "header-len-385": bytes("header_len is 385.", 15, [0x81], "NON_CANONICAL"),
  "block-no-2-53": bytes("block_no is 2^53.", 48, [0, 0x20, 0, 0, 0, 0, 0, 0], "LIMIT_EXCEEDED"),
  "first-seq-2-64": bytes("first_seq is 2^64 - 1.", 56, ones(8), "LIMIT_EXCEEDED"),
  "first-seq-and-count": bytes(
    "first_seq is 2^53 - 1, so the next one is too large.",
    56,
    [0, 0x1f, ...ones(6)],
    "LIMIT_EXCEEDED",
  ),
  "count-0": bytes("count is 0.", 64, [0, 0, 0, 0], "LIMIT_EXCEEDED"),
  "count-too-large": bytes("count is 1,048,577.", 64, [0, 0x10, 0, 1], "LIMIT_EXCEEDED"),
  "raw-len-0": bytes("raw_len is 0.", 68, [0, 0, 0, 0], "LIMIT_EXCEEDED"),
  "raw-len-too-large": bytes("raw_len is 8,388,609.", 68, [0, 0x80, 0, 1], "LIMIT_EXCEEDED"),
  "stored-len-0": bytes("stored_len is 0.", 72, [0, 0, 0, 0], "LIMIT_EXCEEDED"),
  "stored-len-too-large": bytes("stored_len is 8,454,145.", 72, [0, 0x81, 0, 1], "LIMIT_EXCEEDED"),
  "max-silence-0": bytes(
    "max_silence_ms is 0 in a normal block.",
    76,
    [0, 0, 0, 0],
    "LIMIT_EXCEEDED",
  ),
  "max-silence-999": bytes("max_silence_ms is 999.", 76, [0, 0, 3, 0xe7], "LIMIT_EXCEEDED"),
  "max-silence-too-large": bytes(
    "max_silence_ms is 86,400,001.",
    76,
    [5, 0x26, 0x5c, 1],
    "LIMIT_EXCEEDED",
  ),
  "receipt-size-2-53": bytes("receipt_size is 2^53.", 336, [0, 0x20], "LIMIT_EXCEEDED"),
  "time-2-53": bytes("time is above 2^53.", 360, [0, 0x20], "LIMIT_EXCEEDED"),
  "mono-2-53": bytes("mono is above 2^53.", 368, [0, 0x20], "LIMIT_EXCEEDED"),
  "first-time-2-53": bytes("first_time is above 2^53.", 376, [0x80], "LIMIT_EXCEEDED"),
  "final-names-key": vector("block.md", "A final block names a next key.", (story) => {
    const chain = story.chain();
    chain.seal([chain.line()], { kind: "final", header: () => ({ nextPub: fixedBytes("key") }) });
    story.store(chain);
    story.expect("INVALID", ["NON_CANONICAL", 1]);
  }),
};

const links: Vectors = {
  "chain-id": bent(
    "verification.md, D",
    "chain_id is that of no chain.",
    () => ({ chainId: fixedBytes("id") }),
    ["WRONG_CHAIN", 2],
  ),
  "block-no": bent("verification.md, D", "block_no is one too large.", () => ({ blockNo: 3 }), [
    "BLOCK_ORDER",
    2,
  ]),
  "prev-hash": bent(
    "verification.md, D",
    "prev_hash is another block's.",
    () => ({ prevHash: fixedBytes("hash") }),
    ["BAD_PREV", 2],
  ),
  "chain-root": bent(
    "verification.md, D",
    "chain_root is another tree's.",
    () => ({ chainRoot: fixedBytes("root") }),
    ["CHAIN_ROOT_MISMATCH", 2],
  ),
  "first-seq": bent(
    "verification.md, D",
    "first_seq is one too large.",
    ({ firstSeq }) => ({ firstSeq: firstSeq + 1 }),
    ["SEQ_MISMATCH", 2],
  ),
  "first-seq-behind": bent("verification.md, D", "first_seq is 0 again.", () => ({ firstSeq: 0 }), [
    "SEQ_MISMATCH",
    2,
  ]),
  "count-more": bent("verification.md, E", "count is one too large.", () => ({ count: 2 }), [
    "COUNT_MISMATCH",
    2,
  ]),
  "count-most": bent(
    "verification.md, E",
    "count is the largest one.",
    () => ({ count: 1_048_576 }),
    ["COUNT_MISMATCH", 2],
  ),
  "count-less": vector("verification.md, E", "count is one too small.", (story) => {
    const chain = story.chain();
    chain.seal([chain.line("one\ntwo\n")], { header: () => ({ count: 1 }) });
    chain.go();
    story.store(chain);
    story.expect("INVALID", ["COUNT_MISMATCH", 1]);
  }),
  "last-hash": bent(
    "verification.md, E",
    "last_hash is no envelope's.",
    () => ({ lastHash: fixedBytes("hash") }),
    ["LINK_MISMATCH", 2],
  ),
  "envelope-root": bent(
    "verification.md, E",
    "envelope_root is another tree's.",
    () => ({ envelopeRoot: fixedBytes("root") }),
    ["ROOT_MISMATCH", 2],
  ),
  "first-time": bent(
    "payload.md",
    "first_time is earlier than any envelope.",
    ({ firstTime }) => ({ firstTime: firstTime - 1 }),
    ["MALFORMED", 2],
  ),
  "stored-hash": bent(
    "payload.md, Opening",
    "stored_hash is not that of the payload.",
    () => ({ storedHash: fixedBytes("hash") }),
    ["PAYLOAD_HASH_MISMATCH", 2],
  ),
  "config-hash": bent(
    "block.md",
    "config_hash is that of no config.",
    () => ({ configHash: fixedBytes("hash") }),
    ["CONFIG_MISMATCH", 2],
  ),
  "receipt-hash": bent(
    "block.md",
    "receipt_hash without a receipt record.",
    () => ({ receiptHash: fixedBytes("hash") }),
    ["RECEIPT_MISMATCH", 2],
  ),
  "receipt-size": bent(
    "block.md",
    "receipt_size without a receipt record.",
    () => ({ receiptSize: 1 }),
    ["RECEIPT_MISMATCH", 2],
  ),
  "receipt-size-ahead": bent(
    "block.md",
    "receipt_size covers the block itself.",
    () => ({ receiptSize: 3 }),
    ["RECEIPT_MISMATCH", 2],
  ),
  "key-not-canonical": bent(
    "ed25519.md",
    "next_pub is p + 3: not canonical.",
    () => ({ nextPub: littleEndian(p + 3n) }),
    ["BAD_KEY", 2],
    ["REANCHORED", 3],
  ),
  "key-of-order-1": bent(
    "ed25519.md",
    "next_pub is the neutral point.",
    () => ({ nextPub: littleEndian(1n) }),
    ["BAD_KEY", 2],
    ["REANCHORED", 3],
  ),
  "key-of-order-4": bent(
    "ed25519.md",
    "next_pub is zero: of order 4.",
    () => ({ nextPub: new Uint8Array(32) }),
    ["BAD_KEY", 2],
    ["REANCHORED", 3],
  ),
  "key-of-order-8": bent(
    "ed25519.md",
    "next_pub is of order 8, its sign bit set.",
    () => ({ nextPub: littleEndian(yOfOrder8 | (1n << 255n)) }),
    ["BAD_KEY", 2],
    ["REANCHORED", 3],
  ),
  "key-no-point": bent(
    "ed25519.md",
    "next_pub is no point of the curve.",
    () => ({ nextPub: littleEndian(2n) }),
    ["BAD_KEY", 2],
    ["REANCHORED", 3],
  ),
  "key-reused": vector("block.md", "A block names its own key as the next one.", (story) => {
    const chain = story.chain();
    chain.go();
    const { signer } = chain;
    chain.seal([chain.line()], { header: () => ({ nextPub: signer.publicKey }) });
    chain.seal([chain.line()], { signer });
    story.store(chain);
    story.expect("INVALID", ["KEY_REUSE", 2]);
  }),
  "key-of-an-earlier-block": vector(
    "block.md",
    "A block names a key that signed an earlier one.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const { signer } = chain;
      chain.go(2);
      chain.seal([chain.line()], { header: () => ({ nextPub: signer.publicKey }) });
      chain.seal([chain.line()], { signer });
      story.store(chain);
      story.expect("INVALID", ["KEY_REUSE", 4]);
    },
  ),
  "silence-above-grant": vector("block.md", "The promise is longer than the grant's.", (story) => {
    story.store(story.chain({ terms: { maxSilenceMs: 59_999 } }));
    story.expect("INVALID", ["LIMIT_EXCEEDED", 0]);
  }),
  "genesis-chain-id": vector("verification.md, C", "A genesis that names a chain.", (story) => {
    story.store(story.chain({ genesis: { header: () => ({ chainId: fixedBytes("id") }) } }));
    story.expect("INVALID", ["WRONG_CHAIN", 0]);
  }),
  "genesis-grant-hash": vector(
    "verification.md, E",
    "A genesis that names another grant.",
    (story) => {
      const chain = story.chain({
        genesis: { header: () => ({ receiptHash: fixedBytes("hash") }) },
      });
      story.store(chain);
      story.expect("INVALID", ["RECEIPT_MISMATCH", 0]);
    },
  ),
  "genesis-root": vector(
    "verification.md, D",
    "A genesis whose chain_root is not that of the empty tree.",
    (story) => {
      story.store(story.chain({ genesis: { header: () => ({ chainRoot: new Uint8Array(32) }) } }));
      story.expect("INVALID", ["CHAIN_ROOT_MISMATCH", 0]);
    },
  ),
  "genesis-first-seq": vector(
    "verification.md, D",
    "A genesis that begins with seq 1.",
    (story) => {
      story.store(story.chain({ genesis: { header: () => ({ firstSeq: 1 }) } }));
      story.expect("INVALID", ["SEQ_MISMATCH", 0]);
    },
  ),
};

const runs: Vectors = {
  "mono-back": vector("block.md", "mono goes back within a run.", (story) => {
    const chain = story.chain();
    chain.go(2);
    chain.seal([chain.line()], { mono: chain.mono - 1 });
    chain.go();
    story.store(chain);
    story.expect("INVALID", ["TIME_REGRESSION", 3]);
  }),
  silence: vector(
    "block.md, Silence",
    "61 seconds between two blocks, 60 were promised.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const seconds = 61 * second;
      chain.seal([chain.line()], { mono: chain.mono + seconds, time: chain.time + seconds });
      story.store(chain);
      story.expect("INCOMPLETE", ["SILENCE_EXCEEDED", 2]);
    },
  ),
  "silence-exactly": vector(
    "block.md, Silence",
    "60 seconds between two blocks, as promised.",
    (story) => {
      const chain = story.chain();
      const seconds = 60 * second;
      chain.seal([chain.line()], { mono: chain.mono + seconds, time: chain.time + seconds });
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "run-id-reused": vector("block.md, Runs", "A third run with the id of the first.", (story) => {
    const chain = story.chain();
    const first = chain.runId;
    chain.stop();
    chain.restart();
    chain.stop();
    chain.newRun();
    chain.runId = first;
    chain.seal([chain.start(), chain.snapshot()]);
    story.store(chain);
    story.expect("INVALID", ["DOWNTIME", 2], ["DOWNTIME", 4], ["RUN_ID_REUSED", 4]);
  }),
  "time-back": vector(
    "verification.md, E",
    "time goes back an hour, and no record says why.",
    (story) => {
      const chain = story.chain();
      chain.go();
      chain.seal([chain.line()], { time: chain.time - 3600 * second });
      chain.go();
      const later = Math.floor(chain.time / second) + 3700;
      story.store(chain, { receipt: chain.receipt(undefined, later) });
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 2]);
    },
  ),
  "time-ahead": vector(
    "verification.md, F",
    "A block is dated ten years after its receipt.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const receipt = Math.floor(chain.time / second) + 2;
      chain.seal([chain.line()], { time: chain.time + 3650 * 86_400 * second });
      story.store(chain, { receipt: chain.receipt(undefined, receipt) });
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 2]);
    },
  ),
};

const yOfOrder8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022n;

function littleEndian(value: bigint): Uint8Array {
  return Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
}

export const header: Vectors = { ...own, ...links, ...runs };
