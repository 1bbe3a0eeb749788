// The nodes of the fake file system: files, directories and links, each with a durable half.

import { type Path, pathBytes } from "../../src/host/file-error.ts";
import type { FileKind } from "../../src/host/files.ts";
import { VolatileBytes } from "./volatile-bytes.ts";

export interface NameChange {
  readonly name: string;
  readonly node: FileNode | undefined;
}

export class FileNode {
  readonly kind: FileKind;
  readonly ino: bigint;
  readonly birthNs: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  mode: number;
  nlink = 1;
  /** Descriptors that hold it, also of lives that ended. */
  opens = 0;
  /** Whoever runs the test, unless told. */
  uid: number = process.geteuid?.() ?? 0;
  readonly bytes: VolatileBytes = new VolatileBytes();
  target = "";
  /** A directory's names; `changes` are those not yet durable, renames as one step. */
  names: Map<string, FileNode> = new Map<string, FileNode>();
  durableNames: Map<string, FileNode> = new Map<string, FileNode>();
  changes: NameChange[][] = [];

  constructor(kind: FileKind, mode: number, serial: bigint) {
    this.kind = kind;
    this.mode = mode;
    this.ino = serial;
    this.birthNs = 1_700_000_000_000_000_000n + serial * 1_000n;
    this.mtimeNs = this.birthNs;
    this.ctimeNs = this.birthNs;
  }

  change(step: NameChange[]): void {
    applyNames(this.names, step);
    this.changes.push(step);
  }
}

export function applyNames(names: Map<string, FileNode>, step: readonly NameChange[]): void {
  for (const { name, node } of step) {
    if (node === undefined) names.delete(name);
    else names.set(name, node);
  }
}

/** An error as the system reports it. */
export function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

// Inside, a path is a string with one character per byte.
export function toKey(path: Path): string {
  return pathBytes(path).toString("latin1");
}

export function fromKey(name: string): Path {
  const bytes = Buffer.from(name, "latin1");
  const text = bytes.toString("utf8");
  return Buffer.from(text).equals(bytes) ? text : new Uint8Array(bytes);
}

export function splitPath(path: Path): string[] {
  return toKey(path)
    .split("/")
    .filter((part) => part !== "");
}
