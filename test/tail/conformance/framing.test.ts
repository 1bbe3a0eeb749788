// Bytes and line ends: nothing is decoded, trimmed, dropped or glued.

import assert from "node:assert/strict";
import fs from "node:fs";
import { conform, lines, type Place } from "./place.ts";

const cut = 262_144;

/** All bytes of a file, as they were handed over. */
const textOf = (place: Place, name = "a.log"): string => place.reader.textAt(place.path(name));

conform("a line written in two pieces is one line", async (place) => {
  place.put("a.log", "first ha");
  const reader = await place.follow(["*.log"]);
  await place.pass(1_000);
  assert.deepEqual(reader.spans, []);
  place.append("a.log", "lf\nsecond");
  await place.pass(1_000);
  assert.deepEqual(reader.lines(), ["first half"]);
  assert.equal(reader.spans.length, 1);
});

conform(
  "a last line without an end is handed over once it is old, and goes on where it ended",
  async (place) => {
    place.put("a.log", "ABC");
    const reader = await place.follow(["*.log"]);
    await place.pass(4_000);
    assert.equal(textOf(place), "");
    await place.pass(4_000);
    assert.equal(textOf(place), "ABC");
    place.append("a.log", "DEF\n");
    await place.pass();
    assert.deepEqual(
      reader.spans.map(({ bytes }) => bytes.toString()),
      ["ABC", "DEF\n"],
    );
    assert.deepEqual(
      [...reader.pieces.values()][0]?.map(({ offset }) => offset),
      [0, 3],
    );
  },
);

conform("empty lines are lines, first, last and alone", async (place) => {
  place.put("a.log", "\n\none\n\n\n");
  place.put("b.log", "\n\n\n");
  await place.follow(["*.log"]);
  place.append("b.log", "\n");
  await place.pass();
  assert.equal(textOf(place), "\n\none\n\n\n");
  assert.equal(textOf(place, "b.log"), "\n\n\n\n");
});

for (const length of [cut - 1, cut, cut + 1, 3 * cut, 3 * cut + 17]) {
  conform(`a line of ${length} bytes keeps its bytes and its neighbours`, async (place) => {
    const text = `before\n${"x".repeat(length)}\nafter\n`;
    place.put("a.log", text);
    const reader = await place.follow(["*.log"]);
    assert.equal(textOf(place), text);
    for (const { bytes } of reader.spans) {
      if (!bytes.includes(10)) assert.equal(bytes.length % cut, 0);
    }
  });
}

conform(
  "a long line without end waits in pieces of exact size, and ends in its own time",
  async (place) => {
    place.put("a.log", "y".repeat(cut + 100));
    const reader = await place.follow(["*.log"]);
    assert.deepEqual(
      reader.spans.map(({ bytes }) => bytes.length),
      [cut],
    );
    place.append("a.log", `${"y".repeat(50)}\n`);
    await place.pass();
    assert.deepEqual(
      reader.spans.map(({ bytes }) => bytes.length),
      [cut, 151],
    );
  },
);

conform(
  "characters and line ends may be split by any write: byte by byte is all the same",
  async (place) => {
    const bytes = Buffer.from("é€😀\r\nx\r\n\u2028y\n😀");
    place.put("a.log", "");
    await place.follow(["*.log"]);
    for (const byte of bytes) {
      place.append("a.log", Buffer.from([byte]));
      await place.pass(100);
    }
    await place.pass(10_000);
    assert.equal(textOf(place), bytes.toString("latin1"));
  },
);

const odd: [string, Buffer][] = [
  ["carriage returns", Buffer.from("one\r\ntwo\r\n\r\n\rthree\r")],
  ["UTF-16 with a mark", Buffer.from("\ufeffone\ntwo\n", "utf16le")],
  ["a UTF-8 mark, at the start and in the middle", Buffer.from("\ufeffone\n\ufefftwo\n")],
  ["Latin-1", Buffer.from("gr\u00fc\u00dfe\n", "latin1")],
  ["invalid UTF-8", Buffer.from([0xff, 0xc3, 0x0a, 0xe2, 0x82, 0x0a, 0xed, 0xa0, 0x80, 0x0a])],
  ["NULs, also leading ones", Buffer.from("\0\0\0one\0two\0\n\0\n")],
  ["leading and trailing blanks", Buffer.from("  \t one \t \n \n")],
  ["every byte there is", Buffer.from(Array.from({ length: 512 }, (_, n) => n % 256))],
];
for (const [what, bytes] of odd) {
  conform(`bytes pass as they are: ${what}`, async (place) => {
    place.put("a.log", bytes);
    await place.follow(["*.log"]);
    await place.down(() => place.append("a.log", bytes));
    await place.pass(10_000);
    const all = Buffer.concat([bytes, bytes]);
    assert.equal(textOf(place), all.toString("latin1"));
  });
}

conform("a span begins at the first byte of a line and says which one that is", async (place) => {
  place.put("a.log", lines(0, 1_000));
  const reader = await place.follow(["*.log"]);
  for (let turn = 1; turn < 5; turn += 1) {
    place.append("a.log", lines(turn * 1_000, turn * 1_000 + 7));
    await place.pass();
  }
  const whole = fs.readFileSync(place.path("a.log"));
  for (const { offset, bytes } of [...reader.pieces.values()].flat()) {
    assert.ok(offset === 0 || whole[offset - 1] === 10);
    assert.ok(whole.subarray(offset, offset + bytes.length).equals(bytes));
  }
});

conform("lines that a pattern of another kind would join are single lines here", async (place) => {
  // Stack traces, split container lines and JSON over several lines are a view at read time.
  const text = "Error: x\n  at y\n  at z\nt stdout P par\nt stdout F tial\n{\n}\n";
  place.put("a.log", text);
  const reader = await place.follow(["*.log"]);
  assert.equal(reader.lines().length, 7);
  assert.equal(textOf(place), text);
});
