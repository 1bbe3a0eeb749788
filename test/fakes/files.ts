// Files in memory, with a volatile and a durable half: what reads see, and what a crash leaves.
//
// - A file's bytes become durable by its sync or datasync, names by syncDir of their directory.
// - crash() ends all open files and drops what is not durable; with a seed some of it survives,
//   in any order, as on a real disk.
// - Open files live on after unlink and rename. Inodes and birth times are never used again.
// - `hook` sees every call before it is done and may throw; `capacity` fills the disk.

import { errnoOf, fileError, type Path, syncError } from "../../src/host/file-error.ts";
import type {
  DirItem,
  FileInfo,
  FileKind,
  Files,
  OpenFile,
  OpenMode,
} from "../../src/host/files.ts";
import { applyNames, errno, FileNode, fromKey, splitPath, toKey } from "./file-tree.ts";
import { FakeFile, type FileCall } from "./open-file.ts";
import { seededNumbers } from "./random.ts";

export type { FileCall } from "./open-file.ts";

export class FakeFiles implements Files {
  /** Sees every call before it is done, with the path it names; throw to make it fail. */
  hook: ((call: FileCall, path: Path) => void | Promise<void>) | undefined;
  /** Bytes that fit on the disk: a write past them stores what fits and fails with ENOSPC. */
  capacity: number = Number.POSITIVE_INFINITY;
  /** Bytes of the disk, whatever others took of it. */
  size: number = Number.MAX_SAFE_INTEGER;
  /** Counts crashes: open files of an earlier life are dead. */
  life: number = 0;
  /** Deleted, but open. */
  readonly #pinned = new Set<FileNode>();
  readonly #dev: bigint;
  #serial = 1n;
  #time = 0n;
  #root: FileNode;

  constructor(dev = 1n) {
    this.#dev = dev;
    this.#root = this.#make("dir", 0o755);
  }

  #make(kind: FileKind, mode: number): FileNode {
    this.#serial += 1n;
    return new FileNode(kind, mode, this.#serial);
  }

