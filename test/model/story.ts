// Stories: what happens to a world, drawn from a seed, told step by step.
//
// - A step carries its own chance, so that leaving one out changes as little as possible of the
//   others: a story that fails can be cut down to the steps that matter.
// - In the end everything is well again and enough time passes: then nothing may be missing.

import type { Fault } from "../fakes/faulty-files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { seededNumbers } from "../fakes/random.ts";
import { type Mood, moods } from "./vault-host.ts";
import type { World } from "./world.ts";
import { draw, Writer } from "./writer.ts";

export interface Step {
  readonly name: string;
  readonly chance: number;
}

type Chance = () => number;
type Deed = (world: World, writer: Writer, chance: Chance) => void | Promise<void>;

const deeds: readonly (readonly [weight: number, name: string, deed: Deed])[] = [
  [
    55,
    "act",
    (world, writer, chance) => {
      world.log.push(`    ${writer.act(chance)}`);
    },
  ],
  [
    20,
    "act-meanwhile",
    (world, writer, chance) => {
      const act = (): void => {
        world.log.push(`    meanwhile, at ${world.ledger.tick}: ${writer.act(chance)}`);
      };
      world.races.push({ calls: 1 + Math.floor(chance() ** 3 * 100), act });
    },
  ],
  [30, "pass", (world, _, chance) => world.time.pass(chance() ** 2 * 3000)],
  [5, "pass-long", (world, _, chance) => world.time.pass(chance() * 40_000)],
  [2, "rest", (world) => rest(world)],
  [3, "kill", (world) => world.kill()],
  [3, "kill-soon", (world, _, chance) => dieSoon(world, chance, () => world.kill())],
  [1, "power", (world, writer, chance) => cutPower(world, writer, chance)],
  [
    2,
    "power-soon",
    (world, writer, chance) => {
      dieSoon(world, chance, () => cutPower(world, writer, chance));
    },
  ],
  [2, "stop", (world) => world.agent?.stop("told to")],
  [
    1,
    "stop-at-once",
    (world) => {
      world.agent?.stop("told to");
      world.agent?.stop("told to");
    },
  ],
  [9, "start", (world) => world.start()],
  [
    5,
    "mood",
    (world, _, chance) => {
      world.vault.mood = moods[Math.floor(chance() * moods.length)] as Mood;
    },
  ],
  [
    5,
    "mood-fine",
    (world) => {
      world.vault.mood = "fine";
    },
  ],
  [
    2,
    "disk-full",
    (world, _, chance) => {
      world.disk.capacity = world.disk.used() + Math.floor(chance() * 40_000);
      world.excused.add("SILENCE_EXCEEDED");
    },
  ],
  [
    4,
    "disk-free",
    (world) => {
      world.disk.capacity = Number.POSITIVE_INFINITY;
    },
  ],
  [
    1,
    "vault-full",
    (world, _, chance) => {
      world.vault.disk.capacity = world.vault.disk.used() + Math.floor(chance() * 10_000);
    },
  ],
  [
    2,
    "vault-free",
    (world) => {
      world.vault.disk.capacity = Number.POSITIVE_INFINITY;
    },
  ],
  [2, "vault-kill", (world) => world.vault.kill()],
  [
    1,
    "vault-power",
    (world, _, chance) => {
      world.vault.cutPower(chance() < 0.3 ? undefined : Math.floor(chance() * 1e6));
    },
  ],
  [5, "vault-start", (world) => world.vault.start()],
  [
    1,
    "wall-jump",
    (world, _, chance) => {
      world.wall.offset += Math.floor((chance() - 0.5) * 2e6 * 86_400);
    },
  ],
  [
    2,
    "fault",
    (world, _, chance) => {
      world.life?.life.files.arm(someFault(chance));
    },
  ],
  [
    1,
    "fault-of-logs",
    (world, _, chance) => {
      world.life?.life.files.arm(someLogFault(chance));
    },
  ],
  [1, "faults-over", (world) => world.life?.life.files.disarm()],
];

