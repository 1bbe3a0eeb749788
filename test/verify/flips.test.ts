import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { nobody } from "../../src/core/authority.ts";
import { headLength } from "../../src/core/block.ts";
import { Fault } from "../../src/core/fault.ts";
import { decodeHeader } from "../../src/core/header.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { ChainWalk } from "../../src/verify/walk.ts";
import { type BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { type StoreFiles, storeChain, storeFork } from "../fakes/chain-store.ts";
import { seededNumbers } from "../fakes/random.ts";
import { frozenChain } from "./frozen.ts";
import { codes, type Judged, judge } from "./judging.ts";

/** Five blocks, with a recorded receipt and a run of its own. */
function smallChain(): ChainBuilder {
  const chain = new ChainBuilder("small", { terms: { sources: ["/var/**"] } });
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  chain.seal([lines(id, "one\ntwo\n"), say({ type: "receipt", note: chain.receipt() })]);
  chain.stop();
  chain.restart([lines(id, "three\n")]);
  return chain;
}

function withFork(chain: ChainBuilder, files: StoreFiles): void {
  const twin = chain.twin([say({ type: "heartbeat", sources: [] })]);
  const ours = chain.seal([say({ type: "stop", reason: "sigterm" })]);
  storeChain(files, chain, { perObject: 2 });
  storeFork(files, chain, ours, twin);
}

function flipped(files: StoreFiles, name: string, at: number, bit: number): StoreFiles {
  const bytes = (files.get(name) as Uint8Array).slice();
  bytes[at] = (bytes[at] as number) ^ (1 << bit);
  return new Map(files).set(name, bytes);
}

/** The number of the block in which a byte of a `.blocks` or headers object lies. */
function blockAt(files: StoreFiles, name: string, at: number): number | undefined {
  const bytes = files.get(name) as Uint8Array;
  const first = /([0-9a-f]{16})(\.blocks)?$/.exec(name);
  if (name.includes("/headers/")) return Math.floor(at / headLength);
  if (!name.endsWith(".blocks")) return undefined;
  let number = Number.parseInt(first?.[1] as string, 16);
  for (let begin = 0; ; number += 1) {
    begin += headLength + decodeHeader(bytes.subarray(begin)).storedLength;
    if (at < begin) return number;
  }
}

/** A flip must be found, at its chain and block, and change nothing about other chains. */
async function assertFound(
  files: StoreFiles,
  name: string,
  at: number,
  bit: number,
  before: Judged,
): Promise<void> {
  const chain = name.split("/")[1] as string;
  const found = await judge(flipped(files, name, at, bit));
  const where = `${name} byte ${at} bit ${bit}`;
  const known = codes(before.all);
  const fresh = found.all.filter((each) => !known.includes(codes([each])[0] as string));
  assert.ok(fresh.length > 0, `${where}: nothing is found`);
  for (const each of fresh) assert.equal(each.chain, chain, where);
  const block = blockAt(files, name, at);
  if (block !== undefined) {
    const said = codes(fresh).join(", ");
    assert.ok(
      fresh.some((each) => each.block === block),
      `${where}: ${said}, want block ${block}`,
    );
  }
  const others = ({ chains }: Judged): unknown[] => chains.filter((each) => each.chain !== chain);
  assert.deepEqual(others(found), others(before), where);
}

describe("a changed byte", () => {
  test("in any object of a small store is found where it lies", async () => {
    // Every byte takes a minute; a stride that shares no factor with the layout takes seconds.
    const stride = 17;
    const files: StoreFiles = new Map();
    withFork(smallChain(), files);
    const other = new ChainBuilder("other");
    other.begin();
    storeChain(files, other);
    const before = await judge(files);
    // One fork, one restart: what the store says without any flip.
    assert.deepEqual(codes(before.all), ["DOWNTIME 3", "FORK 4"]);
    for (const [name, bytes] of files) {
      if (name.includes("/forks/")) continue;
      for (let at = 0; at < bytes.length; at += stride) {
        await assertFound(files, name, at, at % 8, before);
      }
    }
  });

  test("in a fork's proof leaves FORK or makes PROOF_INVALID", async () => {
    const files: StoreFiles = new Map();
    withFork(smallChain(), files);
    const name = [...files.keys()].find((each) => each.includes("/forks/")) as string;
    for (let at = 0; at < 2 * headLength; at += 29) {
      const found = codes((await judge(flipped(files, name, at, at % 8))).all);
      const want = at < headLength ? "FORK 4" : "PROOF_INVALID 4";
      assert.deepEqual(found, ["DOWNTIME 3", want], `byte ${at}`);
    }
  });

  test("anywhere in a chain of two runs and three sources is found where it lies", async () => {
    const files = storeChain(new Map(), frozenChain());
    const before = await judge(files);
    const names = [...files.keys()];
    const place = fc.record({ name: fc.constantFrom(...names), at: fc.nat(), bit: fc.nat(7) });
    await fc.assert(
      fc.asyncProperty(place, async ({ name, at, bit }) => {
        const { length } = files.get(name) as Uint8Array;
        await assertFound(files, name, at % length, bit, before);
      }),
      { numRuns: 80 },
    );
  });

  test("in a headers object is found at its block, whether payloads are there or not", async () => {
    const chain = new ChainBuilder("long");
    chain.begin();
    while (chain.length < 1024) chain.seal([say({ type: "heartbeat", sources: [] })]);
    chain.seal([chain.snapshot()]);
    const whole = storeChain(new Map(), chain, { perObject: 1024 });
    const base = `chains/${chain.name}`;
    const name = `${base}/headers/0000000000000000`;
    const bare: StoreFiles = new Map(whole);
    bare.delete(`${base}/0000000000000000.blocks`);
    assert.deepEqual(codes((await judge(whole)).all), []);
    const before = await judge(bare);
    assert.deepEqual(codes(before.all), ["PAYLOAD_MISSING 0"]);
    const next = seededNumbers(7);
    for (let n = 0; n < 2; n++) {
      const at = Math.floor(next() * 1024 * headLength);
      const block = Math.floor(at / headLength);
      const copy = await judge(flipped(whole, name, at, n));
      assert.deepEqual(codes(copy.all), [`BAD_SIGNATURE ${block}`]);
      await assertFound(bare, name, at, n, before);
    }
  });
});

describe("a changed bit of a header", () => {
  test("is BAD_SIGNATURE, unless the header's own bytes are wrong already", () => {
    const chain = smallChain();
    // All bits of the genesis; of another block every fifth, which is each bit of every fifth byte.
    for (const [index, step] of [
      [0, 1],
      [2, 5],
    ] as const) {
      for (let bit = 0; bit < 8 * headLength; bit += step) {
        const walk = walkTo(chain, index);
        const head = built(chain, index).head.slice();
        head[bit >> 3] = (head[bit >> 3] as number) ^ (1 << (bit & 7));
        const { faults, place } = walk.judge(head);
        assert.deepEqual(
          faults.map(({ code }) => code),
          [ownFault(head) ?? "BAD_SIGNATURE"],
          `block ${index}, bit ${bit}`,
        );
        assert.equal(place, "lost");
      }
    }
  });
});

function built(chain: ChainBuilder, index: number): BuiltBlock {
  return chain.blocks[index] as BuiltBlock;
}

function ownFault(head: Uint8Array): string | undefined {
  try {
    decodeHeader(head);
    return undefined;
  } catch (caught) {
    assert.ok(caught instanceof Fault);
    return caught.code;
  }
}

const walks = new Map<string, ChainWalk>();

// Judging changes nothing, so one walk serves for all bits.
function walkTo(chain: ChainBuilder, index: number): ChainWalk {
  const key = `${chain.label} ${index}`;
  const known = walks.get(key);
  if (known !== undefined) return known;
  const walk = new ChainWalk({
    suite: nativeSuite,
    chain: chain.name,
    authority: nobody,
    key: chain.terms.key,
    report: () => {},
  });
  for (const { head, bytes } of chain.blocks.slice(0, index)) {
    walk.block(head, bytes.subarray(headLength));
  }
  walks.set(key, walk);
  return walk;
}
