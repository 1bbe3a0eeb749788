import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../../src/core/bytes.ts";
import { Fault } from "../../src/core/fault.ts";
import { decodeJson, encodeJson, type Json, type JsonObject } from "../../src/core/json.ts";

const text = fc.string({ unit: "grapheme", maxLength: 8 });
const { object } = fc.letrec<{ value: Json; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.maxSafeNat(),
    text,
    fc.boolean(),
    fc.array(tie("value"), { maxLength: 4 }),
    tie("object"),
  ),
  object: fc.dictionary(text, tie("value"), { maxKeys: 5 }) as fc.Arbitrary<JsonObject>,
}));

function refused(bytes: Uint8Array): void {
  assert.throws(
    () => decodeJson(bytes),
    (caught) => caught instanceof Fault && caught.code === "NON_CANONICAL",
  );
}

/** RFC 8785 by another way: sort the members, let the platform write them. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([key, each]) => [key, sorted(each)] as const);
  return new Map(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function written(value: unknown): string {
  if (!(value instanceof Map)) {
    return Array.isArray(value) ? `[${value.map(written).join()}]` : JSON.stringify(value);
  }
  return `{${[...value].map(([key, each]) => `${JSON.stringify(key)}:${written(each)}`).join()}}`;
}

describe("canonical JSON", () => {
  test("reads back what it wrote, and writes what another way writes", () => {
    fc.assert(
      fc.property(object, (value) => {
        const bytes = encodeJson(value);
        assert.deepEqual(encodeJson(decodeJson(bytes)), bytes);
        assert.equal(Buffer.from(bytes).toString(), written(sorted(value)));
      }),
    );
  });

  test("refuses every truncation, and every byte put in", () => {
    fc.assert(
      fc.property(object, fc.constantFrom(0x20, 0x0a, 0x00), (value, byte) => {
        const bytes = encodeJson(value);
        for (let end = 0; end < bytes.length; end++) refused(bytes.subarray(0, end));
        refused(Uint8Array.of(...bytes, byte));
        refused(Uint8Array.of(byte, ...bytes));
      }),
      { numRuns: 40 },
    );
  });

  test("writes nothing that it would not read", () => {
    let deep: Json = 1;
    for (let depth = 0; depth < 16; depth++) deep = [deep];
    for (const value of [
      -1,
      -0,
      0.5,
      2 ** 53,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      "\ud800",
      deep,
    ]) {
      assert.throws(() => encodeJson({ value }), Fault);
    }
    for (const value of [null, undefined, () => 1, 1n, Symbol("x")]) {
      assert.throws(() => encodeJson({ value: value as unknown as Json }), Fault);
    }
  });

  test("nesting without end is refused without recursion", () => {
    refused(utf8(`{"a":${"[".repeat(1_000_000)}`));
    refused(utf8(`{"a":${'{"a":'.repeat(1_000_000)}`));
  });

  test("brackets in strings are no nesting", () => {
    const value = { a: `${"[".repeat(50)}"\\${"{".repeat(50)}` };
    assert.deepEqual(decodeJson(encodeJson(value)), value);
  });
});
