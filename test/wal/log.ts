// A log on fake files, and short ways to fill it and to look at it.

import type { Files } from "../../src/host/files.ts";
import type { Frame } from "../../src/wal/frame.ts";
import { Wal, type WalOptions } from "../../src/wal/wal.ts";
import { FakeClock } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";

export const walDir = "/state/wal";
export const asideDir = "/state/aside";

export function openLog(files: Files, options: Partial<WalOptions> = {}): Promise<Wal> {
  const diag = new RecordingDiag();
  const clock = new FakeClock();
  return Wal.open({ files, dir: walDir, diag, clock, segmentBytes: 1000, ...options });
}

/** Content that tells which frame it is; `salt` tells attempts apart. */
export function contentOf(index: number, length = 100, salt = 0): Uint8Array {
  const text = `frame ${index} attempt ${salt} `;
  return new Uint8Array(Buffer.from(text.repeat(Math.ceil(length / text.length)))).subarray(
    0,
    length,
  );
}

/** Appends `count` frames of 100 bytes, the first of them in a new segment. Synced. */
export async function fillSegment(wal: Wal, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await wal.append(wal.next, [contentOf(wal.next)], { startsSegment: i === 0 });
  }
  await wal.sync();
}

export async function allOf(wal: Wal): Promise<Frame[]> {
  const frames: Frame[] = [];
  for await (const frame of wal.scan()) frames.push(frame);
  return frames;
}

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");
