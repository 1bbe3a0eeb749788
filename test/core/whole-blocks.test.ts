import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Fault } from "../../src/core/fault.ts";
import { BlockReader, FramingError, wholeBlocks } from "../../src/core/whole-blocks.ts";
import { blocksOf, joined } from "../store/blocks.ts";

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function read(bytes: Uint8Array, length: number, limit?: number): Promise<number[]> {
  const numbers: number[] = [];
  for await (const { header } of wholeBlocks(inPieces(bytes, length), limit)) {
    numbers.push(header.blockNo);
  }
  return numbers;
}

const blocks = blocksOf(0, 5);
const bytes = joined(blocks);
const framing = (why: string) => (error: unknown) =>
  error instanceof FramingError && error.why === why;

describe("the strict reader of blocks", () => {
  test("gives the same blocks however small the pieces are", async () => {
    for (const length of [1, 7, 448, 489, 100_000]) {
      assert.deepEqual(await read(bytes, length), [0, 1, 2, 3, 4]);
    }
  });

  test("refuses bytes that end within a block, wherever that is", async () => {
    for (const end of [1, 447, 448, 449, bytes.length - 1]) {
      await assert.rejects(read(bytes.subarray(0, end), 100), framing("cut-short"), `${end}`);
    }
  });

  test("refuses what is no header, behind the blocks that are whole", async () => {
    const bent = bytes.slice();
    bent[488 * 2] = 0;
    const reader = new BlockReader(inPieces(bent, 100));
    await reader.next();
    await reader.next();
    await assert.rejects(reader.next(), Fault);
  });

  test("refuses a payload beyond the limit before it is read, and bytes beyond it at once", async () => {
    const reader = new BlockReader(inPieces(bytes, 448), 450);
    assert.equal((await reader.head())?.header.blockNo, 0);
    await assert.rejects(reader.next(), framing("too-large"));
    await assert.rejects(read(bytes, 10, 488 * 2 + 3), framing("too-large"));
  });
});
