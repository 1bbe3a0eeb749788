import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { concat, hex, writeU64 } from "../../src/core/bytes.ts";
import {
  countLines,
  deriveEnvelopes,
  type ReadInput,
  readEnvelopes,
} from "../../src/core/derive.ts";
import { decodeEnvelope, firstPrev, maxStretch, saltsOf } from "../../src/core/envelope.ts";
import { GroupTree } from "../../src/core/envelope-tree.ts";
import { Fault } from "../../src/core/fault.ts";
import {
  type PayloadItem,
  payloadItems,
  recordHeadLength,
  spanHeadLength,
  writeRecord,
  writeSpanHead,
} from "../../src/core/payload.ts";
import { saltStream } from "../../src/core/salts.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { fixedBytes } from "../fakes/signers.ts";

type Written =
  | { kind: "span"; source: Uint8Array; offset: number; time: number; bytes: Uint8Array }
  | { kind: "record"; time: number; bytes: Uint8Array };

interface Wanted {
  readonly item: Written;
  readonly offset: number;
  readonly lf: boolean;
  readonly bytes: Uint8Array;
}

const time = fc.maxSafeNat();
const lineBytes = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 40 }),
  fc
    .array(fc.constantFrom(0x0a, 0x0d, 0x61), { minLength: 1, maxLength: 12 })
    .map((bytes) => Uint8Array.from(bytes)),
);
const span = fc.record({
  kind: fc.constant("span" as const),
  source: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  offset: fc.maxSafeNat().map((offset) => Math.min(offset, Number.MAX_SAFE_INTEGER - 100)),
  time,
  bytes: lineBytes,
});
const record = fc.record({
  kind: fc.constant("record" as const),
  time,
  bytes: fc.uint8Array({ minLength: 2, maxLength: 20 }),
});
const items = fc.array(fc.oneof(span, record), { minLength: 1, maxLength: 6 });

function encoded(list: readonly Written[]): Uint8Array {
  const parts = list.map((item) => {
    const head = item.kind === "span" ? spanHeadLength : recordHeadLength;
    const raw = new Uint8Array(head + item.bytes.length);
    if (item.kind === "span") writeSpanHead(raw, 0, { ...item, length: item.bytes.length });
    else writeRecord(raw, 0, item.time, item.bytes);
    raw.set(item.bytes, head);
    return raw;
  });
  return concat(fixedBytes("seed"), ...parts);
}

function decoded(raw: Uint8Array): Written[] {
  return [...payloadItems(raw)].map((item: PayloadItem): Written => {
    const bytes = raw.slice(item.start, item.end);
    if (item.kind === "record") return { kind: "record", time: item.time, bytes };
    const { offset, sourceAt } = item;
    assert.equal(item.source, hex(raw.subarray(sourceAt, sourceAt + 16)));
    return {
      kind: "span",
      source: raw.slice(sourceAt, sourceAt + 16),
      offset,
      time: item.time,
      bytes,
    };
  });
}

/** The lines of a span by another way: one byte after the other. */
function linesOf(bytes: Uint8Array): { bytes: Uint8Array; lf: boolean }[] {
  const found: { bytes: Uint8Array; lf: boolean }[] = [];
  let start = 0;
  for (let at = 0; at <= bytes.length; at++) {
    const lf = bytes[at] === 0x0a;
    if (at < bytes.length && !lf && at - start < maxStretch) continue;
    if (at === bytes.length && start === at) break;
    found.push({
      bytes: bytes.slice(start, at),
      lf: at < bytes.length && lf && at - start < maxStretch,
    });
    start = found.at(-1)?.lf ? at + 1 : at;
    if (!found.at(-1)?.lf && at < bytes.length) at -= 1;
  }
  return found;
}

describe("a payload", () => {
  test("is read as it was written", () => {
    fc.assert(
      fc.property(items, (list) =>
        assert.deepEqual(
          decoded(encoded(list)),
          list.map((item) => ({ ...item })),
        ),
      ),
    );
  });

  test("cut anywhere but between items is refused", () => {
    fc.assert(
      fc.property(items, (list) => {
        const raw = encoded(list);
        const ends = list.map((_, at) => encoded(list.slice(0, at + 1)).length);
        for (let end = 0; end < raw.length; end++) {
          if (ends.includes(end)) continue;
          assert.throws(() => [...payloadItems(raw.subarray(0, end))], Fault);
        }
      }),
      { numRuns: 40 },
    );
  });

  test("of arbitrary bytes gives items or a fault", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 120 }), (raw) => {
        try {
          assert.ok([...payloadItems(raw)].length > 0);
        } catch (caught) {
          assert.ok(caught instanceof Fault);
        }
      }),
    );
  });
});

