import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { StoredObject } from "../../src/core/chain-source.ts";
import { formatNote } from "../../src/core/note.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { PieceReader } from "../../src/verify/piece-reader.ts";
import { splitBlocks } from "../../src/verify/splitter.ts";
import { ChainBuilder, second, testRoot, testTime } from "../fakes/chain-builder.ts";
import { type Item, say } from "../fakes/chain-items.ts";
import { type StoreFiles, storeChain } from "../fakes/chain-store.ts";
import { fixedBytes, NoteSigner } from "../fakes/signers.ts";
import { codes, judge } from "./judging.ts";

const beat = say({ type: "heartbeat", sources: [] });

function chainOf(label: string, blocks = 3, more: readonly Item[] = []): ChainBuilder {
  const chain = new ChainBuilder(label);
  chain.begin(more);
  while (chain.length < blocks) chain.seal([beat]);
  return chain;
}

function object(bytes: Uint8Array, pieceLength: number): StoredObject {
  async function* open(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += pieceLength) {
      yield bytes.subarray(at, at + pieceLength);
    }
  }
  return { name: "object", firstBlock: 0, size: async () => bytes.length, open };
}

describe("a whole source", () => {
  test("adds up blocks and envelopes, and takes the worst verdict", async () => {
    const files: StoreFiles = new Map();
    storeChain(files, chainOf("a"));
    const bad = chainOf("b", 2);
    storeChain(files, bad, { receipt: undefined });
    const { blocks, envelopes, verdict, chains } = await judge(files);
    assert.equal(blocks, 5);
    assert.equal(envelopes, 9);
    assert.equal(verdict, "VALID_WITH_FINDINGS");
    assert.deepEqual(chains.map((each) => each.verdict).toSorted(), [
      "VALID",
      "VALID_WITH_FINDINGS",
    ]);
  });

  test("lists no more findings than a limit, however many chains have some, and says how many are left out", async () => {
    const files: StoreFiles = new Map();
    for (let at = 0; at < 12; at += 1) {
      storeChain(files, chainOf(`bad ${at}`, 2), { receipt: undefined });
    }
    const all = await judge(files);
    const some = await judge(files, { keptMax: 5 });
    assert.ok(all.findings.length > 10);
    assert.deepEqual(some.findings, all.findings.slice(0, 5));
    assert.deepEqual(some.counts, all.counts);
    assert.equal(some.verdict, all.verdict);
    const left = `${all.findings.length - 5} more findings are counted, not listed`;
    assert.deepEqual(some.unchecked, [...all.unchecked, left]);
  });

  test("holds no chain where all that is there is a grant, a torn genesis or an empty folder", async () => {
    const [good, left] = [chainOf("good"), chainOf("left", 1)];
    const base = `chains/${left.name}`;
    const genesis = left.blocks[0]?.bytes as Uint8Array;
    const torn = genesis.subarray(0, 500);
    const bent = left.grant.slice();
    bent[40] = 0x21;
    const leftovers: Record<string, Uint8Array>[] = [
      { grant: left.grant },
      { grant: bent },
      { grant: left.grant, "0000000000000000.blocks": new Uint8Array(0) },
      { grant: left.grant, "0000000000000000.blocks": torn },
      { grant: left.grant, "0000000000000000.blocks": torn.subarray(0, 100) },
      { "0000000000000000.blocks": new Uint8Array(0) },
    ];
    for (const objects of leftovers) {
      const files = storeChain(new Map(), good);
      for (const [name, bytes] of Object.entries(objects)) files.set(`${base}/${name}`, bytes);
      const { verdict, chains, all, unchecked } = await judge(files);
      assert.deepEqual([verdict, codes(all)], ["VALID", []]);
      assert.deepEqual(
        chains.map(({ chain }) => chain),
        [good.name],
      );
      assert.ok(unchecked.some((each) => each.includes(left.name)));
      const alone = await judge(files, { only: new Set([left.name]) });
      assert.equal(alone.verdict, "INDETERMINATE");
    }
  });

  test("holds a chain where anything but a grant and a torn genesis is left of it", async () => {
    const [good, old] = [chainOf("good"), chainOf("old")];
    const base = `chains/${old.name}`;
    const traces: Record<string, Uint8Array>[] = [
      { receipt: Uint8Array.from(Buffer.from(old.receipt())) },
      { receipt: new Uint8Array(0) },
      { "headers/0000000000000000": new Uint8Array(5) },
      { [`forks/${"0".repeat(16)}-${"0".repeat(64)}`]: new Uint8Array(5) },
      { "0000000000000000.blocks": Uint8Array.from(Buffer.from("junk".repeat(200))) },
      { "0000000000000000.blocks": old.blocks[0]?.bytes as Uint8Array },
    ];
    for (const objects of traces) {
      const files = storeChain(new Map(), good);
      files.set(`${base}/grant`, old.grant);
      for (const [name, bytes] of Object.entries(objects)) files.set(`${base}/${name}`, bytes);
      const { verdict, chains } = await judge(files);
      assert.equal(chains.length, 2);
      assert.notEqual(verdict, "VALID");
    }
  });

  test("verified in part says nothing about chains that were left out", async () => {
    const old = chainOf("old");
    const root = Buffer.from(old.roots[3] as Uint8Array).toString("hex");
    const record = { type: "predecessor", chain: old.name, size: 3, root, reason: "lost" };
    const next = chainOf("next", 1, [say({ ...record, positions: [] })]);
    const files = storeChain(storeChain(new Map(), old), next);
    const part = await judge(files, { only: new Set([next.name]) });
    assert.deepEqual(codes(part.all), ["CHAIN_REPLACED 0"]);
    assert.ok(part.unchecked.some((each) => each.includes(old.name)));
    assert.deepEqual(codes((await judge(files)).all), ["CHAIN_REPLACED 0"]);
  });

  test("blames the chain that a vault saw last for a grant's second use", async () => {
    const files: StoreFiles = new Map();
    const uses = ["one", "two", "three"].map((label) => {
      const chain = new ChainBuilder(label, { grantKey: "shared", terms: { maxChains: 2 } });
      chain.begin();
      return chain;
    });
    const times = [testTime + 50, testTime + 20, testTime + 30];
    for (const [at, chain] of uses.entries()) {
      storeChain(files, chain, { receipt: chain.receipt(1, times[at]) });
    }
    const { all } = await judge(files);
    assert.deepEqual(codes(all), ["GRANT_REUSED"]);
    assert.equal(all[0]?.chain, uses[0]?.name);
  });

  test("counts a grant's uses whichever roots' signature lines a chain's copy still has", async () => {
    const other = new NoteSigner("next-root.example");
    const twice = new NoteSigner("root-again.example", 1, testRoot.key.name);
    const by = [testRoot, other];
    const cases: readonly [string, readonly NoteSigner[], readonly NoteSigner[]][] = [
      ["both, then one", by, [other]],
      ["one, then the other", [testRoot], [other]],
      ["one key under two names", [testRoot], [twice]],
    ];
    for (const [what, first, then] of cases) {
      const files: StoreFiles = new Map();
      for (const [label, signers] of [["one", first] as const, ["two", then] as const]) {
        const grantNote = (note: string): string => {
          const text = note.slice(0, note.lastIndexOf("\n\n") + 1);
          return formatNote(
            text,
            signers.map((each) => each.sign(text)),
          );
        };
        const terms = { subject: "pods" };
        const chain = new ChainBuilder(label, { grantKey: "shared", terms, grantNote });
        // The order is told by when they began.
        chain.begin([], { time: (testTime + (label === "one" ? 0 : 60)) * second });
        storeChain(files, chain);
      }
      const roots = [testRoot.key, other.key, twice.key];
      assert.deepEqual(codes((await judge(files, { roots })).all), ["GRANT_REUSED"], what);
    }
  });

  test("judges the age of a head that is dated ahead by the receipt that covers it", async () => {
    const at = (testTime + 3600) * second;
    const ahead = (testTime + 86_400 * 365) * second;
    const chain = new ChainBuilder("ahead");
    chain.begin();
    chain.seal([beat], { time: ahead });
    const receipt = chain.receipt(2, testTime + 5);
    const { all, chains } = await judge(storeChain(new Map(), chain, { receipt }), { at });
    assert.deepEqual(codes(all), ["TIME_SKEW 1", "CHAIN_STALLED 1"]);
    assert.equal(chains[0]?.age, 3595);
  });

  test("makes no long report of a small chain, whatever names an agent chose", async () => {
    const chain = new ChainBuilder("a");
    const { id, record } = chain.source(`/${"p".repeat(200_000)}`);
    chain.begin([say(record)]);
    const gap = (at: number): Item => {
      return say({ type: "gap", source: id, from: at, to: at + 1, cause: "skipped" });
    };
    chain.seal(Array.from({ length: 100 }, (_, at) => gap(at)));
    const { all } = await judge(storeChain(new Map(), chain));
    assert.equal(all.filter(({ code }) => code === "GAP_DECLARED").length, 100);
    assert.ok(all.every(({ message }) => message.length < 300));
  });

  test("knows how many gaps and open sources there are only where all payloads were read", async () => {
    const chain = chainOf("a", 1030);
    const files = storeChain(new Map(), chain);
    const [whole] = (await judge(files)).chains;
    assert.equal(whole?.allRead, true);
    const blocks = [...files.keys()].filter((name) => name.endsWith(".blocks")).sort();
    files.delete(blocks[1] as string);
    const [part] = (await judge(files)).chains;
    assert.equal(part?.allRead, false);
    assert.deepEqual([whole?.openSources, part?.openSources], [0, undefined]);
  });

  test("read by headers only cannot be judged, and what was not read is said", async () => {
    const chain = chainOf("a", 6);
    const { verdict, chains } = await judge(storeChain(new Map(), chain), { headersOnly: true });
    assert.equal(verdict, "INDETERMINATE");
    assert.ok(chains[0]?.unchecked.includes("payloads: only headers were read"));
  });

  test("read by headers only, or with copies of heads, objects are what they hold, not what they are called", async () => {
    const chain = chainOf("a", 8);
    const files = storeChain(new Map(), chain, { perObject: 2 });
    const [, , , last = ""] = [...files.keys()].filter((name) => name.endsWith(".blocks"));
    files.set(last.replace("6.blocks", "1.blocks"), files.get(last) as Uint8Array);
    files.delete(last);
    const whole = codes((await judge(files)).all);
    assert.ok(whole.includes("BLOCK_ORDER 2"), whole.join());
    for (const copies of [false, true]) {
      assert.deepEqual(codes((await judge(files, { headersOnly: true, copies })).all), whole);
    }
  });

  test("headers only never takes the newest receipt for the first one", async () => {
    const chain = new ChainBuilder("a", { terms: { notAfter: testTime + 100 } });
    chain.begin();
    chain.seal([say({ type: "receipt", note: chain.receipt() })]);
    const files = storeChain(new Map(), chain, { receipt: chain.receipt(2, testTime + 999) });
    assert.equal((await judge(files)).verdict, "VALID");
    const { verdict, chains } = await judge(files, { headersOnly: true });
    assert.equal(verdict, "INDETERMINATE");
    assert.ok(chains[0]?.unchecked.some((each) => each.includes("not-after")));
  });
});

