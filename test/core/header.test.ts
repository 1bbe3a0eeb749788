import assert from "node:assert/strict";
import { test } from "node:test";
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
