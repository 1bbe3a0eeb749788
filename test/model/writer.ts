// What programs, rotators and admins do to log files.
//
// - Every change goes to the disk and into the ledger at once, in as many steps as the real thing
//   takes: an agent that looks in between sees the half of it.
// - Content is random text, so hardly any byte stands where the same byte stood before.

import type { FileNode } from "../fakes/file-tree.ts";
import type { World } from "./world.ts";

type Chance = () => number;

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const names = ["a.log", "b.log", "c.log", "sub/a.log"] as const;

function text(chance: Chance, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) {
    bytes[at] = letters.charCodeAt(Math.floor(chance() * letters.length));
  }
  return bytes;
}

function lines(chance: Chance, count: number, unfinished: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let left = count; left > 0; left -= 1) {
    parts.push(text(chance, Math.floor(chance() ** 3 * 120)));
    if (left > 1 || chance() >= unfinished) parts.push(Uint8Array.of(0x0a));
  }
  return Buffer.concat(parts);
}

export class Writer {
  readonly #world: World;
  /** Programs that hold a file open, whatever its name is by now. */
  #held: FileNode[] = [];
  /** Files that were stretched with NULs, and where the next line belongs. */
  #stretched: { readonly node: FileNode; at: number }[] = [];
  /** Made by copying a log. */
  readonly #copies = new Set<FileNode>();

  constructor(world: World) {
    this.#world = world;
  }

  /** A power cut ends every program. */
  forget(): void {
    this.#held = [];
    this.#stretched = [];
  }

