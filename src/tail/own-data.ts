// Own data: what is never tailed, whatever leads to it: state, keys, grants, configuration, stores.
//
// - Tailed, they would feed themselves, and an agent's keys would leave its machine.
// - Known by their paths with all links resolved, by what they are (device and inode, so that a
//   hard link is no way around), and stores and states of others by their layout.
// - What was ours and is deleted gives its inode away, at once to the next file that is made: so
//   whoever seems to be ours by it is ours only while our file still is.

import { resolve } from "node:path";
import type { FileInfo, Files } from "../host/files.ts";
import {
  type BytePath,
  isWithin,
  joinNames,
  pathFromHost,
  pathFromText,
  pathToHost,
} from "./byte-path.ts";
import { nodeKey } from "./identity.ts";
import { sealedPlaceOf } from "./sealed-places.ts";

/** Files of a chain's folder that hard links must not lead to. */
const chainFiles = ["keys", "grant", "receipt"];

export class OwnData {
  readonly #files: Files;
  readonly #paths: readonly string[];
  #places: readonly BytePath[] = [];
  /** By what they are: our files. */
  #nodes: ReadonlyMap<string, BytePath> = new Map();
  #read: Promise<void> | undefined;

  /** `paths`: of files and directories. */
  constructor(files: Files, paths: readonly string[]) {
    this.#files = files;
    this.#paths = paths.map((path) => resolve(path));
  }

  /** What did not exist may have been made since, or made anew: it is looked at again. */
  forget(): void {
    this.#read = undefined;
  }

  /** Returns once placeOf() and has() know what there is. */
  ready(): Promise<void> {
    this.#read ??= this.#look();
    return this.#read;
  }

  /** The place of our data, or of a store, that a link-free path lies in. */
  placeOf(real: BytePath): BytePath | undefined {
    return this.#places.find((place) => isWithin(place, real)) ?? sealedPlaceOf(real);
  }

  /** Whether the file is one of ours, whatever its name. */
  async has(info: FileInfo): Promise<boolean> {
    const path = this.#nodes.get(nodeKey(info));
    if (path === undefined) return false;
    // What cannot be looked at may still be there.
    const ours = await this.#files.stat(pathToHost(path)).catch(() => info);
    return ours !== undefined && nodeKey(ours) === nodeKey(info);
  }

  async #look(): Promise<void> {
    const places: BytePath[] = [];
    const nodes = new Map<string, BytePath>();
    for (const text of this.#paths) {
      const real = await this.#files.realPath(text).catch(() => undefined);
      places.push(pathFromText(text));
      if (real !== undefined) places.push(pathFromHost(real));
      await this.#note(nodes, pathFromText(text));
      const chains = joinNames(pathFromText(text), "chains");
      const items = await this.#files.list(pathToHost(chains)).catch(() => undefined);
      for (const { name, kind } of items ?? []) {
        if (kind !== "dir") continue;
        const chain = joinNames(chains, pathFromHost(name));
        for (const file of chainFiles) await this.#note(nodes, joinNames(chain, file));
      }
    }
    this.#places = places;
    this.#nodes = nodes;
  }

  async #note(nodes: Map<string, BytePath>, path: BytePath): Promise<void> {
    const info = await this.#files.stat(pathToHost(path)).catch(() => undefined);
    if (info?.kind === "file") nodes.set(nodeKey(info), path);
  }
}
