// Stories: what happens to a world, drawn from a seed, told step by step.
//
// - A step carries its own chance, so that leaving one out changes as little as possible of the
//   others: a story that fails can be cut down to the steps that matter.
// - In the end everything is well again and enough time passes: then nothing may be missing.

import { rescanEveryMs } from "../../src/vault/rescan.ts";
import { seededNumbers } from "../fakes/random.ts";
import { deedNamed, deedsOf, lostByAgent, type Play } from "./deeds.ts";
import { rest } from "./rest.ts";
import type { World } from "./world.ts";
import { draw, Writer } from "./writer.ts";

export interface Step {
  readonly name: string;
  readonly chance: number;
}

/** Plays, and the share of worlds that have them. */
const shares: readonly (readonly [play: Play, share: number])[] = [
  ["grants", 0.4],
  ["room", 0.3],
  ["links", 0.3],
  // Slow: each look at all of them is hundreds of calls.
  ["dirs", 0.03],
];

/** What a seed's world plays. SEALTAIL_PLAYS names that for every world instead. */
export function playsOf(seed: number): readonly Play[] {
  const { SEALTAIL_PLAYS: named } = process.env;
  if (named !== undefined) return named.split(",").filter((each) => each !== "") as Play[];
  const chance = seededNumbers(seed + 2);
  const drawn = shares.flatMap(([play, share]) => (chance() < share ? [play] : []));
  const lost: Play[] = chance() < 0.4 ? ["store"] : lostByAgent.filter(() => chance() < 0.4);
  return [...drawn, ...lost];
}

export function stepsOf(
  seed: number,
  count: number,
  plays: readonly Play[] = playsOf(seed),
): Step[] {
  const chance = seededNumbers(seed);
  const deeds = deedsOf(plays);
  return Array.from({ length: count }, () => {
    const [name] = draw(deeds, chance());
    return { name, chance: Math.floor(chance() * 2 ** 31) };
  });
}

/** Lets a world live through a story, to its end: the agent has stopped cleanly. */
export async function tell(world: World, seed: number, steps: readonly Step[]): Promise<void> {
  const writer = new Writer(world);
  const own = seededNumbers(seed + 1);
  world.slowShare = own() < 0.5 ? own() * 0.3 : 0;
  world.vault.start();
  if (own() < 0.7) world.start();
  for (const { name, chance: stepSeed } of steps) {
    const chance = seededNumbers(stepSeed);
    world.chance = seededNumbers(stepSeed + 1);
    world.log.push(`${(world.time.mono / 1e6).toFixed(3)} ${world.ledger.tick} ${name}`);
    await deedNamed(name)?.(world, writer, chance);
  }
  world.log.push("the end begins");
  if (!(await rest(world))) throw new Error("the agent does not catch up");
  // The torn end of a chain that nobody comes back for is cut when the vault looks at all of them.
  const { recovering } = world.vault;
  const looked = recovering === undefined ? 0 : recovering / 1000 + rescanEveryMs + 5000;
  await world.time.pass(Math.max(0, looked - world.time.mono / 1000));
  const last = world.lives.at(-1);
  world.agent?.stop("the end");
  await world.time.passUntil(() => world.life === undefined, 60_000);
  if (last?.end === undefined) throw new Error("the agent does not stop cleanly");
  if (last.end.unsent !== 0) throw new Error("blocks are left unsent");
  let closed = false;
  world.slowShare = 0;
  void world.vault.vault?.close(0).then(() => {
    closed = true;
  });
  await world.time.passUntil(() => closed, 10_000);
}
