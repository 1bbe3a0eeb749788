import assert from "node:assert/strict";
import { test } from "node:test";
import {
  blocksNumber,
  blocksPath,
  forkOf,
  forkPath,
  grantPath,
  headersNumber,
  headersPath,
  placeOf,
  rangeOf,
  receiptPath,
} from "../../src/store/layout.ts";

const chain = "0f".repeat(32);
const hash = "a1".repeat(32);

test("every path of the layout is taken apart into what it was made of", () => {
  const folder = "";
  assert.deepEqual(placeOf(grantPath(chain)), { chain, folder, name: "grant" });
  assert.deepEqual(placeOf(receiptPath(chain)), { chain, folder, name: "receipt" });
  const blocks = placeOf(blocksPath(chain, 0x123456789abc));
  assert.equal(blocksNumber(blocks?.name ?? ""), 0x123456789abc);
  const headers = placeOf(headersPath(chain, 2048));
  assert.deepEqual([headers?.folder, headersNumber(headers?.name ?? "")], ["headers", 2048]);
  const fork = placeOf(forkPath(chain, 7, hash));
  assert.deepEqual(forkOf(fork?.name ?? ""), { block: 7, hash });
  assert.equal(blocksPath(chain, 1), `chains/${chain}/0000000000000001.blocks`);
});

test("names that are not exactly of the layout mean nothing", () => {
  const strays = ["grant", "0.blocks", "000000000000000G.blocks", "0000000000000000.block", "x/y"];
  for (const name of ["", ...strays.slice(1)]) {
    assert.equal(placeOf(`chains/${chain}/${name}`), undefined, name);
  }
  assert.equal(placeOf(`chains/${chain}`), undefined);
  assert.equal(placeOf(`chain/${chain}/grant`), undefined);
  assert.equal(placeOf(`chains/${chain}/headers/${"0".repeat(15)}1`), undefined);
  assert.equal(placeOf(`chains/${chain}/forks/${"0".repeat(16)}-${hash.toUpperCase()}`), undefined);
  assert.equal(blocksNumber(`${"f".repeat(16)}.blocks`), undefined);
  assert.equal(blocksNumber("0020000000000000.blocks"), undefined);
  assert.equal(blocksNumber("001fffffffffffff.blocks"), Number.MAX_SAFE_INTEGER);
});

test("a range begins at the multiple of 1,024 below", () => {
  assert.deepEqual([0, 1, 1023, 1024, 1025, 3000].map(rangeOf), [0, 0, 0, 1024, 1024, 2048]);
});
