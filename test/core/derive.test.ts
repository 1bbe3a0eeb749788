import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { concat } from "../../src/core/bytes.ts";
import { type Derived, deriveEnvelopes } from "../../src/core/derive.ts";
import { Fault } from "../../src/core/fault.ts";
import { spanHeadLength, writeRecord, writeSpanHead } from "../../src/core/payload.ts";
import { portableSuite } from "../../src/core/portable-suite.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";

const sha256 = (...parts: Uint8Array[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const number = (value: bigint, bytes: number): Buffer => {
  const out = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at++) out[bytes - 1 - at] = Number((value >> BigInt(8 * at)) & 255n);
  return out;
};

interface Span {
  readonly source: Uint8Array;
  readonly offset: number;
  readonly time: number;
  readonly bytes: Buffer;
}
interface Statement {
  readonly time: number;
  readonly record: Buffer;
}
type Item = Span | Statement;

interface Line {
  readonly head: Buffer;
  readonly bytes: Buffer;
}

const cutAt = 262_144;

/** docs/spec/envelope.md word by word: the fields of every envelope but prev, seq and salt. */
function linesOf(item: Item): Line[] {
  const head = (kind: number, flags: number, source: Uint8Array, offset: bigint): Buffer =>
    Buffer.concat([
      Buffer.from([kind, flags]),
      ...[number(BigInt(item.time), 8), source, number(offset, 8)],
    ]);
  if ("record" in item) return [{ head: head(1, 0, Buffer.alloc(16), 0n), bytes: item.record }];
  const lines: Line[] = [];
  for (let at = 0; at < item.bytes.length; ) {
    const lf = item.bytes.indexOf(10, at);
    const end = lf === -1 ? item.bytes.length : lf;
    const ended = end - at < cutAt && lf !== -1;
    const stop = Math.min(end, at + cutAt);
    const offset = BigInt(item.offset) + BigInt(at);
    lines.push({
      head: head(0, ended ? 1 : 0, item.source, offset),
      bytes: item.bytes.subarray(at, stop),
    });
    at = ended ? stop + 1 : stop;
  }
  return lines;
}

function rootOf(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0] as Buffer;
  const half = 2 ** Math.ceil(Math.log2(leaves.length) - 1);
  return sha256(Buffer.from([1]), rootOf(leaves.slice(0, half)), rootOf(leaves.slice(half)));
}

interface Reference extends Derived {
  readonly count: number;
}

function reference(seed: Buffer, items: readonly Item[], first: Buffer, seq: number): Reference {
  const lines = items.flatMap(linesOf);
  const salts = createHash("shake256", { outputLength: 16 * lines.length })
    .update("sealtail/1 salt")
    .update(seed)
    .digest();
  let prev = first;
  const hashes = lines.map(({ head, bytes }, at) => {
    const [kind, flags, ...rest] = head;
    prev = sha256(
      ...[Buffer.from([2, 1, kind as number, flags as number]), prev],
      number(BigInt(seq) + BigInt(at), 8),
      Buffer.from(rest),
      salts.subarray(16 * at, 16 * at + 16),
      ...[number(BigInt(bytes.length), 4), bytes],
    );
    return prev;
  });
  const leaves: Buffer[] = [];
  for (let at = 0; at < hashes.length; at += 16) {
    leaves.push(sha256(Buffer.from("\0SEALGRP1"), ...hashes.slice(at, at + 16)));
  }
  const firstTime = Math.min(...items.map(({ time }) => time));
  return { lastHash: prev, envelopeRoot: rootOf(leaves), firstTime, count: lines.length };
}

function encode(seed: Buffer, items: readonly Item[]): Buffer {
  const parts = items.map((item) => {
    const length = "record" in item ? item.record.length : item.bytes.length;
    const bytes = Buffer.alloc(64 + length);
    if ("record" in item) return bytes.subarray(0, writeRecord(bytes, 0, item.time, item.record));
    writeSpanHead(bytes, 0, { ...item, length });
    bytes.set(item.bytes, spanHeadLength);
    return bytes.subarray(0, spanHeadLength + length);
  });
  return Buffer.concat([seed, ...parts]);
}