describe("objects in pieces", () => {
  test("split the same, whatever the size of the pieces", async () => {
    const chain = chainOf("a", 5);
    const bytes = Buffer.concat(chain.blocks.map((each) => each.bytes));
    const sense = { suite: nativeSuite, isGenuine: () => false };
    const whole: string[] = [];
    for (const length of [bytes.length, 1, 447, 448, 449, 1000]) {
      const found: string[] = [];
      for await (const each of splitBlocks(object(bytes, length), sense)) {
        found.push(
          `${each.at} ${each.head.length} ${each.payload.length} ${each.shape} ${each.last}`,
        );
      }
      if (whole.length === 0) whole.push(...found);
      assert.deepEqual(found, whole);
    }
    assert.equal(whole.length, 5);
  });

  test("views that were handed out never change", async () => {
    const bytes = fixedBytes("views", 300_000);
    const reader = new PieceReader(object(bytes, 777));
    const views: [number, Uint8Array][] = [];
    for (let length = 1; await reader.has(length); length = (length * 3) % 5000) {
      views.push([reader.offset, reader.take(length)]);
    }
    for (const [at, view] of views) {
      assert.ok(Buffer.from(view).equals(bytes.subarray(at, at + view.length)));
    }
    assert.ok(views.length > 100);
  });
});
