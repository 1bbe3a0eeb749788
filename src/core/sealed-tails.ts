// The newest sealed bytes of each source: evidence that a file still is what was sealed.

import { concat } from "./bytes.ts";
import type { PayloadItem, SpanItem } from "./payload.ts";
import { decodeRecord } from "./record.ts";

/** The last bytes of a source that were sealed, ending at `offset`. */
export interface SealedTail {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

const keptTail = 512;

export class SealedTails {
  readonly #tails: Map<string, SealedTail>;
  /** What was sealed before these offsets is no evidence: it changed, or a gap lies between. */
  readonly #floors = new Map<string, number>();

  /** Goes on from what is known. */
  constructor(known: Iterable<readonly [string, SealedTail]> = []) {
    this.#tails = new Map(known);
  }

  get all(): ReadonlyMap<string, SealedTail> {
    return this.#tails;
  }

  /** Takes the next item of a payload that was sealed. Throws Fault for a record that is none. */
  take(item: PayloadItem, raw: Uint8Array): void {
    if (item.kind === "span") return this.#span(item, raw);
    const { type, value, problem } = decodeRecord(raw.subarray(item.start, item.end));
    if ((type !== "rewritten" && type !== "gap") || problem?.code === "MALFORMED") return;
    const source = String(value["source"]);
    const to = Number(value["to"] ?? 0);
    this.#floors.set(source, Math.max(to, this.#floors.get(source) ?? 0));
    if (type === "rewritten") this.#rewritten(source, to);
  }

  /** Whether older blocks cannot say more of the bytes that end at `offset`. */
  isWhole(source: string, offset: number): boolean {
    const begin = this.#beginOf(source, offset);
    return offset - begin >= keptTail || begin <= (this.#floors.get(source) ?? 0);
  }

  /** Takes from `earlier`, all of which was sealed before, what ends where the bytes here begin. */
  precede(earlier: SealedTails, source: string, offset: number): void {
    const begin = this.#beginOf(source, offset);
    const floor = this.#floors.get(source) ?? 0;
    const found = earlier.#tails.get(source);
    const length = Math.min(found?.bytes.length ?? 0, Math.max(0, begin - floor));
    if (found?.offset === begin && length > 0) {
      const own = begin < offset ? this.#tails.get(source)?.bytes : undefined;
      const added = found.bytes.subarray(found.bytes.length - length);
      const joined = concat(added, own ?? new Uint8Array(0));
      this.#tails.set(source, { offset, bytes: joined.slice(-keptTail) });
    }
    this.#floors.set(source, Math.max(floor, earlier.#floors.get(source) ?? 0));
  }

  #beginOf(source: string, offset: number): number {
    const tail = this.#tails.get(source);
    return tail?.offset === offset ? offset - tail.bytes.length : offset;
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
