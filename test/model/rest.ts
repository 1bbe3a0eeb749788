// Rest: all trouble ends and enough time passes for the agent to owe nothing any more.

import { filledUs } from "../../src/tail/pace.ts";
import type { World } from "./world.ts";

/** All trouble ends. True: the vault may have lost what it had a receipt for. */
async function heal(world: World): Promise<boolean> {
  world.disk.capacity = Number.POSITIVE_INFINITY;
  world.vault.disk.capacity = Number.POSITIVE_INFINITY;
  world.vault.mood = "fine";
  world.races = [];
  const repaired = world.stores.repair();
  world.vault.start();
  await world.needGrant();
  world.start();
  if (world.life !== undefined) world.life.life.death = undefined;
  world.life?.life.files.disarm();
  return repaired;
}

/** Longer than anything waits for its next try. */
const patienceMs = 150_000;
/** Longer than deleted files and last lines without LF are waited for. */
const calmMs = 20_000;
/** An agent with nothing to say sends a block as often, and only then hears what a vault lost. */
const silenceMs = 60_000;
/** Longer than writers are waited for that were seen to fill in a hole. */
const fillingMs: number = filledUs / 1000 + calmMs;

/** All is well until the agent has caught up; a life that lives through it owes what it saw. */
export async function rest(world: World): Promise<boolean> {
  let repaired = false;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    repaired = (await heal(world)) || repaired;
    const one = world.life;
    let calm = 0;
    const look = (): boolean => {
      calm = caughtUp(world) ? calm + 1000 : 0;
      return isEnough(world, calm, repaired) || world.life !== one;
    };
    await world.time.passUntil(look, patienceMs, 1000);
    if (one === undefined || one !== world.life || !isEnough(world, calm, repaired)) continue;
    one.rested.push(world.ledger.tick);
    return true;
  }
  return false;
}

function isEnough(world: World, calm: number, repaired: boolean): boolean {
  const files = world.agent?.session?.tail.status() ?? [];
  const fills = files.some(({ unreadSince }) => unreadSince !== undefined);
  return calm > (fills ? fillingMs : calmMs) + (repaired ? silenceMs : 0);
}

function caughtUp(world: World): boolean {
  const session = world.agent?.session;
  if (session === undefined || world.agent?.gauge.state !== "running") return false;
  const { unreceiptedBlocks, receiptedSize } = session.shipper.status();
  return unreceiptedBlocks === 0 && receiptedSize > 0;
}
