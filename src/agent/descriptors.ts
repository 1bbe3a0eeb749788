// Descriptors: what the agent opens for itself goes before the files that it follows.
//
// - One way to all of it: state, keys, grants, the buffer, connections. Where no descriptor is
//   left, the tail gives some back, and it is tried again.
// - While a chain begins it is tried until there is one: nobody else could wait in the middle of
//   that, and to end would let go of the files. A session has waits of its own, which say so.

import { isShortage } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import type { Gauge } from "./gauge.ts";
import type { Tailing } from "./tailing.ts";

const retryMs = 50;
const triesMax = 3;

interface DescriptorsContext {
  /** The machine's. */
  readonly files: Files;
  readonly clock: Clock;
  readonly diag: Diag;
}

export class Descriptors {
  readonly #context: DescriptorsContext;
  /** For all but the tail, which gives way by itself. */
  readonly files: Files;
  /** Who gives some back; undefined before files are followed: then a shortage is an error. */
  #giver: { readonly tailing: Tailing; readonly gauge: Gauge } | undefined;
  /** Aborted when whoever begins a chain need not wait any more. */
  #patience: AbortSignal | undefined;

  constructor(context: DescriptorsContext) {
    this.#context = context;
    const { files } = context;
    this.files = {
      open: (...args) => this.get(() => files.open(...args)),
      list: (dir) => this.get(() => files.list(dir)),
      syncDir: (dir) => this.get(() => files.syncDir(dir)),
      stat: (path) => files.stat(path),
      linkStat: (path) => files.linkStat(path),
      readLink: (path) => files.readLink(path),
      glance: (paths) => files.glance(paths),
      realPath: (path) => files.realPath(path),
      mkdir: (path, perm) => files.mkdir(path, perm),
      rename: (from, to) => files.rename(from, to),
      unlink: (path) => files.unlink(path),
      rmdir: (path) => files.rmdir(path),
      chmod: (path, perm) => files.chmod(path, perm),
      freeBytes: (dir) => files.freeBytes(dir),
      diskBytes: (dir) => files.diskBytes(dir),
    };
  }

  from(tailing: Tailing, gauge: Gauge): void {
    this.#giver = { tailing, gauge };
  }

  /** While `work` begins a chain, or until `stopping`, descriptors are waited for. */
  async patiently<T>(stopping: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.#patience = stopping;
    try {
      return await work();
    } finally {
      this.#patience = undefined;
    }
  }

  /** What `open` opens. It may be called again after it failed with too-many-open-files. */
  async get<T>(open: () => Promise<T>): Promise<T> {
    let before: Gauge["state"] | undefined;
    for (let tries = 1; ; tries += 1) {
      try {
        const opened = await open();
        if (before !== undefined && this.#giver?.gauge.state === "no-descriptors")
          this.#giver.gauge.state = before;
        return opened;
      } catch (error) {
        const { tailing, gauge } = this.#giver ?? {};
        const short = isShortage(error) && error.code === "too-many-open-files";
        if (!short || tailing?.tail === undefined || gauge === undefined) throw error;
        tailing.giveBack(retryMs);
        if (tries >= triesMax) {
          if (this.#patience?.aborted !== false) throw error;
          if (before === undefined)
            this.#context.diag.error("no descriptor is left, trying again", { error });
          before ??= gauge.state;
          gauge.state = "no-descriptors";
        }
        await this.#context.clock.sleep(retryMs);
      }
    }
  }
}
