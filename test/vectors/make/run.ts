// Runs, configs and snapshots: what a block must hold, where, and what it must say.

import type { JsonObject } from "../../../src/core/json.ts";
import { second, testTime } from "../../fakes/chain-builder.ts";
import { at, type Item, lines, say } from "../../fakes/chain-items.ts";
import { type Expected, type StoryChain, type Vector, type Vectors, vector } from "./story.ts";

/** Three blocks; block 3 begins a run with the items. */
function begun(
  what: string,
  items: (chain: StoryChain) => Item[],
  ...findings: readonly Expected[]
): Vector {
  return vector("block.md, Runs", what, (story) => {
    const chain = story.chain();
    chain.go();
    chain.stop();
    chain.newRun();
    chain.seal(items(chain));
    chain.go();
    story.store(chain);
    story.expect("INVALID", ["DOWNTIME", 3], ...findings);
  });
}

const stop = say({ type: "stop", reason: "sigterm" });

const runs: Vectors = {
  "start-missing": begun(
    "A run begins without its start.",
    (chain) => [chain.snapshot(), chain.line()],
    ["START_MISSING", 3, 6],
  ),
  "start-of-another-run": begun(
    "A run begins with the start of another one.",
    (chain) => {
      const start = chain.start() as { record: Uint8Array };
      const text = Buffer.from(start.record)
        .toString()
        .replace(/"run":"[0-9a-f]{32}"/, `"run":"${"0a".repeat(16)}"`);
      return [{ record: Uint8Array.from(Buffer.from(text)) }, chain.snapshot()];
    },
    ["START_MISSING", 3, 6],
  ),
  "start-second": begun(
    "The start stands second.",
    (chain) => [chain.line(), chain.start(), chain.snapshot()],
    ["START_MISSING", 3, 6],
    ["SNAPSHOT_MISMATCH", 3, 8],
    ["SNAPSHOT_MISMATCH", 3],
  ),
  "start-within-run": vector("block.md, Runs", "A start in the middle of a run.", (story) => {
    const chain = story.chain();
    chain.seal([chain.start(), chain.line()]);
    story.store(chain);
    story.expect("INVALID", ["START_MISSING", 1, 4]);
  }),
  "line-behind-stop": vector("block.md, Runs", "A line follows a stop in its block.", (story) => {
    const chain = story.chain();
    chain.seal([stop, chain.line()]);
    story.store(chain);
    story.expect("INVALID", ["START_MISSING", 1, 5]);
  }),
  "block-behind-stop": vector("block.md, Runs", "The run goes on behind its stop.", (story) => {
    const chain = story.chain();
    chain.stop();
    chain.go(2);
    story.store(chain);
    story.expect("INVALID", ["START_MISSING", 2, 5]);
  }),
  "genesis-without-start": genesis("A genesis without start.", ([, ...rest]) => rest, [
    "START_MISSING",
    0,
    0,
  ]),
  "genesis-without-config": genesis(
    "A genesis without config.",
    ([start, , snapshot]) => [start, snapshot],
    ["CONFIG_MISMATCH", 0],
  ),
  "genesis-without-snapshot": genesis(
    "A genesis without snapshot.",
    ([start, config]) => [start, config],
    ["SNAPSHOT_MISMATCH", 0],
  ),
  "genesis-snapshot-first": genesis(
    "A genesis whose snapshot stands before the config.",
    ([start, config, snapshot]) => [start, snapshot, config],
    ["SNAPSHOT_MISMATCH", 0, 1],
  ),
};

/** A genesis of other items than start, config and snapshot. */
function genesis(
  what: string,
  choose: (items: [Item, Item, Item]) => Item[],
  ...findings: readonly Expected[]
): Vector {
  return vector("block.md, Runs", what, (story) => {
    const chain = story.bare();
    const config = { service: "app" };
    const items = choose([
      chain.start(),
      say({ type: "config", config }),
      chain.snapshot({ config }),
    ]);
    chain.seal(items);
    story.store(chain);
    story.expect("INVALID", ...findings);
  });
}

/** Block 2 holds a snapshot that is wrong; its source stands at 7. */
function wrong(what: string, change: (chain: StoryChain) => JsonObject): Vector {
  return vector("record.md, snapshot", what, (story) => {
    const chain = story.chain();
    const web = chain.source("/var/log/web.log");
    chain.seal([chain.line("line 1\n"), say(web.record)]);
    chain.seal([chain.snapshot(change(chain)), chain.line()]);
    chain.seal([lines(web.id, "x\n")]);
    story.store(chain);
    story.expect("INVALID", ["SNAPSHOT_MISMATCH", 2, 6]);
  });
}

