// What `lines` leaves out is said, wherever the reader stops.

import assert from "node:assert/strict";
import { readFileSync, renameSync, symlinkSync, unlinkSync } from "node:fs";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import type { ChainSource } from "../../src/core/chain-source.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { reusedGrants } from "../../src/verify/grant-limits.ts";
import { allLines } from "../../src/verify/line-filter.ts";
import { vouchedLines, vouchFor } from "../../src/verify/vouched-lines.ts";
import { ChainBuilder, testRoot, testTime, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { memorySource, type StoreOptions, storeChain } from "../fakes/chain-store.ts";
import { NoteSigner, signer } from "../fakes/signers.ts";
import { CommandDir } from "./command.ts";

/** A genesis of three records, then lines with the numbers 4, 5 … in block 1 and on. */
function made(blocks: number, label = "payments"): ChainBuilder {
  const chain = new ChainBuilder(label);
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record), lines(id, "line 1\n")]);
  for (let block = 2; block < blocks; block += 1) chain.seal([lines(id, `line ${block}\n`)]);
  return chain;
}

async function placeOf(chain: ChainBuilder, options: StoreOptions = {}): Promise<ChainSource> {
  const place = memorySource(storeChain(new Map(), chain, options));
  const [only] = (await place.contents()).chains;
  return only as ChainSource;
}

const words = ["lines", "--data", "data", "payments"];

test("payloads that are gone are said, also where the wanted range ends among them", async () => {
  using dir = new CommandDir();
  const chain = made(1026);
  const files = dir.store(chain, { perObject: 4 });
  // Retention took the objects of blocks 4 to 11; their heads are left.
  for (const first of [4, 8]) {
    const name = `chains/${chain.name}/${first.toString(16).padStart(16, "0")}.blocks`;
    assert.ok(files.has(name));
    unlinkSync(dir.path(`data/store/${name}`));
  }
  const seq = chain.blocks[5]?.header.firstSeq;
  for (const range of [[], ["--from-seq", `${seq}`]]) {
    const ran = await dir.quick([...words, ...range, "--to-seq", `${seq}`]);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /\[PAYLOAD_MISSING\].*lines-left-out/s);
  }
  const before = await dir.quick([...words, "--to-seq", `${chain.blocks[3]?.header.firstSeq}`]);
  assert.deepEqual([before.code, before.err], [0, ""]);
});

test("blocks that are gone are said, also where a receipt in the chain vouches for what follows", async () => {
  const chain = made(5);
  chain.seal([say({ type: "receipt", note: chain.receipt(5) })]);
  const { id } = chain.source("/var/log/app.log");
  chain.seal([lines(id, "line 6\n")]);
  chain.seal([lines(id, "line 7\n")]);
  const blocks = chain.blocks.map(({ bytes }) => bytes).filter((_, block) => block !== 2);
  const to = `${chain.blocks[6]?.header.firstSeq}`;
  for (const more of [[], ["--unauthenticated"]]) {
    using dir = new CommandDir();
    dir.store(chain, { blocks, perObject: 16 });
    const ran = await dir.quick([...words, ...more, "--to-seq", to]);
    assert.match(ran.out, /line 6\n$/);
    assert.equal(ran.code, 1);
    assert.match(ran.err, /block 2 is not there \[BLOCK_MISSING\]/);
  }
});

test("a chain whose receipts began late, and that is dated before, has its lines as verify has it", async () => {
  using dir = new CommandDir();
  const notAfter = 1_767_225_600 + 10;
  const chain = new ChainBuilder("payments", { terms: { notAfter } });
  chain.begin();
  const { id, record } = chain.source("/var/log/app.log");
  chain.seal([say(record), lines(id, "line 1\n")]);
  chain.seal([say({ type: "receipt", note: chain.receipt(2, notAfter + 60) })]);
  dir.store(chain, { receipt: chain.receipt(3, notAfter + 70) });
  const verified = await dir.quick(["verify", "--data", "data"]);
  assert.equal(verified.code, 3);
  const ran = await dir.quick(words);
  assert.deepEqual([ran.code, ran.err], [0, ""]);
  assert.match(ran.out, /line 1\n$/);
});

