// What stands for a chain's stored objects without reading them: a hash over their names, sizes,
// times and inodes.
//
// - Whoever writes to an object, replaces it, puts one beside it or takes one away changes it: the
//   kernel sets ctime, and nobody else can. What leaves no trace there, as a write to the device
//   below the file system does, is not seen here.
// - The kept receipt and fork proofs are left out: they change as a chain lives, and whoever reads
//   them judges them.

import { hex, utf8 } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import type { FileInfo, Files } from "../host/files.ts";
import {
  blocksNumber,
  blocksPath,
  blocksPerRange,
  chainPath,
  grantPath,
  headersPath,
} from "./layout.ts";
import { type DirShelf, numbersIn, textNames } from "./shelf.ts";

/** Both in hex. */
export interface ChainPrint {
  /** The grant, and objects that hold only blocks below the print's base. */
  readonly settled: string;
  /** All others. */
  readonly rest: string;
}

export interface PrintPlace {
  readonly files: Files;
  readonly suite: Suite;
  readonly shelf: DirShelf;
}

/** Which objects there are: by their first blocks. */
export interface ObjectNumbers {
  readonly blocks: readonly number[];
  readonly headers: readonly number[];
}

/** What was seen of one object. */
export interface PrintRow {
  readonly path: string;
  /** Settled in every print whose base is this or more. */
  readonly end: number;
  readonly info: FileInfo | undefined;
}

/** Lists the objects of a chain. */
export async function numbersOf(
  { files, shelf }: Pick<PrintPlace, "files" | "shelf">,
  chain: string,
): Promise<ObjectNumbers> {
  const folder = chainPath(chain);
  const linked = (await shelf.linkedPart(folder)) !== undefined;
  const items = linked ? [] : ((await files.list(shelf.path(folder))) ?? []);
  const blocks = textNames(items, "file").flatMap((name) => blocksNumber(name) ?? []);
  const indexed = items.some(({ name, kind }) => name === "headers" && kind === "dir");
  return { blocks, headers: indexed ? await numbersIn(shelf, chain, "headers") : [] };
}

/** What was seen of those objects of a chain, in this order. */
export async function rowsOf(
  { files, shelf }: Pick<PrintPlace, "files" | "shelf">,
  chain: string,
  { blocks, headers }: ObjectNumbers,
): Promise<PrintRow[]> {
  const objects = [
    { path: grantPath(chain), end: 0 },
    ...blocks.map((first) => ({ path: blocksPath(chain, first), end: first + 1 })),
    ...headers.map((first) => ({
      path: headersPath(chain, first),
      end: first + blocksPerRange,
    })),
  ];
  const infos = await files.glance(objects.map(({ path }) => shelf.path(path)));
  return objects.map((object, at) => ({ ...object, info: infos[at] }));
}

/** The print that they make; `base` parts what is settled from the rest. */
export function printOfRows(suite: Suite, rows: readonly PrintRow[], base: number): ChainPrint {
  const part = (settled: boolean): string =>
    hashOf(
      suite,
      rows.filter(({ end }) => end <= base === settled),
    );
  return { settled: part(true), rest: part(false) };
}

/** The print of those objects of a chain. */
export async function printOf(
  place: PrintPlace,
  chain: string,
  base: number,
  numbers: ObjectNumbers,
): Promise<ChainPrint> {
  return printOfRows(place.suite, await rowsOf(place, chain, numbers), base);
}

/** The `rest` of a chain's print where `path` is the only object in it; none: there is none. */
export function restOf(suite: Suite, path?: string, info?: FileInfo): string {
  return hashOf(suite, path === undefined ? [] : [{ path, info }]);
}

/**
 * How long after it was seen, in milliseconds, a file may still be changed without a trace in its
 * times: they go by ticks of the kernel's clock, and in some file systems by seconds. 0: every
 * change shows. `now` in Unix microseconds.
 */
export function tracelessMs({ ctimeNs }: Pick<FileInfo, "ctimeNs">, now: number): number {
  const tick = ctimeNs % 1_000_000_000n === 0n ? 2000 : 20;
  // A time that is still to come, or long past, is not given again.
  return Math.abs(now / 1000 - Number(ctimeNs / 1000n) / 1000) < tick ? tick : 0;
}

/** One print. */
export function isSame(a: ChainPrint, b: ChainPrint): boolean {
  return a.settled === b.settled && a.rest === b.rest;
}

function hashOf(
  suite: Suite,
  rows: readonly { readonly path: string; readonly info: FileInfo | undefined }[],
): string {
  const lines = rows.map(({ path, info }) =>
    info === undefined
      ? `${path} gone\n`
      : `${path} ${info.size} ${info.mtimeNs} ${info.ctimeNs} ${info.ino}\n`,
  );
  return hex(suite.sha256(utf8(lines.join(""))));
}
