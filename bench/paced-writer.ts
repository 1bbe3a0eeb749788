// Writes audit lines to a file at a steady rate, and remembers when which byte was written.
//
// - Lines come from a pool that was made before, so that writing costs next to nothing. Every tick
//   writes what is due by the clock: a late tick is made up for by the next one.
// - Rotates as logrotate does by default: renames the file, begins a new one, deletes the one
//   before that.

import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { writeAuditLog } from "./audit-log.ts";

/** One write: its time (performance.now) and the size of the file behind it. */
export interface Append {
  readonly at: number;
  readonly end: number;
  readonly lines: number;
}

const tickMs = 10;

/** Lines to write again and again. */
export class LinePool {
  readonly #bytes: Buffer;
  readonly #ends: number[] = [0];
  #next = 0;

  constructor(path: string, lines: number, seed: number) {
    writeAuditLog(path, lines, seed);
    this.#bytes = readFileSync(path);
    rmSync(path);
    for (let at = this.#bytes.indexOf(10); at !== -1; at = this.#bytes.indexOf(10, at + 1)) {
      this.#ends.push(at + 1);
    }
  }

  /** The next lines, at most `count` of them. */
  take(count: number): { readonly bytes: Uint8Array; readonly lines: number } {
    const last = this.#ends.length - 1;
    const [from, to] = [this.#next, Math.min(last, this.#next + count)];
    this.#next = to === last ? 0 : to;
    return { bytes: this.#bytes.subarray(this.#ends[from], this.#ends[to]), lines: to - from };
  }
}

export class PacedWriter {
  readonly #path: string;
  readonly #pool: LinePool;
  readonly #rate: number;
  readonly #began = performance.now();
  #file: number;
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  /** All files together. */
  bytes = 0;
  lines = 0;
  /** Writes to the newest file. */
  appends: Append[] = [];

  /** Begins to write `rate` lines a second to `path`. */
  constructor(path: string, pool: LinePool, rate: number) {
    this.#path = path;
    this.#pool = pool;
    this.#rate = rate;
    this.#file = openSync(path, "wx");
    this.#timer = setInterval(() => this.#tick(), tickMs);
  }

  rotate(): void {
    closeSync(this.#file);
    // Over the one before, which is deleted by that.
    renameSync(this.#path, `${this.#path}.1`);
    this.#file = openSync(this.#path, "wx");
    this.#size = 0;
    this.appends = [];
  }

  stop(): void {
    clearInterval(this.#timer);
    if (this.#timer !== undefined) closeSync(this.#file);
    this.#timer = undefined;
  }

  #tick(): void {
    const due = Math.floor(((performance.now() - this.#began) / 1000) * this.#rate);
    while (this.lines < due) {
      const { bytes, lines } = this.#pool.take(due - this.lines);
      this.#size += writeSync(this.#file, bytes);
      this.bytes += bytes.length;
      this.lines += lines;
      this.appends.push({ at: performance.now(), end: this.#size, lines });
    }
  }
}
