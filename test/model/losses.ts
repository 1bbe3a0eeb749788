// What is lost of an agent's state directory: keys, receipts, grants, buffers, folders, all of it.
//
// - Files are deleted, cut or bent while the agent is down, as a restored backup, a person or a
//   dying disk would; a running agent is killed before.
// - Nothing here knows what the files are for: kinds are told by name alone, so that a new file of
//   the state directory is lost like all others.

import type { FileNode } from "../fakes/file-tree.ts";
import type { World } from "./world.ts";

type Chance = () => number;

const chainsDir = "/state/chains";

interface Found {
  readonly path: string;
  readonly node: FileNode;
}

/** Every file below `dir`. */
export function filesBelow(world: World, dir: string): Found[] {
  const node = world.disk.node(dir);
  return [...(node?.names ?? [])].flatMap(([name, child]) => {
    const path = `${dir}/${name}`;
    return child.kind === "dir" ? filesBelow(world, path) : [{ path, node: child }];
  });
}

/** Folders of chains, the oldest first. */
export function chainDirs(world: World): string[] {
  return [...(world.disk.node(chainsDir)?.names.keys() ?? [])].sort();
}

const isBuffer = (path: string): boolean => path.includes("/wal/");

/** Loses some files that are no buffers: keys, receipts, grants, marks; now and then two kinds. */
export function loseSmallFiles(world: World, chance: Chance): string {
  world.kill();
  const dirs = chainDirs(world);
  const newest = dirs.at(-1);
  const dir = chance() < 0.8 ? newest : dirs[Math.floor(chance() * dirs.length)];
  const below = dir === undefined ? "/state" : `${chainsDir}/${dir}`;
  const found = filesBelow(world, below).filter(({ path }) => !isBuffer(path));
  const lost: string[] = [];
  for (let count = chance() < 0.3 ? 2 : 1; count > 0; count -= 1) {
    const [one] = found.splice(Math.floor(chance() * found.length), 1);
    if (one === undefined) break;
    lost.push(`${spoil(world, one, chance)} ${one.path}`);
  }
  settle(world);
  return lost.join(", ");
}

/** The key that signs is lost: another chain has to begin. */
export function loseKeys(world: World, chance: Chance): string {
  world.kill();
  const newest = chainDirs(world).at(-1);
  const keys = `${chainsDir}/${newest}/keys`;
  const node = world.disk.node(keys);
  if (newest === undefined || node === undefined) return "nothing";
  const how = spoil(world, { path: keys, node }, chance);
  settle(world);
  return `${how} ${keys}`;
}

/** Segments of a buffer are lost: what was in them is known to nobody. */
export function loseBuffer(world: World, chance: Chance): string {
  world.kill();
  const dirs = chainDirs(world);
  const dir = dirs[Math.floor(chance() ** 0.3 * dirs.length)];
  if (dir === undefined) return "nothing";
  const found = filesBelow(world, `${chainsDir}/${dir}/wal`);
  const all = chance() < 0.3;
  const lost: string[] = [];
  for (const one of found) {
    if (!all && chance() < 0.5) continue;
    lost.push(`${spoil(world, one, chance)} ${one.path}`);
  }
  if (lost.length > 0) world.buffers.forget(dir);
  settle(world);
  return lost.join(", ");
}

/** A chain's folder is lost, or everything. */
export function loseFolder(world: World, chance: Chance): string {
  world.kill();
  const dirs = chainDirs(world);
  const dir = dirs[Math.floor(chance() ** 0.3 * dirs.length)];
  if (dir === undefined) return "nothing";
  world.disk.node(chainsDir)?.change([{ name: dir, node: undefined }]);
  world.buffers.forget(dir);
  settle(world);
  return dir;
}

/** The whole state directory is lost: a pod was replaced, a disk died. */
export function loseAll(world: World): void {
  world.kill();
  const state = world.disk.node("/state");
  for (const name of [...(state?.names.keys() ?? [])]) state?.change([{ name, node: undefined }]);
  world.buffers.forgetAll();
  settle(world);
}

/** What was lost stays lost, also after a power cut. */
function settle(world: World): void {
  const each = (node: FileNode): void => {
    node.bytes.sync();
    node.durableNames = new Map(node.names);
    node.changes = [];
    for (const child of node.names.values()) each(child);
  };
  const state = world.disk.node("/state");
  if (state !== undefined) each(state);
}

/** Deletes a file, cuts it or bends a byte; says which. */
function spoil(world: World, { path, node }: Found, chance: Chance): string {
  const fate = chance();
  const { size } = node.bytes;
  if (fate < 0.5 || size === 0) {
    world.disk.remove(path);
    return "deletes";
  }
  if (fate < 0.75) {
    node.bytes.change(Math.floor(size * chance()), undefined);
    return "cuts";
  }
  const at = Math.floor(size * chance());
  node.bytes.change(at, Uint8Array.of((node.bytes.content[at] as number) ^ (1 << (at % 8))));
  return "bends";
}
