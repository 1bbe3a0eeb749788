// Whatever a program does with a log, and whenever the power fails: what is left is a prefix of
// what was appended, and holds all that was synced.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Wal } from "../../src/wal/wal.ts";
import { FakeFiles } from "../fakes/files.ts";
import { allOf, asideDir, contentOf, openLog, textOf } from "./log.ts";

type Step =
  | { readonly do: "append"; readonly length: number; readonly startsSegment: boolean }
  | { readonly do: "sync" }
  | { readonly do: "free"; readonly part: number }
  | { readonly do: "read"; readonly part: number; readonly maxBytes: number }
  | { readonly do: "reopen" };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("append" as const),
        length: fc.integer({ min: 1, max: 2500 }),
        startsSegment: fc.boolean(),
      }),
    },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("sync" as const) }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("free" as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant("read" as const),
        part: fc.double({ min: 0, max: 1, noNaN: true }),
        maxBytes: fc.integer({ min: 1, max: 6000 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("reopen" as const) }) },
  ),
  { minLength: 1, maxLength: 25 },
);

class PowerCut extends Error {}

const scrub = (bytes: Uint8Array): void => {
  bytes.fill(0x53);
};

/** The log, and what we know about what it must hold. */
class World {
  readonly files = new FakeFiles();
  wal: Wal | undefined;
  /** Content of every frame appended, and of one whose append was cut short. */
  contents: Uint8Array[] = [];
  appended = 0;
  synced = 0;
  freedBelow = 0;
  #attempt = 0;

  async open(): Promise<Wal> {
    this.wal = await openLog(this.files, { scrub });
    return this.wal;
  }

  async step(step: Step): Promise<void> {
    const wal = this.wal ?? (await this.open());
    if (step.do === "append") {
      this.#attempt += 1;
      const content = contentOf(this.appended, step.length, this.#attempt);
      this.contents[this.appended] = content;
      const half = step.length >> 1;
      const parts = [content.subarray(0, half), content.subarray(half)];
      await wal.append(this.appended, parts, step);
      this.appended += 1;
    } else if (step.do === "sync") {
      await wal.sync();
      this.synced = this.appended;
    } else if (step.do === "free") {
      const below = Math.floor(step.part * (this.synced + 1));
      this.freedBelow = Math.max(this.freedBelow, below);
      await wal.freeBelow(below);
    } else if (step.do === "read") {
      const from = wal.first + Math.floor(step.part * (wal.durableNext - wal.first));
      for (const frame of await wal.read(from, step.maxBytes)) this.#compare(frame);
    } else {
      await wal.close();
      await this.open();
      this.synced = this.appended;
    }
  }

  #compare(frame: { index: number; bytes: Uint8Array }): void {
    assert.equal(textOf(frame.bytes), textOf(this.contents[frame.index] ?? new Uint8Array(0)));
  }

  /** The oracle: opens what a crash left and compares. */
  async check(): Promise<void> {
    const wal = await this.open();
    const frames = await allOf(wal);
    assert.ok(wal.next >= this.synced, `${this.synced} synced, ${wal.next} left`);
    assert.ok(wal.next <= this.appended + 1);
    assert.ok(wal.first <= this.freedBelow, `oldest is ${wal.first}`);
    assert.equal(frames.length, wal.next - wal.first);
    for (const frame of frames) this.#compare(frame);
    // Nothing of what was cut lives on anywhere.
    for (const { name } of (await this.files.list(asideDir)) ?? []) {
      const left = this.files.bytes(`${asideDir}/${name}`);
      assert.ok(left.every((byte) => byte === 0x53 || byte === 0));
    }
    this.appended = wal.next;
    this.synced = wal.next;
  }
}

async function cutPowerAfter(
  world: World,
  calls: number,
  work: () => Promise<unknown>,
): Promise<void> {
  let left = calls;
  world.files.hook = () => {
    left -= 1;
    if (left < 0) throw new PowerCut();
  };
  await work().catch(() => undefined);
  world.files.hook = undefined;
}

const seeds = fc.option(fc.integer({ min: 0, max: 2 ** 31 }), { nil: undefined });

test("the power fails at any call, unsynced writes survive in any part and order", async () => {
  const life = fc.tuple(steps, fc.nat(80), seeds, fc.option(fc.nat(25), { nil: undefined }), seeds);
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 3 }), async (lives) => {
      const world = new World();
      for (const [todo, calls, seed, callsOfRepair, seedOfRepair] of lives) {
        await cutPowerAfter(world, calls, async () => {
          for (const step of todo) await world.step(step);
        });
        world.files.crash(seed);
        if (callsOfRepair !== undefined) {
          await cutPowerAfter(world, callsOfRepair, () => world.open());
          world.files.crash(seedOfRepair);
        }
        await world.check();
      }
    }),
    { numRuns: 400 },
  );
});

test("a process that dies without a power cut loses nothing that was appended", async () => {
  await fc.assert(
    fc.asyncProperty(steps, async (todo) => {
      const world = new World();
      for (const step of todo) await world.step(step);
      const { appended } = world;
      await world.check();
      assert.equal(world.appended, appended);
      // What recovery saw is durable from then on.
      world.files.crash();
      await world.check();
      assert.equal(world.appended, appended);
    }),
    { numRuns: 100 },
  );
});
