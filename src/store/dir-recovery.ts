// Opens a chain of a directory store: finds where it ends, and mends what a crash left.
//
// - Blocks that a receipt covers were durable once, and who opens the chain says how many, for
//   only they can judge receipts: where one of those is not whole, the store is damaged, and
//   nothing is cut.
// - Behind them, what is not a whole block with the payload that its header names was never
//   synced: it is copied aside, then cut off.
// - What is left is synced before anybody builds on it: it may never have been.

import { makeDirDurably, writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import { joinPath } from "../host/file-error.ts";
import type { FileInfo, Files, OpenFile } from "../host/files.ts";
import { wholeHeads } from "./head-scan.ts";
import { blocksPath, blocksPerRange, chainPath, rangeOf } from "./layout.ts";
import { type DirShelf, numbersIn, objectIn, readAll } from "./shelf.ts";

export interface RecoveryOptions {
  readonly files: Files;
  readonly shelf: DirShelf;
  /** Where bytes that are cut off are kept; undefined: they are not. */
  readonly asideDir: string | undefined;
}

/** The newest `.blocks` object, as far as it is whole. */
export interface TailObject {
  readonly firstBlock: number;
  readonly bytes: number;
  readonly birthMicros: number;
}

export interface FoundEnd {
  /** Number of blocks. */
  readonly size: number;
  /** Undefined where the chain has no `.blocks` object yet. */
  readonly tail: TailObject | undefined;
  readonly cutBytes: number;
  readonly damage: string | undefined;
}

/** Finds a chain's end and makes it durable. Its first `durable` blocks are known to have been. */
export async function findEnd(
  options: RecoveryOptions,
  chain: string,
  durable = 0,
): Promise<FoundEnd> {
  const { files, shelf } = options;
  const first = (await numbersIn(shelf, chain, "")).at(-1);
  if (first === undefined) {
    const damage = durable > 0 ? damageText(0, durable) : undefined;
    return { size: 0, tail: undefined, cutBytes: 0, damage };
  }
  const path = shelf.path(blocksPath(chain, first));
  // A complete object is never written again.
  const complete = (((await files.stat(path))?.mode ?? 0) & 0o200) === 0;
  const file = await files.open(path, complete ? "read" : "write");
  try {
    const found = await scanTail(file, first, durable);
    if (found.damage !== undefined) return found;
    if (found.cutBytes > 0) {
      if (complete) return { ...found, damage: "complete object ends in what is no block" };
      await cut(options, chain, file, found);
      failpoint("recover-after-cut");
    }
    await file.datasync();
    await files.syncDir(shelf.path(chainPath(chain)));
    return complete ? { ...found, tail: undefined } : found;
  } finally {
    await file.close();
  }
}

async function scanTail(file: OpenFile, first: number, durable: number): Promise<FoundEnd> {
  const info = await file.stat();
  let [size, bytes] = [first, 0];
  for await (const { number, end } of wholeHeads(objectIn(file, info.size), first, durable))
    [size, bytes] = [number + 1, end];
  const tail = { firstBlock: first, bytes, birthMicros: birthOf(info) };
  const damage = size < durable ? damageText(size, durable) : undefined;
  return { size, tail, cutBytes: info.size - bytes, damage };
}

function birthOf({ birthNs, mtimeNs }: FileInfo): number {
  return Number((birthNs === 0n ? mtimeNs : birthNs) / 1000n);
}

/** The object that begins with block `first` if it may grow; its content is taken as whole. */
export async function tailAt(
  files: Files,
  shelf: DirShelf,
  chain: string,
  first: number,
): Promise<TailObject | undefined> {
  const info = await files.stat(shelf.path(blocksPath(chain, first)));
  if (info === undefined || (info.mode & 0o200) === 0) return undefined;
  return { firstBlock: first, bytes: info.size, birthMicros: birthOf(info) };
}

function damageText(size: number, durable: number): string {
  return `receipt covers ${durable} blocks, and only ${size} are whole`;
}

/** Longest copy of a cut tail; the rest is only counted. */
const asideBytesMax = 16 * 1024 * 1024;

async function cut(
  { files, asideDir }: RecoveryOptions,
  chain: string,
  file: OpenFile,
  { tail, cutBytes, size }: FoundEnd,
): Promise<void> {
  const end = tail?.bytes ?? 0;
  if (asideDir !== undefined) {
    const copy = new Uint8Array(Math.min(cutBytes, asideBytesMax));
    const got = await readAll(file, copy, end);
    await makeDirDurably(files, asideDir);
    // One name per chain and place: a vault that crashes in a loop must not fill the disk.
    const name = joinPath(asideDir, `${chain}-${size}.torn`);
    await writeFileDurably(files, name, copy.subarray(0, got));
  }
  await file.truncate(end);
}

/** Ranges, by their first block, that are complete and have no headers object. */
export async function missingHeaders(
  shelf: DirShelf,
  chain: string,
  size: number,
): Promise<number[]> {
  const complete = rangeOf(size);
  if (complete === 0) return [];
  const there = new Set(await numbersIn(shelf, chain, "headers"));
  const [oldest = size] = await numbersIn(shelf, chain, "");
  const missing: number[] = [];
  // Below the oldest `.blocks` object nothing is left to make them of.
  for (let range = 0; range < complete; range += blocksPerRange) {
    if (!there.has(range) && range >= oldest) missing.push(range);
  }
  return missing;
}
