// A trial: a story is told, the store is read by the verifier, the judge compares.

import type { VaultKeys } from "../../src/core/checkpoint.ts";
import type { VerifierKey } from "../../src/core/note.ts";
import { testRoot, testVault } from "../fakes/chain-builder.ts";
import { commandLineComplaints } from "./command-line.ts";
import { judge, type Testimony } from "./judge.ts";
import { type Chains, readSealed } from "./sealed.ts";
import { type Step, stepsOf, tell } from "./story.ts";
import { World } from "./world.ts";

export const trust: { root: VerifierKey; vault: VaultKeys } = {
  root: testRoot.key,
  vault: testVault.keys,
};
export const stepsOfWorld = 80;
/** Of so many worlds one is read by the command line, too. */
const commandLineShare = 10;

/** Complaints about the world of a seed; `steps` instead of all that the seed would draw. */
export async function complaintsAbout(seed: number, steps: readonly Step[]): Promise<string[]> {
  const world = await World.make(seed);
  try {
    await tell(world, seed, steps);
    const { disk, config } = world.vault;
    const chains = await readSealed(disk, config.store.path, trust);
    const complaints = [...judge(testimonyOf(world, chains)), ...world.stores.complaints];
    if (complaints.length > 0 || seed % commandLineShare !== 0) return complaints;
    return await commandLineComplaints(disk, config.store.path, trust, chains);
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? String(error)) : String(error)];
  } finally {
    world.kill();
    world.vault.kill();
  }
}

export function testimonyOf(world: World, chains: Chains): Testimony {
  const { ledger, lives, wanted, excused, buffers } = world;
  return {
    ...{ hurt: world.stores.hurt, buffered: buffers.spans, scopes: ledger.scopes },
    ...{ logs: ledger.logs.values(), lives, wanted, chains, excused },
    logOf: ({ ino }) => ledger.logs.get(ino),
    instantOf: (time) => ledger.times.get(time),
  };
}

/** Leaves out what does not matter, one step at a time, as long as something is complained about. */
export async function shortened(seed: number, steps: readonly Step[]): Promise<Step[]> {
  let left = [...steps];
  const wanted = kindOf(await complaintsAbout(seed, steps));
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = left.length - size; at >= 0; at -= size) {
      const fewer = left.toSpliced(at, size);
      if (kindOf(await complaintsAbout(seed, fewer)) === wanted) left = fewer;
    }
  }
  return left;
}

/** What a complaint is about, without the numbers and names of one world. */
function kindOf([first]: readonly string[]): string | undefined {
  return first
    ?.split("\n")[0]
    ?.replace(/^\S+ \(.*?\).*?: /, "")
    .replaceAll(/\d+/g, "n");
}

/** Tells the stories of `count` seeds; returns what to say of the first that fails. */
export async function firstFailure(first: number, count: number): Promise<string | undefined> {
  for (let seed = first; seed < first + count; seed += 1) {
    const steps = stepsOf(seed, stepsOfWorld);
    const complaints = await complaintsAbout(seed, steps);
    if (complaints.length > 0) return await report(seed, steps, complaints);
  }
  return undefined;
}

async function report(
  seed: number,
  steps: readonly Step[],
  complaints: readonly string[],
): Promise<string> {
  const fewer = await shortened(seed, steps);
  const world = await World.make(seed);
  await tell(world, seed, fewer).catch((error) => world.log.push(String(error)));
  world.kill();
  world.vault.kill();
  return [
    `SEALTAIL_SEED=${seed} fails`,
    ...complaints,
    `the story, shortened to ${fewer.length} of ${steps.length} steps:`,
    ...world.log,
  ].join("\n");
}
