import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { concat, hex, writeU32, writeU64 } from "../../src/core/bytes.ts";
import {
  decodeEnvelope,
  type Envelope,
  envelopeHeadLength,
  firstPrev,
  maxStretch,
  saltsOf,
} from "../../src/core/envelope.ts";
import { Fault } from "../../src/core/fault.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 });
const half = fc.uint8Array({ minLength: 16, maxLength: 16 });

const line: fc.Arbitrary<Envelope> = fc
  .record({
    ...{ endedByLf: fc.boolean(), prev: hash, seq: fc.maxSafeNat(), time: fc.maxSafeNat() },
    ...{ source: half.map(hex), offset: fc.maxSafeNat(), salt: half },
    bytes: fc.uint8Array().map((bytes) => bytes.map((byte) => (byte === 10 ? 13 : byte))),
  })
  .filter(({ endedByLf, bytes }) => endedByLf || bytes.length > 0)
  .map((fields) => ({ kind: "line", ...fields }));

/** By the table of the specification. */
function encoded(envelope: Envelope): Uint8Array {
  const head = new Uint8Array(envelopeHeadLength);
  const isRecord = envelope.kind === "record";
  head.set([2, 1, isRecord ? 1 : 0, envelope.endedByLf ? 1 : 0]);
  head.set(envelope.prev, 4);
  writeU64(head, 36, envelope.seq);
  writeU64(head, 44, envelope.time);
  if (envelope.source !== undefined) head.set(Buffer.from(envelope.source, "hex"), 52);
  writeU64(head, 68, envelope.offset);
  head.set(envelope.salt, 76);
  writeU32(head, 92, envelope.bytes.length);
  return concat(head, envelope.bytes);
}

function codeOf(bytes: Uint8Array): string | undefined {
  try {
    decodeEnvelope(bytes);
    return undefined;
  } catch (caught) {
    assert.ok(caught instanceof Fault);
    return caught.code;
  }
}

test("an envelope is read as it was written", () => {
  fc.assert(
    fc.property(line, (envelope) => {
      assert.deepEqual(decodeEnvelope(encoded(envelope)), envelope);
      const { source: _, ...rest } = envelope;
      const record = {
        ...rest,
        kind: "record",
        source: undefined,
        offset: 0,
        endedByLf: false,
      } as const;
      assert.deepEqual(decodeEnvelope(encoded(record)), record);
    }),
  );
});

test("a line that no payload makes is refused", () => {
  const [sample] = fc.sample(line, { numRuns: 1, seed: 1 }) as [Envelope];
  const code = (text: string, endedByLf: boolean) =>
    codeOf(encoded({ ...sample, bytes: Buffer.from(text), endedByLf }));
  assert.equal(code("two\nlines", true), "MALFORMED");
  assert.equal(code("\n", false), "MALFORMED");
  assert.equal(code("", false), "MALFORMED");
  assert.equal(code("", true), undefined);
  assert.equal(code("x".repeat(maxStretch), false), undefined);
  assert.equal(code("x".repeat(maxStretch), true), "LIMIT_EXCEEDED");
  assert.equal(code("x".repeat(maxStretch + 1), false), "LIMIT_EXCEEDED");
  const record = { ...sample, kind: "record", source: undefined, offset: 0 } as const;
  const text = Buffer.from("{}\n");
  assert.equal(codeOf(encoded({ ...record, bytes: text, endedByLf: false })), undefined);
});

test("an envelope that is cut, or longer than it says, is refused", () => {
  fc.assert(
    fc.property(line, (envelope) => {
      const bytes = encoded(envelope);
      for (let end = 0; end < bytes.length; end++) {
        assert.equal(codeOf(bytes.subarray(0, end)), "MALFORMED");
      }
      assert.equal(codeOf(concat(bytes, Uint8Array.of(0))), "MALFORMED");
    }),
    { numRuns: 20 },
  );
});

test("an envelope of another form is refused", () => {
  const good = encoded({
    ...{ kind: "line", endedByLf: true, prev: new Uint8Array(32), seq: 1, time: 1 },
    ...{ source: "00".repeat(16), offset: 5, salt: new Uint8Array(16), bytes: new Uint8Array(3) },
  });
  const bent = (at: number, value: number): string | undefined => {
    const bytes = good.slice();
    bytes[at] = value;
    return codeOf(bytes);
  };
  assert.equal(codeOf(good), undefined);
  assert.equal(bent(0, 0), "MALFORMED");
  assert.equal(bent(1, 2), "UNSUPPORTED");
  assert.equal(bent(2, 2), "NON_CANONICAL");
  assert.equal(bent(2, 1), "NON_CANONICAL");
  assert.equal(bent(3, 2), "NON_CANONICAL");
  assert.equal(bent(36, 0x20), "LIMIT_EXCEEDED");
  assert.equal(bent(44, 0x20), "LIMIT_EXCEEDED");
  assert.equal(bent(68, 0x20), "LIMIT_EXCEEDED");
});

test("the first envelope names grant and run", () => {
  const [grant, run] = [new Uint8Array(32).fill(7), new Uint8Array(16).fill(8)];
  const want = createHash("sha256").update("sealtail/1 first").update(grant).update(run).digest();
  assert.deepEqual(Buffer.from(firstPrev(suite, grant, run)), want);
});

test("salts of more envelopes begin with those of fewer", () => {
  const seed = new Uint8Array(32).fill(9);
  const salts = saltsOf(suite, seed, 100);
  const want = createHash("shake256", { outputLength: 1600 })
    .update("sealtail/1 salt")
    .update(seed);
  assert.deepEqual(Buffer.from(salts), want.digest());
  assert.deepEqual(saltsOf(suite, seed, 7), salts.subarray(0, 112));
});
