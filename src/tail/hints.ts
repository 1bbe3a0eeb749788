// Hints: early word of changes, from chokidar. The rescan is the truth; hints make it early.
//
// - Directories are watched, never single files: chokidar's raw words carry the names. Not all of
//   them where there are many: those that hold followed files, what links lead to, the highest.
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
  /**
   * Watches these directories from now on, and no others. Each with what it is: see below. `all`:
   * there are no others that files may come up in.
   */
  watch(dirs: ReadonlyMap<BytePath, string>, all?: boolean): void;
  /** Nothing is heard for now: others must look more often. */
  readonly resting: boolean;
  /** The system has no watches left, or the like. */
  readonly failed?: boolean;
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

/** Directories that chokidar is given at once: it reads each of them, and many need much memory. */
const atOnce = 32;
const pauseMs = 200;
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
  /** Directories still to be given to chokidar. */
  #pending: string[] = [];
  #giving: AbortController | undefined;
  #closing: Promise<void> = Promise.resolve();

  constructor(context: HintContext) {
    this.#context = context;
  }

  get failed(): boolean {
    return this.#failed;
  }

  get resting(): boolean {
    return this.#failed || this.#context.clock.mono() < this.#restUntil;
  }

  get complete(): boolean {
    const given = this.#pending.length === 0;
    return this.#watcher !== undefined && given && this.#all && !this.resting;
  }

  watch(dirs: ReadonlyMap<BytePath, string>, all = true): void {
    if (this.#context.clock.mono() < this.#restUntil) return;
    const wanted = new Map<string, string>();
    for (const [dir, what] of dirs) {
      const text = textOf(dir);
      if (text !== undefined) wanted.set(text, what);
    }
    this.#all = all && wanted.size === dirs.size;
    const added = [...wanted.keys()].filter((dir) => wanted.get(dir) !== this.#watched.get(dir));
    const removed = [...this.#watched.keys()].filter(
      (dir) => wanted.get(dir) !== this.#watched.get(dir),
    );
    this.#watched = wanted;
    if (removed.length > 0) this.#watcher?.unwatch(removed);
    this.#pending = [...this.#pending.filter((dir) => wanted.has(dir)), ...added];
    if (this.#giving === undefined) this.#give();
  }

  #give(): void {
    const dirs = this.#pending.splice(0, atOnce);
    this.#giving = undefined;
    if (dirs.length === 0) return;
    if (this.#watcher === undefined) this.#watcher = this.#begin(dirs);
    else this.#watcher.add(dirs);
    if (this.#pending.length === 0) return;
    const giving = new AbortController();
    this.#giving = giving;
    void this.#context.clock.sleep(pauseMs, giving.signal).then(() => {
      if (!giving.signal.aborted) this.#give();
    });
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
      // What lies inside needs no watch of its own, and no memory: the raw words name it.
      ignored: (path) => !this.#watched.has(path),
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
    this.#stopGiving();
    this.#watcher = undefined;
    this.#watched = new Map();
    this.#closing = watcher.close();
  }

  #stopGiving(): void {
    this.#giving?.abort();
    this.#giving = undefined;
    this.#pending = [];
  }

  async close(): Promise<void> {
    this.#stopGiving();
    await this.#closing;
    await this.#watcher?.close();
    this.#watcher = undefined;
  }
}

export const chokidarHints: HintSource = (context) => new ChokidarHints(context);
