// What may happen to a world, as a weighted table: one deed a step of a story.
//
// - A play is a kind of mishap that can be left out, so that a world without it can be told.

import type { Fault } from "../fakes/faulty-files.ts";
import type { FileCall } from "../fakes/open-file.ts";
import { actInDirs, giveLink, makeDirs, moveLink, writeReleased } from "./directories.ts";
import { loseAll, loseBuffer, loseFolder, loseKeys, loseSmallFiles } from "./losses.ts";
import { rest } from "./rest.ts";
import { type Mood, moods } from "./vault-host.ts";
import type { World } from "./world.ts";
import type { Writer } from "./writer.ts";

/**
 * - grants: replaced, narrowed, ended, refused, used up, taken away, while keys are lost.
 * - losses: small files of the state directory: receipts, grants, marks.
 * - buffers: segments and folders of chains are lost.
 * - state: the whole state directory is lost.
 * - store: the vault's store is restored from an older copy, or edited.
 * - room: programs stretch their files with NULs and fill them in place.
 * - links: they lead elsewhere, or belong to somebody else.
 * - dirs: directories by the hundred are made, renamed, deleted.
 */
export type Play =
  | ("grants" | "losses" | "buffers" | "state" | "store")
  | ("room" | "links" | "dirs");

export type Chance = () => number;
type Deed = (world: World, writer: Writer, chance: Chance) => void | Promise<void>;

const everyday: readonly (readonly [weight: number, name: string, deed: Deed])[] = [
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
  [2, "rest", async (world) => void (await rest(world))],
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
      // A chain that began behind its grant's end by its agent's clock, though not by the vault's,
      // looks begun too late once the vault's first receipt is lost (docs/spec/grant.md, step 6).
      if (world.wall.offset > world.vault.wall.offset) world.excused.add("GRANT_EXPIRED");
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

function tellOf(world: World, what: string): void {
  world.log.push(`    ${what}`);
}

const ofPlays: Readonly<Record<Play, typeof everyday>> = {
  grants: [
    [
      5,
      "grant-scoped",
      async (world, _, chance) => tellOf(world, await world.grants.layScoped(chance)),
    ],
    [
      3,
      "grant-bad",
      async (world, _, chance) => {
        const now = Math.floor((world.time.mono + world.vault.wall.offset) / 1e6);
        tellOf(world, await world.grants.layBad(chance, now));
      },
    ],
    [2, "grant-again", (world, _, chance) => world.grants.layAgain(chance)],
    [2, "grant-away", (world, _, chance) => world.grants.takeAway(chance)],
    [4, "grant-good", (world) => world.grants.layGood()],
    [4, "keys-lost", (world, _, chance) => tellOf(world, loseKeys(world, chance))],
  ],
  losses: [[5, "lost", (world, _, chance) => tellOf(world, loseSmallFiles(world, chance))]],
  buffers: [
    [3, "buffer-lost", (world, _, chance) => tellOf(world, loseBuffer(world, chance))],
    [1, "folder-lost", (world, _, chance) => tellOf(world, loseFolder(world, chance))],
  ],
  state: [[2, "state-lost", (world) => loseAll(world)]],
  store: [
    [4, "store-copied", (world, _, chance) => world.stores.copy(chance)],
    [2, "store-restored", (world) => world.stores.restore()],
    [1, "store-edited", (world, _, chance) => tellOf(world, world.stores.edit(chance))],
  ],
  room: [
    [30, "act-in-room", (world, writer, chance) => tellOf(world, writer.actStretched(chance))],
  ],
  links: [
    [8, "link-moved", (world, _, chance) => tellOf(world, moveLink(world, chance))],
    [6, "link-given", (world, _, chance) => tellOf(world, giveLink(world, chance))],
    [10, "act-released", (world, writer, chance) => writeReleased(world, writer, chance)],
    [4, "link-outside", (_, writer, chance) => writer.linkOutside(chance)],
  ],
  dirs: [
    [6, "dirs-made", (world) => makeDirs(world)],
    [30, "act-in-dirs", (world, writer, chance) => tellOf(world, actInDirs(world, writer, chance))],
  ],
};

/** What both the agent and the vault lose nobody knows any more: a world loses things at one. */
export const lostByAgent: readonly Play[] = ["losses", "buffers", "state"];

/** What may happen in a world of these plays. */
export function deedsOf(played: readonly Play[]): typeof everyday {
  const loses = played.some((play) => lostByAgent.includes(play));
  // A vault that is full cannot keep the first receipt of a chain that it has.
  const always = everyday.filter(([, name]) => !loses || name !== "vault-full");
  return [...always, ...played.flatMap((play) => ofPlays[play])];
}

/** What a step of this name does. */
export function deedNamed(name: string): Deed | undefined {
  return [...everyday, ...Object.values(ofPlays).flat()].find(([, each]) => each === name)?.[2];
}
