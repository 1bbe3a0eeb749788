import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import { FakeClock } from "../fakes/clock.ts";

test("the system clock tells microseconds as whole numbers", () => {
  assert.ok(Number.isSafeInteger(systemClock.now()));
  assert.ok(Number.isSafeInteger(systemClock.mono()));
  assert.ok(Math.abs(systemClock.now() / 1000 - Date.now()) < 1000);
  const before = systemClock.mono();
  assert.ok(systemClock.mono() >= before);
});

test("a sleep ends at once when its signal aborts, without an error", async () => {
  const stop = new AbortController();
  const long = systemClock.sleep(2 ** 40, stop.signal);
  stop.abort();
  await long;
  await systemClock.sleep(60_000, stop.signal);
  await systemClock.sleep(0);
});

test("sleepers of the fake clock wake in order, each at its own instant", async () => {
  const clock = new FakeClock();
  const start = clock.mono();
  const woken: [string, number][] = [];
  const nap = async (name: string, ms: number): Promise<void> => {
    await clock.sleep(ms);
    woken.push([name, (clock.mono() - start) / 1000]);
  };
  const naps = [nap("late", 30), nap("early", 10), nap("middle", 20)];
  const chained = nap("first", 5).then(() => nap("second", 5));
  await clock.advance(19);
  assert.deepEqual(woken, [
    ["first", 5],
    ["early", 10],
    ["second", 10],
  ]);
  await clock.advance(11);
  await Promise.all([...naps, chained]);
  assert.deepEqual(woken.slice(3), [
    ["middle", 20],
    ["late", 30],
  ]);
  assert.equal(clock.sleepers, 0);
});

test("a step of the fake clock moves the wall alone", async () => {
  const clock = new FakeClock();
  const [now, mono] = [clock.now(), clock.mono()];
  clock.step(-5000);
  assert.deepEqual([clock.now() - now, clock.mono() - mono], [-5_000_000, 0]);
  const stop = new AbortController();
  const nap = clock.sleep(1000, stop.signal);
  assert.equal(clock.nextWakeMs, 1000);
  stop.abort();
  await nap;
  assert.equal(clock.sleepers, 0);
});
