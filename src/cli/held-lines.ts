// The wanted lines of one block, until it is known that the block counts.
//
// - One buffer for all of them: a buffer for each line costs the collector more than all the rest.

import type { SourceName } from "./line-filter.ts";

export interface HeldLine {
  /** The preimage; a view that lasts until the lines are cleared. */
  readonly envelope: Uint8Array;
  /** As long as that. */
  readonly hash: Uint8Array;
  /** Undefined for records. */
  readonly source: SourceName | undefined;
}

const firstBytes = 64 * 1024;

export class HeldLines {
  #bytes: Buffer = Buffer.allocUnsafe(firstBytes);
  #length = 0;
  #rows: { start: number; hashAt: number; end: number; source: SourceName | undefined }[] = [];

  add(envelope: Uint8Array, hash: Uint8Array, source: SourceName | undefined): void {
    const start = this.#length;
    const hashAt = start + envelope.length;
    const end = hashAt + hash.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(envelope, start);
    this.#bytes.set(hash, hashAt);
    this.#length = end;
    this.#rows.push({ start, hashAt, end, source });
  }

  *[Symbol.iterator](): Generator<HeldLine, void, undefined> {
    for (const { start, hashAt, end, source } of this.#rows) {
      const envelope = this.#bytes.subarray(start, hashAt);
      yield { envelope, hash: this.#bytes.subarray(hashAt, end), source };
    }
  }

  clear(): void {
    this.#length = 0;
    this.#rows = [];
  }

  #grow(least: number): void {
    const grown = Buffer.allocUnsafe(Math.max(least, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
