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
// - Salts and hashes are copied by words of four bytes: the head's fields lie at multiples of four.
// - Where `raw` is a Buffer, indexOf() passes over 7 bytes a nanosecond, where it is a plain
//   Uint8Array over 2. To this file they are the same: whoever has many lines brings a Buffer.
//
// Spec: docs/spec/envelope.md, docs/spec/payload.md.

import { addNumbers } from "./bytes.ts";
import { domain, type Suite } from "./digest.ts";
import {
  endedByLf,
  envelopeHeadLength,
  envelopeKind,
  field,
  hashLength,
  maxStretch,
  saltsOf,
  sourceIdLength,
} from "./envelope.ts";
import { GroupTree } from "./envelope-tree.ts";
import { Fault } from "./fault.ts";
import { type PayloadItem, payloadItems, type SpanItem, seedLength } from "./payload.ts";

const lf = 0x0a;
/** Envelopes between two turns of others: about a millisecond. */
const stepEnvelopes = 1024;
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
  /** Takes the hashes of all envelopes, in memory of its own, so that no reader hashes again. */
  readonly keepHashes?: Uint8Array;
  /** Called per envelope; both views are overwritten by the next envelope. For readers only. */
  readonly onEnvelope?: (preimage: Uint8Array, hash: Uint8Array, item: PayloadItem) => void;
}

/** How a payload is read whose envelopes were derived before, or are taken as they come. */
export interface ReadInput extends Omit<DeriveInput, "keepHashes"> {
  readonly onEnvelope: (preimage: Uint8Array, hash: Uint8Array, item: PayloadItem) => void;
  /** Gives the salts in order, some at a time; all at once unless told. */
  readonly salts?: (count: number) => Uint8Array;
  /** What `keepHashes` took: with it nothing is hashed. */
  readonly hashes?: Uint8Array | undefined;
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
  const steps = derivation(suite, input);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** The same, step by step: 1,024 envelopes are derived, at most, whenever the next is asked for. */
export function derivation(suite: Suite, input: DeriveInput): Generator<void, Derived, undefined> {
  return new Derivation(suite, input, stepEnvelopes).run();
}

/** The same, but `turn` is awaited after every 1,024 envelopes: a block takes milliseconds. */
export async function deriveInTurns(
  suite: Suite,
  input: DeriveInput,
  turn: () => Promise<void>,
): Promise<Derived> {
  const steps = derivation(suite, input);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await turn();
  }
}

