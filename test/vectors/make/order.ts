// Blocks are missing, doubled, moved, cut, or someone else's; every one of them was signed well.

import { headLength } from "../../../src/core/block.ts";
import { concat } from "../../../src/core/bytes.ts";
import type { BuiltBlock } from "../../fakes/chain-builder.ts";
import { say } from "../../fakes/chain-items.ts";
import { blocksName, storeFork } from "../../fakes/chain-store.ts";
import { fixedBytes, signer } from "../../fakes/signers.ts";
import { type Story, type StoryChain, type Vectors, vector } from "./story.ts";

function fiveBlocks(story: Story, label = "app"): { chain: StoryChain; all: Uint8Array[] } {
  const chain = story.chain({ label });
  chain.go(4);
  return { chain, all: chain.blocks.map(({ bytes }) => bytes) };
}

function pick(all: readonly Uint8Array[], ...numbers: readonly number[]): Uint8Array[] {
  return numbers.map((number) => all[number] as Uint8Array);
}

const missing: Vectors = {
  "block-missing": vector(
    "verification.md, After a fault",
    "Block 2 is gone; a receipt covers all.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 1, 3, 4), perObject: 2 });
      story.expect("INCOMPLETE", ["BLOCK_MISSING", 2, undefined, { blocks: 1 }], ["REANCHORED", 3]);
    },
  ),
  "block-missing-unreceipted": vector(
    "verification.md, G",
    "Block 2 is gone, and there is no receipt.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 1, 3, 4), receipt: undefined });
      story.expect(
        "INVALID",
        ["BLOCK_MISSING", 2, undefined, { blocks: 1 }],
        ["UNAUTHENTICATED", 3],
        ["TAIL_UNCONFIRMED", 0, undefined, { blocks: 5 }],
      );
    },
  ),
  "two-missing": vector(
    "verification.md, After a fault",
    "Blocks 2 and 3 are gone: the tree is not known.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 1, 4) });
      story.expect(
        "INVALID",
        ["BLOCK_MISSING", 2, undefined, { blocks: 2 }],
        ["UNAUTHENTICATED", 4],
      );
    },
  ),
  "two-apart-missing": vector(
    "verification.md, G",
    "Blocks 1 and 3 are gone: two breaks, each healed by the same receipt.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 2, 4) });
      story.expect(
        "INCOMPLETE",
        ["BLOCK_MISSING", 1, undefined, { blocks: 1 }],
        ["BLOCK_MISSING", 3, undefined, { blocks: 1 }],
        ["REANCHORED", 2],
        ["REANCHORED", 4],
      );
    },
  ),
  "two-missing-then-snapshot": vector(
    "verification.md, After a fault",
    "A later snapshot gives the tree back.",
    (story) => {
      const { chain } = fiveBlocks(story);
      chain.seal([chain.snapshot(), chain.line()]);
      chain.go();
      const all = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { blocks: pick(all, 0, 1, 4, 5, 6) });
      story.expect("INCOMPLETE", ["BLOCK_MISSING", 2, undefined, { blocks: 2 }], ["REANCHORED", 4]);
    },
  ),
  "genesis-missing": vector("verification.md, After a fault", "The genesis is gone.", (story) => {
    const { chain, all } = fiveBlocks(story);
    story.store(chain, { blocks: pick(all, 1, 2, 3, 4) });
    story.expect("INCOMPLETE", ["BLOCK_MISSING", 0, undefined, { blocks: 1 }], ["REANCHORED", 1]);
  }),
  "second-break": vector(
    "verification.md, G",
    "Block 1 is gone, a receipt over 4 blocks heals that; block 5 is another's, and so is what follows.",
    (story) => {
      const chain = story.chain();
      chain.go(4);
      const honest = chain.blocks.map(({ bytes }) => bytes);
      const note = chain.receipt(4);
      // The thief has no key: he leaves one block out, so that nobody knows which key must sign.
      const thief = story.chain();
      thief.go(4);
      thief.go(1);
      thief.seal([thief.line("forged\n"), say({ type: "receipt", note })], {
        signer: signer("thief"),
      });
      const forged = thief.blocks[6]?.bytes as Uint8Array;
      story.store(chain, {
        blocks: [...pick(honest, 0, 2, 3, 4), forged],
        receipt: chain.receipt(4),
      });
      story.expect(
        "INVALID",
        ["BLOCK_MISSING", 1, undefined, { blocks: 1 }],
        ["REANCHORED", 2],
        ["BLOCK_MISSING", 5, undefined, { blocks: 1 }],
        ["UNAUTHENTICATED", 6],
        ["TAIL_UNCONFIRMED", 4, undefined, { blocks: 3 }],
      );
    },
  ),
  "payload-missing": vector("verification.md, E", "Of block 2 only the head was kept.", (story) => {
    const { chain, all } = fiveBlocks(story);
    const head = (all[2] as Uint8Array).subarray(0, headLength);
    story.store(chain, { blocks: [...pick(all, 0, 1), head, ...pick(all, 3, 4)], perObject: 5 });
    story.expect("INVALID", ["PAYLOAD_LENGTH_MISMATCH", 2]);
  }),
};

