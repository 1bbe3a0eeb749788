// What sizes alone say of a file: growth, shrinking, what may have come between, what waits.

import assert from "node:assert/strict";
import { test } from "node:test";
import { nativeSuite } from "../../src/host/native-suite.ts";
import { Extent } from "../../src/tail/extent.ts";
import { type Fingerprint, fingerprintOf } from "../../src/tail/identity.ts";
import { notShrunk } from "../../src/tail/shrunk.ts";
import { FakeClock } from "../fakes/clock.ts";

const ctimeNs = 1n;
const look = (extent: Extent, size: number, touched: boolean): boolean =>
  extent.look(size, touched, ctimeNs);

const extentOf = (position: number): { extent: Extent; clock: FakeClock } => {
  const clock = new FakeClock();
  return { extent: new Extent(clock, position), clock };
};

test("growth fits, a size below what was seen does not", () => {
  const { extent } = extentOf(0);
  assert.equal(look(extent, 100, false), false);
  assert.equal(extent.lag, 100);
  assert.equal(look(extent, 60, false), true);
  assert.equal(extent.shrank, true);
  assert.equal(extent.seen, 100);
  assert.equal(extent.shrunk.least, 60);
});

test("a file that was written to and did not grow is looked at only where all of it was read", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  assert.equal(look(extent, 100, true), false);
  extent.handOver(100);
  assert.equal(look(extent, 100, false), false);
  assert.equal(look(extent, 100, true), true);
});

test("bytes that came after one cut and went with the next are counted between", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 0, true);
  look(extent, 70, true);
  look(extent, 20, true);
  const { position, seen, size, between } = extent.evidence(20);
  assert.deepEqual(
    { position, seen, size, between },
    { position: 100, seen: 100, size: 0, between: 50 },
  );
});

test("what certainly is a rest of the old bytes is not counted between", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 40, true);
  extent.restIsOld(40);
  look(extent, 10, true);
  assert.equal(extent.evidence(10).between, 0);
});

test("a rest that was written since leaves nothing of what was seen", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 40, true);
  extent.restIsNew();
  assert.equal(extent.evidence(40).size, 0);
});

test("a verdict ends the counting, and what was read still counts as seen", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 0, true);
  look(extent, 70, true);
  look(extent, 20, true);
  extent.judged(20);
  assert.equal(extent.shrank, false);
  assert.deepEqual(extent.evidence(20), {
    position: 100,
    seen: 100,
    sure: 100,
    size: 20,
    now: 20,
    between: 0,
  });
});

test("an emptied file that has bytes again does not fit", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 0, true);
  extent.emptied();
  assert.equal(look(extent, 0, true), false);
  assert.equal(look(extent, 5, true), true);
});

test("where the old content goes on in a copy, a size never seen to shrink is the next one's", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 160, true);
  extent.goesOnIn({ size: 130, madeNs: undefined, later: 0 }, true, 160);
  const { seen, size, between } = extent.evidence(160);
  assert.deepEqual({ seen, size, between }, { seen: 130, size: 0, between: 0 });
});

test("growth that is in no copy counts between, growth before it was made is in the copy", () => {
  for (const [isCopied, between] of [
    [false, 120],
    [true, 0],
  ] as const) {
    const { extent } = extentOf(0);
    look(extent, 100, false);
    extent.handOver(100);
    look(extent, 120, true);
    look(extent, 0, true);
    extent.goesOnIn({ size: 130, madeNs: undefined, later: 0 }, isCopied, 0);
    assert.equal(extent.evidence(0).between, between);
    assert.equal(extent.seen, 130);
  }
});

test("bytes that are held back at the end are content again once that is released", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.endsAt(30);
  assert.equal(extent.seen, 30);
  assert.equal(extent.size, 100);
  extent.reachEnd();
  assert.equal(extent.seen, 100);
});

test("a line that grows waits since its first bytes, and no longer once there is more behind it", async () => {
  const { extent, clock } = extentOf(0);
  look(extent, 5, false);
  extent.waitForLine(5);
  const since = extent.waitsSince;
  await clock.advance(1_000);
  look(extent, 9, false);
  assert.equal(extent.waitsSince, undefined);
  extent.waitForLine(9);
  assert.equal(extent.waitsSince, since);
  extent.handOver(9);
  assert.equal(extent.waitsSince, undefined);
});

const print = (text: string): Fingerprint => fingerprintOf(nativeSuite, Buffer.from(text));

test("bytes that took the place of others after a cut count those between, once", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 0, true);
  look(extent, 30, true);
  extent.sawNext(print("one"), false);
  extent.sawNext(print("one"), false);
  assert.equal(extent.evidence(30).between, 0);
  extent.sawNext(print("two"), true);
  assert.equal(extent.evidence(30).between, 30);
});

test("what was cut and seen by a look counts once, though other bytes stand there as well", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  extent.handOver(100);
  look(extent, 0, true);
  look(extent, 30, true);
  extent.sawNext(print("one"), false);
  look(extent, 10, true);
  extent.sawNext(print("two"), true);
  assert.equal(extent.evidence(10).between, 20);
});

test("a read that ends early tells the size where it saw bytes, else that it is no longer", () => {
  const { extent } = extentOf(0);
  look(extent, 100, false);
  assert.equal(extent.foundEnd(50, 50), false);
  assert.equal(extent.foundEnd(50, 20), true);
  assert.equal(extent.shrunk.least, 70);
  const other = extentOf(0).extent;
  look(other, 100, false);
  assert.equal(other.foundEnd(50, 0), true);
  assert.deepEqual({ ...other.shrunk, next: undefined }, { ...notShrunk, least: 50 });
});

test("where nothing was read and others stand in its place, what was certain is all that was seen", () => {
  const { extent } = extentOf(0);
  look(extent, 40, false);
  extent.assure(40);
  look(extent, 60, false);
  extent.writtenAnew();
  const { seen, size, sure } = extent.evidence(60);
  assert.deepEqual({ seen, size, sure }, { seen: 40, size: 0, sure: 40 });
});

test("the same generation is taken over with all that was seen of it", () => {
  const { extent: other } = extentOf(100);
  look(other, 160, false);
  look(other, 20, true);
  look(other, 50, true);
  const { extent } = extentOf(40);
  extent.takeOver(other, false);
  assert.deepEqual(extent.evidence(50), { ...other.evidence(50), position: 40, sure: 0 });
  assert.equal(extent.shrank, true);
});

test("where the position is another, every cut that was seen is seen again", () => {
  const { extent: other } = extentOf(0);
  look(other, 100, false);
  look(other, 20, true);
  look(other, 50, true);
  const { extent } = extentOf(80);
  assert.equal(extent.seeAgain(other, false, print("now")), true);
  const { seen, size } = extent.evidence(50);
  assert.deepEqual({ seen, size }, { seen: 100, size: 20 });
});

test("of a later generation the one before was cut", () => {
  const { extent: other } = extentOf(0);
  look(other, 100, false);
  const { extent } = extentOf(80);
  assert.equal(extent.seeAgain(other, true, print("now")), true);
  assert.equal(extent.shrunk.least, 0);
  assert.deepEqual(extent.shrunk.next, { print: print("now"), size: 100, between: 0 });
});