test("a place that shows other blocks when it is read again gets none of their lines printed", async () => {
  const good = await placeOf(made(4));
  const forged = new ChainBuilder("payments", {
    root: new NoteSigner("stranger.example"),
    grantKey: "stranger",
  });
  forged.begin();
  const { id, record } = forged.source("/var/log/app.log");
  for (let block = 1; block < 4; block += 1) forged.seal([say(record), lines(id, "forged\n")]);
  const headless = forged.blocks.slice(1).map(({ bytes }) => bytes);
  for (const options of [{}, { blocks: headless }]) {
    const bad = await placeOf(forged, { ...options, name: good.id });
    const asked = { grants: 0, blocks: 0 };
    const place: ChainSource = {
      ...good,
      grant: () => (asked.grants++ === 0 ? good : bad).grant(),
      blocks: () => (asked.blocks++ === 0 ? good : bad).blocks(),
    };
    for (const toSeq of [4, 100]) {
      const filter = { ...allLines, toSeq, records: false };
      const keys = { roots: [testRoot.key], vaults: [] };
      const vouched = await vouchFor(place, { suite, ...keys, unauthenticated: false });
      const found = vouchedLines(vouched, { filter });
      let next = await found.next();
      for (; next.done !== true; next = await found.next()) {
        for (const { envelope } of next.value) {
          assert.ok(!Buffer.from(envelope).includes("forged"));
        }
      }
      assert.ok(next.value.changed !== undefined || next.value.leftOut.length > 0);
      Object.assign(asked, { grants: 0, blocks: 0 });
    }
  }
});

test("of chains beyond those that a grant allows no line is printed or proved, as verify has it", async () => {
  for (const maxChains of [1, 2]) {
    using dir = new CommandDir();
    const chains = ["one", "two"].map((label, at) => {
      const chain = new ChainBuilder(label, { grantKey: "shared", terms: { maxChains } });
      chain.begin();
      const { id, record } = chain.source("/var/log/app.log");
      chain.seal([say(record), lines(id, "line 1\n")]);
      // The recorded receipt says who came first; the stored one alone would say the contrary.
      const first = testTime + 50 - 20 * at;
      chain.seal([say({ type: "receipt", note: chain.receipt(2, first) })]);
      dir.store(chain, { receipt: chain.receipt(3, testTime + 60 + 20 * at) });
      return chain;
    });
    for (const [at, chain] of chains.entries()) {
      const refused = maxChains === 1 && at === 0;
      const judged = await dir.quick(["verify", "--data", "data", "--json"]);
      const { chains: reports } = JSON.parse(judged.out);
      const report = reports.find((each: { chain: string }) => each.chain === chain.name);
      assert.equal(report.verdict === "INVALID", refused);
      const words = ["--data", "data", chain.name];
      const printed = await dir.quick(["lines", ...words]);
      const proved = await dir.quick(["prove", ...words, "4"]);
      assert.deepEqual([printed.code, proved.code], refused ? [1, 1] : [0, 0], printed.err);
      assert.equal(printed.out.includes("line 1"), !refused);
      for (const { err } of [printed, proved]) assert.equal(err.includes("GRANT_REUSED"), refused);
      if (refused) assert.equal(proved.out, "");
      const anyway = await dir.quick(["lines", ...words, "--unauthenticated"]);
      assert.match(anyway.out, /line 1\n$/);
    }
  }
});

test("of other chains whose grant is another only grants and first heads are read", async () => {
  const chains = ["one", "two"].map((label) => made(3, label));
  const files = new Map();
  for (const chain of chains) storeChain(files, chain);
  const place = memorySource(files);
  const read: string[] = [];
  const watched = async (): Promise<ChainSource[]> =>
    (await place.contents()).chains.map((chain) => ({
      ...chain,
      receipt: async () => assert.fail("receipt"),
      // The first head shows that the chain began by the grant that lies there.
      blocks: async () =>
        (await chain.blocks()).map((object) => ({
          name: object.name,
          firstBlock: object.firstBlock,
          size: () => object.size(),
          open: async function* () {
            for await (const piece of object.open()) yield piece.subarray(0, headLength);
            assert.fail("more than a head");
          },
        })),
      grant: () => {
        read.push(chain.id);
        return chain.grant();
      },
    }));
  const keys = { roots: [testRoot.key], vaults: [testVault.keys] };
  const name = chains[0]?.name as string;
  const found = await reusedGrants(
    { name: "watched", contents: async () => ({ chains: await watched(), unread: [] }) },
    [name],
    { suite, ...keys },
  );
  assert.deepEqual([found.refused.size, found.doubts, read.length], [0, [], 2]);
});