describe("envelopes", () => {
  test("are those that another way derives, each linked to the one before", () => {
    fc.assert(
      fc.property(items, fc.nat(1000), (list, firstSeq) => {
        const raw = encoded(list);
        const want: Wanted[] = list.flatMap((item): Wanted[] =>
          item.kind === "record"
            ? [{ item, offset: 0, lf: false, bytes: item.bytes }]
            : offsets(item.offset, linesOf(item.bytes)).map((line) => ({ item, ...line })),
        );
        const salts = saltsOf(suite, raw.subarray(0, 32), want.length);
        let prev = firstPrev(suite, fixedBytes("grant"), fixedBytes("run", 16));
        const hashes: Uint8Array[] = [];
        const derived = deriveEnvelopes(suite, {
          ...{ raw, prev, firstSeq, count: want.length },
          onEnvelope: (preimage, hash) => {
            const at = hashes.length;
            const { item, offset, lf, bytes } = want[at] as Wanted;
            assert.deepEqual(decodeEnvelope(preimage), {
              kind: item.kind === "span" ? "line" : "record",
              endedByLf: lf,
              prev,
              seq: firstSeq + at,
              time: item.time,
              source: item.kind === "span" ? hex(item.source) : undefined,
              offset,
              salt: salts.slice(16 * at, 16 * at + 16),
              bytes,
            });
            prev = suite.sha256(preimage);
            assert.deepEqual(hash, prev);
            hashes.push(prev);
          },
        });
        assert.equal(hashes.length, want.length);
        assert.deepEqual(derived.lastHash, prev);
        const tree = new GroupTree(suite);
        for (const hash of hashes) tree.add(new Uint32Array(Uint8Array.from(hash).buffer));
        assert.deepEqual(derived.envelopeRoot, tree.root());
        assert.equal(derived.firstTime, Math.min(...list.map((item) => item.time)));
      }),
    );
  });

  test("read step by step, with salts as they are needed, or unhashed by kept hashes, are the same", () => {
    const lines = Array.from({ length: 5000 }, (_, at) => `line ${at}\n`).join("");
    const source = fixedBytes("source", 16);
    const bytes = Uint8Array.from(Buffer.from(lines));
    const raw = encoded([{ kind: "span", source, offset: 0, time: 1, bytes }]);
    const input = { raw, prev: fixedBytes("prev"), firstSeq: 3, count: 5000 };
    const told = (more: Partial<ReadInput>, by = suite): string[] => {
      const seen: string[] = [];
      const onEnvelope = (preimage: Uint8Array, hash: Uint8Array): number =>
        seen.push(`${hex(preimage)} ${hex(hash)}`);
      const steps = readEnvelopes(by, { ...input, ...more, onEnvelope });
      for (let [step, at] = [steps.next(), 0]; ; step = steps.next()) {
        assert.ok(seen.length - at <= 1);
        at = seen.length;
        if (step.done === true) return seen;
      }
    };
    const plain: string[] = [];
    deriveEnvelopes(suite, {
      ...input,
      onEnvelope: (preimage, hash) => plain.push(`${hex(preimage)} ${hex(hash)}`),
    });
    assert.deepEqual(told({}), plain);
    assert.deepEqual(told({ salts: saltStream(raw.subarray(0, 32)) }), plain);
    const keepHashes = new Uint8Array(32 * input.count);
    deriveEnvelopes(suite, { ...input, keepHashes });
    const unhashed = { ...suite, sha256Into: () => assert.fail("hashed again") };
    assert.deepEqual(told({ hashes: keepHashes }, unhashed), plain);
  });

  test("derived without looking at them are the same", () => {
    fc.assert(
      fc.property(items, (list) => {
        const raw = encoded(list);
        const count = list.reduce(
          (sum, each) => sum + (each.kind === "span" ? linesOf(each.bytes).length : 1),
          0,
        );
        const input = { raw, prev: fixedBytes("prev"), firstSeq: 0, count };
        assert.deepEqual(
          deriveEnvelopes(suite, input),
          deriveEnvelopes(suite, { ...input, onEnvelope: () => {} }),
        );
        for (const wrong of [count - 1, count + 1].filter((each) => each > 0)) {
          assert.throws(
            () => deriveEnvelopes(suite, { ...input, count: wrong }),
            (caught) => caught instanceof Fault && caught.code === "COUNT_MISMATCH",
          );
        }
      }),
    );
  });

  test("end at LF, at 262,144 bytes, and at the end of their span", () => {
    for (const length of [maxStretch - 1, maxStretch, maxStretch + 1, 2 * maxStretch]) {
      for (const end of ["", "\n", "\nx"]) {
        const bytes = Uint8Array.from(Buffer.from(`${"a".repeat(length)}${end}`));
        assert.equal(countLines(bytes, 0, bytes.length), linesOf(bytes).length, `${length}${end}`);
      }
    }
    const exact = Uint8Array.from(Buffer.from(`${"a".repeat(maxStretch)}\n`));
    assert.deepEqual(
      linesOf(exact).map(({ bytes, lf }) => [bytes.length, lf]),
      [
        [maxStretch, false],
        [0, true],
      ],
    );
  });

  test("cut anywhere, or with a stray bit in their first bytes, are refused", () => {
    const raw = encoded([{ kind: "record", time: 1, bytes: Uint8Array.from(Buffer.from("{}")) }]);
    const kept: Uint8Array[] = [];
    deriveEnvelopes(suite, {
      ...{ raw, prev: fixedBytes("prev"), firstSeq: 0, count: 1 },
      onEnvelope: (preimage) => kept.push(preimage.slice()),
    });
    const [whole] = kept as [Uint8Array];
    for (let end = 0; end < whole.length; end++) {
      assert.throws(() => decodeEnvelope(whole.subarray(0, end)), Fault);
    }
    for (const at of [0, 1, 2, 3, 52, 67, 75, 92, 95]) {
      const bent = whole.slice();
      bent[at] = (bent[at] as number) ^ 0x40;
      assert.throws(() => decodeEnvelope(bent), Fault, `byte ${at}`);
    }
    const late = whole.slice();
    writeU64(late, 44, 5);
    assert.equal(decodeEnvelope(late).time, 5);
  });
});

function offsets<T extends { bytes: Uint8Array; lf: boolean }>(
  from: number,
  lines: readonly T[],
): (T & { offset: number })[] {
  let offset = from;
  return lines.map((line) => {
    const here = offset;
    offset += line.bytes.length + (line.lf ? 1 : 0);
    return { ...line, offset: here };
  });
}
