import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  EnvelopePathBuilder,
  GroupTree,
  groupHash,
  verifyEnvelope,
} from "../../src/core/envelope-tree.ts";
import { Fault } from "../../src/core/fault.ts";
import { leafHash, rootOf } from "../../src/core/tree.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";

const hashesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => suite.sha256(Buffer.from(`envelope ${index}`)));

const wordsOf = (hash: Uint8Array): Uint32Array => new Uint32Array(Uint8Array.from(hash).buffer);

/** The definition: RFC 6962 over "SEALGRP1" ‖ hashes of each group. */
function naiveRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const leaves: Uint8Array[] = [];
  for (let at = 0; at < hashes.length; at += 16) {
    const group = Buffer.concat([Buffer.from("SEALGRP1"), ...hashes.slice(at, at + 16)]);
    leaves.push(leafHash(suite, group));
  }
  return rootOf(suite, leaves);
}

function pathOf(hashes: readonly Uint8Array[], index: number) {
  const builder = new EnvelopePathBuilder(suite, index, hashes.length);
  for (const hash of hashes) builder.add(hash);
  return builder.path();
}

test("the root after every envelope equals the definition, open groups included", () => {
  const hashes = hashesOf(150);
  const tree = new GroupTree(suite);
  for (const [index, hash] of hashes.entries()) {
    tree.add(wordsOf(hash));
    assert.deepEqual(tree.root(), naiveRoot(hashes.slice(0, index + 1)));
  }
});

test("a hash is taken from the beginning of a larger buffer, which may be used again", () => {
  const [hash] = hashesOf(1) as [Uint8Array];
  const words = new Uint32Array(24).fill(7);
  words.set(wordsOf(hash));
  const tree = new GroupTree(suite);
  tree.add(words);
  words.fill(0);
  assert.deepEqual(tree.root(), naiveRoot([hash]));
});

test("the path of any envelope verifies, and no bent one does", () => {
  const all = hashesOf(900);
  const cases = fc
    .integer({ min: 1, max: 900 })
    .chain((count) => fc.tuple(fc.constant(count), fc.integer({ min: 0, max: count - 1 })));
  fc.assert(
    fc.property(cases, ([count, index]) => {
      const hashes = all.slice(0, count);
      const root = naiveRoot(hashes);
      const hash = hashes[index] as Uint8Array;
      const { group, path } = pathOf(hashes, index);
      const proof = { index, count, hash, group, path, root };
      assert.ok(verifyEnvelope(suite, proof));
      const other = suite.sha256(Buffer.from("other"));
      const bent = group.map((each, at) => (at === group.length - 1 ? other : each));
      assert.ok(!verifyEnvelope(suite, { ...proof, hash: other }));
      assert.ok(!verifyEnvelope(suite, { ...proof, group: bent }));
      assert.ok(!verifyEnvelope(suite, { ...proof, group: group.slice(1) }));
      assert.ok(!verifyEnvelope(suite, { ...proof, group: [...group, other] }));
      assert.ok(!verifyEnvelope(suite, { ...proof, path: [...path, other] }));
      assert.ok(!verifyEnvelope(suite, { ...proof, path: path.slice(1), root: other }));
      assert.ok(!verifyEnvelope(suite, { ...proof, index: index + 1 }));
      assert.ok(!verifyEnvelope(suite, { ...proof, index: index - 1 }));
      assert.ok(!verifyEnvelope(suite, { ...proof, index: index + 16 }));
    }),
    { numRuns: 80 },
  );
});

test("numbers and lengths that cannot be are false, not an error", () => {
  const hashes = hashesOf(3);
  const hash = hashes[0] as Uint8Array;
  const good = { index: 0, count: 3, hash, ...pathOf(hashes, 0), root: naiveRoot(hashes) };
  assert.ok(verifyEnvelope(suite, good));
  for (const index of [-1, 3, 0.5, Number.NaN, 2 ** 53]) {
    assert.ok(!verifyEnvelope(suite, { ...good, index }));
  }
  for (const count of [-1, 0, 2, 4, 3.5, Number.NaN, 2 ** 53]) {
    assert.ok(!verifyEnvelope(suite, { ...good, count }));
  }
  assert.ok(!verifyEnvelope(suite, { ...good, hash: hash.subarray(1) }));
  const short = good.group.map((each) => each.subarray(1));
  assert.ok(!verifyEnvelope(suite, { ...good, group: short }));
});

test("a group of no hashes, of 17, or of a short hash is refused as MALFORMED", () => {
  const hashes = hashesOf(17);
  const short = [(hashes[0] as Uint8Array).subarray(1)];
  for (const group of [[], hashes, short]) {
    assert.throws(
      () => groupHash(suite, group),
      (error) => error instanceof Fault && error.code === "MALFORMED",
    );
  }
});

test("a path builder refuses an index outside its block and hashes beyond it", () => {
  assert.throws(() => new EnvelopePathBuilder(suite, 3, 3), RangeError);
  assert.throws(() => new EnvelopePathBuilder(suite, -1, 3), RangeError);
  const [one] = hashesOf(1) as [Uint8Array];
  const builder = new EnvelopePathBuilder(suite, 0, 1);
  assert.throws(() => builder.path(), RangeError);
  builder.add(one);
  assert.throws(() => builder.add(one), RangeError);
});
