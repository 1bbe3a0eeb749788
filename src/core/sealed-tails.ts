// The newest sealed bytes of each source: evidence that a file still is what was sealed.

import type { PayloadItem, SpanItem } from "./payload.ts";
import { decodeRecord } from "./record.ts";

/** The last bytes of a source that were sealed, ending at `offset`. */
export interface SealedTail {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const keptTail = 512;

export class SealedTails {
  readonly #tails = new Map<string, SealedTail>();

  get all(): ReadonlyMap<string, SealedTail> {
    return this.#tails;
  }

  /** Takes the next item of a payload that was sealed. Throws Fault for a record that is none. */
  take(item: PayloadItem, raw: Uint8Array): void {
    if (item.kind === "span") return this.#span(item, raw);
    const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
    if (type === "rewritten") this.#rewritten(String(value["source"]), Number(value["to"]));
  }

  #span({ source, offset, start, end }: SpanItem, raw: Uint8Array): void {
    const length = end - start;
    const before = this.#tails.get(source);
    // What is gone through again, from an older buffer, is known.
    if (before !== undefined && offset + length <= before.offset) return;
    const kept = before?.offset === offset ? before.bytes : new Uint8Array(0);
    const fresh = raw.subarray(Math.max(start, end - keptTail), end);
    const joined = new Uint8Array(kept.length + fresh.length);
    joined.set(kept);
    joined.set(fresh, kept.length);
    this.#tails.set(source, { offset: offset + length, bytes: joined.slice(-keptTail) });
  }

  // The file holds something else before `to` than was sealed: that is no evidence any more.
  #rewritten(source: string, to: number): void {
    const tail = this.#tails.get(source);
    if (tail === undefined) return;
    const kept = Math.max(0, Math.min(tail.bytes.length, tail.offset - to));
    const bytes = tail.bytes.slice(tail.bytes.length - kept);
    this.#tails.set(source, { offset: tail.offset, bytes });
  }
}
