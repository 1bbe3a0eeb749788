// Receipts that are not genuine, or say other things than the chain.

import { hex } from "../../../src/core/bytes.ts";
import { checkpointText } from "../../../src/core/checkpoint.ts";
import type { FindingCode } from "../../../src/core/fault.ts";
import { formatNote, formatVerifierKey } from "../../../src/core/note.ts";
import { testTime, testVault } from "../../fakes/chain-builder.ts";
import { say } from "../../fakes/chain-items.ts";
import { fixedBytes, type NoteSigner, TestVault } from "../../fakes/signers.ts";
import type { Expected, StoryChain, Vector, Vectors } from "./story.ts";
import { vector } from "./story.ts";

/** The newest receipt of a chain of three blocks. */
function stored(what: string, note: (chain: StoryChain) => string, code: FindingCode): Vector {
  return vector("receipt.md, Judging a receipt", what, (story) => {
    const chain = story.chain();
    chain.go(2);
    story.store(chain, { receipt: note(chain) });
    story.expect("INVALID", [code]);
  });
}

/** A receipt recorded in block 3, seq 6, of a chain that has a good one in block 2, over 2 blocks. */
function recorded(
  what: string,
  note: (chain: StoryChain) => string,
  ...findings: Expected[]
): Vector {
  return vector("receipt.md, Judging a receipt", what, (story) => {
    const chain = story.chain();
    chain.go();
    chain.seal([say({ type: "receipt", note: chain.receipt(2) })]);
    chain.seal([say({ type: "receipt", note: note(chain) })]);
    chain.go();
    story.store(chain);
    story.expect("INVALID", ...findings);
  });
}

const textOf = (chain: StoryChain, size = chain.length): string =>
  checkpointText(testVault.name, chain.id, size, chain.roots[size] as Uint8Array);
const elsewhere = new TestVault("other.example");
const elsewhereKeys = [elsewhere.receiptKey, elsewhere.timeKey].map(({ key }) =>
  formatVerifierKey(key),
);
const thief = new TestVault(testVault.name, "thief");
const { receiptKey, timeKey } = testVault;

/** `text`, as if signed by `key`, with another's signature. */
function forged(text: string, key: NoteSigner, by: NoteSigner): ReturnType<NoteSigner["sign"]> {
  return { ...by.sign(text), name: key.key.name, keyId: key.key.keyId };
}

