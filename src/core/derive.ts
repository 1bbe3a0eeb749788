// The hot loop: from a block's payload to its envelopes, one hash call per line.
//
// The agent runs it to seal, the vault and the verifier run it to check, so there is one answer
// to "which envelopes does this payload hold". A line costs: find its LF, copy it behind the
// 96-byte head, hash. The hash goes into the head again (it is the next envelope's `prev`) and
// into the envelope tree. Three quarters of the time go into the hash call; what else counts
// (docs/performance.md):
//
// - A line allocates one view of the payload, and what the hash call does. What is hashed always
//   begins at the same place, so views of it are made once per length.
// - Where `raw` is a Buffer, indexOf() passes over 7 bytes a nanosecond, where it is a plain
//   Uint8Array over 2. To this file they are the same: whoever has many lines brings a Buffer.
//
// Spec: docs/spec/envelope.md, docs/spec/payload.md.

import { writeU32, writeU64 } from "./bytes.ts";
import { domain, type Suite } from "./digest.ts";
import {
  endedByLf,
  envelopeHeadLength,
  envelopeKind,
  field,
  hashLength,
  maxStretch,
  saltLength,
  saltsOf,
  sourceIdLength,
} from "./envelope.ts";
import { GroupTree } from "./envelope-tree.ts";
import { Fault } from "./fault.ts";
import { type PayloadItem, payloadItems, type SpanItem, seedLength } from "./payload.ts";

const lf = 0x0a;
/** Longer preimages are rare: views of them are not kept. */
const usualPreimage = 4096;

export interface DeriveInput {
  /** The opened payload. */
  readonly raw: Uint8Array;
  /** Hash of the envelope before the first one. */
  readonly prev: Uint8Array;
  readonly firstSeq: number;
  /** How many envelopes there must be; any other number is COUNT_MISMATCH. */
  readonly count: number;
  /** Called after an item's envelopes were derived. */
  readonly onItem?: (item: PayloadItem, firstSeq: number, count: number) => void;
  /** Called per envelope; both views are overwritten by the next envelope. For readers only. */
  readonly onEnvelope?: (preimage: Uint8Array, hash: Uint8Array, item: PayloadItem) => void;
}

export interface Derived {
  readonly lastHash: Uint8Array;
  readonly envelopeRoot: Uint8Array;
  /** The smallest time of an envelope. */
  readonly firstTime: number;
}

/** How many envelopes raw[start, end) makes as one span. */
export function countLines(raw: Uint8Array, start: number, end: number): number {
  const cutter = new Cutter(raw);
  let count = 0;
  for (let at = start; at < end; at = cutter.next(at, end)) count++;
  return count;
}

/** Where the first `lines` envelopes of raw[start, end) end. */
export function endOfLines(raw: Uint8Array, start: number, end: number, lines: number): number {
  const cutter = new Cutter(raw);
  let at = start;
  for (let count = 0; count < lines && at < end; count++) at = cutter.next(at, end);
  return at;
}

/** Derives all envelopes of a payload. Throws MALFORMED, LIMIT_EXCEEDED or COUNT_MISMATCH. */
export function deriveEnvelopes(suite: Suite, input: DeriveInput): Derived {
  return new Derivation(suite, input).run();
}

// Finds where envelopes end. The next LF is remembered, so that the whole payload is searched
// once, however many spans without LF it holds.
class Cutter {
  readonly #raw: Uint8Array;
  #nextLf = -1;
  /** Whether the envelope that next() just ended was ended by LF. */
  lf = false;
  /** Where its bytes end, without the LF. */
  end = 0;

  constructor(raw: Uint8Array) {
    this.#raw = raw;
  }

  /** Ends the envelope that begins at `at` of a span ending at `spanEnd`; returns the next one's start. */
  next(at: number, spanEnd: number): number {
    if (this.#nextLf < at) {
      const found = this.#raw.indexOf(lf, at);
      this.#nextLf = found === -1 ? this.#raw.length : found;
    }
    const limit = Math.min(spanEnd, at + maxStretch);
    this.lf = this.#nextLf < limit;
    this.end = this.lf ? this.#nextLf : limit;
    return this.lf ? this.end + 1 : this.end;
  }
}

