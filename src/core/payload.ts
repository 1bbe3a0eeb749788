// The payload of a block: a seed and spans of raw file bytes, from which envelopes are derived.
//
// - raw = seed (32) ‖ item+. Item 01 is a span of a source's bytes, item 02 a record.
// - Reading never trusts a length: every item must end within the payload.
//
// Spec: docs/spec/payload.md.

import { addNumbers, hex, readU32, readU64, writeU32, writeU64 } from "./bytes.ts";
import { Fault } from "./fault.ts";
import { maxRecordLength } from "./record.ts";

export const seedLength = 32;
export const spanHeadLength = 37;
export const recordHeadLength = 13;

const tag = { span: 1, record: 2 } as const;

export interface SpanItem {
  readonly kind: "span";
  /** Source id in hex. */
  readonly source: string;
  /** Offset in the source of the span's first byte. */
  readonly offset: number;
  /** Unix microseconds at which the agent read it. */
  readonly time: number;
  /** Where in the payload the source id, and the span's bytes, lie. */
  readonly sourceAt: number;
  readonly start: number;
  readonly end: number;
}

export interface RecordItem {
  readonly kind: "record";
  readonly time: number;
  readonly start: number;
  readonly end: number;
}

export type PayloadItem = SpanItem | RecordItem;

/** The items of a payload in order. Throws MALFORMED or LIMIT_EXCEEDED where one breaks a rule. */
export function* payloadItems(raw: Uint8Array): Generator<PayloadItem, void, undefined> {
  if (raw.length <= seedLength) throw new Fault("MALFORMED", "payload holds no item", raw.length);
  let at = seedLength;
  while (at < raw.length) {
    const item = readItem(raw, at);
    yield item;
    at = item.end;
  }
}

function readItem(raw: Uint8Array, at: number): PayloadItem {
  const kind = raw[at];
  if (kind === tag.span) return readSpan(raw, at);
  if (kind === tag.record) return readRecord(raw, at);
  throw new Fault("MALFORMED", `payload item has tag ${kind}`, at);
}

function readSpan(raw: Uint8Array, at: number): SpanItem {
  const start = at + spanHeadLength;
  if (start > raw.length) throw new Fault("MALFORMED", "span is cut short", at);
  const offset = readU64(raw, at + 17);
  const time = readU64(raw, at + 25);
  const length = readU32(raw, at + 33);
  if (length < 1) throw new Fault("MALFORMED", "span holds no byte", at);
  if (length > raw.length - start) throw new Fault("MALFORMED", "span is cut short", at);
  addNumbers(offset, length);
  const source = hex(raw.subarray(at + 1, at + 17));
  return { kind: "span", source, offset, time, sourceAt: at + 1, start, end: start + length };
}

function readRecord(raw: Uint8Array, at: number): RecordItem {
  const start = at + recordHeadLength;
  if (start > raw.length) throw new Fault("MALFORMED", "record is cut short", at);
  const time = readU64(raw, at + 1);
  const length = readU32(raw, at + 9);
  if (length < 2) throw new Fault("MALFORMED", `record of ${length} bytes`, at);
  if (length > maxRecordLength) {
    throw new Fault("LIMIT_EXCEEDED", `record is ${length} bytes, at most 8,000,000`, at);
  }
  if (length > raw.length - start) throw new Fault("MALFORMED", "record is cut short", at);
  return { kind: "record", time, start, end: start + length };
}

/** Writes a span's head at `at`; its bytes belong at `at + spanHeadLength`. */
export function writeSpanHead(
  raw: Uint8Array,
  at: number,
  span: { source: Uint8Array; offset: number; time: number; length: number },
): void {
  raw[at] = tag.span;
  raw.set(span.source, at + 1);
  writeU64(raw, at + 17, span.offset);
  writeU64(raw, at + 25, span.time);
  writeU32(raw, at + 33, span.length);
}

/** Writes a whole record item at `at` and returns where it ends. */
export function writeRecord(raw: Uint8Array, at: number, time: number, record: Uint8Array): number {
  raw[at] = tag.record;
  writeU64(raw, at + 1, time);
  writeU32(raw, at + 9, record.length);
  raw.set(record, at + recordHeadLength);
  return at + recordHeadLength + record.length;
}
