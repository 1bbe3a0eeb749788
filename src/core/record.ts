// Records: what the agent itself states in a chain, as canonical JSON.
//
// - The key `type` names the row of the table below; every key of the row is required unless `?`.
// - A known type with a wrong or missing key is MALFORMED. Unknown types and keys are kept.
//
// Spec: docs/spec/record.md.

import { hex } from "./bytes.ts";
import { domain, type Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { decodeJson, encodeJson, isObject, type Json, type JsonObject } from "./json.ts";

export const maxRecordLength = 8_000_000;

/** Blocks whose numbers are multiples of it hold a snapshot, as the first block of each run does. */
export const snapshotPeriod = 1024;

/** The newest block up to this one that must hold a snapshot because of its number. */
export function periodOf(block: number): number {
  return block - (block % snapshotPeriod);
}

export type GapCause = "truncated" | "rotated-away" | "unreadable" | "skipped";
export type EndCause = "deleted" | "restarted";
export type SinkEvent = "unreachable" | "rollback" | "fork" | "refused";

/** A followed file as first seen. Its canonical bytes decide the source id. */
export type SourceRecord = {
  readonly type: "source";
  readonly name: string;
  readonly path: string;
  readonly dev: string;
  readonly ino: string;
  readonly birth: string;
  readonly generation: number;
  readonly fingerprint: string;
  readonly fingerprint_len: number;
};
export type EndRecord = {
  readonly type: "end";
  readonly source: string;
  readonly size: number;
  readonly cause: EndCause;
};
export type GapRecord = {
  readonly type: "gap";
  readonly source: string;
  readonly from: number;
  readonly to?: number;
  readonly cause: GapCause;
};
export type RewrittenRecord = {
  readonly type: "rewritten";
  readonly source: string;
  readonly from: number;
  readonly to: number;
};
/** A source and the offset up to which it is sealed or lies in a declared gap. */
export type SourcePosition = { readonly record: JsonObject; readonly offset: number };
export type SnapshotRecord = {
  readonly type: "snapshot";
  readonly tree: readonly string[];
  readonly config: JsonObject;
  readonly sources: readonly SourcePosition[];
};
export type HeartbeatSource = {
  readonly source: string;
  readonly size: number;
  readonly offset: number;
};
export type PredecessorRecord = {
  readonly type: "predecessor";
  readonly chain: string;
  readonly size: number;
  readonly root: string;
  readonly reason: string;
  readonly positions: readonly SourcePosition[];
};
/** What the agent states; more types may come from newer agents. */
export type AgentRecord =
  | SourceRecord
  | EndRecord
  | GapRecord
  | RewrittenRecord
  | SnapshotRecord
  | PredecessorRecord
  | {
      readonly type: "start";
      readonly run: string;
      readonly version: string;
      readonly host: string;
      readonly labels: Readonly<Record<string, string>>;
    }
  | { readonly type: "stop"; readonly reason: string }
  | { readonly type: "config"; readonly config: JsonObject }
  | { readonly type: "heartbeat"; readonly sources: readonly HeartbeatSource[] }
  | {
      readonly type: "clock";
      readonly before: number;
      readonly after: number;
      readonly mono: number;
    }
  | { readonly type: "receipt"; readonly note: string }
  | {
      readonly type: "sink";
      readonly event: SinkEvent;
      readonly since?: number;
      readonly detail?: string;
    };

type Check = (value: Json) => boolean;

const text: Check = (value) => typeof value === "string";
const integer: Check = (value) => typeof value === "number";
const object: Check = (value) => isObject(value);
const oneOf =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string);
const matching =
  (pattern: RegExp): Check =>
  (value) =>
    typeof value === "string" && pattern.test(value);
const arrayOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);

const id = matching(/^[0-9a-f]{32}$/);
const hash = matching(/^[0-9a-f]{64}$/);
const decimal = matching(/^(0|[1-9][0-9]*)$/);
const encodedPath: Check = (value) => typeof value === "string" && isEncodedPath(value);
const labels: Check = (value) => isObject(value) && Object.values(value).every(text);
const atMost =
  (limit: number): Check =>
  (value) =>
    typeof value === "number" && value <= limit;

type Shape = Readonly<Record<string, Check>>;

const heartbeatSource: Shape = { source: id, size: integer, offset: integer };
const sourceShape: Shape = {
  name: text,
  path: encodedPath,
  dev: decimal,
  ino: decimal,
  birth: decimal,
  generation: integer,
  fingerprint: hash,
  fingerprint_len: atMost(1024),
};
const sourceObject: Check = (value) =>
  isObject(value) && value["type"] === "source" && fits(value, sourceShape);
