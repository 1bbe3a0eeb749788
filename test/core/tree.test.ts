import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../src/core/fault.ts";
import {
  Frontier,
  leafHash,
  nodeHash,
  PathBuilder,
  rootOf,
  verifyInclusion,
} from "../../src/core/tree.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { inclusionPath } from "../fakes/inclusion-path.ts";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const isFault = (error: unknown): boolean => error instanceof Fault && error.code === "MALFORMED";

/** The eight leaves of the Certificate Transparency reference vectors, and their roots. */
const ctLeaves = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((text) => leafHash(suite, Buffer.from(text, "hex")));
const ctRoots = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/** MTH of RFC 6962 section 2.1, as it is written there. */
function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return suite.sha256(new Uint8Array(0));
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  const k = split(leaves.length);
  return nodeHash(suite, naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

/** PATH of RFC 6962 section 2.1.1, as it is written there. */
function naivePath(m: number, leaves: readonly Uint8Array[]): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...naivePath(m, leaves.slice(0, k)), naiveRoot(leaves.slice(k))]
    : [...naivePath(m - k, leaves.slice(k)), naiveRoot(leaves.slice(0, k))];
}

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

const leavesOf = (count: number): Uint8Array[] =>
  Array.from({ length: count }, (_, index) => leafHash(suite, Buffer.from(`leaf ${index}`)));

test("the root of no leaves is the hash of nothing", () => {
  const want = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
  assert.equal(hex(rootOf(suite, [])), want);
  assert.equal(hex(new Frontier(suite).root()), want);
  assert.deepEqual(new Frontier(suite).hashes(), []);
});

test("roots equal the Certificate Transparency vectors", () => {
  const frontier = new Frontier(suite);
  for (const [index, leaf] of ctLeaves.entries()) {
    frontier.append(leaf);
    assert.equal(hex(frontier.root()), ctRoots[index]);
    assert.equal(frontier.size, index + 1);
  }
});

