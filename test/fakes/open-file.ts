// An open file of the fake file system. It lives on after unlink and rename, and dies in a crash.

import { type Path, syncError } from "../../src/host/file-error.ts";
import type { FileInfo, OpenFile } from "../../src/host/files.ts";
import { errno, type FileNode } from "./file-tree.ts";

export type FileCall =
  | "open"
  | "create"
  | "read"
  | "write"
  | "truncate"
  | "datasync"
  | "sync"
  | "close"
  | "stat"
  | "linkStat"
  | "readLink"
  | "realPath"
  | "list"
  | "mkdir"
  | "rename"
  | "unlink"
  | "rmdir"
  | "chmod"
  | "syncDir"
  | "freeBytes";

/** What an open file needs of the file system that it belongs to. */
export interface FileCalls {
  readonly life: number;
  /** Runs `work` as a call that hooks see; fails if that life is over. */
  call<T>(call: FileCall, path: Path, life: number, work: () => T): Promise<T>;
  infoOf(node: FileNode): FileInfo;
  store(node: FileNode, bytes: Uint8Array, position: number): void;
  touch(node: FileNode): void;
}

export class FakeFile implements OpenFile {
  readonly #files: FileCalls;
  readonly #node: FileNode;
  readonly #path: Path;
  readonly #writable: boolean;
  readonly #life: number;
  #closed = false;

  constructor(files: FileCalls, node: FileNode, path: Path, writable: boolean) {
    this.#files = files;
    this.#node = node;
    this.#path = path;
    this.#writable = writable;
    this.#life = files.life;
    node.opens += 1;
  }

  #do<T>(call: FileCall, work: () => T): Promise<T> {
    return this.#files.call(call, this.#path, this.#life, () => {
      if (this.#closed) throw errno("EBADF");
      return work();
    });
  }

  #change(call: FileCall, work: () => void): Promise<void> {
    return this.#do(call, () => {
      if (!this.#writable) throw errno("EBADF");
      work();
    });
  }

  read(into: Uint8Array, at: number, length: number, position: number): Promise<number> {
    return this.#do("read", () => {
      if (this.#node.kind === "dir") throw errno("EISDIR");
      if (at + length > into.length) throw new RangeError("read past the end of its buffer");
      const bytes = this.#node.bytes.content.subarray(position, position + length);
      into.set(bytes, at);
      return bytes.length;
    });
  }

  write(bytes: Uint8Array, position: number): Promise<void> {
    return this.#change("write", () => this.#files.store(this.#node, bytes, position));
  }

  writev(parts: readonly Uint8Array[], position: number): Promise<void> {
    return this.#change("write", () => {
      this.#files.store(this.#node, Buffer.concat(parts), position);
    });
  }

  truncate(size: number): Promise<void> {
    return this.#change("truncate", () => {
      this.#node.bytes.change(size, undefined);
      this.#files.touch(this.#node);
    });
  }

  async datasync(): Promise<void> {
    await this.#sync("datasync");
  }

  async sync(): Promise<void> {
    await this.#sync("sync");
  }

  async #sync(call: "datasync" | "sync"): Promise<void> {
    try {
      await this.#do(call, () => this.#node.bytes.sync());
    } catch (cause) {
      throw syncError("sync the file", this.#path, cause);
    }
  }

  stat(): Promise<FileInfo> {
    return this.#do("stat", () => this.#files.infoOf(this.#node));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    // A dead file closes in silence: the program that held it is gone.
    if (this.#life === this.#files.life) await this.#do("close", () => undefined);
    this.#closed = true;
    this.#node.opens -= 1;
  }
}
