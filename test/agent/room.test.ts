import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChainContext, LiveChain } from "../../src/agent/chain.ts";
import { Gauge } from "../../src/agent/gauge.ts";
import { Room } from "../../src/agent/room.ts";
import { FakeClock } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";

const MiB = 1024 * 1024;

function setup() {
  const clock = new FakeClock();
  const diag = new RecordingDiag();
  const wal = { bytes: 0 };
  const sealer = { pending: 0 };
  const config = { buffer: { max_bytes: 100 * MiB }, seal: { max_bytes: MiB } };
  const files = { freeBytes: async () => 1000 * MiB, stat: async () => undefined };
  const reserve = { bytes: 10 * MiB, held: true };
  const context = { clock, diag, files, config, reserve, state: { path: "/state" } };
  const gauge = new Gauge();
  const live = { wal, sealer } as unknown as LiveChain;
  const room = new Room(context as unknown as ChainContext, live, gauge, () => new Map());
  return { room, gauge, clock, diag, wal, sealer };
}

test("the time for which reading waited is a number, also when room was just made", async () => {
  const { room, gauge, clock, wal } = setup();
  wal.bytes = 99 * MiB;
  assert.equal(await room.isFull(), true);
  await clock.advance(5000);
  assert.equal(await room.isFull(), true);
  room.freed();
  await clock.advance(500);
  wal.bytes = 0;
  assert.equal(await room.isFull(), false);
  assert.equal(gauge.blockedMicros, 5_500_000);
});

test("a buffer that is written out a block at a time does not let reading start and stop", async () => {
  const { room, diag, clock, wal, sealer } = setup();
  wal.bytes = 89 * MiB;
  sealer.pending = 3;
  for (let i = 0; i < 10; i++) {
    await room.isFull();
    // Compressed, the blocks take less than was counted for them.
    sealer.pending = sealer.pending === 0 ? 2 : 0;
    await clock.advance(500);
  }
  assert.equal(diag.lines.length, 1);
  wal.bytes = 60 * MiB;
  assert.equal(await room.isFull(), false);
});