test("inclusion paths equal the Certificate Transparency vectors", () => {
  const path = (index: number, size: number): string[] =>
    inclusionPath(suite, ctLeaves.slice(0, size), index).map(hex);
  assert.deepEqual(path(0, 1), []);
  assert.deepEqual(path(0, 8), [
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
  ]);
  assert.deepEqual(path(5, 8), [
    "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  ]);
  assert.deepEqual(path(2, 3), [
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  ]);
});

test("every path of every small tree equals the definition and verifies", () => {
  for (let size = 1; size <= 40; size += 1) {
    const leaves = leavesOf(size);
    const root = naiveRoot(leaves);
    assert.deepEqual(rootOf(suite, leaves), root);
    for (let index = 0; index < size; index += 1) {
      const path = inclusionPath(suite, leaves, index);
      assert.deepEqual(path, naivePath(index, leaves));
      const leaf = leaves[index] as Uint8Array;
      assert.ok(verifyInclusion(suite, { index, size, leaf, path, root }));
    }
  }
});

test("paths of random trees equal the definition, and no neighbour of a proof verifies", () => {
  const leaves = leavesOf(700);
  const cases = fc
    .integer({ min: 1, max: 700 })
    .chain((size) => fc.tuple(fc.constant(size), fc.integer({ min: 0, max: size - 1 })));
  fc.assert(
    fc.property(cases, ([size, index]) => {
      const some = leaves.slice(0, size);
      const root = naiveRoot(some);
      const path = inclusionPath(suite, some, index);
      assert.deepEqual(path, naivePath(index, some));
      const leaf = some[index] as Uint8Array;
      const proof = { index, size, leaf, path, root };
      const other = leafHash(suite, Buffer.from("other"));
      assert.ok(verifyInclusion(suite, proof));
      assert.ok(!verifyInclusion(suite, { ...proof, leaf: other }));
      assert.ok(!verifyInclusion(suite, { ...proof, root: other }));
      assert.ok(!verifyInclusion(suite, { ...proof, path: [...path, other] }));
      assert.ok(!verifyInclusion(suite, { ...proof, path: [other, ...path] }));
      if (path.length > 0) {
        assert.ok(!verifyInclusion(suite, { ...proof, path: path.slice(1) }));
        assert.ok(!verifyInclusion(suite, { ...proof, path: path.slice(0, -1) }));
        assert.ok(!verifyInclusion(suite, { ...proof, path: [...path].fill(other, 0, 1) }));
      }
      for (let wrong = 0; wrong < size; wrong += 1) {
        assert.equal(verifyInclusion(suite, { ...proof, index: wrong }), wrong === index);
      }
    }),
    { numRuns: 60 },
  );
});

test("an inclusion with numbers or lengths that cannot be is false, not an error", () => {
  const leaf = ctLeaves[0] as Uint8Array;
  const good = { index: 0, size: 1, leaf, path: [], root: leaf };
  assert.ok(verifyInclusion(suite, good));
  for (const index of [-1, 1, 0.5, Number.NaN, 2 ** 53]) {
    assert.ok(!verifyInclusion(suite, { ...good, index }));
  }
  for (const size of [-1, 0, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
    assert.ok(!verifyInclusion(suite, { ...good, size }));
  }
  assert.ok(!verifyInclusion(suite, { ...good, leaf: leaf.subarray(1), root: leaf.subarray(1) }));
  assert.ok(!verifyInclusion(suite, { ...good, size: 2, path: [leaf.subarray(1)] }));
});

test("a frontier taken from its hashes goes on as if it had never stopped", () => {
  const leaves = leavesOf(70);
  const whole = new Frontier(suite);
  for (let size = 0; size <= leaves.length; size += 1) {
    const resumed = Frontier.from(suite, size, whole.hashes());
    assert.deepEqual(resumed.root(), whole.root());
    for (const leaf of leaves.slice(size, size + 9)) resumed.append(leaf);
    assert.deepEqual(resumed.root(), naiveRoot(leaves.slice(0, size + 9)));
    if (size < leaves.length) whole.append(leaves[size] as Uint8Array);
  }
});

test("a copy of a frontier is independent of it", () => {
  const frontier = new Frontier(suite);
  for (const leaf of leavesOf(5)) frontier.append(leaf);
  const copy = frontier.copy();
  frontier.append(ctLeaves[0] as Uint8Array);
  assert.deepEqual(copy.root(), naiveRoot(leavesOf(5)));
  assert.equal(copy.size, 5);
});

test("a frontier keeps nothing of the buffer that a leaf came in, nor lends its own", () => {
  const frontier = new Frontier(suite);
  const buffer = Uint8Array.from(ctLeaves[0] as Uint8Array);
  frontier.append(buffer);
  buffer.fill(0);
  frontier.hashes()[0]?.fill(0);
  frontier.root().fill(0);
  assert.equal(hex(frontier.root()), ctRoots[0]);
});

test("a frontier whose hashes do not fit its size is refused as MALFORMED", () => {
  const [one, two] = ctLeaves as [Uint8Array, Uint8Array];
  for (const [size, hashes] of [
    [0, [one]],
    [1, []],
    [2, [one, two]],
    [3, [one]],
    [1, [one.subarray(1)]],
    [-1, []],
    [0.5, []],
    [2 ** 53, [one]],
    [Number.NaN, []],
  ] as const) {
    assert.throws(() => Frontier.from(suite, size, hashes), isFault);
  }
});

test("a frontier of more than 2^32 leaves carries like a small one", () => {
  const hashes = leavesOf(40);
  // 2^40 + 2^3 - 1 leaves: one more makes the three small subtrees one.
  const frontier = Frontier.from(suite, 2 ** 40 + 7, hashes.slice(0, 4));
  frontier.append(hashes[4] as Uint8Array);
  const [big, four, two, one, leaf] = hashes as Uint8Array[] as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const carried = nodeHash(suite, four, nodeHash(suite, two, nodeHash(suite, one, leaf)));
  assert.deepEqual(frontier.hashes(), [big, carried]);
  assert.equal(frontier.size, 2 ** 40 + 8);
});

test("the largest tree is full, and its one before is not", () => {
  const ones = leavesOf(52);
  const frontier = Frontier.from(suite, 2 ** 53 - 2, ones);
  frontier.append(ctLeaves[0] as Uint8Array);
  assert.equal(frontier.hashes().length, 53);
  assert.throws(() => frontier.append(ctLeaves[0] as Uint8Array), RangeError);
});

test("an inclusion in a tree of more than 2^32 leaves verifies as in a small one", () => {
  const leaf = ctLeaves[0] as Uint8Array;
  const [left, right] = leavesOf(2) as [Uint8Array, Uint8Array];
  // The last leaf of 2^52 + 1 has one sibling: the perfect tree before it.
  const last = { index: 2 ** 52, size: 2 ** 52 + 1, leaf, path: [left] };
  assert.ok(verifyInclusion(suite, { ...last, root: nodeHash(suite, left, leaf) }));
  assert.ok(!verifyInclusion(suite, { ...last, index: 0, root: nodeHash(suite, left, leaf) }));
  // Leaf 2^40 of 2^40 + 2: one sibling on its right, then the perfect tree on the left.
  const root = nodeHash(suite, left, nodeHash(suite, leaf, right));
  const path = [right, left];
  assert.ok(verifyInclusion(suite, { index: 2 ** 40, size: 2 ** 40 + 2, leaf, path, root }));
});

test("a path builder refuses leaves beyond its tree and a path before its end", () => {
  const leaf = ctLeaves[0] as Uint8Array;
  assert.throws(() => new PathBuilder(suite, 2, 2), RangeError);
  assert.throws(() => new PathBuilder(suite, -1, 2), RangeError);
  assert.throws(() => new PathBuilder(suite, 0, 2 ** 53), RangeError);
  const builder = new PathBuilder(suite, 1, 2);
  builder.append(leaf);
  assert.throws(() => builder.path(), RangeError);
  assert.throws(() => builder.append(leaf.subarray(1)), isFault);
  builder.append(leaf);
  assert.deepEqual(builder.path(), [leaf]);
  assert.throws(() => builder.append(leaf), RangeError);
});