class Derivation {
  readonly #suite: Suite;
  readonly #input: DeriveInput;
  readonly #salts: Uint8Array;
  readonly #tree: GroupTree;
  readonly #cutter: Cutter;
  #preimage: Uint8Array;
  /** The first n bytes of #preimage, by n. */
  readonly #views = new Array<Uint8Array | undefined>(usualPreimage + 1);
  #done = 0;

  constructor(suite: Suite, input: DeriveInput) {
    const { raw, count, prev } = input;
    this.#suite = suite;
    this.#input = input;
    this.#salts = saltsOf(suite, raw.subarray(0, seedLength), count);
    this.#tree = new GroupTree(suite);
    this.#cutter = new Cutter(raw);
    this.#preimage = new Uint8Array(usualPreimage);
    this.#preimage[field.domain] = domain.envelope;
    this.#preimage[field.version] = 1;
    this.#preimage.set(prev, field.prev);
  }

  run(): Derived {
    const { raw, firstSeq, count, onItem } = this.#input;
    let firstTime = Number.POSITIVE_INFINITY;
    for (const item of payloadItems(raw)) {
      const before = this.#done;
      if (item.kind === "span") this.#span(item);
      else this.#record(item);
      if (item.time < firstTime) firstTime = item.time;
      onItem?.(item, firstSeq + before, this.#done - before);
    }
    if (this.#done !== count) {
      throw new Fault("COUNT_MISMATCH", `payload holds ${this.#done} envelopes, want ${count}`);
    }
    const lastHash = this.#preimage.slice(field.prev, field.prev + hashLength);
    return { lastHash, envelopeRoot: this.#tree.root(), firstTime };
  }

  #span(span: SpanItem): void {
    const { raw } = this.#input;
    const cutter = this.#cutter;
    const head = this.#preimage;
    head[field.kind] = envelopeKind.line;
    writeU64(head, field.time, span.time);
    head.set(raw.subarray(span.sourceAt, span.sourceAt + sourceIdLength), field.source);
    for (let at = span.start; at < span.end; ) {
      const next = cutter.next(at, span.end);
      writeU64(this.#preimage, field.offset, span.offset + (at - span.start));
      this.#preimage[field.flags] = cutter.lf ? endedByLf : 0;
      this.#envelope(at, cutter.end, span);
      at = next;
    }
  }

  #record(item: PayloadItem): void {
    const head = this.#preimage;
    head[field.kind] = envelopeKind.record;
    head[field.flags] = 0;
    writeU64(head, field.time, item.time);
    head.fill(0, field.source, field.salt);
    this.#envelope(item.start, item.end, item);
  }

  #envelope(start: number, end: number, item: PayloadItem): void {
    const { raw, count, firstSeq, onEnvelope } = this.#input;
    const index = this.#done++;
    if (index >= count) {
      throw new Fault("COUNT_MISMATCH", `payload holds more than ${count} envelopes`, item.start);
    }
    const length = end - start;
    const total = envelopeHeadLength + length;
    if (total > this.#preimage.length) this.#grow(total);
    const preimage = this.#preimage;
    writeU64(preimage, field.seq, firstSeq + index);
    const salt = index * saltLength;
    for (let i = 0; i < saltLength; i++) preimage[field.salt + i] = this.#salts[salt + i] as number;
    writeU32(preimage, field.length, length);
    preimage.set(raw.subarray(start, end), envelopeHeadLength);
    const view = this.#viewOf(total);
    if (onEnvelope === undefined) {
      this.#suite.sha256Into(view, total, preimage, field.prev);
    } else {
      const hash = this.#suite.sha256(view);
      onEnvelope(view, hash, item);
      preimage.set(hash, field.prev);
    }
    this.#tree.add(preimage, field.prev);
  }

  #viewOf(total: number): Uint8Array {
    if (total > usualPreimage) return this.#preimage.subarray(0, total);
    const kept = this.#views[total];
    if (kept !== undefined) return kept;
    const view = this.#preimage.subarray(0, total);
    this.#views[total] = view;
    return view;
  }

  #grow(total: number): void {
    const grown = new Uint8Array(Math.max(total, 2 * this.#preimage.length));
    grown.set(this.#preimage.subarray(0, envelopeHeadLength));
    this.#preimage = grown;
    this.#views.fill(undefined);
  }
}