function dieSoon(world: World, chance: Chance, how: () => void): void {
  const one = world.life;
  if (one === undefined) return;
  one.life.death = { calls: 1 + Math.floor(chance() * 40), after: chance() < 0.5, how };
}

function cutPower(world: World, writer: Writer, chance: Chance): void {
  world.cutPower(chance() < 0.3 ? undefined : Math.floor(chance() * 1e6));
  writer.forget();
}

const stateCalls: readonly FileCall[] = [
  ...(["write", "datasync", "sync", "syncDir", "rename", "unlink", "create", "truncate"] as const),
  ...(["open", "read", "list", "freeBytes", "close"] as const),
];

function someFault(chance: Chance): Fault {
  const call = stateCalls[Math.floor(chance() * stateCalls.length)] as FileCall;
  const variants = call === "write" ? (["failed", "persisted", "partly"] as const) : undefined;
  const pair = variants ?? (["failed", "persisted"] as const);
  return {
    ...{ call, nth: 1 + Math.floor(chance() * 4), path: "/state" },
    variant: pair[Math.floor(chance() * pair.length)] as Fault["variant"],
    errno: chance() < 0.3 && !call.includes("sync") ? "ENOSPC" : "EIO",
  };
}

function someLogFault(chance: Chance): Fault {
  const calls = ["open", "read", "stat", "list"] as const;
  const errnos = ["EIO", "EACCES", "EMFILE"] as const;
  return {
    ...{ call: calls[Math.floor(chance() * calls.length)] as FileCall, variant: "failed" },
    ...{ nth: 1 + Math.floor(chance() * 3), path: "/logs", times: 1 + Math.floor(chance() * 20) },
    errno: errnos[Math.floor(chance() * errnos.length)] as string,
  };
}

/** All trouble ends. */
function heal(world: World): void {
  world.disk.capacity = Number.POSITIVE_INFINITY;
  world.vault.disk.capacity = Number.POSITIVE_INFINITY;
  world.vault.mood = "fine";
  world.races = [];
  world.vault.start();
  world.start();
  if (world.life !== undefined) world.life.life.death = undefined;
  world.life?.life.files.disarm();
}

/** Longer than anything waits for its next try. */
const patienceMs = 150_000;
/** Longer than deleted files and last lines without LF are waited for. */
const calmMs = 20_000;

/** All is well until the agent has caught up; a life that lives through it owes what it saw. */
async function rest(world: World): Promise<boolean> {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    heal(world);
    const one = world.life;
    let calm = 0;
    const look = (): boolean => {
      calm = caughtUp(world) ? calm + 1000 : 0;
      return calm > calmMs || world.life !== one;
    };
    await world.time.passUntil(look, patienceMs, 1000);
    if (one === undefined || one !== world.life || calm <= calmMs) continue;
    one.rested.push(world.ledger.tick);
    return true;
  }
  return false;
}

function caughtUp(world: World): boolean {
  const session = world.agent?.session;
  if (session === undefined || world.agent?.gauge.state !== "running") return false;
  const { unreceiptedBlocks, receiptedSize } = session.shipper.status();
  return unreceiptedBlocks === 0 && receiptedSize > 0;
}

export function stepsOf(seed: number, count: number): Step[] {
  const chance = seededNumbers(seed);
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
    const deed = deeds.find(([, each]) => each === name)?.[2];
    await deed?.(world, writer, chance);
  }
  world.log.push("the end begins");
  if (!(await rest(world))) throw new Error("the agent does not catch up");
  const last = world.lives.at(-1);
  world.agent?.stop("the end");
  await world.time.passUntil(() => world.life === undefined, 60_000);
  if (last?.end === undefined) throw new Error("the agent does not stop cleanly");
  if (last.end.unsent > 0) throw new Error("blocks are left unsent");
  let closed = false;
  world.slowShare = 0;
  void world.vault.vault?.close(0).then(() => {
    closed = true;
  });
  await world.time.passUntil(() => closed, 10_000);
}
