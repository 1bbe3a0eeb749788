import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Fault } from "../../src/core/fault.ts";
import { decodeHeader, encodeHeader, type Header, limits } from "../../src/core/header.ts";

const zero = new Uint8Array(32);
const maxInteger = Number.MAX_SAFE_INTEGER;
const good: Header = {
  ...({ kind: "normal", codec: "raw", chainId: zero, blockNo: 7, firstSeq: 9, count: 2 } as const),
  ...{ rawLength: 100, storedLength: 100, maxSilenceMs: 60_000, prevHash: zero, chainRoot: zero },
  ...{ lastHash: zero, envelopeRoot: zero, storedHash: zero, nextPub: zero, configHash: zero },
  ...{ receiptHash: zero, receiptSize: 0, runId: new Uint8Array(16), time: 1, mono: 1 },
  firstTime: 1,
};

function faultOf(changed: Partial<Header>): string | undefined {
  try {
    decodeHeader(encodeHeader({ ...good, ...changed }));
    return undefined;
  } catch (caught) {
    assert.ok(caught instanceof Fault, String(caught));
    return `${caught.code} ${caught.at}`;
  }
}

test("a header is read as it was written", () => {
  assert.deepEqual(decodeHeader(encodeHeader(good)), good);
});

test("the numbers behind a block must exist: no sum leaves 2^53 - 1", () => {
  assert.equal(faultOf({ blockNo: maxInteger - 1 }), undefined);
  assert.equal(faultOf({ blockNo: maxInteger }), "LIMIT_EXCEEDED 48");
  assert.equal(faultOf({ firstSeq: maxInteger - 2 }), undefined);
  assert.equal(faultOf({ firstSeq: maxInteger - 1 }), "LIMIT_EXCEEDED 56");
});

test("numbers are judged against their ranges, both ends included", () => {
  for (const [name, least, most, at] of [
    ["count", 1, limits.count, 64],
    ["rawLength", 1, limits.rawLength, 68],
    ["storedLength", 1, limits.storedLength, 72],
    ["maxSilenceMs", limits.maxSilenceMin, limits.maxSilenceMax, 76],
  ] as const) {
    assert.equal(faultOf({ [name]: least }), undefined);
    assert.equal(faultOf({ [name]: most }), undefined);
    assert.equal(faultOf({ [name]: least - 1 }), `LIMIT_EXCEEDED ${at}`);
    assert.equal(faultOf({ [name]: most + 1 }), `LIMIT_EXCEEDED ${at}`);
  }
});

const field = fc.uint8Array({ minLength: 32, maxLength: 32 });
const number = fc.maxSafeNat();
const anyHeader: fc.Arbitrary<Header> = fc
  .record({
    ...{ codec: fc.constantFrom("raw" as const, "zstd" as const), chainId: field },
    blockNo: fc.integer({ min: 1, max: maxInteger - 1 }),
    firstSeq: fc.nat(2 ** 31 - 1),
    count: fc.integer({ min: 1, max: limits.count }),
    rawLength: fc.integer({ min: 1, max: limits.rawLength }),
    storedLength: fc.integer({ min: 1, max: limits.storedLength }),
    maxSilenceMs: fc.integer({ min: limits.maxSilenceMin, max: limits.maxSilenceMax }),
    ...{ prevHash: field, chainRoot: field, lastHash: field, envelopeRoot: field },
    ...{ storedHash: field, nextPub: field, configHash: field, receiptHash: field },
    ...{ receiptSize: number, time: number, mono: number, firstTime: number },
    runId: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    kind: fc.constantFrom("genesis" as const, "normal" as const, "final" as const),
  })
  .map((header) => {
    if (header.kind === "genesis") return { ...header, blockNo: 0 };
    return header.kind === "final" ? { ...header, nextPub: zero, maxSilenceMs: 0 } : { ...header };
  });

test("any header is read as it was written, and written as it was read", () => {
  fc.assert(
    fc.property(anyHeader, (header) => {
      const bytes = encodeHeader(header);
      assert.deepEqual(decodeHeader(bytes), header);
      assert.deepEqual(encodeHeader(decodeHeader(bytes)), bytes);
    }),
  );
});

test("bytes that are read as a header are written again as they were", () => {
  const place = fc.record({ at: fc.nat(383), value: fc.nat(255) });
  fc.assert(
    fc.property(anyHeader, fc.array(place, { maxLength: 4 }), (header, places) => {
      const bytes = encodeHeader(header);
      for (const { at, value } of places) bytes[at] = value;
      try {
        assert.deepEqual(encodeHeader(decodeHeader(bytes)), bytes);
      } catch (caught) {
        assert.ok(caught instanceof Fault);
      }
    }),
  );
});

test("a header that is cut is refused", () => {
  const bytes = encodeHeader(good);
  for (let end = 0; end < bytes.length; end++) {
    assert.throws(() => decodeHeader(bytes.subarray(0, end)), Fault);
  }
});
