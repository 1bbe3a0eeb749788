// Chains that go on for others, and what a place without them comes to.

import { hex } from "../../../src/core/bytes.ts";
import { formatVerifierKey } from "../../../src/core/note.ts";
import type { PredecessorRecord, SourcePosition } from "../../../src/core/record.ts";
import { type ChainSetup, testVault } from "../../fakes/chain-builder.ts";
import { say } from "../../fakes/chain-items.ts";
import { TestVault } from "../../fakes/signers.ts";
import type { Story, StoryChain, Vectors } from "./story.ts";
import { vector } from "./story.ts";

const page = "verification.md, Chains against each other";
const verdicts = "verification.md, Verdicts";

/** A chain of three blocks, and one that says it goes on for it. */
function pair(
  story: Story,
  change: Partial<PredecessorRecord>,
  setup: ChainSetup = {},
): [old: StoryChain, next: StoryChain] {
  const old = story.chain({ label: "old", ...setup });
  old.go(2);
  const [chain, root] = [old.name, hex(old.roots[2] as Uint8Array)];
  const record = { type: "predecessor", chain, size: 2, root, reason: "state lost", positions: [] };
  return [old, story.chain({ label: "next" }, [say({ ...record, ...change })])];
}

function keysOf({ receiptKey, timeKey }: TestVault): string[] {
  return [receiptKey, timeKey].map(({ key }) => formatVerifierKey(key));
}

/** Stores a pair whose first chain is for another vault; the keys of both are trusted. */
function acrossVaults(
  story: Story,
  change: Partial<PredecessorRecord>,
): [old: StoryChain, next: StoryChain] {
  const other = new TestVault("other.example");
  const [old, next] = pair(story, change, { vault: other });
  story.store(next);
  story.store(old);
  story.vaults = [...keysOf(testVault), ...keysOf(other)];
  return [old, next];
}

/** Stores only the second chain of a pair, and expects that. Returns the first. */
function withoutPredecessor(story: Story): StoryChain {
  const [old, next] = pair(story, {});
  story.store(next);
  story.chains[next.name] = "VALID_WITH_FINDINGS";
  story.expect(
    "INCOMPLETE",
    ["CHAIN_REPLACED", 0, 4],
    ["CHAIN_MISSING", undefined, undefined, { chain: old.name }],
  );
  return old;
}

