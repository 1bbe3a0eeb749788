// Plays a seeded world of writers and one reader; a failure names the seed and what came last.

import type { FakeFiles } from "../fakes/files.ts";
import type { AutoClock } from "./auto-clock.ts";
import { Reader } from "./reader.ts";

export interface TailWorld {
  readonly files: FakeFiles;
  readonly clock: AutoClock;
  readonly log: readonly string[];
  reader: Reader;
  step(): Promise<void>;
  finish(): Promise<void>;
}

export async function runWorld(world: TailWorld, seed: number, steps: number): Promise<void> {
  const { files, clock } = world;
  world.reader = await Reader.start({ files, clock, include: ["/log/*.log"] }, 262_144);
  try {
    for (let step = 0; step < steps; step += 1) await world.step();
    await world.finish();
  } catch (error) {
    throw new Error(`seed ${seed}: ${world.log.slice(-40).join(", ")}`, { cause: error });
  } finally {
    await world.reader.tail.close();
  }
}
