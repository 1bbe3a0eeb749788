// Rest: all trouble ends and enough time passes for the agent to owe nothing any more.

import { filledUs } from "../../src/tail/pace.ts";
import type { World } from "./world.ts";

/** All trouble ends. */
async function heal(world: World): Promise<void> {
  world.disk.capacity = Number.POSITIVE_INFINITY;
  world.vault.disk.capacity = Number.POSITIVE_INFINITY;
  world.vault.mood = "fine";
  world.races = [];
  world.stores.repair();
  world.vault.start();
  await world.needGrant();
  world.start();
  if (world.life !== undefined) world.life.life.death = undefined;
  world.life?.life.files.disarm();
}

/** Longer than anything waits for its next try. */
const patienceMs = 150_000;
/** Longer than deleted files and last lines without LF are waited for. */
const calmMs = 20_000;
/** Longer than writers are waited for that were seen to fill in a hole. */
const fillingMs: number = filledUs / 1000 + calmMs;

/** All is well until the agent has caught up; a life that lives through it owes what it saw. */
export async function rest(world: World): Promise<boolean> {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    await heal(world);
    const one = world.life;
    let calm = 0;
    const look = (): boolean => {
      calm = caughtUp(world) ? calm + 1000 : 0;
      return isEnough(world, calm) || world.life !== one;
    };
    await world.time.passUntil(look, patienceMs, 1000);
    if (one === undefined || one !== world.life || !isEnough(world, calm)) continue;
    one.rested.push(world.ledger.tick);
    return true;
  }
  return false;
}

function isEnough(world: World, calm: number): boolean {
  const files = world.agent?.session?.tail.status() ?? [];
  return calm > (files.some(({ unreadSince }) => unreadSince !== undefined) ? fillingMs : calmMs);
}

function caughtUp(world: World): boolean {
  const session = world.agent?.session;
  if (session === undefined || world.agent?.gauge.state !== "running") return false;
  const { unreceiptedBlocks, receiptedSize } = session.shipper.status();
  return unreceiptedBlocks === 0 && receiptedSize > 0;
}
