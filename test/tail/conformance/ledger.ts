// The ledger of a directory: every content that each of its files ever had, and the judge over it.
//
// - A file is its inode and birth; names come and go. A content that does not begin with the one
//   noted before is another generation.
// - Disjoint, complete, true: what was read of each source must be what one generation of its file
//   held there, no byte twice, and together with the gaps all of it.

import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import type { Hole, Piece, Reader } from "../reader.ts";

interface Generation {
  bytes: Buffer;
  readonly sealed: Piece[];
  readonly holes: Hole[];
}

interface Known {
  readonly names: Set<string>;
  readonly generations: Generation[];
}

/** Bigger files are not kept; tests with such files judge for themselves. */
const keptBytes = 64 * 1024 * 1024;

export class Ledger {
  readonly #dir: string;
  readonly #files = new Map<string, Known>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  forget(): void {
    this.#files.clear();
  }

  look(): void {
    this.#lookIn(this.#dir);
  }

  #lookIn(dir: string): void {
    for (const item of fs.readdirSync(dir, { withFileTypes: true })) {
      const path = join(dir, item.name);
      if (item.isDirectory()) this.#lookIn(path);
      else if (item.isFile()) this.#note(path);
    }
  }

  #note(path: string): void {
    const { ino, birthtimeNs, size } = fs.statSync(path, { bigint: true });
    if (size > keptBytes) return;
    const key = `${ino}:${birthtimeNs}`;
    const known = this.#files.get(key) ?? { names: new Set(), generations: [] };
    this.#files.set(key, known);
    known.names.add(path.slice(this.#dir.length + 1));
    const bytes = fs.readFileSync(path);
    const last = known.generations.at(-1);
    const grown = last !== undefined && bytes.subarray(0, last.bytes.length).equals(last.bytes);
    if (grown && bytes.length >= last.bytes.length) last.bytes = bytes;
    else known.generations.push({ bytes, sealed: [], holes: [] });
  }

  judge(
    reader: Reader,
    unseen: readonly string[],
    unfollowed: readonly RegExp[],
    wide: boolean,
  ): void {
    for (const [id, record] of reader.records) {
      const known = this.#files.get(`${record.ino}:${record.birth}`);
      assert.ok(known, `a source names a file that never was: ${record.path}`);
      const pieces = reader.pieces.get(id) ?? [];
      const holes = reader.holes.get(id) ?? [];
      const fits = known.generations.filter(({ bytes }) => fitting(bytes, pieces));
      assert.ok(fits.length > 0, `what was read of ${record.path} is no content that it ever had`);
      // A file that came back has two sources: the second one begins behind the first.
      const free = fits.find(({ sealed }) => !overlapping(sealed, pieces));
      assert.ok(free, `${record.path}: read twice`);
      free.sealed.push(...pieces);
      free.holes.push(...holes);
    }
    for (const { names, generations } of this.#files.values()) {
      if ([...names].every((name) => unfollowed.some((each) => each.test(name)))) continue;
      // A gap without end may also stand for a generation that was cut before it was declared.
      const open = generations.some(({ holes }) => holes.some(({ to }) => to === undefined));
      for (const { bytes, sealed, holes } of generations) {
        const rest = missing(bytes, sealed, holes);
        const within = wide && open && sealed.length + holes.length === 0;
        const fine = rest === "" || unseen.includes(rest) || within;
        assert.ok(fine, `${[...names].join()} lacks ${short(rest)}`);
      }
    }
  }
}

const short = (text: string): string => JSON.stringify(text.slice(0, 80));

function fitting(bytes: Buffer, pieces: readonly Piece[]): boolean {
  return pieces.every((piece) =>
    bytes.subarray(piece.offset, piece.offset + piece.bytes.length).equals(piece.bytes),
  );
}

function overlapping(sealed: readonly Piece[], pieces: readonly Piece[]): boolean {
  return pieces.some(({ offset, bytes }) =>
    sealed.some(
      (other) => offset < other.offset + other.bytes.length && other.offset < offset + bytes.length,
    ),
  );
}

/** What neither pieces nor holes cover. The reader has seen to it that they are in order. */
function missing(bytes: Buffer, pieces: readonly Piece[], holes: readonly Hole[]): string {
  const parts = [
    ...pieces.map(({ offset, bytes: { length } }) => ({ from: offset, to: offset + length })),
    ...holes.map(({ from, to }) => ({ from, to: to ?? Number.POSITIVE_INFINITY })),
  ].sort((a, b) => a.from - b.from);
  let at = 0;
  let text = "";
  for (const { from, to } of parts) {
    if (from > at) text += bytes.subarray(at, from).toString("latin1");
    at = Math.max(at, to);
  }
  return text + bytes.subarray(Math.min(at, bytes.length)).toString("latin1");
}
