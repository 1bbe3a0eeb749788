import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../src/core/fault.ts";
import type { JsonObject } from "../../src/core/json.ts";
import {
  decodeRecord,
  encodePath,
  encodeRecord,
  isEncodedPath,
  sourceIdOf,
} from "../../src/core/record.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";

const source = {
  ...{ type: "source", name: "app", path: "/var/log/app.log", dev: "1", ino: "2", birth: "0" },
  ...{ generation: 0, fingerprint: "ab".repeat(32), fingerprint_len: 10 },
};
const position = { record: source, offset: 5 };
const id = "0f".repeat(16);

/** A good record of every type. */
const rows: Readonly<Record<string, JsonObject>> = {
  start: { run: id, version: "1", host: "h", labels: { pod: "p" } },
  stop: { reason: "sigterm" },
  config: { config: {} },
  source,
  end: { source: id, size: 1, cause: "deleted" },
  gap: { source: id, from: 1, to: 2, cause: "truncated" },
  rewritten: { source: id, from: 1, to: 2 },
  snapshot: { tree: ["cd".repeat(32)], config: {}, sources: [position] },
  heartbeat: { sources: [{ source: id, size: 1, offset: 1 }] },
  clock: { before: 1, after: 2, mono: 3 },
  receipt: { note: "x" },
  predecessor: {
    ...{ chain: "ab".repeat(32), size: 1, root: "ab".repeat(32), reason: "r" },
    positions: [position],
  },
  sink: { event: "fork", since: 1, detail: "d" },
};
const optional = ["gap to", "sink since", "sink detail"];

function problem(record: JsonObject): string | undefined {
  return decodeRecord(encodeRecord(record)).problem?.code;
}

describe("records", () => {
  test("of every type are read as they were written", () => {
    for (const [type, row] of Object.entries(rows)) {
      const bytes = encodeRecord({ ...row, type });
      const read = decodeRecord(bytes);
      assert.equal(read.type, type);
      assert.equal(read.problem, undefined, type);
      assert.deepEqual(encodeRecord(read.value), bytes);
    }
  });

  test("without a key, or with another kind of value, are MALFORMED", () => {
    for (const [type, row] of Object.entries(rows)) {
      for (const key of Object.keys(row).filter((each) => each !== "type")) {
        const { [key]: _, ...rest } = row;
        const want = optional.includes(`${type} ${key}`) ? undefined : "MALFORMED";
        assert.equal(problem({ ...rest, type }), want, `${type} without ${key}`);
        for (const value of [true, [[1]]]) {
          assert.equal(problem({ ...row, type, [key]: value }), "MALFORMED", `${type} ${key}`);
        }
      }
    }
  });

  test("with a key too many, or of an unknown type, are kept and said to be unknown", () => {
    for (const [type, row] of Object.entries(rows)) {
      assert.equal(problem({ ...row, type, zzz: 1 }), "UNKNOWN_RECORD");
    }
    for (const type of ["weather", "", "Stop", "constructor", "__proto__", "toString"]) {
      assert.equal(problem({ type }), "UNKNOWN_RECORD", type);
    }
  });

  test("that are MALFORMED and hold an unknown key, too, are MALFORMED", () => {
    assert.equal(problem({ type: "stop", zzz: 1 }), "MALFORMED");
  });

  test("take no key from a prototype", () => {
    const bytes = Buffer.from('{"__proto__":{"reason":"x"},"type":"stop"}');
    assert.equal(decodeRecord(bytes).problem?.code, "MALFORMED");
  });

  test("longer than 8,000,000 bytes are refused before they are read", () => {
    assert.throws(
      () => decodeRecord(new Uint8Array(8_000_001)),
      (caught) => caught instanceof Fault && caught.code === "LIMIT_EXCEEDED",
    );
  });

  test("truncated anywhere say nothing at all", () => {
    const bytes = encodeRecord({ ...rows["start"], type: "start" });
    for (let end = 0; end < bytes.length; end++) {
      assert.throws(() => decodeRecord(bytes.subarray(0, end)), Fault);
    }
  });
});

describe("paths", () => {
  test("of any bytes have one form, which is recognised", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (path) => {
        const text = encodePath(path);
        assert.ok(isEncodedPath(text));
        assert.ok(/^[\x21-\x7e]*$/.test(text));
        assert.deepEqual(decoded(text), path);
      }),
    );
  });

  test("in another form are refused", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ -~]{0,8}$/), (text) => {
        if (isEncodedPath(text)) assert.equal(encodePath(decoded(text)), text);
        else assert.notEqual(encodePath(decoded(text)), text);
      }),
    );
  });
});

function decoded(text: string): Uint8Array {
  const parts = text.match(/%[0-9a-f]{2}|./gs) ?? [];
  return Uint8Array.from(parts, (part) =>
    part.length === 3 ? Number.parseInt(part.slice(1), 16) : part.charCodeAt(0),
  );
}

test("a source id is 16 bytes of a hash that no other hash can be", () => {
  const bytes = encodeRecord(source);
  const want = suite.sha256(Uint8Array.of(3, ...bytes)).subarray(0, 16);
  assert.deepEqual(sourceIdOf(suite, bytes), want);
});
