// A directory of real files, a real tail stage that follows it, and a judge that knows every byte.
//
// - Whatever changes files goes through do() or sh(), which note all contents afterwards: the judge
//   then knows each content that each file ever had, generation by generation.
// - The judge demands that each byte of a followed file was read once, under a source that names
//   this file and at its true offset, or lies in a stated gap. What nobody could see, because it
//   came and went between two looks, a test must name (`unseen`).
// - Time is a fake clock's unless told, so nothing waits; chokidar is the real one.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestOptions, test } from "node:test";
import type { Clock } from "../../../src/host/clock.ts";
import { type FileInfo, type Files, type OpenFile, systemFiles } from "../../../src/host/files.ts";
import type { TailOptions } from "../../../src/tail/item.ts";
import { AutoClock } from "../auto-clock.ts";
import { Reader } from "../reader.ts";
import { Ledger } from "./ledger.ts";

export class Place {
  readonly dir: string;
  readonly clock: AutoClock = new AutoClock();
  readonly ledger: Ledger;
  reader!: Reader;
  #asRoot = false;
  #unseen: string[] = [];
  #unfollowed: RegExp[] = [];

  constructor(parent: string = tmpdir()) {
    this.dir = fs.mkdtempSync(join(parent, "sealtail-conform-"));
    this.ledger = new Ledger(this.dir);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  /** Follows `include`, relative to the directory, and reads what is there. */
  async follow(include: string[], more: Partial<TailOptions> = {}): Promise<Reader> {
    const clock: Clock = more.clock ?? this.clock;
    this.reader = await Reader.start({
      files: systemFiles,
      hints: undefined,
      ...more,
      clock,
      include: include.map((glob) => this.path(glob)),
    });
    await this.reader.pull();
    return this.reader;
  }

  /** Changes files; what comes of it is noted. */
  do(change: () => void): void {
    change();
    this.ledger.look();
  }

  put(name: string, text: string | Uint8Array): void {
    this.do(() => fs.writeFileSync(this.path(name), text));
  }

  append(name: string, text: string | Uint8Array): void {
    this.do(() => fs.appendFileSync(this.path(name), text));
  }

  cut(name: string, size = 0): void {
    this.do(() => fs.truncateSync(this.path(name), size));
  }

  rename(from: string, to: string): void {
    this.do(() => fs.renameSync(this.path(from), this.path(to)));
  }

  unlink(name: string): void {
    this.do(() => fs.unlinkSync(this.path(name)));
  }

  mkdir(name: string): void {
    this.do(() => fs.mkdirSync(this.path(name), { recursive: true }));
  }

  /** One step of a shell. */
  sh(command: string): void {
    this.do(() => execFileSync("sh", ["-ec", command], { cwd: this.dir, stdio: "pipe" }));
  }

  /** Lets time pass while whatever comes is read. */
  async pass(ms = 3_000): Promise<void> {
    await this.reader.pull();
    await this.reader.pullFor(ms);
  }

  /** Lets time pass while nobody reads. */
  async stall(ms = 3_000): Promise<void> {
    for (let left = ms; left > 0; left -= 500) await this.reader.tail.wait(Math.min(left, 500));
  }

  /** Stops, changes files meanwhile, and starts again from what was read. */
  async down(change: () => void, more: Partial<TailOptions> = {}): Promise<void> {
    const lastBytes = this.reader.tail.lastBytes();
    await this.reader.tail.close();
    this.do(change);
    await this.reader.open({ resume: this.reader.resume(lastBytes), ...more });
    await this.reader.pull();
  }

  /** Content that came and went between two looks, so that nobody could see it. */
  unseen(text: string): void {
    this.#unseen.push(text);
  }

  /** Files of these names are nobody's business. */
  unfollowed(...names: RegExp[]): void {
    this.#unfollowed.push(...names);
  }

  /** For tests that judge for themselves: what was written so far is not the judge's. */
  forget(): void {
    this.ledger.forget();
    this.reader.records.clear();
  }

  /**
   * Reads to the end and holds what was read to what was written. `wide`: a gap without end covers
   * generations of its file of which nothing else is known.
   */
  async judge(wide = false): Promise<void> {
    const { tail } = this.reader;
    tail.drain();
    for (let left = 200; !tail.drained; left -= 1) {
      assert.ok(left > 0, "the drain never ends");
      await this.reader.pull();
      if (!tail.drained) await tail.wait(1_000);
    }
    this.ledger.judge(this.reader, this.#unseen, this.#unfollowed, wide);
  }

  /** Runs `work` as a user to whom permissions mean something. */
  async unprivileged(work: () => Promise<void>): Promise<void> {
    const { geteuid, seteuid } = process;
    if (geteuid === undefined || seteuid === undefined || geteuid() !== 0) return await work();
    this.#asRoot = true;
    fs.chownSync(this.dir, 65_534, 65_534);
    seteuid(65_534);
    try {
      await work();
    } finally {
      seteuid(0);
    }
  }

  /** Within unprivileged(): as whoever began the test. */
  privileged(work: () => void): void {
    if (this.#asRoot) process.seteuid?.(0);
    try {
      this.do(work);
    } finally {
      if (this.#asRoot) process.seteuid?.(65_534);
    }
  }

  async close(): Promise<void> {
    await this.reader?.tail.close();
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A case of conformance: a test that ends with the judge. */
export function conform(
  name: string,
  run: (place: Place) => Promise<void>,
  options: TestOptions & { readonly parent?: string } = {},
): void {
  test(name, options, async () => {
    const place = new Place(options.parent);
    try {
      await run(place);
      await place.judge();
    } finally {
      await place.close();
    }
  });
}

/** The real files, but what is told of each is changed. */
export function seenAs(change: (info: FileInfo) => FileInfo): Files {
  return {
    ...systemFiles,
    async stat(path) {
      const info = await systemFiles.stat(path);
      return info && change(info);
    },
    async open(path, mode, perm) {
      const file = await systemFiles.open(path, mode, perm);
      const proxy: OpenFile = {
        read: (...args) => file.read(...args),
        write: (...args) => file.write(...args),
        writev: (...args) => file.writev(...args),
        truncate: (size) => file.truncate(size),
        datasync: () => file.datasync(),
        sync: () => file.sync(),
        stat: async () => change(await file.stat()),
        close: () => file.close(),
      };
      return proxy;
    },
  };
}

export const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `line ${from + n}\n`).join("");