  #path(chance: Chance): string {
    return `/logs/${names[Math.floor(chance() * names.length)]}`;
  }

  /** Some log file that is there, under a name that may not be wanted any more. */
  #some(chance: Chance): string | undefined {
    const paths = [...this.#world.places.dirs].flatMap((dir) =>
      [...(this.#world.disk.node(dir)?.names ?? [])]
        .filter(([, node]) => node.kind !== "dir")
        .map(([name]) => `${dir}/${name}`),
    );
    return paths[Math.floor(chance() * paths.length)];
  }

  #open(path: string): FileNode {
    const { disk } = this.#world;
    if (disk.node(path) === undefined) {
      if (this.#isLink(path)) disk.remove(path);
      disk.put(path, "");
    }
    const node = disk.node(path) as FileNode;
    this.#noted(node, path);
    return node;
  }

  #isLink(path: string): boolean {
    return this.#world.disk.nameNode(path)?.kind === "link";
  }

  #noted(node: FileNode, path = "held"): void {
    this.#world.note(node, path);
    this.#world.look();
  }

  #put(node: FileNode, position: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    node.bytes.change(position, bytes);
    this.#world.disk.touch(node);
    this.#noted(node);
  }

  #cut(node: FileNode, size: number): void {
    node.bytes.change(size, undefined);
    this.#world.disk.touch(node);
    this.#noted(node);
  }

  #write(node: FileNode, chance: Chance): void {
    const count = 1 + Math.floor(chance() * 4);
    // So that no two beginnings are alike: where they are, nobody could tell them apart.
    const first = node.bytes.size === 0 ? text(chance, 16) : new Uint8Array(0);
    this.#put(node, node.bytes.size, Buffer.concat([first, lines(chance, count, 0.15)]));
  }

  /** Appends some lines to a log, which it makes if need be. */
  write(chance: Chance, path: string = this.#path(chance)): void {
    const node = this.#open(path);
    this.#write(node, chance);
    if (chance() < 0.3) this.#held = [...this.#held, node].slice(-4);
  }

  /** A program writes on to the file that it opened once. */
  writeHeld(chance: Chance): void {
    const node = this.#held[Math.floor(chance() * this.#held.length)];
    if (node !== undefined) this.#write(node, chance);
  }

  /** Much at once: more than fits in a block. */
  writeMuch(chance: Chance): void {
    const node = this.#open(this.#path(chance));
    const line = Buffer.concat([text(chance, 200), Uint8Array.of(0x0a)]);
    const parts = Array.from({ length: 20 + Math.floor(chance() * 200) }, () => {
      line.set(text(chance, 24), 0);
      return Uint8Array.from(line);
    });
    this.#put(node, node.bytes.size, Buffer.concat(parts));
  }

  /** A stretch without LF, longer than is sealed in one envelope. */
  writeLong(chance: Chance): void {
    const node = this.#open(this.#path(chance));
    const pattern = text(chance, 997);
    const bytes = new Uint8Array(200_000 + Math.floor(chance() * 150_000));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = pattern[at % 997] as number;
    for (let at = 0; at < bytes.length; at += 50) bytes[at] = text(chance, 1)[0] as number;
    this.#put(node, node.bytes.size, bytes);
  }

  /** Renames as logrotate does: .2 goes, .1 becomes .2, the log becomes .1; perhaps a new one. */
  rotate(chance: Chance): void {
    const { disk } = this.#world;
    const path = this.#path(chance);
    if (disk.node(path) === undefined) return;
    if (disk.node(`${path}.1`) !== undefined) disk.move(`${path}.1`, `${path}.2`);
    this.#world.look();
    disk.move(path, `${path}.1`);
    this.#world.look();
    if (chance() < 0.6) this.#write(this.#open(path), chance);
  }

  /** Copies the log and cuts it, as logrotate's copytruncate does. */
  copyTruncate(chance: Chance): void {
    const path = this.#path(chance);
    const { disk } = this.#world;
    const node = disk.node(path);
    if (node === undefined) return;
    const copy = chance() < 0.3 ? `/logs/copy${Math.floor(chance() * 3)}.log` : `${path}.1`;
    // Over a file that somebody else still writes to: what comes behind the copy is anybody's.
    if (disk.node(copy) !== undefined) disk.move(copy, `${path}.2`);
    disk.put(copy, node.bytes.content.slice());
    this.#copies.add(disk.node(copy) as FileNode);
    this.#noted(disk.node(copy) as FileNode, copy);
    this.#cut(node, 0);
    if (chance() < 0.5) this.#write(node, chance);
  }

  cutToNothing(chance: Chance): void {
    const path = this.#some(chance);
    const node = path === undefined ? undefined : this.#world.disk.node(path);
    if (node !== undefined) this.#cut(node, 0);
  }

  cutSome(chance: Chance): void {
    const path = this.#some(chance);
    const node = path === undefined ? undefined : this.#world.disk.node(path);
    if (node !== undefined) this.#cut(node, Math.floor(node.bytes.size * chance()));
  }

  /** Cut and written again in one go, to any length. */
  rewrite(chance: Chance): void {
    const path = this.#some(chance);
    const node = path === undefined ? undefined : this.#world.disk.node(path);
    if (node === undefined) return;
    const { size } = node.bytes;
    this.#cut(node, 0);
    const wanted = Math.floor(size * (0.5 + chance()));
    this.#put(node, 0, Buffer.concat([text(chance, wanted), Uint8Array.of(0x0a)]));
  }

  /** A program without O_APPEND goes on at its old place after a cut: zeros before it. */
  writeBehindHole(chance: Chance): void {
    const path = this.#some(chance);
    const node = path === undefined ? undefined : this.#world.disk.node(path);
    // What is written into a copy cannot be told from what the log held.
    if (node === undefined || this.#copies.has(node)) return;
    const { size } = node.bytes;
    this.#cut(node, 0);
    if (size < 20_000) this.#put(node, size, lines(chance, 2, 0));
  }

  /** Bytes in the middle are overwritten. */
  edit(chance: Chance): void {
    const path = this.#some(chance);
    const node = path === undefined ? undefined : this.#world.disk.node(path);
    // What is edited in a copy cannot be told from what the log held.
    if (node === undefined || node.bytes.size === 0 || this.#copies.has(node)) return;
    const at = Math.floor(chance() * node.bytes.size);
    const length = Math.min(node.bytes.size - at, 1 + Math.floor(chance() * 60));
    this.#put(node, at, text(chance, length));
  }

  /** An editor saves: another file takes the name, with the old content or most of it. */
  replace(chance: Chance): void {
    const { disk } = this.#world;
    const path = this.#path(chance);
    const node = disk.node(path);
    if (node === undefined) return;
    const aside = "/data/saving";
    disk.put(aside, node.bytes.content.slice(0, Math.floor(node.bytes.size * chance())));
    this.#noted(disk.node(aside) as FileNode, path);
    disk.move(aside, path);
    this.#world.look();
  }

  remove(chance: Chance): void {
    const path = this.#some(chance);
    if (path === undefined) return;
    this.#world.disk.remove(path);
    this.#world.look();
    if (chance() < 0.5 && path.endsWith(".log")) this.#write(this.#open(path), chance);
  }

  /** Moved away, or to a name that is wanted again. */
  move(chance: Chance): void {
    const path = this.#some(chance);
    if (path === undefined) return;
    const fate = chance();
    const to = fate < 0.3 ? `/data/${Math.floor(chance() * 3)}` : this.#path(chance);
    this.#world.disk.move(path, fate < 0.7 ? to : `${path}.old`);
    this.#world.look();
  }

  link(chance: Chance): void {
    const { disk } = this.#world;
    const path = this.#some(chance);
    const to = `/logs/link${Math.floor(chance() * 3)}.log`;
    if (path === undefined || disk.node(to) !== undefined || this.#isLink(to)) return;
    const node = disk.node(path);
    if (node?.kind !== "file") return;
    if (chance() < 0.5) disk.link(path, to);
    else disk.symlink(path, to);
    this.#world.look();
  }

  /** A file outside of the wanted directories, under a link that is wanted. */
  linkOutside(chance: Chance): void {
    const { disk } = this.#world;
    const to = `/logs/out${Math.floor(chance() * 2)}.log`;
    if (this.#isLink(to)) return;
    const target = `/data/target${Math.floor(chance() * 2)}`;
    if (disk.node(target) === undefined) disk.put(target, "");
    disk.symlink(target, to);
    const node = disk.node(target) as FileNode;
    this.#noted(node, target);
    this.#write(node, chance);
  }

  /** A program that maps its log makes room for lines to come. */
  stretch(chance: Chance): void {
    const node = this.#open(`/logs/${chance() < 0.5 ? "m.log" : "sub/m.log"}`);
    if (node.bytes.size === 0) this.#write(node, chance);
    const { size } = node.bytes;
    const known = this.#stretched.find((each) => each.node === node);
    // Behind what was filled so far, or where others wrote meanwhile.
    if (known === undefined) this.#stretched = [...this.#stretched, { node, at: size }].slice(-3);
    this.#cut(node, size + 256 + Math.floor(chance() ** 2 * 8000));
  }

  /** It writes its next lines there, and makes more room when they do not fit. */
  fill(chance: Chance): void {
    const one = this.#stretched[Math.floor(chance() * this.#stretched.length)];
    if (one === undefined) return;
    const bytes = lines(chance, 1 + Math.floor(chance() * 4), 0);
    one.at = Math.min(one.at, one.node.bytes.size);
    if (one.at + bytes.length > one.node.bytes.size) this.#cut(one.node, one.at + 4096);
    this.#put(one.node, one.at, bytes);
    one.at += bytes.length;
  }

  /** It ends, and gives back the room that it did not use. */
  trim(chance: Chance): void {
    const [one] = this.#stretched.splice(Math.floor(chance() * this.#stretched.length), 1);
    if (one !== undefined && one.at < one.node.bytes.size) this.#cut(one.node, one.at);
  }

  /** fsync, or the kernel's own flush. */
  sync(): void {
    const { disk, nodes, places } = this.#world;
    for (const node of nodes.values()) node.bytes.sync();
    // A fault that was armed for the agent may hit the writer, who goes on without a sync.
    for (const dir of [...places.dirs, "/data"]) disk.syncDir(dir).catch(() => undefined);
  }

  /** Any of these, as it falls. */
  act(chance: Chance): string {
    const [name, act] = draw(acts, chance());
    act(this, chance);
    return name;
  }

  /** What a program does that makes room first. */
  actStretched(chance: Chance): string {
    const [name, act] = draw(stretchedActs, chance());
    act(this, chance);
    return name;
  }
}

type Act = readonly [weight: number, name: string, act: (writer: Writer, chance: Chance) => void];

const acts: readonly Act[] = [
  [30, "write", (w, c) => w.write(c)],
  [10, "write-held", (w, c) => w.writeHeld(c)],
  [3, "write-much", (w, c) => w.writeMuch(c)],
  [6, "rotate", (w, c) => w.rotate(c)],
  [4, "copy-truncate", (w, c) => w.copyTruncate(c)],
  [3, "cut-to-nothing", (w, c) => w.cutToNothing(c)],
  [3, "cut-some", (w, c) => w.cutSome(c)],
  [3, "rewrite", (w, c) => w.rewrite(c)],
  [1, "write-behind-hole", (w, c) => w.writeBehindHole(c)],
  [2, "edit", (w, c) => w.edit(c)],
  [2, "replace", (w, c) => w.replace(c)],
  [4, "remove", (w, c) => w.remove(c)],
  [3, "move", (w, c) => w.move(c)],
  [2, "link", (w, c) => w.link(c)],
  [1, "link-outside", (w, c) => w.linkOutside(c)],
  [2, "sync", (w) => w.sync()],
];

const stretchedActs: readonly Act[] = [
  [3, "stretch", (w, c) => w.stretch(c)],
  [10, "fill", (w, c) => w.fill(c)],
  [1, "trim", (w, c) => w.trim(c)],
];

/** The entry of a weighted table that `at`, in [0, 1), falls on; its name and what it does. */
export function draw<T>(
  table: readonly (readonly [weight: number, name: string, what: T])[],
  at: number,
): readonly [name: string, what: T] {
  let left = at * table.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, name, what] of table) {
    left -= weight;
    if (left < 0) return [name, what];
  }
  const [, name, what] = table.at(-1) as (typeof table)[number];
  return [name, what];
}
