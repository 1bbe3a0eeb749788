// Any Files, with faults: the n-th call of a kind fails.
//
// - Each fault comes in two variants, because a program cannot tell them apart: "failed" (nothing
//   happened) and "persisted" (it was done, yet an error came back). "partly" is for writes: half
//   of the bytes are there.
// - Errors look like those of host/files.ts: the same codes, the same cause.

import { fileError, type Path, syncError } from "../../src/host/file-error.ts";
import type { Files, OpenFile, OpenMode } from "../../src/host/files.ts";
import type { FileCall } from "./open-file.ts";

export interface Fault {
  readonly call: FileCall;
  /** Counts from 1, calls of this kind (on matching paths) only. */
  readonly nth: number;
  readonly variant: "failed" | "persisted" | "partly";
  /** What the system says; EIO unless told. */
  readonly errno?: string;
  /** Only calls whose path holds this text count. */
  readonly path?: string;
  /** Fails that many times in a row (1 unless told). */
  readonly times?: number;
}

interface Armed {
  readonly fault: Fault;
  hits: number;
}

export class FaultyFiles implements Files {
  readonly #inner: Files;
  #armed: Armed[] = [];
  /** Calls so far, by kind: to find out which n there are. */
  readonly calls: Map<FileCall, number> = new Map();
  /** How many faults have struck. */
  struck: number = 0;
  /** One of them was a sync. */
  syncFailed = false;
  /** Of the newest call that struck. */
  struckPath = "";
  /** Calls since the first one struck. */
  readonly since: { readonly call: FileCall; readonly path: string }[] = [];
  /** Of other paths nothing is counted, and nothing fails there. */
  only = "";

  constructor(inner: Files, ...faults: Fault[]) {
    this.#inner = inner;
    this.arm(...faults);
  }

  /** Adds faults; their counting starts now. */
  arm(...faults: Fault[]): void {
    this.#armed.push(...faults.map((fault) => ({ fault, hits: 0 })));
  }

  disarm(): void {
    this.#armed = [];
  }

  #due(call: FileCall, path: Path): Fault | undefined {
    if (!String(path).includes(this.only)) return undefined;
    if (this.struck > 0) this.since.push({ call, path: String(path) });
    this.calls.set(call, (this.calls.get(call) ?? 0) + 1);
    let due: Fault | undefined;
    for (const armed of this.#armed) {
      const { fault } = armed;
      if (fault.call !== call || !String(path).includes(fault.path ?? "")) continue;
      armed.hits += 1;
      const late = armed.hits - fault.nth;
      if (late >= 0 && late < (fault.times ?? 1)) due = fault;
    }
    return due;
  }

  /** Does `work`, unless a fault is due; `half` does as much of it as "partly" leaves. */
  async do<T>(
    call: FileCall,
    path: Path,
    work: () => Promise<T>,
    half?: () => Promise<unknown>,
  ): Promise<T> {
    const fault = this.#due(call, path);
    if (fault === undefined) return await work();
    this.struck += 1;
    this.struckPath = String(path);
    if (fault.variant === "persisted") await work();
    if (fault.variant === "partly") await half?.();
    const code = fault.errno ?? "EIO";
    const cause = Object.assign(new Error(code), { code });
    const sync = call === "sync" || call === "datasync" || call === "syncDir";
    this.syncFailed ||= sync;
    throw sync ? syncError(call, path, cause) : fileError(call, path, cause);
  }

  async open(path: Path, mode: OpenMode, perm?: number): Promise<OpenFile> {
    const call = mode === "create" ? "create" : "open";
    const file = await this.do(call, path, () => this.#inner.open(path, mode, perm));
    return new FaultyFile(this, file, path);
  }

  stat(path: Path): ReturnType<Files["stat"]> {
    return this.do("stat", path, () => this.#inner.stat(path));
  }

  linkStat(path: Path): ReturnType<Files["linkStat"]> {
    return this.do("linkStat", path, () => this.#inner.linkStat(path));
  }

  readLink(path: Path): ReturnType<Files["readLink"]> {
    return this.do("readLink", path, () => this.#inner.readLink(path));
  }

  async glance(paths: readonly Path[]): ReturnType<Files["glance"]> {
    const found = [];
    for (const path of paths) found.push(await this.stat(path));
    return found;
  }

  realPath(path: Path): ReturnType<Files["realPath"]> {
    return this.do("realPath", path, () => this.#inner.realPath(path));
  }

  list(dir: Path): ReturnType<Files["list"]> {
    return this.do("list", dir, () => this.#inner.list(dir));
  }

  mkdir(path: Path, perm: number): Promise<void> {
    return this.do("mkdir", path, () => this.#inner.mkdir(path, perm));
  }

  rename(from: Path, to: Path): Promise<void> {
    return this.do("rename", from, () => this.#inner.rename(from, to));
  }

  unlink(path: Path): Promise<void> {
    return this.do("unlink", path, () => this.#inner.unlink(path));
  }

  rmdir(path: Path): Promise<void> {
    return this.do("rmdir", path, () => this.#inner.rmdir(path));
  }

  chmod(path: Path, perm: number): Promise<void> {
    return this.do("chmod", path, () => this.#inner.chmod(path, perm));
  }

  syncDir(dir: Path): Promise<void> {
    return this.do("syncDir", dir, () => this.#inner.syncDir(dir));
  }

  diskBytes(dir: Path): Promise<number> {
    return this.do("freeBytes", dir, () => this.#inner.diskBytes(dir));
  }

  freeBytes(dir: Path): Promise<number> {
    return this.do("freeBytes", dir, () => this.#inner.freeBytes(dir));
  }
}

class FaultyFile implements OpenFile {
  readonly #faults: FaultyFiles;
  readonly #inner: OpenFile;
  readonly #path: Path;

  constructor(faults: FaultyFiles, inner: OpenFile, path: Path) {
    this.#faults = faults;
    this.#inner = inner;
    this.#path = path;
  }

  read(into: Uint8Array, at: number, length: number, position: number): Promise<number> {
    const work = (): Promise<number> => this.#inner.read(into, at, length, position);
    return this.#faults.do("read", this.#path, work);
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    const half = (): Promise<void> =>
      this.#inner.write(bytes.subarray(0, bytes.length >> 1), position);
    return this.#faults.do("write", this.#path, () => this.#inner.write(bytes, position), half);
  }

  writev(parts: readonly Uint8Array[], position: number): Promise<void> {
    const half = (): Promise<void> => {
      const bytes = Buffer.concat(parts);
      return this.#inner.write(bytes.subarray(0, bytes.length >> 1), position);
    };
    return this.#faults.do("write", this.#path, () => this.#inner.writev(parts, position), half);
  }

  truncate(size: number): Promise<void> {
    return this.#faults.do("truncate", this.#path, () => this.#inner.truncate(size));
  }

  datasync(): Promise<void> {
    return this.#faults.do("datasync", this.#path, () => this.#inner.datasync());
  }

  sync(): Promise<void> {
    return this.#faults.do("sync", this.#path, () => this.#inner.sync());
  }

  stat(): ReturnType<OpenFile["stat"]> {
    return this.#faults.do("stat", this.#path, () => this.#inner.stat());
  }

  close(): Promise<void> {
    return this.#faults.do("close", this.#path, () => this.#inner.close());
  }
}
