// What reading a chain's heads costs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headLength } from "../../src/core/block.ts";
import { ShelfChain } from "../../src/store/chain-reader.ts";
import { blocksPerRange, headersPath } from "../../src/store/layout.ts";
import type { Shelf } from "../../src/store/shelf.ts";

test("a head of a range that has its headers object costs the reading of that head", async () => {
  const chain = "ab".repeat(32);
  const object = Uint8Array.from({ length: blocksPerRange * headLength }, (_, at) => at % 251);
  let read = 0;
  const shelf: Shelf = {
    name: "counting",
    chains: async () => ({ ids: [chain], unread: [] }),
    names: async () => [],
    unread: async () => [],
    open: async (path) => {
      if (path !== headersPath(chain, 0)) return undefined;
      return {
        size: object.length,
        read: async (into, at, length, position) => {
          const part = object.subarray(position, position + length);
          into.set(part, at);
          read += part.length;
          return part.length;
        },
        close: async () => undefined,
      };
    },
  };
  const reader = new ShelfChain(shelf, chain);
  const from = 700 * headLength;
  assert.deepEqual(await reader.heads(700, 2), object.slice(from, from + 2 * headLength));
  assert.equal(read, 2 * headLength);
  // Never past the end of the range.
  assert.equal((await reader.heads(1020, 100)).length, 4 * headLength);
});
