// Who keeps a reader's place when others want it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Problem } from "../../src/vault/problem.ts";
import { ReaderCut, Readers, readerLimits } from "../../src/vault/readers.ts";
import { bodyOf } from "../../src/vault/stream.ts";

const piece = new Uint8Array(65_536);

/** One place, and a reader who has it, of an answer without end. */
async function occupied(): Promise<{
  readonly clock: { seconds: number };
  /** The reader takes a piece. */
  readonly take: () => Promise<void>;
  /** Whether somebody else gets the place. */
  readonly isGiven: () => Promise<boolean>;
}> {
  const clock = { seconds: 0 };
  const mono = (): number => clock.seconds * 1_000_000;
  const readers = new Readers({ ...readerLimits, readers: 1 }, { mono });
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield piece;
  }
  const answer = await readers.serve("192.0.2.1", async () => new Response(bodyOf(endless())));
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  const another = async (): Promise<Response> => new Response(null);
  return {
    clock,
    take: async () => assert.equal((await reader.read()).done, false),
    isGiven: async () => {
      try {
        await readers.serve("203.0.113.9", another);
        await assert.rejects(reader.read(), ReaderCut);
        return true;
      } catch (error) {
        if (error instanceof Problem) return false;
        throw error;
      }
    },
  };
}

test("a reader who takes a piece just before the patience is over loses the place after a few of them", async () => {
  const { clock, take, isGiven } = await occupied();
  let given = false;
  for (let pieces = 0; !given; pieces += 1) {
    assert.ok(pieces < 4, `${pieces} pieces in ${clock.seconds} s`);
    await take();
    clock.seconds += 4.5;
    given = await isGiven();
  }
});

test("a reader who keeps the pace keeps the place, whoever wants it", async () => {
  const { clock, take, isGiven } = await occupied();
  for (let pieces = 0; pieces < 1000; pieces += 1) {
    await take();
    clock.seconds += 0.2;
    assert.equal(await isGiven(), false);
  }
  // A moment's pause is forgiven, and no long one is saved for.
  clock.seconds += 4;
  assert.equal(await isGiven(), false);
  clock.seconds += 2;
  assert.equal(await isGiven(), true);
});

test("the time in which an answer is made is not its reader's", async () => {
  const clock = { seconds: 0 };
  const mono = (): number => clock.seconds * 1_000_000;
  const readers = new Readers({ ...readerLimits, readers: 1 }, { mono });
  async function* slowlyMade(): AsyncGenerator<Uint8Array> {
    for (;;) {
      clock.seconds += 60;
      yield new Uint8Array(1);
    }
  }
  const answer = await readers.serve("192.0.2.1", async () => new Response(bodyOf(slowlyMade())));
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
  for (let pieces = 0; pieces < 10; pieces += 1) await reader.read();
  await assert.rejects(
    readers.serve("203.0.113.9", async () => new Response(null)),
    Problem,
  );
});
