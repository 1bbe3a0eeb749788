// Discover: which files the configured patterns mean, by walking their directories.
//
// - Exclude beats include; the first configured source that matches a path has it.
// - Walked is what include patterns can reach, links to directories included. A link that leads
//   back to a directory above it is not entered, so cycles end.
// - Our own state, store and diagnostics are never entered nor matched, whatever links say; nor is
//   another's store or state, known by its layout.
// - Only names are read here; whoever wants to know what they are looks for himself.

import type { Diag } from "../host/diag.ts";
import { errnoOf } from "../host/file-error.ts";
import type { DirItem, FileInfo, FileKind, Files } from "../host/files.ts";
import {
  type BytePath,
  directoryOf,
  isWithin,
  joinNames,
  pathFromHost,
  pathFromText,
  pathToHost,
  shown,
} from "./byte-path.ts";
import { excludePattern, includePattern, type Pattern } from "./glob-base.ts";
import { nodeKey } from "./identity.ts";
import type { SourceOptions } from "./item.ts";
import { sealedPlaceOf } from "./sealed-places.ts";

/** Directories in one walk at most, and links to directories on one way down. */
const dirsMax = 50_000;
const linksMax = 4;

interface SourcePatterns {
  readonly name: string;
  readonly include: readonly Pattern[];
  readonly exclude: readonly ((path: BytePath) => boolean)[];
}

function claims({ include, exclude }: SourcePatterns, path: BytePath): boolean {
  if (!include.some((pattern) => pattern.matches(path))) return false;
  return !exclude.some((matches) => matches(path));
}

/** The names in one directory that are not directories. */
export interface Listing {
  readonly dir: BytePath;
  readonly names: readonly BytePath[];
  /** Directories in it that no pattern leads into. */
  readonly closed: readonly BytePath[];
}

interface Step {
  readonly dir: BytePath;
  /** The directory with all links resolved: what is refused is known by that. */
  readonly real: BytePath;
  /** Links to directories on the way here. */
  readonly links: number;
}

export class Discover {
  readonly #files: Files;
  readonly #diag: Diag;
  readonly #sources: readonly SourcePatterns[];
  readonly #refuse: readonly string[];
  #refused: BytePath[] | undefined;
  #refusedComplete = false;
  readonly #said = new Set<string>();
  /** Whether the last walk could not see everything. */
  incomplete = false;

