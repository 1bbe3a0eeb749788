import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { nobody } from "../../src/core/authority.ts";
import { concat, fromHex, hex } from "../../src/core/bytes.ts";
import type { ChainSource, VerifiableSource } from "../../src/core/chain-source.ts";
import { encodeHeader, type Header } from "../../src/core/header.ts";
import type { Json } from "../../src/core/json.ts";
import { encodeRecord, sourceIdOf } from "../../src/core/record.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import type { Finding } from "../../src/verify/finding.ts";
import { ChainWalk } from "../../src/verify/walk.ts";
import { ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { blocksName, memorySource, type StoreFiles, storeChain } from "../fakes/chain-store.ts";
import { fixedBytes } from "../fakes/signers.ts";
import { frameOf } from "../vectors/make/frames.ts";
import { frozenChain } from "./frozen.ts";
import { codes, judge } from "./judging.ts";

const chain = frozenChain();
const good = storeChain(new Map(), chain);
const idBytes = fromHex(chain.name, 32);

/** A head that decodes, names our chain, and is signed by nobody. */
function unsigned(change: Partial<Header>): Uint8Array {
  const { header } = chain.blocks[5] as { header: Header };
  const bent = { ...header, chainId: idBytes, prevHash: fixedBytes("nobody"), ...change };
  return concat(encodeHeader(bent), fixedBytes("no signature", 64));
}

function walkOf(): { walk: ChainWalk; found: Finding[] } {
  const found: Finding[] = [];
  const walk = new ChainWalk({
    suite: nativeSuite,
    chain: chain.name,
    authority: nobody,
    key: chain.terms.key,
    report: (finding) => found.push(finding),
  });
  return { walk, found };
}

describe("hostile input", () => {
  test("a store that was cut, joined and doubled anywhere never throws and is never better", async () => {
    const names = [...good.keys()];
    const before = await judge(good);
    const cut = fc.record({
      name: fc.constantFrom(...names),
      from: fc.nat(6000),
      to: fc.nat(6000),
      put: fc.uint8Array({ maxLength: 600 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 4 }), async (cuts) => {
        const files: StoreFiles = new Map(good);
        for (const { name, from, to, put } of cuts) {
          const bytes = files.get(name) as Uint8Array;
          files.set(name, concat(bytes.subarray(0, from), put, bytes.subarray(to)));
        }
        const { chains } = await judge(files);
        const bytesOf = (store: StoreFiles): Buffer[] =>
          names.map((name) => Buffer.from(store.get(name) as Uint8Array));
        if (Buffer.concat(bytesOf(files)).equals(Buffer.concat(bytesOf(good)))) return;
        assert.notEqual(chains[0]?.verdict, "VALID");
        assert.notDeepEqual(chains[0]?.findings, before.chains[0]?.findings);
      }),
      { numRuns: 100 },
    );
  });

  test("objects of arbitrary bytes never throw", async () => {
    const base = `chains/${chain.name}`;
    const object = fc.uint8Array({ maxLength: 3000 });
    await fc.assert(
      fc.asyncProperty(object, object, object, async (blocks, grant, receipt) => {
        const files: StoreFiles = new Map([
          [`${base}/grant`, grant],
          [`${base}/receipt`, receipt],
          [blocksName(base, 0), concat(new TextEncoder().encode("SEALBLK1"), blocks)],
          [`${base}/headers/0000000000000000`, grant],
          [`${base}/forks/0000000000000000-${"ab".repeat(32)}`, receipt],
        ]);
        assert.equal((await judge(files)).verdict, "INVALID");
      }),
      { numRuns: 60 },
    );
  });

  test("records of any content never throw", async () => {
    const types = ["start", "stop", "config", "source", "end", "gap", "rewritten", "snapshot"];
    const more = ["heartbeat", "clock", "receipt", "predecessor", "sink"];
    const id = chain.source("/var/log/app.log").id;
    const odd = fc.constantFrom<Json>(
      { toString: 1, valueOf: 1 },
      [],
      {},
      true,
      id,
      "",
      0,
      2 ** 53 - 1,
    );
    const value = fc.oneof(
      odd,
      fc.array(odd, { maxLength: 2 }),
      fc.array(fc.dictionary(fc.constantFrom("record", "offset", "source"), odd), { maxLength: 2 }),
    );
    const keys = [
      "source",
      "from",
      "to",
      "size",
      "cause",
      "tree",
      "config",
      "sources",
      "positions",
    ];
    const others = ["chain", "root", "reason", "note", "run", "event", "before", "after", "path"];
    const record = fc.dictionary(fc.constantFrom(...keys, ...others), value, { maxKeys: 8 });
    const typed = fc.record({ type: fc.constantFrom(...types, ...more), record });
    await fc.assert(
      fc.asyncProperty(fc.array(typed, { minLength: 1, maxLength: 5 }), async (records) => {
        const odder = new ChainBuilder("odd");
        odder.begin([say(odder.source("/var/log/app.log").record)]);
        odder.seal(
          records.map((each) => say({ ...each.record, type: each.type })),
          {
            header: () => ({ receiptSize: 0 }),
          },
        );
        assert.notEqual((await judge(storeChain(new Map(), odder))).verdict, "INDETERMINATE");
      }),
      { numRuns: 150 },
    );
  });

  test("a record that names something that is no text as its source is judged like any other", async () => {
    const odd = { toString: 1, valueOf: 1 };
    for (const source of [odd, [odd]]) {
      const odder = new ChainBuilder("odd");
      odder.begin();
      odder.seal([say({ type: "note", source })]);
      const { all } = await judge(storeChain(new Map(), odder));
      assert.deepEqual(codes(all), ["UNKNOWN_RECORD 1"]);
    }
  });

  test("a gap in a source whose path is no text is judged like any other", async () => {
    for (const path of [{ toString: 1, valueOf: 1 }, 5]) {
      const odder = new ChainBuilder("odd");
      odder.begin();
      const source = { type: "source", path };
      const id = hex(sourceIdOf(nativeSuite, encodeRecord(source)));
      const gap = { type: "gap", source: id, from: 0, to: 3, cause: "skipped" };
      odder.seal([say(source), say(gap)]);
      const { all } = await judge(storeChain(new Map(), odder));
      assert.deepEqual(codes(all), ["MALFORMED 1", "GAP_DECLARED 1"]);
    }
  });

  test("a chain under a name that is no id is judged, and its genesis is not that name's", async () => {
    const files = storeChain(new Map(), chain, { name: "rubbish" });
    const { all } = await judge(files);
    assert.equal(codes(all)[0], "WRONG_CHAIN 0");
  });

  test("the largest block number can be taken up without counting to it", () => {
    const { walk, found } = walkOf();
    const most = Number.MAX_SAFE_INTEGER - 1;
    walk.block(unsigned({ blockNo: most, firstSeq: most - 5000 }), "not-read");
    walk.block(unsigned({ blockNo: 3 }), "not-read");
    walk.end();
    walk.finish();
    assert.deepEqual(codes(found), [
      "BLOCK_ORDER 3",
      "BLOCK_MISSING 0",
      "BLOCK_MISSING 4",
      `UNAUTHENTICATED ${most}`,
    ]);
  });

  test("holes without number are counted in bounded memory", () => {
    const { walk, found } = walkOf();
    for (let n = 1; n <= 6_000; n++) walk.block(unsigned({ blockNo: 3 * n }), "not-read");
    walk.end();
    walk.finish();
    const holes = found.filter(({ code }) => code === "BLOCK_MISSING");
    assert.ok(holes.length <= 4096);
    assert.equal(holes.at(-1)?.block, 3 * 4095 + 1);
    assert.equal(found.filter(({ code }) => code === "UNAUTHENTICATED").length, 1);
  });

  test("a run for every block is judged in linear time", () => {
    const { walk } = walkOf();
    for (let n = 1; n <= 5_000; n++) {
      walk.block(unsigned({ blockNo: 2 * n, runId: fixedBytes(`run ${n}`, 16) }), "not-read");
    }
    assert.equal(walk.runs.count, 5_000);
  });

  test("headers that promise eight megabytes each are passed in linear time", async () => {
    const heads = Array.from({ length: 3000 }, (_, n) =>
      unsigned({ blockNo: n + 1, storedLength: 8_000_000 }),
    );
    const files: StoreFiles = new Map(good);
    files.set(blocksName(`chains/${chain.name}`, 40), concat(...heads));
    const { all, counts } = await judge(files);
    assert.equal(counts.EXTENDED_AFTER_FINAL, 1);
    assert.ok(all.length < 20);
  });

  test("megabytes of what is no block are one finding", async () => {
    const files: StoreFiles = new Map(good);
    const rubbish = new Uint8Array(20_000_000).fill(0x53);
    files.set(blocksName(`chains/${chain.name}`, 1000), rubbish);
    const { all } = await judge(files);
    const fresh = all.filter(({ code }) => code === "MALFORMED" || code === "NON_CANONICAL");
    assert.deepEqual(codes(fresh), ["MALFORMED 40"]);
  });

  test("a record of eight megabytes is judged like any other", async () => {
    const long = new ChainBuilder("long");
    long.begin();
    const stored = (_: Uint8Array, raw: Uint8Array): Uint8Array => frameOf(raw);
    const frame = '{"reason":"","type":"stop"}'.length;
    const reason = "x".repeat(8_000_000 - frame);
    long.seal([say({ type: "heartbeat", sources: [] })]);
    long.seal([say({ type: "stop", reason })], { codec: "zstd", stored });
    assert.deepEqual(codes((await judge(storeChain(new Map(), long))).all), []);
  });

  test("thousands of sources open at once are judged, with their snapshot", async () => {
    const many = new ChainBuilder("many", { terms: { sources: ["/var/log/**"] } });
    many.begin();
    const files = Array.from({ length: 3000 }, (_, n) => many.source(`/var/log/${n}`));
    many.seal(files.map(({ record }) => say(record)));
    many.seal([many.snapshot(), lines(files[2999]?.id as string, "x\n")]);
    const { all, chains } = await judge(storeChain(new Map(), many));
    assert.deepEqual(codes(all), []);
    assert.equal(chains[0]?.openSources, 3000);
  });

  test("declarations that fit in no snapshot open nothing", () => {
    const { walk } = walkOf();
    const path = `/${"x".repeat(1_500_000)}`;
    const faults = Array.from({ length: 8 }, (_, generation) =>
      walk.sources.apply("source", chain.source(path, generation).record),
    );
    assert.deepEqual(
      faults.map((fault) => fault?.code),
      [...new Array(5).fill(undefined), ...new Array(3).fill("LIMIT_EXCEEDED")],
    );
    assert.equal([...walk.sources].length, 5);
  });

  test("positions of earlier chains that fit in no snapshot open nothing", () => {
    const { walk } = walkOf();
    const path = `/${"x".repeat(1_500_000)}`;
    const faults = Array.from({ length: 8 }, (_, generation) => {
      const { record } = chain.source(path, generation);
      return walk.sources.apply("predecessor", { positions: [{ record, offset: 7 }] });
    });
    assert.deepEqual(
      faults.map((fault) => fault?.code),
      [...new Array(5).fill(undefined), ...new Array(3).fill("LIMIT_EXCEEDED")],
    );
    assert.equal([...walk.sources].length, 5);
  });

  test("a million findings are counted, and few are kept", async () => {
    const noisy = new ChainBuilder("noisy");
    noisy.begin();
    const stored = (_: Uint8Array, raw: Uint8Array): Uint8Array => frameOf(raw);
    const item = say({ type: "x" });
    noisy.seal(new Array(20_000).fill(item), { codec: "zstd", stored });
    const files = storeChain(new Map(), noisy);
    const { counts, findings } = await judge(files, { keptPerCode: 10 });
    assert.equal(counts.UNKNOWN_RECORD, 20_000);
    assert.equal(findings.filter(({ code }) => code === "UNKNOWN_RECORD").length, 10);
  });
});

describe("a source that can't be read", () => {
  const calls = ["grant", "receipt", "blocks", "headers", "forks", "unread"] as const;

  function failing(change: Partial<ChainSource>): VerifiableSource {
    const source = memorySource(good);
    return {
      name: "failing",
      contents: async () => {
        const { chains, unread } = await source.contents();
        return { chains: chains.map((each) => ({ ...each, ...change })), unread };
      },
    };
  }

  const fail = async (): Promise<never> => {
    throw new Error("disk on fire");
  };

  for (const call of calls) {
    test(`is INDETERMINATE when its ${call} fail`, async () => {
      const { verdict, chains } = await judge(failing({ [call]: fail }));
      assert.equal(verdict, "INDETERMINATE");
      assert.ok(chains[0]?.unchecked.some((each) => each.includes("could not be read")));
    });
  }

  test("is INDETERMINATE when an object breaks off, and says what was seen", async () => {
    const source = memorySource(good);
    const [first] = (await source.contents()).chains;
    const objects = await (first as ChainSource).blocks();
    let closed = 0;
    async function* broken(): AsyncGenerator<Uint8Array> {
      try {
        yield (good.get(objects[2]?.name as string) as Uint8Array).slice(0, 700);
        throw new Error("disk on fire");
      } finally {
        closed += 1;
      }
    }
    const blocks = async () =>
      objects.map((each, at) => (at === 2 ? { ...each, open: broken } : each));
    const { verdict, all, chains } = await judge(failing({ blocks }));
    assert.equal(verdict, "INDETERMINATE");
    assert.deepEqual(codes(all), []);
    assert.equal(chains[0]?.blocks, 9);
    assert.ok(chains[0]?.unchecked.some((each) => each.includes(objects[2]?.name as string)));
    assert.equal(closed, 1);
  });

  test("is INDETERMINATE when its chains can't be listed", async () => {
    const { verdict, chains, unchecked } = await judge({ name: "failing", contents: fail });
    assert.equal(verdict, "INDETERMINATE");
    assert.deepEqual(chains, []);
    assert.deepEqual(unchecked[0], "the list of chains could not be read");
  });

  test("is INDETERMINATE when it holds nothing", async () => {
    assert.equal((await judge(new Map())).verdict, "INDETERMINATE");
  });
});