const positionShape: Shape = { record: sourceObject, offset: integer };
const inner =
  (shape: Shape): Check =>
  (value) =>
    isObject(value) && fits(value, shape);

// A key that ends in `?` may be absent.
const shapes: Readonly<Record<AgentRecord["type"], Shape>> = {
  start: { run: id, version: text, host: text, labels },
  stop: { reason: text },
  config: { config: object },
  source: sourceShape,
  end: { source: id, size: integer, cause: oneOf("deleted", "restarted") },
  gap: {
    source: id,
    from: integer,
    "to?": integer,
    cause: oneOf("truncated", "rotated-away", "unreadable", "skipped"),
  },
  rewritten: { source: id, from: integer, to: integer },
  snapshot: { tree: arrayOf(hash), config: object, sources: arrayOf(inner(positionShape)) },
  heartbeat: { sources: arrayOf(inner(heartbeatSource)) },
  clock: { before: integer, after: integer, mono: integer },
  receipt: { note: text },
  predecessor: {
    chain: hash,
    size: integer,
    root: hash,
    reason: text,
    positions: arrayOf(inner(positionShape)),
  },
  sink: {
    event: oneOf("unreachable", "rollback", "fork", "refused"),
    "since?": integer,
    "detail?": text,
  },
};

function fits(value: JsonObject, shape: Shape): boolean {
  return Object.entries(shape).every(([key, check]) => {
    const optional = key.endsWith("?");
    const found = ownValue(value, optional ? key.slice(0, -1) : key);
    return found === undefined ? optional : check(found);
  });
}

function ownValue(value: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** Canonical bytes of a record. */
export function encodeRecord(record: AgentRecord | JsonObject): Uint8Array {
  return encodeJson(record as JsonObject);
}

export interface DecodedRecord {
  /** The record's own word for what it is; "" where it has none. */
  readonly type: string;
  readonly value: JsonObject;
  /** MALFORMED (the record breaks its row) or UNKNOWN_RECORD (it says more than we know). */
  readonly problem: Fault | undefined;
}

/** Reads a record's bytes; throws NON_CANONICAL or LIMIT_EXCEEDED where they say nothing at all. */
export function decodeRecord(bytes: Uint8Array): DecodedRecord {
  if (bytes.length > maxRecordLength) {
    throw new Fault("LIMIT_EXCEEDED", `record is ${bytes.length} bytes, at most 8,000,000`);
  }
  const value = decodeJson(bytes);
  const type = ownValue(value, "type");
  if (typeof type !== "string") {
    return { type: "", value, problem: new Fault("MALFORMED", "record has no type") };
  }
  return { type, value, problem: problemOf(type, value) };
}

function problemOf(type: string, value: JsonObject): Fault | undefined {
  if (!Object.hasOwn(shapes, type)) {
    return new Fault("UNKNOWN_RECORD", "record type is not known to this verifier");
  }
  const shape = shapes[type as AgentRecord["type"]];
  if (!fits(value, shape)) {
    return new Fault("MALFORMED", `${type} record has a wrong or missing key`);
  }
  const known = Object.keys(shape).map((key) => key.replace(/\?$/, ""));
  const stranger = Object.keys(value).find((key) => key !== "type" && !known.includes(key));
  return stranger === undefined
    ? undefined
    : new Fault("UNKNOWN_RECORD", `${type} record has a key that is not known to this verifier`);
}

/** The first 16 bytes of H(03 ‖ bytes of the source record). */
export function sourceIdOf(suite: Suite, record: Uint8Array): Uint8Array {
  const input = new Uint8Array(record.length + 1);
  input[0] = domain.source;
  input.set(record, 1);
  return suite.sha256(input).subarray(0, 16);
}

/** The percent form of a path: bytes outside 21 … 7E, and `%`, become `%xx`. */
export function encodePath(path: Uint8Array): string {
  let text = "";
  for (const byte of path) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x25;
    text += plain ? String.fromCharCode(byte) : `%${hex(Uint8Array.of(byte))}`;
  }
  return text;
}

/** Whether `encodePath` could have written `text`. */
export function isEncodedPath(text: string): boolean {
  return /^(?:[\x21-\x24\x26-\x7e]|%[0189a-f][0-9a-f]|%20|%25|%7f)*$/.test(text);
}