const moved: Vectors = {
  swapped: vector("verification.md, D", "Blocks 2 and 3 stand the other way round.", (story) => {
    const { chain, all } = fiveBlocks(story);
    story.store(chain, { blocks: pick(all, 0, 1, 3, 2, 4), perObject: 5 });
    story.expect("INVALID", ["BLOCK_ORDER", 2], ["REANCHORED", 3]);
  }),
  duplicate: vector("verification.md, D", "Block 2 stands there twice.", (story) => {
    const { chain, all } = fiveBlocks(story);
    story.store(chain, { blocks: pick(all, 0, 1, 2, 2, 3, 4), perObject: 6 });
    story.expect("INVALID", ["BLOCK_DUPLICATE", 2]);
  }),
  "duplicate-later": vector(
    "verification.md, D",
    "Block 1 stands there again at the end.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 1, 2, 3, 4, 1), perObject: 6 });
      story.expect("INVALID", ["BLOCK_DUPLICATE", 1]);
    },
  ),
  "fork-in-stream": vector(
    "verification.md, D",
    "Two blocks 2, both signed by the right key.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const twin = chain.twin([chain.line("another\n")]).bytes;
      chain.go(2);
      const all = chain.blocks.map(({ bytes }) => bytes);
      story.store(chain, { blocks: [...pick(all, 0, 1, 2), twin, ...pick(all, 3)], perObject: 5 });
      story.expect("INVALID", ["FORK", 2]);
    },
  ),
  "fork-proof": vector("store.md, Forks", "The vault kept a fork's proof.", (story) => {
    const chain = story.chain();
    chain.go();
    const twin = chain.twin([chain.line("another\n")]);
    const ours = chain.seal([chain.line()]);
    chain.go();
    story.store(chain);
    storeFork(story.files, chain, ours, twin);
    story.expect("INVALID", ["FORK", 2]);
  }),
  "fork-proof-of-nothing": vector(
    "store.md, Forks",
    "A fork's proof whose second head a thief signed.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const twin = chain.twin([chain.line("another\n")], { signer: signer("thief") });
      const ours = chain.seal([chain.line()]);
      story.store(chain);
      storeFork(story.files, chain, ours, twin);
      story.expect("INVALID", ["PROOF_INVALID", 2]);
    },
  ),
  "fork-proof-of-another-genesis": vector(
    "store.md, Forks",
    "Under a shared grant, the genesis of another chain is kept as a fork's proof.",
    (story) => {
      const terms = { maxChains: 2 };
      const [chain, other] = ["app", "other"].map((label) =>
        story.chain({ label, grantKey: "shared", terms: { ...terms, subject: "pods" } }),
      ) as [StoryChain, StoryChain];
      chain.go();
      story.store(chain);
      const [ours, theirs] = [chain, other].map(({ blocks }) => blocks[0]) as [
        BuiltBlock,
        BuiltBlock,
      ];
      storeFork(story.files, chain, ours, theirs);
      story.expect("INVALID", ["PROOF_INVALID", 0]);
    },
  ),
  "fork-proof-of-one-head": vector(
    "store.md, Forks",
    "A fork's proof holds the same head twice.",
    (story) => {
      const chain = story.chain();
      const ours = chain.seal([chain.line()]);
      story.store(chain);
      storeFork(story.files, chain, ours, ours);
      story.expect("INVALID", ["PROOF_INVALID", 1]);
    },
  ),
  "fork-proof-behind-the-end": vector(
    "store.md, Forks",
    "A fork's proof is for a height whose key nobody knows: the blocks before it are not there.",
    (story) => {
      const chain = story.chain();
      chain.go(2);
      const twin = chain.twin([chain.line("another\n")]);
      const ours = chain.seal([chain.line()]);
      const blocks = chain.blocks.slice(0, 2).map(({ bytes }) => bytes);
      story.store(chain, { blocks, receipt: chain.receipt(2) });
      storeFork(story.files, chain, ours, twin);
      story.expect("INVALID", ["PROOF_INVALID", 3]);
    },
  ),
  "fork-proof-at-the-end": vector(
    "store.md, Forks",
    "A fork's proof is for the height behind the last block, which names the key.",
    (story) => {
      const chain = story.chain();
      chain.go();
      const twin = chain.twin([chain.line("another\n")]);
      const ours = chain.seal([chain.line()]);
      const blocks = chain.blocks.slice(0, 2).map(({ bytes }) => bytes);
      story.store(chain, { blocks, receipt: chain.receipt(2) });
      storeFork(story.files, chain, ours, twin);
      story.expect("INVALID", ["FORK", 2]);
    },
  ),
  "foreign-block-inserted": vector(
    "verification.md, D",
    "A block of another chain stands between.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const other = fiveBlocks(story, "other");
      const blocks = [...pick(all, 0, 1), ...pick(other.all, 2), ...pick(all, 2, 3, 4)];
      story.store(chain, { blocks, perObject: 6 });
      story.expect("INVALID", ["WRONG_CHAIN", 2]);
    },
  ),
  "foreign-block-instead": vector(
    "verification.md, D",
    "A block of another chain stands for block 2.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const other = fiveBlocks(story, "other");
      const blocks = [...pick(all, 0, 1), ...pick(other.all, 2), ...pick(all, 3, 4)];
      story.store(chain, { blocks, perObject: 5 });
      story.expect("INVALID", ["WRONG_CHAIN", 2], ["REANCHORED", 3]);
    },
  ),
  "foreign-genesis-inserted": vector(
    "verification.md, D",
    "Another chain's genesis stands between.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const other = fiveBlocks(story, "other");
      story.store(chain, {
        blocks: [...pick(all, 0, 1), ...pick(other.all, 0), ...pick(all, 2, 3, 4)],
        perObject: 6,
      });
      story.expect("INVALID", ["WRONG_CHAIN", 2]);
    },
  ),
  "names-swapped": vector(
    "verification.md, C",
    "Two chains stand under each other's names.",
    (story) => {
      const [one, two] = [story.chain(), story.chain({ label: "two" })];
      one.go(2);
      two.go(3);
      story.store(one, { name: two.name });
      story.store(two, { name: one.name });
      story.expect(
        "INVALID",
        ["WRONG_CHAIN", 0],
        ["WRONG_CHAIN", 0, undefined, { chain: one.name }],
      );
    },
  ),
  "behind-final": vector(
    "verification.md, D",
    "Two blocks follow the final one, signed by its own key.",
    (story) => {
      const chain = story.chain();
      const { signer: own } = chain;
      chain.seal([chain.line()], { kind: "final" });
      const receipt = chain.receipt();
      chain.seal([chain.line()], { signer: own });
      chain.seal([chain.line()], { signer: own });
      story.store(chain, { receipt });
      story.expect("INVALID", ["EXTENDED_AFTER_FINAL", 2]);
    },
  ),
  "object-misnamed": vector(
    "store.md",
    "An object is named for block 9 and begins with block 2.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 1), receipt: chain.receipt() });
      story.files.set(blocksName(`chains/${chain.name}`, 9), concat(...pick(all, 2, 3, 4)));
      story.expect("INVALID", ["NON_CANONICAL", 2]);
    },
  ),
};

