// Discover: which files the configured patterns mean, by walking their directories.
//
// - Exclude beats include; the first configured source that matches a path has it.
// - Walked is what include patterns can reach, links to directories included. A link that leads
//   back to a directory above it is not entered, so cycles end.
// - Links are followed where whoever made them may lead us (links.ts); our own data is never
//   entered nor matched, whatever leads to it (own-data.ts).
// - Only names are read here; whoever wants to know what they are looks for himself.

import type { Diag } from "../host/diag.ts";
import { errnoOf } from "../host/file-error.ts";
import type { DirItem, FileInfo, Files, OpenFile } from "../host/files.ts";
import {
  type BytePath,
  directoryOf,
  joinNames,
  pathFromHost,
  pathToHost,
  shown,
} from "./byte-path.ts";
import { excludePattern, includePattern, type Pattern } from "./glob-base.ts";
import { nodeKey } from "./identity.ts";
import type { SourceOptions } from "./item.ts";
import { Links } from "./links.ts";
import { OwnData } from "./own-data.ts";
import { sealedPlaceOf } from "./sealed-places.ts";

/** Directories in one walk at most, and links to directories on one way down. */
const dirsMax = 500_000;
const linksMax = 4;

const refusedMax = 1_000;
/** The file system's own, at its root: nobody's logs, and closed to all but root. */
const lostAndFound = "lost+found";

const untrustedPhrase =
  "link is not followed: it belongs neither to root, nor to this user, nor to its target's owner";

/** Paths outside the grant that are named and counted; more would drown what else is to be said. */
const outsideMax = 1_000;