export const receipt: Vectors = {
  "unknown-keys": stored(
    "Both keys have the vault's names and are others.",
    (chain) => thief.signReceipt(textOf(chain), testTime + 9),
    "RECEIPT_BAD_SIGNATURE",
  ),
  "forged-signature": stored(
    "The vault's signature is someone else's.",
    (chain) => {
      const text = textOf(chain);
      return formatNote(text, [
        forged(text, receiptKey, thief.receiptKey),
        timeKey.cosign(text, testTime + 9),
      ]);
    },
    "RECEIPT_BAD_SIGNATURE",
  ),
  "without-time": stored(
    "The time key's signature is missing.",
    (chain) => formatNote(textOf(chain), [receiptKey.sign(textOf(chain))]),
    "RECEIPT_BAD_SIGNATURE",
  ),
  "without-vault": stored(
    "The vault's signature is missing.",
    (chain) => formatNote(textOf(chain), [timeKey.cosign(textOf(chain), testTime + 9)]),
    "RECEIPT_BAD_SIGNATURE",
  ),
  "time-changed": stored(
    "The time in the cosignature was changed.",
    (chain) => {
      const text = textOf(chain);
      const cosigned = timeKey.cosign(text, testTime + 9);
      (cosigned.signature as Uint8Array)[7] = 0;
      return formatNote(text, [receiptKey.sign(text), cosigned]);
    },
    "RECEIPT_BAD_SIGNATURE",
  ),
  "time-key-plain": stored(
    "The time key signed plainly, without a time.",
    (chain) =>
      formatNote(textOf(chain), [receiptKey.sign(textOf(chain)), timeKey.sign(textOf(chain))]),
    "RECEIPT_BAD_SIGNATURE",
  ),
  "text-changed": stored(
    "The size was changed after signing.",
    (chain) => chain.receipt().replace("\n3\n", "\n2\n"),
    "RECEIPT_BAD_SIGNATURE",
  ),
  "other-root": stored(
    "A genuine receipt over another tree.",
    (chain) => testVault.receipt(chain.id, 3, fixedBytes("root"), testTime + 9),
    "RECEIPT_MISMATCH",
  ),
  "other-chain": stored(
    "A genuine receipt of another chain.",
    (chain) =>
      testVault.receipt(fixedBytes("chain"), 3, chain.roots[3] as Uint8Array, testTime + 9),
    "RECEIPT_MISMATCH",
  ),
  "size-leading-zero": stored(
    "The size has a leading zero.",
    (chain) => testVault.signReceipt(textOf(chain).replace("\n3\n", "\n03\n"), testTime + 9),
    "NON_CANONICAL",
  ),
  "root-of-31-bytes": stored(
    "The root has 31 bytes.",
    (chain) =>
      testVault.signReceipt(
        `${testVault.name}/${hex(chain.id)}\n3\n${Buffer.alloc(31).toString("base64")}\n`,
        testTime + 9,
      ),
    "MALFORMED",
  ),
  "extension-line": stored(
    "A fourth line, as some checkpoints have.",
    (chain) => testVault.signReceipt(`${textOf(chain)}more\n`, testTime + 9),
    "MALFORMED",
  ),
  "no-note": stored("No note at all.", () => "ok\n", "MALFORMED"),
  "recorded-forged": recorded(
    "A recorded receipt is a thief's.",
    (chain) => thief.signReceipt(textOf(chain), testTime + 9),
    ["RECEIPT_BAD_SIGNATURE", 3, 6],
  ),
  "recorded-other-root": recorded(
    "A recorded receipt is over another tree.",
    (chain) => testVault.receipt(chain.id, 3, fixedBytes("root"), testTime + 9),
    ["RECEIPT_MISMATCH", 3, 6],
  ),
  "recorded-other-chain": recorded(
    "A recorded receipt is another chain's.",
    (chain) =>
      testVault.receipt(fixedBytes("chain"), 3, chain.roots[3] as Uint8Array, testTime + 9),
    ["RECEIPT_MISMATCH", 3, 6],
  ),
  "recorded-ahead": recorded(
    "A recorded receipt covers its own block.",
    (chain) => testVault.receipt(chain.id, 4, fixedBytes("root"), testTime + 9),
    ["RECEIPT_MISMATCH", 3],
  ),
  "recorded-behind": recorded(
    "A recorded receipt covers less than the one before.",
    (chain) => chain.receipt(1),
    ["RECEIPT_REGRESSION", 3],
  ),
  "recorded-no-note": vector("receipt.md", "A receipt record holds no note.", (story) => {
    const chain = story.chain();
    chain.seal([say({ type: "receipt", note: "ok\n" })], { header: () => ({ receiptSize: 0 }) });
    story.store(chain);
    story.expect("INVALID", ["MALFORMED", 1, 4]);
  }),
  "recorded-malformed": recorded(
    "A recorded receipt has a fourth line; its size is as good as unknown.",
    (chain) => testVault.signReceipt(`${textOf(chain)}more\n`, testTime + 9),
    ["MALFORMED", 3, 6],
  ),
  "recorded-in-genesis": vector(
    "receipt.md, Receipts in a chain",
    "The genesis records a receipt, which cannot be of its own chain; later headers name it.",
    (story) => {
      const other = story.chain({ label: "other" });
      const note = other.receipt();
      const genesis = { header: () => ({ receiptSize: 0 }) };
      const chain = story.chain({ genesis }, [say({ type: "receipt", note })]);
      chain.go(2);
      story.store(chain);
      story.expect("INVALID", ["RECEIPT_MISMATCH", 0, 4]);
    },
  ),
  "recording-block-missing": vector(
    "verification.md, After a fault",
    "The block that records a receipt is gone: what later headers say of it is not compared.",
    (story) => {
      const chain = story.chain();
      chain.go();
      chain.seal([say({ type: "receipt", note: chain.receipt(2) })]);
      chain.go(3);
      const all = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { blocks: all.filter((_, number) => number !== 2) });
      story.expect("INCOMPLETE", ["BLOCK_MISSING", 2, undefined, { blocks: 1 }], ["REANCHORED", 3]);
    },
  ),
  "of-another-vault": stored(
    "A receipt of a vault that is not the grant's audience; its keys are not given.",
    (chain) => elsewhere.receipt(chain.id, 3, chain.roots[3] as Uint8Array, testTime + 9),
    "RECEIPT_MISMATCH",
  ),
  "of-another-trusted-vault": vector(
    "receipt.md, Judging a receipt",
    "A genuine receipt of a trusted vault that is not the grant's audience.",
    (story) => {
      const chain = story.chain();
      chain.go(2);
      const root = chain.roots[3] as Uint8Array;
      story.store(chain, { receipt: elsewhere.receipt(chain.id, 3, root, testTime + 9) });
      story.vaults = [...story.vaults, ...elsewhereKeys];
      story.expect("INVALID", ["RECEIPT_MISMATCH"]);
    },
  ),
  "cut-under-another-trusted-vault": vector(
    "receipt.md, Judging a receipt",
    "The chain was cut, and another trusted vault vouches for what is left.",
    (story) => {
      const chain = story.chain();
      chain.go(4);
      const root = chain.roots[3] as Uint8Array;
      const blocks = chain.blocks.slice(0, 3).map(({ bytes }) => bytes);
      story.store(chain, { blocks, receipt: elsewhere.receipt(chain.id, 3, root, testTime + 9) });
      story.vaults = [...story.vaults, ...elsewhereKeys];
      story.expect("INVALID", ["RECEIPT_MISMATCH"]);
    },
  ),
  "recorded-of-another-trusted-vault": vector(
    "receipt.md, Judging a receipt",
    "A receipt of another trusted vault is recorded: it heals no break either.",
    (story) => {
      const chain = story.chain();
      chain.go(3);
      const root = chain.roots[4] as Uint8Array;
      const note = elsewhere.receipt(chain.id, 4, root, testTime + 9);
      chain.seal([say({ type: "receipt", note })]);
      const all = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { blocks: all.filter((_, at) => at !== 2), receipt: chain.receipt(2) });
      story.vaults = [...story.vaults, ...elsewhereKeys];
      story.expect(
        "INVALID",
        ["BLOCK_MISSING", 2, undefined, { blocks: 1 }],
        ["UNAUTHENTICATED", 3],
        ["RECEIPT_MISMATCH", 4, 7],
        ["TAIL_UNCONFIRMED", 2, undefined, { blocks: 3 }],
      );
    },
  ),
  "too-long": stored(
    "The stored receipt is padded beyond any receipt's length.",
    (chain) => `${chain.receipt()}${"x".repeat(20_000)}`,
    "LIMIT_EXCEEDED",
  ),
};