const snapshots: Vectors = {
  "snapshot-missing": begun(
    "A run begins without a snapshot.",
    (chain) => [chain.start(), chain.line()],
    ["SNAPSHOT_MISMATCH", 3],
  ),
  "snapshot-behind-line": begun(
    "A run's snapshot stands behind a line.",
    (chain) => {
      const line = chain.line();
      return [chain.start(), line, chain.snapshot()];
    },
    ["SNAPSHOT_MISMATCH", 3, 8],
    ["SNAPSHOT_MISMATCH", 3],
  ),
  "snapshot-twice": begun(
    "A second snapshot in a block.",
    (chain) => [chain.start(), chain.snapshot(), chain.snapshot()],
    ["SNAPSHOT_MISMATCH", 3, 8],
  ),
  "snapshot-tree": wrong("A snapshot with another tree.", () => ({ tree: ["00".repeat(32)] })),
  "snapshot-tree-too-long": wrong("A snapshot whose tree has a hash too many.", (chain) => ({
    tree: [...hashes(chain), "00".repeat(32)],
  })),
  "snapshot-config": wrong("A snapshot with another config.", () => ({ config: {} })),
  "snapshot-offset": wrong("A snapshot with another offset.", (chain) => ({
    sources: positions(chain).map((each, at) => (at === 0 ? { ...each, offset: 99 } : each)),
  })),
  "snapshot-source-missing": wrong("A snapshot that leaves a source out.", (chain) => ({
    sources: positions(chain).slice(1),
  })),
  "snapshot-source-added": wrong("A snapshot with a source that is not open.", (chain) => {
    const added = { record: chain.source("/zzz").record, offset: 0 };
    const all = [...positions(chain), added];
    return { sources: all.sort((a, b) => (idOf(chain, a) < idOf(chain, b) ? -1 : 1)) };
  }),
  "snapshot-unsorted": wrong(
    "A snapshot whose sources are not in the order of their ids.",
    (chain) => ({
      sources: positions(chain).reverse(),
    }),
  ),
};

type Position = { readonly record: JsonObject; readonly offset: number };

function positions(chain: StoryChain): Position[] {
  return [...chain.sources.positions()];
}

function idOf(chain: StoryChain, { record }: Position): string {
  return chain.sources.idOf(record);
}

function hashes(chain: StoryChain): string[] {
  const item = chain.snapshot() as { record: Uint8Array };
  return JSON.parse(Buffer.from(item.record).toString()).tree;
}

const ages: Vectors = {
  stalled: vector("verification.md, F", "A head that is older than it promised.", (story) => {
    const chain = story.chain();
    chain.go();
    story.store(chain);
    story.at = (testTime + 62) * second;
    story.expect("INCOMPLETE", ["CHAIN_STALLED", 1]);
  }),
  "not-stalled": vector("verification.md, F", "A head exactly as old as it promised.", (story) => {
    const chain = story.chain();
    chain.go();
    story.store(chain);
    story.at = (testTime + 61) * second;
    story.expect("VALID");
  }),
  stopped: vector("verification.md, F", "An old head that ended in a stop.", (story) => {
    const chain = story.chain();
    chain.stop();
    story.store(chain);
    story.at = (testTime + 86_400) * second;
    story.expect("VALID_WITH_FINDINGS", ["STOPPED", 1]);
  }),
};

const times: Vectors = {
  "line-dated-after-its-block": vector(
    "verification.md, Times",
    "A line was read an hour after its block was sealed.",
    (story) => {
      const chain = story.chain();
      chain.seal([at(chain.time + 3600 * second, chain.line())]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 1]);
    },
  ),
  "line-dated-long-before-its-block": vector(
    "verification.md, Times",
    "A line was read 30 days before its block was sealed.",
    (story) => {
      const chain = story.chain();
      chain.seal([at(chain.time - 30 * 86_400 * second, chain.line())]);
      story.store(chain);
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 1]);
    },
  ),
  "line-read-days-before": vector(
    "verification.md, Times",
    "A line waited six days for its block: no fault.",
    (story) => {
      const chain = story.chain();
      chain.seal([at(chain.time - 6 * 86_400 * second, chain.line())]);
      story.store(chain);
      story.expect("VALID");
    },
  ),
  "clock-back-over-restart": vector(
    "verification.md, Times",
    "The clock stands 30 days back when the agent begins again.",
    (story) => {
      const chain = story.chain();
      chain.stop();
      chain.restart([chain.line()], { time: chain.time - 30 * 86_400 * second });
      story.store(chain, { receipt: chain.receipt(3, testTime + 60) });
      story.expect("VALID_WITH_FINDINGS", ["DOWNTIME", 2], ["TIME_SKEW", 2]);
    },
  ),
  "block-behind-a-recorded-receipt": vector(
    "verification.md, Times",
    "A block records a receipt, and the one behind it is dated ten years before that.",
    (story) => {
      const chain = story.chain({ terms: { notAfter: 2 * testTime } });
      const decade = 10 * 365 * 86_400;
      chain.seal([say({ type: "receipt", note: chain.receipt(1, testTime + decade) })], {
        time: (testTime + decade) * second,
      });
      chain.restart([chain.line()], { time: (testTime + decade - 1000) * second });
      story.store(chain, { receipt: chain.receipt(3, testTime + decade + 2) });
      story.expect(
        "VALID_WITH_FINDINGS",
        ["TIME_SKEW", 0],
        ["RESTART_UNCLEAN", 2],
        ["TIME_SKEW", 2],
      );
    },
  ),
  "block-long-before-its-receipt": vector(
    "verification.md, Times",
    "The only receipt over a chain is of ten years later.",
    (story) => {
      const chain = story.chain({ terms: { notAfter: 2 * testTime } });
      chain.go();
      const late = testTime + 10 * 365 * 86_400;
      story.store(chain, { receipt: chain.receipt(2, late) });
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 0]);
    },
  ),
  "receipts-back-in-time": vector(
    "verification.md, Times",
    "A receipt covers more blocks than the one before it and is a minute older.",
    (story) => {
      const chain = story.chain();
      chain.seal([say({ type: "receipt", note: chain.receipt(1, testTime + 120) })]);
      chain.seal([say({ type: "receipt", note: chain.receipt(2, testTime + 60) })]);
      story.store(chain, { receipt: chain.receipt(3, testTime + 61) });
      story.expect("VALID_WITH_FINDINGS", ["TIME_SKEW", 1]);
    },
  ),
};

export const run: Vectors = { ...runs, ...snapshots, ...ages, ...times };