const tails: Vectors = {
  "tail-cut": vector(
    "verification.md, F",
    "The last two blocks are gone; a receipt covers them.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, { blocks: pick(all, 0, 1, 2) });
      story.expect("INCOMPLETE", ["TAIL_TRUNCATED", 3, undefined, { blocks: 2 }]);
    },
  ),
  "tail-torn": vector(
    "store.md, Torn tails",
    "The last block is cut; a receipt covers it.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      story.store(chain, {
        blocks: [...pick(all, 0, 1, 2, 3), (all[4] as Uint8Array).subarray(0, -1)],
      });
      story.expect("INCOMPLETE", ["TAIL_TRUNCATED", 4, undefined, { blocks: 1 }]);
    },
  ),
  "all-cut": vector("verification.md, F", "Only grant and receipt are left.", (story) => {
    const { chain } = fiveBlocks(story);
    story.store(chain, { blocks: [] });
    story.expect("INCOMPLETE", ["TAIL_TRUNCATED", 0, undefined, { blocks: 5 }]);
  }),
  "nothing-there": vector(
    "verification.md, Verdicts",
    "Only a grant is there: nothing to verify.",
    (story) => {
      story.expect("INDETERMINATE");
      story.store(story.chain(), { blocks: [], receipt: undefined });
    },
  ),
  "object-cut": vector(
    "store.md, Torn tails",
    "A complete object ends in the middle of block 1.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const blocks = [
        all[0] as Uint8Array,
        (all[1] as Uint8Array).subarray(0, -3),
        ...pick(all, 2, 3, 4),
      ];
      story.store(chain, { blocks, perObject: 2 });
      story.expect("INVALID", ["PAYLOAD_LENGTH_MISMATCH", 1]);
    },
  ),
  "object-cut-in-head": vector(
    "store.md, Torn tails",
    "A complete object ends in the head of block 1.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const blocks = [
        all[0] as Uint8Array,
        (all[1] as Uint8Array).subarray(0, 300),
        ...pick(all, 2, 3, 4),
      ];
      story.store(chain, { blocks, perObject: 2 });
      story.expect("INVALID", ["MALFORMED", 1], ["REANCHORED", 2]);
    },
  ),
  "head-cut-between": vector(
    "store.md, Where a block ends",
    "Block 1 ends in its head, and block 2 follows at once.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const cut = (all[1] as Uint8Array).subarray(0, 300);
      const blocks = [all[0] as Uint8Array, cut, ...pick(all, 2, 3, 4)];
      story.store(chain, { blocks, perObject: 5 });
      story.expect("INVALID", ["MALFORMED", 1], ["REANCHORED", 2]);
    },
  ),
  "bytes-behind-object": vector(
    "store.md",
    "Five bytes follow the last block of an object.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const longer = concat(all[1] as Uint8Array, fixedBytes("junk", 5));
      story.store(chain, {
        blocks: [all[0] as Uint8Array, longer, ...pick(all, 2, 3, 4)],
        perObject: 2,
      });
      story.expect("INVALID", ["NON_CANONICAL", 1]);
    },
  ),
  "bytes-behind-chain": vector("store.md", "Five bytes follow the newest block.", (story) => {
    const { chain, all } = fiveBlocks(story);
    story.store(chain, { blocks: [...all, fixedBytes("junk", 5)], perObject: 6 });
    story.expect("INVALID", ["NON_CANONICAL", 4]);
  }),
  "bytes-between": vector("store.md", "Five bytes stand between two blocks.", (story) => {
    const { chain, all } = fiveBlocks(story);
    story.store(chain, {
      blocks: [...pick(all, 0, 1), fixedBytes("junk", 5), ...pick(all, 2, 3, 4)],
      perObject: 6,
    });
    story.expect("INVALID", ["MALFORMED", 2]);
  }),
  "plain-text": vector(
    "verification.md",
    "Lines that nobody sealed, where blocks belong.",
    (story) => {
      const chain = story.chain();
      const text = Buffer.from("Jan 1 00:00:00 host app: everything is fine\n".repeat(20));
      story.store(chain, { blocks: [Uint8Array.from(text)], receipt: undefined });
      story.expect("INVALID", ["MALFORMED", 0]);
    },
  ),
};