  constructor(
    files: Files,
    diag: Diag,
    sources: readonly SourceOptions[],
    refuse: readonly string[],
  ) {
    this.#files = files;
    this.#diag = diag;
    this.#refuse = refuse;
    this.#sources = sources.map(({ name, include, exclude }) => ({
      name,
      include: include.map(includePattern),
      exclude: exclude.map(excludePattern),
    }));
  }

  /** Names of the configured sources that want this path, in their order. */
  claims(path: BytePath): string[] {
    return this.#sources.filter((source) => claims(source, path)).map(({ name }) => name);
  }

  /** Whether any source wants this path. */
  wants(path: BytePath): boolean {
    return this.#sources.some((source) => claims(source, path));
  }

  /** Says something about a path once. */
  once(level: "error" | "warn", phrase: string, path: BytePath, fields: object = {}): void {
    const key = `${phrase}\0${path}`;
    if (this.#said.has(key) || this.#said.size > 10_000) return;
    this.#said.add(key);
    this.#diag[level](phrase, { path: shown(path), ...fields });
  }

  /** From now on the path may be complained about again. */
  forgive(phrase: string, path: BytePath): void {
    this.#said.delete(`${phrase}\0${path}`);
  }

  /** Whether the path leads into what must not be tailed. Links are resolved. */
  async refuses(path: BytePath): Promise<boolean> {
    return await this.#isRefused(path, await this.#real(path));
  }

  async #real(path: BytePath): Promise<BytePath> {
    const real = await this.#files.realPath(pathToHost(path)).catch(() => undefined);
    return real === undefined ? path : pathFromHost(real);
  }

  async #isRefused(path: BytePath, real: BytePath): Promise<boolean> {
    const refused = await this.#refusedPaths();
    if (refused.some((dir) => isWithin(dir, real))) {
      this.once("error", "refused to tail own files", path, { code: "self-ingest" });
      return true;
    }
    const place = sealedPlaceOf(real);
    if (place === undefined) return false;
    // Once for all that lies in there.
    this.once("error", "refused to tail a store or state directory", place, {
      code: "self-ingest",
    });
    return true;
  }

  async #refusedPaths(): Promise<BytePath[]> {
    if (this.#refused !== undefined) return this.#refused;
    const found: BytePath[] = [];
    let complete = true;
    for (const text of this.#refuse) {
      const real = await this.#files.realPath(text).catch(() => undefined);
      complete &&= real !== undefined;
      found.push(pathFromText(text));
      if (real !== undefined) found.push(pathFromHost(real));
    }
    this.#refused = found;
    this.#refusedComplete = complete;
    return found;
  }

  /** All names that the include patterns' directories hold, one listing per directory. */
  async *walk(): AsyncGenerator<Listing> {
    this.incomplete = false;
    // What did not exist may have been made as a link since: ask again until all is there.
    if (!this.#refusedComplete) this.#refused = undefined;
    const patterns = this.#sources.flatMap(({ include }) => include);
    const steps: Step[] = [];
    for (const dir of new Set(patterns.map(({ base }) => base))) {
      const real = await this.#real(dir);
      if (!(await this.#isRefused(dir, real))) steps.push({ dir, real, links: 0 });
    }
    const walked = new Set<BytePath>();
    for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
      if (walked.has(step.dir)) continue;
      walked.add(step.dir);
      if (walked.size > dirsMax) {
        this.missed("too many directories to walk", step.dir);
        return;
      }
      const items = await this.#list(step.dir);
      const names: BytePath[] = [];
      const closed: BytePath[] = [];
      for (const item of items) {
        const path = joinNames(step.dir, pathFromHost(item.name));
        const next = await this.#below(patterns, step, path, item);
        if (next === "file") names.push(path);
        else if (next !== undefined) steps.push(next);
        else if (item.kind === "dir") closed.push(path);
      }
      yield { dir: step.dir, names, closed };
    }
  }

  /** Files in a directory that no pattern leads into: whatever was moved there. */
  async namesIn(dir: BytePath): Promise<BytePath[]> {
    const real = await this.#real(dir);
    if (this.#refused?.some((refused) => isWithin(refused, real))) return [];
    const items = (await this.#files.list(pathToHost(dir)).catch(() => undefined)) ?? [];
    const plain = items.filter(({ kind }) => kind === "file");
    return plain.map(({ name }) => joinNames(dir, pathFromHost(name)));
  }

  /** Something could not be looked at: who is not found in this walk may still be there. */
  missed(phrase: string, path: BytePath, cause?: unknown): void {
    this.incomplete = true;
    const error = cause instanceof Error ? cause : undefined;
    this.once("warn", phrase, path, { error });
  }

  async #list(dir: BytePath): Promise<readonly DirItem[]> {
    const phrase = "directory cannot be listed, trying again";
    try {
      const items = (await this.#files.list(pathToHost(dir))) ?? [];
      this.forgive(phrase, dir);
      return items;
    } catch (cause) {
      this.missed(phrase, dir, cause);
      return [];
    }
  }

  /** What to do with an item: a name to look at, a directory to walk, or nothing. */
  async #below(
    patterns: readonly Pattern[],
    step: Step,
    path: BytePath,
    item: DirItem,
  ): Promise<Step | "file" | undefined> {
    if (item.kind === "other") return undefined;
    const enters = patterns.some((pattern) => pattern.enters(path));
    let kind: FileKind = item.kind;
    let info: FileInfo | undefined;
    if (kind === "link") {
      info = await this.#target(path);
      if (info === undefined || info.kind === "other") return undefined;
      kind = info.kind;
    }
    if (kind === "dir" && !enters) return undefined;
    const real = info ? await this.#real(path) : joinNames(step.real, pathFromHost(item.name));
    if (kind === "dir" || this.wants(path)) {
      if (await this.#isRefused(path, real)) return undefined;
    }
    if (kind === "file") return "file";
    if (info === undefined) return { dir: path, real, links: step.links };
    if (step.links >= linksMax || (await this.#leadsBack(path, info))) return undefined;
    return { dir: path, real, links: step.links + 1 };
  }

  /** What a link leads to; undefined where it leads nowhere, or in circles. */
  async #target(path: BytePath): Promise<FileInfo | undefined> {
    try {
      return await this.#files.stat(pathToHost(path));
    } catch (cause) {
      if (errnoOf(cause) !== "ELOOP")
        this.missed("link cannot be followed, trying again", path, cause);
      return undefined;
    }
  }

  /** Whether a link leads to one of the directories that it lies in. */
  async #leadsBack(path: BytePath, target: FileInfo): Promise<boolean> {
    for (let dir = directoryOf(path); ; dir = directoryOf(dir)) {
      const info = await this.#files.stat(pathToHost(dir)).catch(() => undefined);
      if (info !== undefined && nodeKey(info) === nodeKey(target)) return true;
      if (dir === "/") return false;
    }
  }
}
