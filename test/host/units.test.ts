import assert from "node:assert/strict";
import test from "node:test";
import { durationHint, readDuration, readSize, sizeHint } from "../../src/host/units.ts";

test("sizes are whole numbers of B, KiB, MiB or GiB, and a bare number is bytes", () => {
  const cases = { "0": 0, "65536": 65_536, "1B": 1, "64KiB": 65_536, "8MiB": 8_388_608 };
  for (const [text, value] of Object.entries(cases)) assert.equal(readSize(text), value);
  assert.equal(readSize("2GiB"), 2_147_483_648);
});

test("a decimal unit of size is refused with the binary one to write instead", () => {
  for (const text of ["1MB", "1M", "1mb", "1m"]) {
    assert.equal(readSize(text), Number.NaN);
    assert.equal(sizeHint(text), `1MiB: ${text.slice(1)} may mean 1000 or 1024`);
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
    assert.equal(readSize(text), Number.NaN, text);
    assert.match(sizeHint(text), /^a size such as /);
  }
});

test("durations are whole numbers of ms, s, m, h or d", () => {
  const cases = { "0ms": 0, "500ms": 500, "60s": 60_000, "5m": 300_000, "1h": 3_600_000 };
  for (const [text, value] of Object.entries(cases)) {
    assert.equal(readDuration(text), value);
  }
  assert.equal(readDuration("400d"), 34_560_000_000);
});

test("a duration without its unit is refused, and the hint shows units", () => {
  assert.equal(readDuration("60"), Number.NaN);
  assert.equal(durationHint("60"), "a unit too: 60s or 60ms");
});

test("anything else is no duration", () => {
  for (const text of ["", "1.5s", "-1s", "1 s", "1M", "1w", "s", "1m30s", "99999999999999d"]) {
    assert.equal(readDuration(text), Number.NaN, text);
    assert.match(durationHint(text), /^a duration such as /);
  }
});