/** Tells of one envelope whenever the next step is asked for. Throws the same. */
export function readEnvelopes(suite: Suite, input: ReadInput): Generator<void, unknown, undefined> {
  return new Derivation(suite, input, 1).run();
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
  readonly #input: DeriveInput & Partial<ReadInput>;
  readonly #step: number;
  /** What the payload is a part of, and where it begins there. */
  readonly #buffer: ArrayBufferLike;
  readonly #bufferAt: number;
  readonly #cutter: Cutter;
  readonly #tree: GroupTree;
  /** Four of them an envelope, for the envelopes [saltsFrom, saltsTo). */
  #saltWords: Uint32Array;
  #saltsFrom = 0;
  #saltsTo: number;
  /** Hashes that are kept, and those that are known, as words. */
  readonly #kept: Uint32Array | undefined;
  readonly #known: Uint32Array | undefined;
  #preimage: Preimage = preimageOf(usualPreimage);
  /** Of the newest envelope: its preimage still holds the one before. */
  readonly #hash = new Uint8Array(hashLength);
  readonly #hashWords = new Uint32Array(this.#hash.buffer);
  /** The first n bytes of the preimage, by n. */
  readonly #views = new Array<Uint8Array | undefined>(usualPreimage + 1);
  #done = 0;

  /** `step`: envelopes between two turns of others. */
  constructor(suite: Suite, input: DeriveInput & Partial<ReadInput>, step: number) {
    const { raw, count, prev, firstSeq, keepHashes, hashes } = input;
    addNumbers(firstSeq, count);
    this.#suite = suite;
    this.#input = input;
    this.#step = step;
    this.#buffer = raw.buffer;
    this.#bufferAt = raw.byteOffset;
    this.#kept = keepHashes && new Uint32Array(keepHashes.buffer);
    this.#known = hashes && new Uint32Array(hashes.buffer);
    this.#cutter = new Cutter(raw);
    this.#tree = new GroupTree(suite);
    const all = input.salts === undefined;
    this.#saltsTo = all ? count : 0;
    this.#saltWords = wordsOf(saltsOf(suite, raw.subarray(0, seedLength), this.#saltsTo));
    const { bytes } = this.#preimage;
    bytes[field.domain] = domain.envelope;
    bytes[field.version] = 1;
    this.#hash.set(prev);
  }

  /** Yields so that others can get their turn. */
  *run(): Generator<void, Derived, undefined> {
    const { raw, firstSeq, count, onItem } = this.#input;
    let firstTime = Number.POSITIVE_INFINITY;
    for (const item of payloadItems(raw)) {
      const before = this.#done;
      if (item.kind === "span") yield* this.#span(item);
      else if (this.#record(item)) yield;
      if (item.time < firstTime) firstTime = item.time;
      onItem?.(item, firstSeq + before, this.#done - before);
    }
    if (this.#done !== count) {
      throw new Fault("COUNT_MISMATCH", `payload holds ${this.#done} envelopes, want ${count}`);
    }
    return { lastHash: this.#hash.slice(), envelopeRoot: this.#tree.root(), firstTime };
  }

  *#span(span: SpanItem): Generator<void, void, undefined> {
    const { bytes, view } = this.#preimage;
    bytes[field.kind] = envelopeKind.line;
    setU64(view, field.time, span.time);
    const id = this.#input.raw.subarray(span.sourceAt, span.sourceAt + sourceIdLength);
    bytes.set(id, field.source);
    const cutter = this.#cutter;
    for (let at = span.start; at < span.end; ) {
      const next = cutter.next(at, span.end);
      const head = this.#preimage;
      setU64(head.view, field.offset, span.offset + (at - span.start));
      head.bytes[field.flags] = cutter.lf ? endedByLf : 0;
      this.#envelope(at, cutter.end, span);
      at = next;
      if (this.#done % this.#step === 0) yield;
    }
  }

  /** Whether others should get their turn. */
  #record(item: PayloadItem): boolean {
    const { bytes, view } = this.#preimage;
    bytes[field.kind] = envelopeKind.record;
    bytes[field.flags] = 0;
    setU64(view, field.time, item.time);
    bytes.fill(0, field.source, field.salt);
    this.#envelope(item.start, item.end, item);
    return this.#done % this.#step === 0;
  }

  #envelope(start: number, end: number, item: PayloadItem): void {
    const { count, firstSeq, onEnvelope } = this.#input;
    const [kept, known] = [this.#kept, this.#known];
    const index = this.#done++;
    if (index >= count) {
      throw new Fault("COUNT_MISMATCH", `payload holds more than ${count} envelopes`, item.start);
    }
    const length = end - start;
    const total = envelopeHeadLength + length;
    if (total > this.#preimage.bytes.length) this.#grow(total);
    const { bytes, words, view } = this.#preimage;
    if (index >= this.#saltsTo) this.#moreSalts(index);
    const saltWords = this.#saltWords;
    const salt = 4 * (index - this.#saltsFrom);
    setU64(view, field.seq, firstSeq + index);
    words[saltWord] = saltWords[salt] as number;
    words[saltWord + 1] = saltWords[salt + 1] as number;
    words[saltWord + 2] = saltWords[salt + 2] as number;
    words[saltWord + 3] = saltWords[salt + 3] as number;
    copyHash(this.#hashWords, 0, words, prevWord);
    view.setUint32(field.length, length);
    bytes.set(new Uint8Array(this.#buffer, this.#bufferAt + start, length), envelopeHeadLength);
    const preimage = this.#viewOf(total);
    if (known === undefined) {
      this.#suite.sha256Into(preimage, total, this.#hash, 0);
      this.#tree.add(this.#hashWords);
    } else copyHash(known, hashWords * index, this.#hashWords, 0);
    if (kept !== undefined) copyHash(this.#hashWords, 0, kept, hashWords * index);
    onEnvelope?.(preimage, this.#hash, item);
  }

  #moreSalts(index: number): void {
    const { salts, count } = this.#input;
    this.#saltsFrom = index;
    this.#saltsTo = Math.min(count, index + stepEnvelopes);
    if (salts !== undefined) this.#saltWords = wordsOf(salts(this.#saltsTo - index));
  }

  #viewOf(total: number): Uint8Array {
    const { bytes } = this.#preimage;
    if (total > usualPreimage) return bytes.subarray(0, total);
    const kept = this.#views[total];
    if (kept !== undefined) return kept;
    const view = bytes.subarray(0, total);
    this.#views[total] = view;
    return view;
  }

  #grow(total: number): void {
    const grown = preimageOf(Math.max(total, 2 * this.#preimage.bytes.length));
    grown.bytes.set(this.#preimage.bytes.subarray(0, envelopeHeadLength));
    this.#preimage = grown;
    this.#views.fill(undefined);
  }
}

// The same bytes three times: what is whole words in the head is copied by words.
interface Preimage {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly view: DataView;
}

function copyHash(from: Uint32Array, at: number, to: Uint32Array, toAt: number): void {
  for (let word = 0; word < hashWords; word += 1) to[toAt + word] = from[at + word] as number;
}

const hashWords = hashLength / 4;
const prevWord = field.prev / 4;
const saltWord = field.salt / 4;

function preimageOf(length: number): Preimage {
  const buffer = new ArrayBuffer(Math.ceil(length / 4) * 4);
  return {
    bytes: new Uint8Array(buffer),
    words: new Uint32Array(buffer),
    view: new DataView(buffer),
  };
}

/** In memory of its own: words must lie at multiples of four. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(new Uint8Array(bytes).buffer);
}

// The caller has checked the number.
function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value / 0x1_0000_0000);
  view.setUint32(at + 4, value);
}
