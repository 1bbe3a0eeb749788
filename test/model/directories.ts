// What happens around log files: links are moved or given away, directories come by the hundred,
// are renamed and deleted.

import type { FileNode } from "../fakes/file-tree.ts";
import { manyDirs } from "./places.ts";
import type { World } from "./world.ts";
import type { Writer } from "./writer.ts";

type Chance = () => number;

const current = "/logs/current";
const linkNames = ["link0.log", "link1.log", "link2.log", "out0.log", "out1.log"] as const;
/** Somebody else on the same machine. */
const other = (process.geteuid?.() ?? 0) + 1001;

const isLink = (world: World, path: string): boolean => world.disk.nameNode(path)?.kind === "link";

function someLink(world: World, chance: Chance): string {
  const files = linkNames.map((name) => `/logs/${name}`).filter((path) => isLink(world, path));
  return [current, ...files][Math.floor(chance() * (files.length + 1))] as string;
}

/** A release: the link leads to another directory, or file; in one step, or in two. */
export function moveLink(world: World, chance: Chance): string {
  const { disk } = world;
  const path = someLink(world, chance);
  const target = `/data/${path === current ? "release" : "target"}${Math.floor(chance() * 2)}`;
  if (disk.node(target) === undefined) {
    disk.put(target, "");
    world.note(disk.node(target) as FileNode, target);
  }
  if (chance() < 0.5) {
    disk.symlink(target, "/logs/.new");
    disk.move("/logs/.new", path);
  } else {
    if (isLink(world, path)) disk.remove(path);
    world.look();
    disk.symlink(target, path);
  }
  world.look();
  return `${path} to ${target}`;
}

/** A link, or what it leads to, is given to somebody else, or back. */
export function giveLink(world: World, chance: Chance): string {
  const path = someLink(world, chance);
  const [name, node] =
    chance() < 0.6 ? ["link", world.disk.nameNode(path)] : ["target", world.disk.node(path)];
  if (node === undefined) return "nothing";
  node.uid = chance() < 0.5 ? other : other - 1001;
  world.look();
  return `${name} ${path} to ${node.uid}`;
}

/** Writes to a log of the release that the link leads to. */
export function writeReleased(world: World, writer: Writer, chance: Chance): void {
  const path = `${current}/${chance() < 0.5 ? "a" : "c"}.log`;
  if (world.disk.node(current) !== undefined) writer.write(chance, path);
}

/** Hundreds of directories more; most of them never hold a log. */
export function makeDirs({ disk }: World): void {
  const made = disk.node(manyDirs)?.names.size ?? 0;
  for (let n = 0; n < 400; n += 1) {
    const path = `${manyDirs}/d${made + n}/.made`;
    disk.put(path, "");
    disk.remove(path);
  }
}

/** Writes to a log in one of them, renames one or deletes it. */
export function actInDirs(world: World, writer: Writer, chance: Chance): string {
  const { disk, places } = world;
  const all = [...(disk.node(manyDirs)?.names.keys() ?? [])].map((name) => `${manyDirs}/${name}`);
  const used = all.filter((dir) => places.dirs.has(dir));
  const [fate, fresh] = [chance(), chance() < 0.4 || used.length === 0];
  const from = fresh ? all : used;
  const dir = from[Math.floor(chance() * from.length)];
  if (dir === undefined) return "nothing";
  places.dirs.add(dir);
  if (fate < 0.7) {
    writer.write(chance, `${dir}/a.log`);
    return `writes in ${dir}`;
  }
  if (fate < 0.85) {
    const to = chance() < 0.6 ? `${dir}x` : `/data/moved-${dir.split("/").at(-1)}`;
    if (disk.node(to) !== undefined) return "nothing";
    disk.move(dir, to);
    places.dirs.add(to);
    world.look();
    return `renames ${dir} to ${to}`;
  }
  for (const name of [...(disk.node(dir)?.names.keys() ?? [])]) {
    disk.remove(`${dir}/${name}`);
    world.look();
  }
  disk.node(manyDirs)?.change([{ name: dir.split("/").at(-1) as string, node: undefined }]);
  return `deletes ${dir}`;
}