/** Why a path is not followed. */
export type RefusalCode = "link-untrusted" | "self-ingest";

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
  /** Those of them that are links. */
  readonly links: readonly BytePath[];
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
  readonly #links: Links;
  readonly #own: OwnData;
  /** Paths that are not followed, found since the last walk began. */
  #refusedNow = new Map<BytePath, RefusalCode>();
  #outsideNow = new Map<BytePath, string>();
  readonly #said = new Set<string>();
  /** What the last walk could not see, if it could not see everything. */
  missing: string | undefined;

  constructor(
    files: Files,
    diag: Diag,
    sources: readonly SourceOptions[],
    refuse: readonly string[],
  ) {
    this.#files = files;
    this.#diag = diag;
    this.#links = new Links(files);
    this.#own = new OwnData(files, refuse);
    this.#sources = sources.map(({ name, include, exclude }) => ({
      name,
      include: include.map(includePattern),
      exclude: exclude.map(excludePattern),
    }));
  }

  /** Who is told of each look at a file on the way to it. */
  set onLook(onLook: (info: FileInfo) => void) {
    this.#links.onLook = onLook;
  }

  /** Names of the configured sources that want this path, in their order. */
  claims(path: BytePath): string[] {
    return this.#sources.filter((source) => claims(source, path)).map(({ name }) => name);
  }

  /** Paths that patterns mean and that are not followed. */
  get refused(): ReadonlyMap<BytePath, RefusalCode> {
    return this.#refusedNow;
  }

  /** Files that sources want and the grant does not cover, with the source's name. */
  get outside(): ReadonlyMap<BytePath, string> {
    return this.#outsideNow;
  }

  /** A file is not followed, because the grant does not cover its path. */
  leaveOutside(path: BytePath, source: string): void {
    if (this.#outsideNow.size >= outsideMax) return;
    this.#outsideNow.set(path, source);
    const fields = { source, code: "outside-grant" };
    this.once("error", "file is outside the grant, nothing of it is sealed", path, fields);
  }

  get sourceNames(): string[] {
    return this.#sources.map(({ name }) => name);
  }

  // A program may begin its log later: only the alert knows how long is too long.
  sayEmpty(source: string): void {
    const fields = { source, code: "source-empty" };
    this.#diag.info("no file matches the patterns of a source", fields);
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

  /** Whether the path leads to what must not be tailed. Links are resolved. */
  async refuses(path: BytePath): Promise<boolean> {
    await this.#own.ready();
    const way = await this.#way(path);
    return way === undefined || this.#isRefused(path, way);
  }

  /** Whether what was opened is what the path leads to. */
  leadsTo(path: BytePath, file: OpenFile, info: FileInfo): Promise<boolean> {
    return this.#links.leadsTo(path, file, info);
  }

  /** Whether a file is our own data under another name. */
  async isOwn(path: BytePath, info: FileInfo): Promise<boolean> {
    await this.#own.ready();
    if (!(await this.#own.has(info))) return false;
    this.#refuse(path, path, "refused to tail own files", "self-ingest");
    return true;
  }

  /** Where the path leads; itself where nothing is there. Undefined: a link is not followed. */
  async #way(path: BytePath): Promise<BytePath | undefined> {
    const { real, untrusted } = await this.#links.resolve(path).catch(() => ({
      real: undefined,
      untrusted: undefined,
    }));
    if (untrusted === undefined) return real ?? path;
    this.#refuse(path, untrusted, untrustedPhrase, "link-untrusted");
    return undefined;
  }

  #isRefused(path: BytePath, real: BytePath): boolean {
    const place = this.#own.placeOf(real);
    if (place === undefined) return false;
    const ours = sealedPlaceOf(real) !== place;
    const what = ours ? "own files" : "a store or state directory";
    // Once for all that lies in a store.
    this.#refuse(path, ours ? path : place, `refused to tail ${what}`, "self-ingest");
    return true;
  }

  /** `path` is not followed; said once about `said`. */
  #refuse(path: BytePath, said: BytePath, phrase: string, code: RefusalCode): void {
    if (this.#refusedNow.size < refusedMax) this.#refusedNow.set(path, code);
    this.once("error", phrase, said, { code });
  }

  /** All names that the include patterns' directories hold, one listing per directory. */
  async *walk(): AsyncGenerator<Listing> {
    this.missing = undefined;
    this.#links.forget();
    this.#own.forget();
    await this.#own.ready();
    this.#refusedNow = new Map();
    this.#outsideNow = new Map();
    const patterns = this.#sources.flatMap(({ include }) => include);
    // Of most it is enough to know the path.
    const steps: (Step | BytePath)[] = [];
    const bases = new Set(patterns.map(({ base }) => base));
    for (const dir of bases) {
      const real = await this.#way(dir);
      if (real === undefined || this.#isRefused(dir, real)) continue;
      steps.push({ dir, real, links: 0 });
    }
    const walked = new Set<BytePath>();
    for (let at = 0; at < steps.length; at += 1) {
      const next = steps[at] ?? "";
      const step = typeof next === "object" ? next : { dir: next, real: next, links: 0 };
      // Nothing is kept of a directory that was walked: there may be very many.
      steps[at] = "";
      // A base may lie below another one.
      if (walked.has(step.dir)) continue;
      if (bases.has(step.dir)) walked.add(step.dir);
      if (at >= dirsMax) {
        this.missed("too many directories to walk", step.dir);
        return;
      }
      yield await this.#listing(patterns, step, steps);
    }
  }

  /** What a directory holds; those that are to be walked are added to `steps`. */
  async #listing(
    patterns: readonly Pattern[],
    step: Step,
    steps: (Step | BytePath)[],
  ): Promise<Listing> {
    const names: BytePath[] = [];
    const links: BytePath[] = [];
    const closed: BytePath[] = [];
    for (const item of await this.#list(step.dir)) {
      const path = joinNames(step.dir, pathFromHost(item.name));
      const found = this.#below(patterns, step, path, item);
      const next = found instanceof Promise ? await found : found;
      if (typeof next === "object") {
        steps.push(next.real === path && next.links === 0 ? path : next);
      } else if (next === "file") {
        names.push(path);
        if (item.kind === "link") links.push(path);
      } else if (item.kind === "dir") closed.push(path);
    }
    return { dir: step.dir, names, links, closed };
  }

  /** Directories of what a link leads to, hop by hop. */
  async behind(link: BytePath): Promise<readonly BytePath[]> {
    const way = await this.#links.resolve(link).catch(() => undefined);
    return way?.dirs ?? [];
  }

  /** Files in a directory that no pattern leads into: whatever was moved there. */
  async namesIn(dir: BytePath): Promise<BytePath[]> {
    const { real } = await this.#links.resolve(dir).catch(() => ({ real: undefined }));
    await this.#own.ready();
    if (real === undefined || this.#own.placeOf(real) !== undefined) return [];
    const items = (await this.#files.list(pathToHost(dir)).catch(() => undefined)) ?? [];
    const plain = items.filter(({ kind }) => kind === "file");
    return plain.map(({ name }) => joinNames(dir, pathFromHost(name)));
  }

  /** Something could not be looked at: who is not found in this walk may still be there. */
  missed(phrase: string, path: BytePath, cause?: unknown): void {
    this.missing ??= phrase;
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
  #below(
    patterns: readonly Pattern[],
    step: Step,
    path: BytePath,
    item: DirItem,
  ): Step | "file" | undefined | Promise<Step | "file" | undefined> {
    const { kind } = item;
    if (kind === "other") return undefined;
    if (kind === "link") return this.#behindLink(patterns, step, path);
    if (kind === "dir" && !this.#enters(patterns, path)) return undefined;
    if (kind === "file" && !this.wants(path)) return "file";
    // One string for both where they are the same.
    const same = step.real === step.dir;
    const real = same ? path : joinNames(step.real, pathFromHost(item.name));
    if (this.#isRefused(path, real)) return undefined;
    return kind === "file" ? "file" : { dir: path, real, links: step.links };
  }

  #enters(patterns: readonly Pattern[], path: BytePath): boolean {
    if (path.endsWith(`/${lostAndFound}`)) return false;
    return patterns.some((pattern) => pattern.enters(path));
  }

  async #behindLink(
    patterns: readonly Pattern[],
    step: Step,
    path: BytePath,
  ): Promise<Step | "file" | undefined> {
    const info = await this.#target(path);
    if (info === undefined || info.kind === "other") return undefined;
    const { kind } = info;
    if (kind === "dir" && !this.#enters(patterns, path)) return undefined;
    if (kind === "file" && !this.wants(path)) return "file";
    const real = await this.#way(path);
    if (real === undefined || this.#isRefused(path, real)) return undefined;
    if (kind === "file") return "file";
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