  #find(path: Path): FileNode {
    return this.#walk(path).node;
  }

  /** The node of `path`, and where it is once all links are followed. Targets are absolute. */
  #walk(path: Path, depth = 0): { node: FileNode; at: string } {
    let node = this.#root;
    let at = "";
    for (const part of splitPath(path)) {
      if (node.kind !== "dir") throw errno("ENOTDIR");
      const next = node.names.get(part);
      if (next === undefined) throw errno("ENOENT");
      if (next.kind === "link" && depth > 40) throw errno("ELOOP");
      if (next.kind === "link") ({ node, at } = this.#walk(fromKey(next.target), depth + 1));
      else {
        node = next;
        at = `${at}/${part}`;
      }
    }
    return { node, at };
  }

  #place(path: Path): { dir: FileNode; name: string } {
    const parts = splitPath(path);
    const name = parts.pop();
    if (name === undefined) throw errno("EINVAL");
    const dir = this.#find(fromKey(`/${parts.join("/")}`));
    if (dir.kind !== "dir") throw errno("ENOTDIR");
    return { dir, name };
  }

  async #do<T>(call: FileCall, path: Path, work: () => T): Promise<T> {
    const life = this.life;
    try {
      await this.hook?.(call, path);
      if (life !== this.life) throw errno("EIO");
      return work();
    } catch (cause) {
      // Without a descriptor nothing was tried (host/files.ts).
      const tried = !["EMFILE", "ENFILE"].includes(errnoOf(cause) ?? "");
      if (call === "syncDir" && tried) throw syncError("sync the directory", path, cause);
      throw fileError(call, path, cause);
    }
  }

  open(path: Path, mode: OpenMode, perm = 0o600): Promise<OpenFile> {
    return this.#do(mode === "create" ? "create" : "open", path, () => {
      if (mode === "create") this.#create(path, perm);
      if (mode === "read-plain" && this.#name(path)?.kind === "link") throw errno("ELOOP");
      const node = this.#find(path);
      const reads = mode === "read" || mode === "read-plain";
      if (node.kind === "dir" && !reads) throw errno("EISDIR");
      return new FakeFile(this, node, path, !reads);
    });
  }

  #create(path: Path, perm: number): FileNode {
    const { dir, name } = this.#place(path);
    if (dir.names.has(name)) throw errno("EEXIST");
    if (this.#free() <= 0) throw errno("ENOSPC");
    const node = this.#make("file", perm);
    dir.change([{ name, node }]);
    return node;
  }

  stat(path: Path): Promise<FileInfo | undefined> {
    return this.#do("stat", path, () => {
      const node = this.#unlessMissing(path);
      return node && this.infoOf(node);
    });
  }

  linkStat(path: Path): Promise<FileInfo | undefined> {
    return this.#do("linkStat", path, () => {
      const node = this.#name(path);
      return node && this.infoOf(node);
    });
  }

  readLink(path: Path): Promise<Uint8Array | undefined> {
    return this.#do("readLink", path, () => {
      const node = this.#name(path);
      if (node !== undefined && node.kind !== "link") throw errno("EINVAL");
      return node && new Uint8Array(Buffer.from(node.target, "latin1"));
    });
  }

  /** What a name stands for itself: the link, where it is one. */
  #name(path: Path): FileNode | undefined {
    const parts = splitPath(path);
    const name = parts.pop();
    const dir = this.#unlessMissing(fromKey(`/${parts.join("/")}`));
    return name === undefined ? dir : dir?.names.get(name);
  }

  async glance(paths: readonly Path[]): Promise<(FileInfo | undefined)[]> {
    const found = [];
    for (const path of paths) found.push(await this.stat(path));
    return found;
  }

  realPath(path: Path): Promise<Uint8Array | undefined> {
    return this.#do("realPath", path, () => {
      if (this.#unlessMissing(path) === undefined) return undefined;
      return new Uint8Array(Buffer.from(this.#walk(path).at || "/", "latin1"));
    });
  }

  #unlessMissing(path: Path): FileNode | undefined {
    try {
      return this.#find(path);
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      if (["ENOENT", "ENOTDIR"].includes(code)) return undefined;
      throw error;
    }
  }

  list(dir: Path): Promise<DirItem[] | undefined> {
    return this.#do("list", dir, () => {
      const node = this.#unlessMissing(dir);
      if (node === undefined || node.kind !== "dir") return undefined;
      const names = [...node.names].sort(([a], [b]) => (a < b ? -1 : 1));
      return names.map(([name, child]) => ({ name: fromKey(name), kind: child.kind }));
    });
  }

  mkdir(path: Path, perm: number): Promise<void> {
    return this.#do("mkdir", path, () => {
      let dir = this.#root;
      for (const name of splitPath(path)) {
        let next = dir.names.get(name);
        if (next === undefined) {
          next = this.#make("dir", perm);
          dir.change([{ name, node: next }]);
        }
        if (next.kind === "link") next = this.#find(fromKey(next.target));
        if (next.kind !== "dir") throw errno("EEXIST");
        dir = next;
      }
    });
  }

  rename(from: Path, to: Path): Promise<void> {
    return this.#do("rename", from, () => this.move(from, to));
  }

  unlink(path: Path): Promise<void> {
    return this.#do("unlink", path, () => this.remove(path));
  }

  rmdir(path: Path): Promise<void> {
    return this.#do("rmdir", path, () => {
      const { dir, name } = this.#place(path);
      const node = dir.names.get(name);
      if (node === undefined) throw errno("ENOENT");
      if (node.kind !== "dir") throw errno("ENOTDIR");
      if (node.names.size > 0) throw errno("ENOTEMPTY");
      dir.change([{ name, node: undefined }]);
    });
  }

  chmod(path: Path, perm: number): Promise<void> {
    return this.#do("chmod", path, () => {
      this.#find(path).mode = perm;
    });
  }

  syncDir(dir: Path): Promise<void> {
    return this.#do("syncDir", dir, () => {
      const node = this.#find(dir);
      if (node.kind !== "dir") throw errno("ENOTDIR");
      node.durableNames = new Map(node.names);
      node.changes = [];
    });
  }

  freeBytes(dir: Path): Promise<number> {
    return this.#do("freeBytes", dir, () => {
      return Math.min(this.#free(), Number.MAX_SAFE_INTEGER);
    });
  }

  diskBytes(dir: Path): Promise<number> {
    return this.#do("freeBytes", dir, () => this.size);
  }

  // ---- For FakeFile.

  call<T>(call: FileCall, path: Path, life: number, work: () => T): Promise<T> {
    return this.#do(call, path, () => {
      if (life !== this.life) throw errno("EBADF");
      return work();
    });
  }

  infoOf(node: FileNode): FileInfo {
    const { ino, birthNs, mtimeNs, ctimeNs, kind, mode, nlink, uid } = node;
    const { size } = node.bytes;
    const times = { birthNs, mtimeNs, ctimeNs };
    return { dev: this.#dev, ino, ...times, size, kind, mode, nlink, uid };
  }

  /** Writes what fits; throws ENOSPC if that is not all. */
  store(node: FileNode, bytes: Uint8Array, position: number): void {
    const growth = Math.max(0, position + bytes.length - node.bytes.size);
    const missing = Math.max(0, growth - this.#free());
    const fits = Math.max(0, bytes.length - missing);
    if (fits > 0) node.bytes.change(position, bytes.subarray(0, fits));
    this.touch(node);
    if (fits < bytes.length) throw errno("ENOSPC");
  }

  touch(node: FileNode): void {
    this.#changed(node);
    node.mtimeNs = node.ctimeNs;
  }

  #changed(node: FileNode): void {
    this.#time += 1n;
    node.ctimeNs = node.birthNs + this.#time * 1_000_000n;
  }

  // ---- For tests: done at once, seen by no hook.

  /** Bytes in all files that have a name, and in those that somebody still holds open. */
  used(): number {
    for (const node of this.#pinned) if (node.opens === 0) this.#pinned.delete(node);
    return this.#pinned.values().reduce((sum, { bytes }) => sum + bytes.size, this.#below());
  }

  /** Counted only on a disk that can be full: most are not, and a count walks the whole tree. */
  #free(): number {
    if (this.capacity === Number.POSITIVE_INFINITY) return this.capacity;
    return Math.max(0, this.capacity - this.used());
  }

  #below(dir: FileNode = this.#root): number {
    let sum = 0;
    for (const node of dir.names.values()) {
      sum += node.kind === "dir" ? this.#below(node) : node.bytes.size;
    }
    return sum;
  }

  /** Replaces a file's content, or makes it (and its directories). Volatile. */
  put(path: Path, bytes: Uint8Array | string): void {
    const node = this.#forTest(path);
    node.bytes.change(0, undefined);
    node.bytes.change(0, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    this.touch(node);
  }

  /** Appends as a program that logs would. Makes the file if need be. Volatile. */
  append(path: Path, bytes: Uint8Array | string): void {
    const node = this.#forTest(path);
    node.bytes.change(node.bytes.size, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    this.touch(node);
  }

  cut(path: Path, size: number): void {
    const node = this.#find(path);
    node.bytes.change(size, undefined);
    this.touch(node);
  }

  /** What reads see now. */
  bytes(path: Path): Uint8Array {
    return this.#find(path).bytes.content.slice();
  }

  move(from: Path, to: Path): void {
    const source = this.#place(from);
    const target = this.#place(to);
    const node = source.dir.names.get(source.name);
    if (node === undefined) throw errno("ENOENT");
    const replaced = target.dir.names.get(target.name);
    if (replaced === node) return;
    if (replaced?.kind === "dir") throw errno(node.kind === "dir" ? "ENOTEMPTY" : "EISDIR");
    if (replaced !== undefined) replaced.nlink -= 1;
    const remove = { name: source.name, node: undefined };
    const add = { name: target.name, node };
    this.#changed(node);
    if (source.dir === target.dir) source.dir.change([remove, add]);
    else {
      target.dir.change([add]);
      source.dir.change([remove]);
    }
  }

  remove(path: Path): void {
    const { dir, name } = this.#place(path);
    const node = dir.names.get(name);
    if (node === undefined) throw errno("ENOENT");
    if (node.kind === "dir") throw errno("EISDIR");
    node.nlink -= 1;
    if (node.nlink === 0 && node.opens > 0) this.#pinned.add(node);
    dir.change([{ name, node: undefined }]);
  }

  /** A second name of the same file. */
  link(from: Path, to: Path): void {
    const node = this.#find(from);
    const { dir, name } = this.#place(to);
    if (dir.names.has(name)) throw errno("EEXIST");
    node.nlink += 1;
    dir.change([{ name, node }]);
  }

  /** The file itself, as a program holds it that opened it once; undefined if it is not there. */
  node(path: Path): FileNode | undefined {
    try {
      return this.#find(path);
    } catch {
      return undefined;
    }
  }

  /** What a name stands for itself: the link, where it is one. */
  nameNode(path: Path): FileNode | undefined {
    return this.#name(path);
  }

  symlink(target: Path, path: Path): void {
    const { dir, name } = this.#place(path);
    const node = this.#make("link", 0o777);
    node.target = toKey(target);
    dir.change([{ name, node }]);
  }

  #forTest(path: Path): FileNode {
    const parts = splitPath(path);
    let dir = this.#root;
    for (const name of parts.slice(0, -1)) {
      let next = dir.names.get(name);
      if (next?.kind === "link") next = this.#find(fromKey(next.target));
      if (next === undefined) {
        next = this.#make("dir", 0o755);
        dir.change([{ name, node: next }]);
      }
      dir = next;
    }
    const name = parts.at(-1) ?? "";
    const known = dir.names.get(name);
    if (known?.kind === "link") return this.#find(fromKey(known.target));
    if (known !== undefined) return known;
    const node = this.#make("file", 0o644);
    dir.change([{ name, node }]);
    return node;
  }

  /** Makes everything durable. */
  syncAll(): void {
    this.#eachNode((node) => {
      node.bytes.sync();
      node.durableNames = new Map(node.names);
      node.changes = [];
    });
  }

  /**
   * The power fails. Without a seed nothing survives that was not synced; with one, some does, in
   * any order. Every open file is dead afterwards.
   */
  crash(seed?: number): void {
    this.life += 1;
    this.#pinned.clear();
    const chance = seed === undefined ? undefined : seededNumbers(seed);
    this.#eachNode((node) => {
      node.bytes.crash(chance);
      const left = new Map(node.durableNames);
      for (const step of node.changes)
        if (chance !== undefined && chance() < 0.5) applyNames(left, step);
      node.names = left;
      node.durableNames = new Map(left);
      node.changes = [];
    });
    this.#countLinks();
  }

  #countLinks(): void {
    const links = new Map<FileNode, number>();
    this.#eachNode((node) => {
      for (const child of node.names.values()) links.set(child, (links.get(child) ?? 0) + 1);
    });
    for (const [node, count] of links) if (node.kind !== "dir") node.nlink = count;
  }

  #eachNode(visit: (node: FileNode) => void): void {
    const seen = new Set<FileNode>();
    const walk = (node: FileNode): void => {
      if (seen.has(node)) return;
      seen.add(node);
      const pending = node.changes.flatMap((step) => step.map((change) => change.node));
      const below = [...node.names.values(), ...node.durableNames.values(), ...pending];
      visit(node);
      for (const child of below) if (child !== undefined) walk(child);
    };
    walk(this.#root);
  }
}
