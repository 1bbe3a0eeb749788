// Hints: early word of changes, from chokidar. The rescan is the truth; hints make it early.
//
// - Directories are watched, never single files: chokidar's raw words carry the names.
// - A watch is on what a path meant when it was made: where it means another directory by now, made
//   anew, mounted over, behind a link that moved, it is watched anew.
// - Anything may go wrong here (no watches left, network file systems, names that are not
//   UTF-8): then the rescan finds what happened, later.
// - A file written to in tiny pieces causes a flood of words, each of which costs. In a flood the
//   watching rests for a while, and looks at the active files and early rescans stand in.

import { watch as watchPaths } from "chokidar";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { type BytePath, joinNames, pathFromText } from "./byte-path.ts";

export interface Hints {
  /** Watches these directories from now on, and no others. Each with what it is: see below. */
  watch(dirs: ReadonlyMap<BytePath, string>): void;
  /** Nothing is heard for now: others must look more often. */
  readonly resting: boolean;
  /** Whether all of them are watched, as far as the system says. */
  readonly complete: boolean;
  close(): Promise<void>;
}

export interface HintContext {
  readonly clock: Clock;
  readonly diag: Diag;
  /**
   * Something happened at a path; undefined: somewhere. `urgent`: a name came or went. Called from
   * anywhere, must not throw.
   */
  readonly onHint: (path: BytePath | undefined, urgent?: boolean) => void;
}

export type HintSource = (context: HintContext) => Hints;

const dirsMax = 1_000;
const floodPerSecond = 2_000;
const restUs = 15_000_000;

type Watcher = ReturnType<typeof watchPaths>;

/** The text of a byte path; undefined if it is not UTF-8. */
function textOf(path: BytePath): string | undefined {
  const text = Buffer.from(path, "latin1").toString("utf8");
  return pathFromText(text) === path ? text : undefined;
}

class ChokidarHints implements Hints {
  readonly #context: HintContext;
  #watcher: Watcher | undefined;
  #watched = new Map<string, string>();
  #restUntil = 0;
  #second = 0;
  #inSecond = 0;
  #failed = false;
  #all = false;
  #closing: Promise<void> = Promise.resolve();

  constructor(context: HintContext) {
    this.#context = context;
  }

  get resting(): boolean {
    return this.#failed || this.#context.clock.mono() < this.#restUntil;
  }

  get complete(): boolean {
    return this.#watcher !== undefined && this.#all && !this.resting;
  }

  watch(dirs: ReadonlyMap<BytePath, string>): void {
    if (this.#context.clock.mono() < this.#restUntil) return;
    const wanted = new Map<string, string>();
    for (const [dir, what] of dirs) {
      const text = textOf(dir);
      if (text !== undefined && wanted.size < dirsMax) wanted.set(text, what);
    }
    this.#all = wanted.size === dirs.size;
    const added = [...wanted.keys()].filter((dir) => wanted.get(dir) !== this.#watched.get(dir));
    const removed = [...this.#watched.keys()].filter(
      (dir) => wanted.get(dir) !== this.#watched.get(dir),
    );
    this.#watched = wanted;
    if (removed.length > 0) this.#watcher?.unwatch(removed);
    if (added.length === 0) return;
    if (this.#watcher === undefined) this.#watcher = this.#begin(added);
    else this.#watcher.add(added);
  }

  #begin(dirs: string[]): Watcher {
    const watcher = watchPaths(dirs, {
      depth: 0,
      ignoreInitial: true,
      followSymlinks: true,
      persistent: true,
      atomic: false,
      awaitWriteFinish: false,
      ignorePermissionErrors: true,
      // Files inside need no watch of their own: the directory's raw words name them. A directory
      // that is asked for may be a link to one.
      ignored: (path, stats) =>
        stats !== undefined && !stats.isDirectory() && !this.#watched.has(path),
    });
    watcher.on("raw", (kind, name, details) => {
      const dir = (details as { watchedPath?: string } | undefined)?.watchedPath;
      this.#heard(dir, name, kind === "rename");
    });
    watcher.on("error", (error) => {
      if (this.#failed) return;
      this.#failed = true;
      const reason = error instanceof Error ? error : undefined;
      this.#context.diag.warn("watching directories failed, rescans go on", { error: reason });
    });
    return watcher;
  }

  #heard(dir: string | undefined, name: unknown, urgent: boolean): void {
    const { clock, onHint } = this.#context;
    const second = Math.floor(clock.mono() / 1_000_000);
    this.#inSecond = second === this.#second ? this.#inSecond + 1 : 1;
    this.#second = second;
    if (this.#inSecond > floodPerSecond) this.#rest();
    // U+FFFD: the name was not UTF-8, and which one it was is lost.
    const known = typeof dir === "string" && typeof name === "string" && !name.includes("\ufffd");
    onHint(known ? joinNames(pathFromText(dir), pathFromText(name)) : undefined, urgent);
  }

  #rest(): void {
    const watcher = this.#watcher;
    if (watcher === undefined) return;
    this.#restUntil = this.#context.clock.mono() + restUs;
    this.#watcher = undefined;
    this.#watched = new Map();
    this.#closing = watcher.close();
  }

  async close(): Promise<void> {
    await this.#closing;
    await this.#watcher?.close();
    this.#watcher = undefined;
  }
}

export const chokidarHints: HintSource = (context) => new ChokidarHints(context);
