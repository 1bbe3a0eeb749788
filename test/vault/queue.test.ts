import assert from "node:assert/strict";
import { test } from "node:test";
import { rested, WorkQueue } from "../../src/vault/queue.ts";

/** Work takes what it says, rests are written down. */
class WorkClock {
  #ms = 0;
  readonly happened: string[] = [];

  mono = (): number => this.#ms * 1000;

  work(what: string, ms: number): void {
    this.#ms += ms;
    this.happened.push(what);
  }

  async sleep(ms: number): Promise<void> {
    this.#ms += ms;
    this.happened.push(`rest ${ms}`);
  }
}

async function* numbers(): AsyncGenerator<number> {
  yield* [100, 0, 30];
}

test("between two items others get as long as the last one was worked on", async () => {
  const clock = new WorkClock();
  for await (const ms of rested(numbers(), clock)) clock.work(`work ${ms}`, ms);
  assert.deepEqual(clock.happened, ["work 100", "rest 100", "work 0", "work 30", "rest 30"]);
});

test("long work passes one at a time, with rests between, also after work that failed", async () => {
  const clock = new WorkClock();
  const queue = new WorkQueue({ clock });
  const pass = (ms: number, fails = false): Promise<void> =>
    queue.pass(async () => {
      clock.work(`work ${ms}`, ms);
      if (fails) throw new Error("failed");
    });
  const all = [pass(0), pass(500), pass(20, true), pass(0)];
  const ends = await Promise.allSettled(all);
  assert.deepEqual(
    ends.map(({ status }) => status),
    ["fulfilled", "fulfilled", "rejected", "fulfilled"],
  );
  const want = ["work 0", "work 500", "rest 500", "work 20", "rest 20", "work 0"];
  assert.deepEqual(clock.happened, want);
});
