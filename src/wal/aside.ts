// Broken bytes that a repair cut off, kept for people to look at. Nothing reads them again.
//
// - Scrubbed in memory before the first byte is written, and durable before the cut.
// - Torn ends are nothing that was ever promised: the newest eight are kept, so that a program
//   that crashes in a circle does not fill the disk, and a full disk does not stop it from
//   starting.
// - Damage is kept for good; if it cannot be, nothing is cut.

import { SealtailError } from "../core/errors.ts";
import { makeDirDurably, unlinkIfPresent } from "../host/durable.ts";
import { joinPath, parentOf } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";
import { readTail } from "./reader.ts";
import { type Segment, segmentPath } from "./segment.ts";

/** What has to go from one segment. */
export interface Cut {
  readonly segment: Segment;
  /** Where the good part ends; 0: nothing of the segment stays. */
  readonly offset: number;
  /** Size of the file as it is. */
  readonly fileSize: number;
  readonly torn: boolean;
}

export interface AsideOptions {
  readonly files: Files;
  readonly dir: string;
  /** Wipes from bytes kept aside what must not live on. They begin anywhere, frames included. */
  readonly scrub: (bytes: Uint8Array) => void;
  /** Told when a torn end could not be kept aside because the disk is full. */
  readonly onSkipped: (cut: Cut, error: SealtailError) => void;
}

const tornKept = 8;

/** Where broken bytes are kept: beside the log's own directory. */
function asideDir(dir: string): string {
  return joinPath(parentOf(dir), "aside") as string;
}

/** Copies what `cuts` name. Returns when the copies are durable. */
export async function setAside(options: AsideOptions, cuts: readonly Cut[]): Promise<void> {
  const aside = asideDir(options.dir);
  for (const cut of cuts) {
    try {
      await keep(options, aside, cut);
    } catch (error) {
      const full = error instanceof SealtailError && error.code === "disk-full";
      if (!full || !cut.torn) throw error;
      options.onSkipped(cut, error);
    }
  }
}

async function keep(options: AsideOptions, aside: string, cut: Cut): Promise<void> {
  const { files, dir, scrub } = options;
  const range = { offset: cut.offset, end: cut.fileSize };
  const bytes = await readTail(files, segmentPath(dir, cut.segment.name), range);
  // Zeros are what a file system shows where a crash kept it from writing: nothing to look at.
  if (bytes.every((byte) => byte === 0)) return;
  scrub(bytes);
  await makeDirDurably(files, aside);
  const name = await freeName(files, aside, cut);
  const path = joinPath(aside, name);
  try {
    const file = await files.open(path, "create", 0o400);
    try {
      await file.write(bytes, 0);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    const unsafe = error instanceof SealtailError && error.kind === "unsafe";
    if (!unsafe) await unlinkIfPresent(files, path);
    throw error;
  }
  if (cut.torn) await dropOldest(files, aside);
  await files.syncDir(aside);
}

/** The same place may tear again: then the name gets a number. */
async function freeName(files: Files, aside: string, cut: Cut): Promise<string> {
  const stem = cut.segment.name.replace(/\.wal$/, "");
  const offset = cut.offset.toString(16).padStart(8, "0");
  const base = `${stem}-${offset}-${cut.torn ? "torn" : "damaged"}`;
  for (let n = 0; ; n++) {
    const name = n === 0 ? base : `${base}-${n}`;
    if ((await files.stat(joinPath(aside, name))) === undefined) return name;
  }
}

async function dropOldest(files: Files, aside: string): Promise<void> {
  const torn: { readonly path: string; readonly mtimeNs: bigint }[] = [];
  for (const { name } of (await files.list(aside)) ?? []) {
    if (typeof name !== "string" || !/-torn(-\d+)?$/.test(name)) continue;
    const path = joinPath(aside, name) as string;
    const info = await files.stat(path);
    if (info !== undefined) torn.push({ path, mtimeNs: info.mtimeNs });
  }
  torn.sort((a, b) => (a.mtimeNs < b.mtimeNs ? -1 : 1));
  for (const { path } of torn.slice(0, -tornKept)) await unlinkIfPresent(files, path);
}
