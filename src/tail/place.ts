// Place: what a followed file is, and where, as far as looks at names have shown.
//
// - It is told what looks and sweeps found. A file that another chain goes on with keeps its place.

import type { FileInfo } from "../host/files.ts";
import type { BytePath } from "./byte-path.ts";

export class Place {
  #info: FileInfo;
  #path: BytePath;
  #named: BytePath;
  #located = true;
  #alias: BytePath | undefined;
  #metIn: number;
  #missedSweeps = 0;
  #unlinkedAt: number | undefined;

  constructor(info: FileInfo, path: BytePath, sweep: number, named: BytePath = path) {
    this.#info = info;
    this.#path = path;
    this.#named = named;
    this.#metIn = sweep;
  }

  /** Device, inode and birth; size and times are those of the first look. */
  get info(): FileInfo {
    return this.#info;
  }

  get path(): BytePath {
    return this.#path;
  }

  /** The newest of its paths that the chain may name. */
  get named(): BytePath {
    return this.#named;
  }

  /** The path was seen to be this file; false: rotated out of reach, or deleted. */
  get located(): boolean {
    return this.#located;
  }

  /** Another path that was seen to be this file since. */
  get alias(): BytePath | undefined {
    return this.#alias;
  }

  /** Sweeps on end in which no path led to it. */
  get missedSweeps(): number {
    return this.#missedSweeps;
  }

  /** Mono µs when we saw that no name is left on the disk. */
  get unlinkedAt(): number | undefined {
    return this.#unlinkedAt;
  }

  metIn(sweep: number): boolean {
    return this.#metIn === sweep;
  }

  /** It is where it was, or nobody can tell that it is not. */
  met(sweep: number): void {
    this.#metIn = sweep;
    this.#missedSweeps = 0;
  }

  missed(): void {
    this.#missedSweeps += 1;
  }

  /** Renamed, or a second name of the same file: that shows when the first one is looked at. */
  metElsewhere(path: BytePath): void {
    this.#alias = path;
  }

  moved(path: BytePath, sweep: number): void {
    this.#path = path;
    this.#located = true;
    this.#alias = undefined;
    this.met(sweep);
  }

  /** The chain may name it by this path. */
  nameIt(path: BytePath): void {
    this.#named = path;
  }

  lost(): void {
    this.#located = false;
    this.#alias = undefined;
  }

  /** Its device has another number. */
  renumbered(info: FileInfo): void {
    this.#info = info;
  }

  /** So many names are left on the disk. */
  linked(names: number, now: number): void {
    if (names === 0) this.#unlinkedAt ??= now;
    else this.#unlinkedAt = undefined;
  }
}
