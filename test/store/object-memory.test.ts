// What a list of objects costs: somebody may have put in as many as they liked.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { watchedChain } from "../../src/cli/watched-chain.ts";
import { ShelfStore } from "../../src/store/chain-reader.ts";
import { chainPath } from "../../src/store/layout.ts";
import type { Shelf } from "../../src/store/shelf.ts";

const id = "ab".repeat(32);
const count = 50_000;
const names = Array.from({ length: count }, (_, at) => at.toString(16).padStart(16, "0"));

/** Nothing but names, which are made anew for each list, as a directory's are. */
const shelf = {
  name: "many",
  chains: async () => ({ ids: [id], unread: [] }),
  names: async (_chain: string, folder: string) => {
    const hash = "cd".repeat(32);
    if (folder === "") return names.map((name) => `${name}.blocks`);
    return folder === "forks" ? names.map((name) => `${name}-${hash}`) : [];
  },
  unread: async () => [],
  open: async (path: string) => {
    assert.ok(path.startsWith(chainPath(id)));
    const bytes = new Uint8Array(Buffer.from(path));
    return {
      size: bytes.length,
      read: async (into: Uint8Array, at: number, length: number, position: number) => {
        const piece = bytes.subarray(position, position + length);
        into.set(piece, at);
        return piece.length;
      },
      close: async () => {},
    };
  },
} as unknown as Shelf;

function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage().heapUsed;
}

for (const list of ["blocks", "forks"] as const) {
  test(`an entry in a list of ${list} costs little more than its name, and opens on demand`, async () => {
    const chain = watchedChain(new ShelfStore(shelf).reader(id), () => {});
    const before = heapBytes();
    const objects = await chain[list]();
    const each = (heapBytes() - before) / count;
    assert.ok(each < (list === "blocks" ? 200 : 350), `${each} bytes an object`);
    const last = objects.at(-1);
    assert.ok(last !== undefined && last.firstBlock === count - 1);
    let content = "";
    for await (const piece of last.open({ start: 0, end: 1000 })) {
      content += Buffer.from(piece).toString();
    }
    assert.equal(content, last.name);
    assert.equal(await last.size(), last.name.length);
  });
}