const most = Number.MAX_SAFE_INTEGER;
/** Around the places where a half of the number carries into the other. */
const numbers = fc.oneof(
  fc.maxSafeNat(),
  fc.integer({ min: -40, max: 40 }).map((off) => 2 ** 32 + off),
  fc.integer({ min: -40, max: 40 }).map((off) => 2 ** 31 + off),
  fc.integer({ min: 0, max: 2 ** 20 }),
);
const text = fc
  .array(
    fc.oneof(
      fc.string({ maxLength: 40 }),
      fc.constant(""),
      fc.integer({ min: 3990, max: 4100 }).map((length) => "x".repeat(length)),
    ),
    { minLength: 1, maxLength: 40 },
  )
  .chain((lines) => fc.constantFrom("", "\n").map((end) => lines.join("\n") + end))
  .filter((all) => all.length > 0)
  .map((all) => Buffer.from(all, "utf8"));
const source = fc.uint8Array({ minLength: 16, maxLength: 16 });
const span = fc
  .record({ source, offset: numbers, time: numbers, bytes: text })
  .map((each): Item => ({ ...each, offset: Math.min(each.offset, most - each.bytes.length) }));
const statement = fc
  .record({ time: numbers, record: fc.string({ minLength: 2, maxLength: 60 }) })
  .map(({ time, record }): Item => ({ time, record: Buffer.from(record, "utf8") }));
const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((each) => Buffer.from(each));

const plain = ({ lastHash, envelopeRoot, firstTime }: Derived): object => ({
  lastHash: Buffer.from(lastHash).toString("hex"),
  envelopeRoot: Buffer.from(envelopeRoot).toString("hex"),
  firstTime,
});

/** The same bytes as every kind of array that a payload comes in, at places that are no words. */
function shapesOf(raw: Buffer): Uint8Array[] {
  const room = new Uint8Array(raw.length + 9);
  room.set(raw, 5);
  return [
    raw,
    new Uint8Array(raw),
    room.subarray(5, 5 + raw.length),
    Buffer.from(room).subarray(5, 5 + raw.length),
  ];
}

test("what the loop derives is what the spec says, for any items, numbers and kinds of memory", async () => {
  const portable = await portableSuite();
  const list = fc.array(fc.oneof({ weight: 4, arbitrary: span }, statement), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(list, seeds, seeds, numbers, (items, seed, prev, seq) => {
      const raw = encode(seed, items);
      const { count } = reference(seed, items, prev, 0);
      const firstSeq = Math.min(seq, most - count);
      const want = plain(reference(seed, items, prev, firstSeq));
      for (const each of shapesOf(raw)) {
        const input = { raw: each, prev, firstSeq, count };
        assert.deepEqual(plain(deriveEnvelopes(nativeSuite, input)), want);
      }
      assert.deepEqual(plain(deriveEnvelopes(portable, { raw, prev, firstSeq, count })), want);
    }),
    { numRuns: 150 },
  );
});

test("lines far longer than usual, cut ones and short ones between them are hashed as they are", () => {
  const lines = ["a", "b".repeat(70_000), "", "c".repeat(cutAt), "d".repeat(2 * cutAt + 7), "e"];
  const bytes = Buffer.from(lines.join("\n"));
  const items = [{ source: Buffer.alloc(16, 9), offset: 12, time: 34, bytes }];
  const [seed, prev] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  const { count, ...want } = reference(seed, items, prev, 5);
  assert.equal(count, 9);
  const raw = encode(seed, items);
  const found = deriveEnvelopes(nativeSuite, { raw, prev, firstSeq: 5, count });
  assert.deepEqual(plain(found), plain(want));
});

test("a seq that cannot be written is refused", () => {
  const items = [{ source: Buffer.alloc(16), offset: 0, time: 0, bytes: Buffer.from("a\nb\n") }];
  const raw = encode(Buffer.alloc(32), items);
  const input = { raw: concat(raw), prev: new Uint8Array(32), count: 2 };
  deriveEnvelopes(nativeSuite, { ...input, firstSeq: most - 2 });
  assert.throws(
    () => deriveEnvelopes(nativeSuite, { ...input, firstSeq: most - 1 }),
    (error) => error instanceof Fault && error.code === "LIMIT_EXCEEDED",
  );
});
