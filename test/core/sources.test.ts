import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { JsonObject } from "../../src/core/json.ts";
import { type PayloadItem, payloadItems } from "../../src/core/payload.ts";
import { SourceTable } from "../../src/core/sources.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { encodeItems, type Item, lines, say } from "../fakes/chain-items.ts";

const record = (path: string): JsonObject => ({
  ...{ type: "source", name: "app", path, dev: "1", ino: "2", birth: "0" },
  ...{ generation: 0, fingerprint: "ab".repeat(32), fingerprint_len: 10 },
});

function opened(...paths: string[]): { table: SourceTable; ids: string[] } {
  const table = new SourceTable(nativeSuite);
  return { table, ids: paths.map((path) => table.declare(record(path))) };
}

const code = (fault: { code: string } | undefined): string | undefined => fault?.code;

describe("continuity", () => {
  test("a source that is read on from where it ended has no fault", () => {
    const { table, ids } = opened("/a", "/b");
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(1), fc.integer({ min: 1, max: 99 }))), (spans) => {
        for (const [which, length] of spans) {
          const id = ids[which] as string;
          const offset = table.get(id)?.expected as number;
          assert.equal(table.advance(id, offset, length), undefined);
          assert.equal(table.get(id)?.expected, offset + length);
        }
      }),
    );
  });

  test("a byte ahead is GAP_UNDECLARED, a byte behind OFFSET_OVERLAP, once", () => {
    const { table, ids } = opened("/a");
    const [id] = ids as [string];
    assert.equal(table.advance(id, 0, 10), undefined);
    assert.equal(code(table.advance(id, 11, 5)), "GAP_UNDECLARED");
    assert.equal(code(table.advance(id, 15, 5)), "OFFSET_OVERLAP");
    assert.equal(table.advance(id, 20, 5), undefined);
  });

  test("what is not open is SOURCE_UNDECLARED, whatever is said about it", () => {
    const { table } = opened();
    const source = "00".repeat(16);
    assert.equal(code(table.advance(source, 0, 1)), "SOURCE_UNDECLARED");
    const said: [string, JsonObject][] = [
      ["end", { source, size: 0 }],
      ["gap", { source, from: 0, to: 1 }],
      ["rewritten", { source, from: 0, to: 1 }],
      ["heartbeat", { sources: [{ source, size: 0, offset: 0 }] }],
    ];
    for (const [type, value] of said)
      assert.equal(code(table.apply(type, value)), "SOURCE_UNDECLARED");
  });

  test("a wrong number is MALFORMED and counts all the same", () => {
    const { table, ids } = opened("/a");
    const [source] = ids as [string];
    table.advance(source, 0, 10);
    assert.equal(code(table.apply("gap", { source, from: 9, to: 20 })), "MALFORMED");
    assert.equal(table.get(source)?.expected, 20);
    assert.equal(code(table.apply("gap", { source, from: 20, to: 20 })), "MALFORMED");
    assert.equal(code(table.apply("rewritten", { source, from: 5, to: 21 })), "MALFORMED");
    assert.equal(code(table.apply("rewritten", { source, from: 5, to: 5 })), "MALFORMED");
    assert.equal(table.apply("rewritten", { source, from: 5, to: 20 }), undefined);
    assert.equal(code(table.apply("end", { source, size: 19 })), "MALFORMED");
    assert.equal(table.get(source), undefined);
  });

  test("a gap without end closes its source; declared again it begins at 0", () => {
    const { table, ids } = opened("/a");
    const [source] = ids as [string];
    table.advance(source, 0, 10);
    assert.equal(table.apply("source", record("/a")), undefined);
    assert.equal(table.get(source)?.expected, 10);
    assert.equal(table.apply("gap", { source, from: 10 }), undefined);
    assert.equal(table.get(source), undefined);
    table.apply("source", record("/a"));
    assert.equal(table.get(source)?.expected, 0);
  });

  test("a snapshot's positions restore the table they were taken of", () => {
    const { table, ids } = opened("/a", "/b", "/c");
    table.advance(ids[1] as string, 0, 7);
    const positions = table.positions();
    const found = positions.map((each) => table.idOf(each.record));
    assert.deepEqual(found, found.toSorted());
    const other = new SourceTable(nativeSuite);
    other.restore(positions);
    assert.deepEqual(other.positions(), positions);
    assert.equal(other.snapshotBytes, table.snapshotBytes);
  });

  test("after a lost payload everything passes once, until a snapshot says what holds", () => {
    const { table, ids } = opened("/a");
    const [source] = ids as [string];
    table.loosen();
    assert.equal(table.advance("11".repeat(16), 5, 5), undefined);
    assert.equal(table.apply("end", { source: "22".repeat(16), size: 1 }), undefined);
    assert.equal(table.advance(source, 99, 1), undefined);
    assert.equal(code(table.advance(source, 101, 1)), "GAP_UNDECLARED");
    table.restore([]);
    assert.equal(code(table.advance(source, 102, 1)), "SOURCE_UNDECLARED");
  });

  test("values of the wrong kind never throw", () => {
    const kinds = fc.constantFrom("source", "predecessor", "heartbeat", "end", "gap", "rewritten");
    // An object that can't be made text: toString and valueOf are no functions.
    const odd = fc.constant({ toString: 1, valueOf: 1 });
    const any = fc.oneof(fc.nat(), fc.string(), fc.boolean(), fc.array(fc.nat()), odd);
    const value = fc.dictionary(
      fc.constantFrom("source", "sources", "positions", "size", "from", "to", "record"),
      fc.oneof(any, fc.array(fc.dictionary(fc.constantFrom("record", "offset", "source"), any))),
    );
    fc.assert(
      fc.property(kinds, value, (type, found) => {
        opened("/a").table.apply(type, found as JsonObject);
      }),
    );
  });
});

describe("items taken as they come", () => {
  const encode = (items: readonly Item[]): { item: PayloadItem; raw: Uint8Array }[] => {
    const nothing = { sources: new SourceTable(nativeSuite), config: {}, receiptSize: 0 };
    const zero = new Uint8Array(32);
    const facts = { ...nothing, configHash: zero, receiptHash: zero };
    const raw = encodeItems(zero, items, facts, 1);
    return [...payloadItems(raw)].map((item) => ({ item, raw }));
  };
  const snapshot = (sources: readonly JsonObject[]): Item =>
    say({ type: "snapshot", tree: [], config: {}, sources } as JsonObject);

  test("a table that was taken up at a snapshot knows what it lists, and goes on from there", () => {
    const table = new SourceTable(nativeSuite);
    table.loosen();
    const id = table.idOf(record("/a"));
    const items = [snapshot([{ record: record("/a"), offset: 7 }]), lines(id, "x\n", 7)];
    for (const { item, raw } of encode(items)) assert.equal(table.take(item, raw), undefined);
    assert.equal(table.get(id)?.expected, 9);
    assert.equal(table.loose, false);
  });

  test("a later snapshot that lists something else is SNAPSHOT_MISMATCH and changes nothing", () => {
    const { table, ids } = opened("/a");
    const other = encode([snapshot([{ record: record("/a"), offset: 1 }])]);
    assert.deepEqual(
      other.map(({ item, raw }) => code(table.take(item, raw))),
      ["SNAPSHOT_MISMATCH"],
    );
    assert.equal(table.get(ids[0] as string)?.expected, 0);
  });
});