export const together: Vectors = {
  "predecessor-missing": vector(page, "The chain that is named is not there.", (story) => {
    withoutPredecessor(story);
  }),
  "predecessor-root": vector(page, "The chain that is named has another root.", (story) => {
    const [old, next] = pair(story, { root: "ab".repeat(32) });
    story.store(next);
    story.store(old);
    story.chains[old.name] = "VALID";
    story.expect("INVALID", ["CHAIN_REPLACED", 0, 4], ["CHAIN_REPLACED_UNLINKED", 0, 4]);
  }),
  "predecessor-size": vector(page, "The chain that is named is shorter.", (story) => {
    const [old, next] = pair(story, { size: 4 });
    story.store(next);
    story.store(old);
    story.chains[old.name] = "VALID";
    story.expect("INVALID", ["CHAIN_REPLACED", 0, 4], ["CHAIN_REPLACED_UNLINKED", 0, 4]);
  }),
  "predecessor-of-another-vault": vector(
    page,
    "The agent moved: the chain that is named is for another vault, whose keys are trusted, too.",
    (story) => {
      const [old, next] = acrossVaults(story, {});
      story.chains[old.name] = "VALID";
      story.chains[next.name] = "VALID_WITH_FINDINGS";
      story.expect("VALID_WITH_FINDINGS", ["CHAIN_REPLACED", 0, 4]);
    },
  ),
  "predecessor-of-another-vault-root": vector(
    page,
    "The chain that is named is for another vault, and has another root.",
    (story) => {
      const [old] = acrossVaults(story, { root: "ab".repeat(32) });
      story.chains[old.name] = "VALID";
      story.expect("INVALID", ["CHAIN_REPLACED", 0, 4], ["CHAIN_REPLACED_UNLINKED", 0, 4]);
    },
  ),
  "predecessor-of-an-unknown-vault": vector(
    page,
    "The chain that is named is for a vault whose keys nobody gave: that is said of it alone.",
    (story) => {
      const [old, next] = acrossVaults(story, {});
      story.vaults = keysOf(testVault);
      story.chains[next.name] = "VALID_WITH_FINDINGS";
      story.chains[old.name] = "INVALID";
      story.expect(
        "INVALID",
        ["CHAIN_REPLACED", 0, 4],
        ["GRANT_WRONG_AUDIENCE", undefined, undefined, { chain: old.name }],
        ["TAIL_UNCONFIRMED", 0, undefined, { blocks: 3, chain: old.name }],
      );
    },
  ),
  "predecessor-grant-missing": vector(
    page,
    "The grant of the chain that goes on is gone: nothing is wrong with what it says of the other.",
    (story) => {
      // With room for a chain of which nothing tells whether it began by the same grant.
      const [old, next] = pair(story, {}, { terms: { maxChains: 2 } });
      story.store(next);
      story.store(old);
      story.files.delete(story.place(next, "grant"));
      story.chains[old.name] = "VALID";
      story.expect("INVALID", ["UNKNOWN_ROOT"], ["UNAUTHENTICATED", 0], ["CHAIN_REPLACED", 0, 4]);
    },
  ),
  "predecessor-positions-ahead": vector(
    page,
    "The new chain goes on 5,000 bytes behind where the old one stands: these are nowhere.",
    (story) => {
      const old = story.chain({ label: "old" });
      old.go(2);
      const [{ record, offset }] = old.sources.positions() as [SourcePosition];
      const next = story.chain({ label: "next", path: "/var/log/other.log" }, [
        say({
          type: "predecessor",
          ...{ chain: old.name, size: 3, root: hex(old.roots[3] as Uint8Array) },
          ...{ reason: "state lost", positions: [{ record, offset: offset + 5000 }] },
        }),
      ]);
      story.store(next);
      story.store(old);
      story.chains[old.name] = "VALID";
      story.expect("INCOMPLETE", ["CHAIN_REPLACED", 0, 4], ["GAP_UNDECLARED", 0, 4]);
    },
  ),
  "predecessor-empty": vector(page, "No block of the named chain was ever receipted.", (story) => {
    const root = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const [old, next] = pair(story, { size: 0, root });
    story.store(next);
    story.store(old);
    story.chains[old.name] = "VALID";
    story.expect("VALID_WITH_FINDINGS", ["CHAIN_REPLACED", 0, 4]);
  }),
  "predecessor-never-began": vector(
    page,
    "Of the chain that is named a grant is there, no block and no receipt.",
    (story) => {
      const old = withoutPredecessor(story);
      story.store(old, { blocks: [], receipt: undefined });
    },
  ),
  "never-began-beside-good": vector(
    verdicts,
    "Two chains never began: one has a grant, of another's genesis the end is missing.",
    (story) => {
      const [good, granted, torn] = ["good", "granted", "torn"].map((label) =>
        story.chain({ label }),
      ) as [StoryChain, StoryChain, StoryChain];
      story.store(good);
      story.expect("VALID");
      story.store(granted, { blocks: [], receipt: undefined });
      const genesis = torn.blocks[0]?.bytes as Uint8Array;
      story.store(torn, { blocks: [genesis.subarray(0, -1)], receipt: undefined });
    },
  ),
  "bad-chain-beside-good": vector(
    page,
    "A bad chain changes nothing about another one.",
    (story) => {
      const [bad, good] = [story.chain(), story.chain({ label: "good" })];
      bad.seal([bad.line()], { header: () => ({ firstSeq: 9 }) });
      story.store(bad);
      story.store(good);
      story.chains[good.name] = "VALID";
      story.expect("INVALID", ["SEQ_MISMATCH", 1]);
    },
  ),
};