const bent: Vectors = {
  "payload-bit": vector("payload.md, Opening", "A bit of a line was changed.", (story) => {
    const { chain, all } = fiveBlocks(story);
    const block = all[2] as Uint8Array;
    block[block.length - 2] = (block[block.length - 2] as number) ^ 1;
    story.store(chain);
    story.expect("INVALID", ["PAYLOAD_HASH_MISMATCH", 2]);
  }),
  "payload-of-another": vector(
    "payload.md, Opening",
    "Two payloads of equal length are swapped.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      const [one, two] = pick(all, 1, 2) as [Uint8Array, Uint8Array];
      const swapped = [one, two].map((head, at) =>
        concat(head.subarray(0, headLength), ([two, one][at] as Uint8Array).subarray(headLength)),
      );
      story.store(chain, { blocks: [...pick(all, 0), ...swapped, ...pick(all, 3, 4)] });
      story.expect("INVALID", ["PAYLOAD_HASH_MISMATCH", 1], ["PAYLOAD_HASH_MISMATCH", 2]);
    },
  ),
  "signature-bit": vector("verification.md, D", "A bit of a signature was changed.", (story) => {
    const { chain, all } = fiveBlocks(story);
    (all[2] as Uint8Array)[400] = ((all[2] as Uint8Array)[400] as number) ^ 16;
    story.store(chain);
    story.expect("INVALID", ["BAD_SIGNATURE", 2], ["REANCHORED", 3]);
  }),
  "header-bit": vector("verification.md, D", "A bit of a header was changed.", (story) => {
    const { chain, all } = fiveBlocks(story);
    (all[2] as Uint8Array)[200] = ((all[2] as Uint8Array)[200] as number) ^ 1;
    story.store(chain);
    story.expect("INVALID", ["BAD_SIGNATURE", 2], ["REANCHORED", 3]);
  }),
  "last-header-bit": vector(
    "verification.md, F",
    "A bit of the newest header; the receipt covers it.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      (all[4] as Uint8Array)[200] = ((all[4] as Uint8Array)[200] as number) ^ 1;
      story.store(chain);
      story.expect("INVALID", ["BAD_SIGNATURE", 4]);
    },
  ),
  "stored-len-larger": vector(
    "store.md, Where a block ends",
    "A header says that its block is longer.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      (all[2] as Uint8Array)[74] = 1;
      story.store(chain, { perObject: 5 });
      story.expect("INVALID", ["BAD_SIGNATURE", 2], ["REANCHORED", 3]);
    },
  ),
  "stored-len-smaller": vector(
    "store.md, Where a block ends",
    "A header says that its block is shorter.",
    (story) => {
      const { chain, all } = fiveBlocks(story);
      (all[2] as Uint8Array)[75] = 1;
      story.store(chain, { perObject: 5 });
      story.expect("INVALID", ["BAD_SIGNATURE", 2], ["REANCHORED", 3]);
    },
  ),
  "thief-signs-one": vector("verification.md, D", "Block 2 is signed by a thief.", (story) => {
    const chain = story.chain();
    chain.go();
    chain.seal([chain.line()], { signer: signer("thief") });
    chain.go();
    story.store(chain, { receipt: chain.receipt(2) });
    story.expect(
      "INVALID",
      ["BAD_SIGNATURE", 2],
      ["UNAUTHENTICATED", 3],
      ["TAIL_UNCONFIRMED", 2, undefined, { blocks: 2 }],
    );
  }),
  "thief-signs-genesis": vector(
    "verification.md, C",
    "The genesis is not signed by the grant's key.",
    (story) => {
      const chain = story.chain({ genesis: { signer: signer("thief") } });
      chain.go();
      story.store(chain);
      story.expect("INVALID", ["BAD_SIGNATURE", 0], ["REANCHORED", 1]);
    },
  ),
};

export const order: Vectors = { ...missing, ...moved, ...tails, ...bent };
