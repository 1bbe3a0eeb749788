// What a test's block holds: items, the payload they make, and what they leave behind.

import { constants, zstdCompressSync } from "node:zlib";
import { fromHex } from "../../src/core/bytes.ts";
import { countLines, type Derived, deriveEnvelopes } from "../../src/core/derive.ts";
import { decodeJson, encodeJson, type JsonObject } from "../../src/core/json.ts";
import {
  payloadItems,
  recordHeadLength,
  seedLength,
  spanHeadLength,
  writeRecord,
  writeSpanHead,
} from "../../src/core/payload.ts";
import { type AgentRecord, encodeRecord } from "../../src/core/record.ts";
import { SourceTable } from "../../src/core/sources.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";

/** Bytes in a record's place, or a span of a source, at its expected offset unless told otherwise. */
export type Item =
  | { readonly record: Uint8Array; readonly time?: number }
  | {
      readonly source: string;
      readonly bytes: Uint8Array;
      readonly offset?: number;
      readonly time?: number;
    };

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? Uint8Array.from(Buffer.from(text)) : text;
}

/** A record. */
export function say(record: AgentRecord | JsonObject): Item {
  return { record: encodeRecord(record) };
}

/** Bytes that stand where a record belongs. */
export function sayBytes(text: string | Uint8Array): Item {
  return { record: bytesOf(text) };
}

/** A span. */
export function lines(source: string, text: string | Uint8Array, offset?: number): Item {
  return { source, bytes: bytesOf(text), ...(offset === undefined ? {} : { offset }) };
}

export function at(time: number, item: Item): Item {
  return { ...item, time };
}

/** What a chain has said so far. */
export interface Facts {
  readonly sources: SourceTable;
  readonly config: JsonObject;
  readonly configHash: Uint8Array;
  readonly receiptHash: Uint8Array;
  readonly receiptSize: number;
}

/** What holds after the items, as an agent would reckon; records that can't be read say nothing. */
export function factsAfter(before: Facts, items: readonly Item[]): Facts {
  const sources = new SourceTable(suite);
  sources.restore(before.sources.positions());
  let facts: Facts = { ...before, sources };
  for (const item of items) {
    if ("source" in item) {
      const offset = item.offset ?? sources.get(item.source)?.expected ?? 0;
      sources.advance(item.source, offset, item.bytes.length);
      continue;
    }
    const record = readable(item.record);
    if (record === undefined) continue;
    sources.apply(String(record["type"]), record);
    if (record["type"] === "config" && typeof record["config"] === "object") {
      const config = record["config"] as JsonObject;
      facts = { ...facts, config, configHash: suite.sha256(encodeJson(config)) };
    }
    if (record["type"] === "receipt" && typeof record["note"] === "string") {
      const note = record["note"];
      const receiptSize = Number(note.split("\n")[1]);
      facts = { ...facts, receiptHash: suite.sha256(bytesOf(note)), receiptSize };
    }
  }
  return facts;
}

function readable(bytes: Uint8Array): JsonObject | undefined {
  try {
    return decodeJson(bytes);
  } catch {
    return undefined;
  }
}

/** seed ‖ items. Spans go on where their source stands in `sources`. */
export function encodeItems(
  seed: Uint8Array,
  items: readonly Item[],
  before: Facts,
  time: number,
): Uint8Array {
  const lengths = items.map((item) =>
    "source" in item ? spanHeadLength + item.bytes.length : recordHeadLength + item.record.length,
  );
  const raw = new Uint8Array(lengths.reduce((sum, length) => sum + length, seedLength));
  raw.set(seed);
  let place = seedLength;
  for (const [index, item] of items.entries()) {
    if ("source" in item) {
      const { sources } = factsAfter(before, items.slice(0, index));
      const offset = item.offset ?? sources.get(item.source)?.expected ?? 0;
      const { length } = item.bytes;
      const source = fromHex(item.source, 16);
      writeSpanHead(raw, place, { source, offset, time: item.time ?? time, length });
      raw.set(item.bytes, place + spanHeadLength);
    } else {
      writeRecord(raw, place, item.time ?? time, item.record);
    }
    place += lengths[index] as number;
  }
  return raw;
}

/** How many envelopes a payload makes; undefined where it can't be read. */
export function envelopesIn(raw: Uint8Array): number | undefined {
  try {
    let count = 0;
    for (const item of payloadItems(raw)) {
      count += item.kind === "span" ? countLines(raw, item.start, item.end) : 1;
    }
    return count;
  } catch {
    return undefined;
  }
}

/** Derives a payload that is known to be good. */
export function derive(raw: Uint8Array, prev: Uint8Array, firstSeq: number): Derived {
  return deriveEnvelopes(suite, { raw, prev, firstSeq, count: envelopesIn(raw) ?? 1 });
}

export function compress(raw: Uint8Array): Uint8Array {
  const params = {
    [constants.ZSTD_c_compressionLevel]: 1,
    [constants.ZSTD_c_contentSizeFlag]: 1,
    [constants.ZSTD_c_checksumFlag]: 1,
  };
  // In room for all of it: zlib ends a frame that fills its buffer with another one.
  const options = { params, chunkSize: raw.length + 4096, pledgedSrcSize: raw.length };
  return Uint8Array.from(zstdCompressSync(raw, options));
}
