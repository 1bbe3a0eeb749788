// Tailing: the agent's one tail, which outlives its chains and whoever uses it.
//
// - Opened once, as soon as it is known where the files stand. From then on files that are found
//   stay open while a grant is waited for, while an old chain is sealed again, while chains change.
// - One caller at a time: the main loop, or whoever follows the files in its place. A full disk may
//   hold the main loop up in the middle of sealing; files are rotated and deleted all the same.

import { hex } from "../core/bytes.ts";
import type { SourcePosition, SourceRecord } from "../core/record.ts";
import { encodeRecord, sourceIdOf } from "../core/record.ts";
import type { SealedTail } from "../core/sealed-tails.ts";
import { descriptorLimit } from "../host/descriptors.ts";
import type { Files } from "../host/files.ts";
import { unreadOutside } from "../tail/go-on.ts";
import type { ResumeOptions, SourceOptions } from "../tail/item.ts";
import { Tail } from "../tail/tail.ts";
import type { ChainContext } from "./chain.ts";
import type { AgentConfig } from "./config.ts";
import { LastBytesCache } from "./last-bytes-cache.ts";

/** What is known of the files, by a chain or by all that is left of older ones. */
export interface KnownFiles {
  readonly positions: readonly SourcePosition[];
  /** The newest sealed bytes of each source: evidence of identity. */
  readonly tails?: ReadonlyMap<string, SealedTail> | undefined;
  /** Nothing was ever sealed for this state directory. */
  readonly firstStart: boolean;
  readonly scope: (path: string) => boolean;
}

/** Buffer, keys, connections, health, and node itself: 30 to 60 in an agent at work. */
const otherDescriptors = 100;
const openFilesMin = 8;
/** A held file takes some memory; with more files than this, the quiet ones are let go. */
const openFilesMax = 2048;
/** A stand-in looks around for so long at once, in ms. */
const lookMs = 500;

export class Tailing {
  readonly #context: ChainContext;
  readonly #files: Files;
  /** Paths that are never tailed: our own data. */
  readonly #refuse: readonly string[];
  #tail: Tail | undefined;
  #lastBytes: LastBytesCache | undefined;
  #inUse = false;
  #standIn: { readonly over: AbortController; readonly done: Promise<void> } | undefined;

  /** `files`: the machine's; the tail itself gives way where descriptors are few. */
  constructor(context: ChainContext, files: Files, refuse: readonly string[]) {
    this.#context = context;
    this.#files = files;
    this.#refuse = refuse;
  }

  get tail(): Tail | undefined {
    return this.#tail;
  }

  /** Finds the files, or brings those that are followed into line with what is known now. */
  async follow(known: KnownFiles): Promise<void> {
    this.#lastBytes ??= await LastBytesCache.open(this.#context, this.#context.state.frontiers);
    const { firstStart, scope } = known;
    const resume = this.#resumeOf(known, this.#lastBytes);
    if (this.#tail !== undefined) {
      this.#lastBytes.forget();
      await this.use((tail) => tail.goOn({ resume, firstStart, scope }));
    } else this.#tail = await this.#open({ resume, firstStart, scope });
  }

  #open(known: {
    readonly resume: readonly ResumeOptions[];
    readonly firstStart: boolean;
    readonly scope: (path: string) => boolean;
  }): Promise<Tail> {
    const { config, clock, diag, suite, hints, mayDeclare } = this.#context;
    return Tail.start({
      ...{ clock, files: this.#files, diag, suite, hints, mayDeclare },
      sources: sourcesOf(config),
      partialAgeMs: config.seal.partial_age,
      maxOpenFiles: openFilesOf(descriptorLimit()),
      refuse: this.#refuse,
      ...known,
    });
  }

  #resumeOf({ positions, tails }: KnownFiles, cache: LastBytesCache): ResumeOptions[] {
    const { suite } = this.#context;
    return positions.map(({ record, offset }) => {
      const id = hex(sourceIdOf(suite, encodeRecord(record)));
      const lastBytes = cache.markFor(id, offset, tails?.get(id));
      return { id, record: record as unknown as SourceRecord, offset, lastBytes };
    });
  }

  /** Unread bytes, by path, of files that `scope` does not cover. */
  outside(scope: (path: string) => boolean): Map<string, number> {
    return unreadOutside(this.#tail?.followed ?? [], scope);
  }

  /** Tells whether a file that is followed may be a source's, whatever its device's number is. */
  whose(): (record: Pick<SourceRecord, "ino" | "birth">) => boolean {
    const files = new Set<string>();
    for (const { place } of this.#tail?.followed ?? []) {
      const { ino, birthNs } = place.info;
      files.add(`${ino} ${birthNs > 0n ? birthNs : 0n}`);
    }
    return ({ ino, birth }) => files.has(`${ino} ${birth}`);
  }

  /** The main loop's call. */
  async use<T>(work: (tail: Tail) => Promise<T>): Promise<T> {
    if (this.#standIn !== undefined) await this.#endStandIn();
    this.#inUse = true;
    try {
      return await work(this.#tail as Tail);
    } finally {
      this.#inUse = false;
    }
  }

  /** Follows the files for `ms`, unless somebody does already. */
  standIn(ms: number): void {
    if (this.#inUse || this.#standIn !== undefined || this.#tail === undefined) return;
    const over = new AbortController();
    const done = this.#tail.wait(ms, over.signal).finally(() => {
      this.#standIn = undefined;
    });
    this.#standIn = { over, done };
    // Whoever comes next is told.
    done.catch(() => undefined);
  }

  /** The process has no descriptor left: some of the files' are given back, within `ms`. */
  giveBack(ms: number): void {
    this.#tail?.spare();
    this.standIn(ms);
  }

  /** Follows the files until `work`, which does not use them, is done. */
  async during<T>(work: Promise<T>): Promise<T> {
    const over = new AbortController();
    const watched = work.finally(() => over.abort());
    watched.catch(() => undefined);
    while (!over.signal.aborted && this.#tail !== undefined) {
      await this.use((tail) => tail.wait(lookMs, over.signal));
    }
    return await watched;
  }

  async #endStandIn(): Promise<void> {
    this.#standIn?.over.abort();
    await this.#standIn?.done;
  }

  /** Takes in what the tail knows; the cache is saved once the chain is sealed that far. */
  keepFrontiers(drafted: number, sealed: number): void {
    if (this.#tail !== undefined) this.#lastBytes?.keep(this.#tail, drafted, sealed);
  }

  /** After the last block. */
  async saveFrontiers(): Promise<void> {
    if (this.#tail !== undefined) await this.#lastBytes?.save(this.#tail);
  }

  /** Returns when nobody uses the tail any more. */
  async pause(): Promise<void> {
    await this.#endStandIn().catch(() => undefined);
  }

  async close(): Promise<void> {
    await this.pause();
    await this.#tail?.close();
  }
}

/** The configured sources, as the tail calls them. */
export function sourcesOf({ sources }: Pick<AgentConfig, "sources">): SourceOptions[] {
  return sources.map(({ name, include, exclude, start_at: startAt }) => {
    return { name, include, exclude, startAt };
  });
}

/** What is never tailed: our state, keys and certificates. */
export function ownPathsOf({ state_dir, grant, sink }: AgentConfig): string[] {
  const files = [grant.file, grant.key, sink.tls.ca, sink.tls.cert, sink.tls.key];
  return [state_dir, ...files.filter((file) => file !== undefined)];
}

/** How many of a process' descriptors may be files that we follow. */
export function openFilesOf(limit: number): number {
  return Math.max(openFilesMin, Math.min(openFilesMax, limit - otherDescriptors));
}
