import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { formatDuration, formatSize, readDuration, readSize } from "../../src/host/units.ts";

test("sizes are whole numbers of B, KiB, MiB or GiB, and a bare number is bytes", () => {
  const cases = { "0": 0, "65536": 65_536, "1B": 1, "64KiB": 65_536, "8MiB": 8_388_608 };
  for (const [text, value] of Object.entries(cases)) assert.deepEqual(readSize(text), { value });
  assert.deepEqual(readSize("2GiB"), { value: 2_147_483_648 });
});

test("a decimal unit of size is refused with the binary one to write instead", () => {
  for (const text of ["1MB", "1M", "1mb", "1m"]) {
    assert.deepEqual(readSize(text), {
      want: `1MiB: ${text.slice(1)} may mean 1000 or 1024`,
    });
  }
});

test("anything else is no size", () => {
  for (const text of [
    "",
    "1.5MiB",
    "-1B",
    "1 MiB",
    "1MIB",
    "MiB",
    "1e3",
    "0x10",
    "9999999999GiB",
  ]) {
    assert.ok("want" in readSize(text), text);
  }
});

test("durations are whole numbers of ms, s, m, h or d", () => {
  const cases = { "0ms": 0, "500ms": 500, "60s": 60_000, "5m": 300_000, "1h": 3_600_000 };
  for (const [text, value] of Object.entries(cases)) {
    assert.deepEqual(readDuration(text), { value });
  }
  assert.deepEqual(readDuration("400d"), { value: 34_560_000_000 });
});

test("a duration without its unit is refused, and the hint shows units", () => {
  assert.deepEqual(readDuration("60"), { want: "a unit too: 60s or 60ms" });
});

test("anything else is no duration", () => {
  for (const text of ["", "1.5s", "-1s", "1 s", "1M", "1w", "s", "1m30s", "99999999999999d"]) {
    assert.ok("want" in readDuration(text), text);
  }
});

test("what is formatted is read back as the same number", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      assert.deepEqual(readSize(formatSize(value)), { value });
      assert.deepEqual(readDuration(formatDuration(value)), { value });
    }),
  );
});

test("the largest unit that divides evenly is used", () => {
  assert.equal(formatSize(0), "0B");
  assert.equal(formatSize(1536), "1536B");
  assert.equal(formatSize(7_340_032), "7MiB");
  assert.equal(formatDuration(86_400_000), "1d");
  assert.equal(formatDuration(1500), "1500ms");
});
