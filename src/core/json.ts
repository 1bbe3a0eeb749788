// Canonical JSON (RFC 8785), restricted so that every language reads the same value.
//
// - One object; integers 0 … 2^53 - 1, strings without lone surrogates, booleans, arrays, objects.
// - No null, no fractions, no duplicate keys; depth at most 16, the outermost object is depth 1.
// - The check is: parse, write again, compare bytes. Nothing that fails it is ever interpreted.
//
// Spec: docs/spec/record.md, "Canonical JSON".

import { equalBytes, fromUtf8, utf8 } from "./bytes.ts";
import { Fault } from "./fault.ts";

export type Json = number | string | boolean | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json;
}

const maxDepth = 16;

/** The one encoding of `value`. Throws NON_CANONICAL for what the restriction forbids. */
export function encodeJson(value: JsonObject): Uint8Array {
  return utf8(write(value, 1));
}

/** Reads bytes that `encodeJson` could have written; throws NON_CANONICAL for all others. */
export function decodeJson(bytes: Uint8Array): JsonObject {
  const text = fromUtf8(bytes);
  refuseDeepNesting(text);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new Fault("NON_CANONICAL", "bytes are not JSON");
  }
  if (!isObject(value)) throw new Fault("NON_CANONICAL", "JSON is not one object");
  if (!equalBytes(encodeJson(value), bytes)) {
    throw new Fault("NON_CANONICAL", "JSON is not in canonical form");
  }
  return value;
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A text as it is; "" for all else. String() throws on some objects that JSON can make. */
export function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function write(value: unknown, depth: number): string {
  if (typeof value === "string") return writeString(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return writeNumber(value);
  if (depth > maxDepth) throw new Fault("NON_CANONICAL", `JSON is nested deeper than ${maxDepth}`);
  if (Array.isArray(value)) return `[${value.map((item) => write(item, depth + 1)).join(",")}]`;
  if (!isObject(value)) throw new Fault("NON_CANONICAL", "JSON holds null or an unknown kind");
  // Default sort compares UTF-16 code units, which is what RFC 8785 section 3.2.3 asks for.
  const members = Object.keys(value)
    .sort()
    .map((key) => `${writeString(key)}:${write(value[key], depth + 1)}`);
  return `{${members.join(",")}}`;
}

function writeString(text: string): string {
  if (!text.isWellFormed()) throw new Fault("NON_CANONICAL", "JSON string has a lone surrogate");
  // ECMAScript's own quoting is the one that RFC 8785 section 3.2.2.2 prescribes.
  return JSON.stringify(text);
}

function writeNumber(value: number): string {
  if (!Number.isSafeInteger(value) || value < 0 || Object.is(value, -0)) {
    throw new Fault("NON_CANONICAL", "JSON number is not an integer from 0 to 2^53 - 1");
  }
  return String(value);
}

// Before parsing, so that hostile nesting cannot exhaust the stack.
function refuseDeepNesting(text: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      depth++;
      if (depth > maxDepth) {
        throw new Fault("NON_CANONICAL", `JSON is nested deeper than ${maxDepth}`);
      }
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
}
