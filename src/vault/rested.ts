// Hands items on, and between two of them rests for as long as the last one was worked on: whatever
// long work is done for a reader, others get every other moment.

import type { Clock } from "../host/clock.ts";

export async function* rested<T>(
  items: AsyncIterable<T>,
  clock: Pick<Clock, "mono" | "sleep">,
): AsyncGenerator<T, void, undefined> {
  for await (const item of items) {
    const started = clock.mono();
    yield item;
    const took = (clock.mono() - started) / 1000;
    if (took >= 1) await clock.sleep(took);
  }
}