/** The same up to a block; from there on someone without the agent's keys wrote it. */
function forgedFrom(first: number, blocks: number): ChainBuilder {
  const chain = made(first);
  const { id } = chain.source("/var/log/app.log");
  while (chain.length < blocks) {
    const { length } = chain;
    const [own, next] = [signer(`thief ${length}`), signer(`thief ${length + 1}`)];
    const header = () => ({ nextPub: next.publicKey });
    const items = [lines(id, `forged ${length}\n`)];
    chain.seal(length % 1024 === 0 ? [chain.snapshot(), ...items] : items, { signer: own, header });
  }
  return chain;
}

test("copies of heads vouch for no other block than the one that is stored", async () => {
  const chain = forgedFrom(500, 1026);
  const heads = Buffer.concat(made(1024).blocks.map(({ head }) => head));
  using dir = new CommandDir();
  dir.store(chain, { perObject: 1024, receipt: undefined });
  dir.write(`data/store/chains/${chain.name}/headers/${"0".repeat(16)}`, heads);
  const ran = await dir.quick(words);
  assert.equal(ran.code, 1);
  assert.doesNotMatch(ran.out, /forged/);
  assert.match(ran.out, /line 499\n$/);
  assert.match(ran.err, /nobody vouches for block 501 .*\[UNAUTHENTICATED\]/);
  assert.doesNotMatch(ran.err, /source-changed/);
});

test("a damaged place is not said to have changed", async () => {
  const chain = made(10);
  const base = `data/store/chains/${chain.name}`;
  const object = (first: number): string =>
    `${base}/${first.toString(16).padStart(16, "0")}.blocks`;
  const { firstSeq = 0 } = chain.blocks[4]?.header ?? {};
  const damage: readonly ((dir: CommandDir) => void)[] = [
    (dir) => renameSync(dir.path(object(8)), dir.path(object(2))),
    (dir) => unlinkSync(dir.path(object(4))),
    (dir) => {
      const bytes = readFileSync(dir.path(object(4)));
      bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
      dir.write(object(4), bytes);
    },
  ];
  for (const harm of damage) {
    for (const range of [[], ["--to-seq", `${firstSeq}`], ["--from-seq", `${firstSeq + 4}`]]) {
      using dir = new CommandDir();
      dir.store(chain, { receipt: undefined });
      harm(dir);
      const ran = await dir.quick([...words, ...range]);
      assert.equal(ran.code, 1);
      assert.match(ran.err, /\[[A-Z_]+\].*lines-left-out/s);
      assert.doesNotMatch(ran.err, /source-changed/);
    }
  }
});

test("of a chain that lies under another one's id no line is printed or proved", async () => {
  using dir = new CommandDir();
  const [one, two] = [made(4, "one"), made(4, "two")];
  const files = storeChain(new Map(), two, { name: one.name });
  for (const [name, bytes] of files) dir.write(`data/store/${name}`, bytes);
  dir.keys();
  for (const asked of [["lines"], ["prove", "4"], ["prove", "4", "--full"]]) {
    const [command = "", ...rest] = asked;
    const ran = await dir.quick([command, "--data", "data", one.name, ...rest]);
    assert.deepEqual([ran.code, ran.out], [1, ""]);
    assert.match(ran.err, new RegExp(`stored here is chain ${two.name}.*WRONG_CHAIN`));
  }
});

test("of a place whose only chain can't be read it is said that there is none, and who names it", async () => {
  using dir = new CommandDir();
  const chain = made(3);
  dir.store(chain);
  const folder = `data/store/chains/${chain.name}`;
  renameSync(dir.path(folder), dir.path("elsewhere"));
  symlinkSync(dir.path("elsewhere"), dir.path(folder));
  const ran = await dir.quick(["lines", "--data", "data"]);
  assert.deepEqual([ran.code, ran.out], [1, ""]);
  assert.match(ran.err, /there is no chain here \[chain-unknown\]\n.*verify SOURCE/);
});
