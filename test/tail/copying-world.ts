// A log that somebody writes, copies and cuts at any moment of the looks at it, and what it says of
// lines that were read, and of those that a look showed.
//
// - One step is done before some of the calls that reach the file system.
// - `lossy`: now and then the agent ends, its state is lost, and it begins again; where its chain
//   has the log it learns only later.

import assert from "node:assert/strict";
import type { ResumeOptions } from "../../src/tail/item.ts";
import { FakeFiles } from "../fakes/files.ts";
import { seededNumbers } from "../fakes/random.ts";
import { AutoClock } from "./auto-clock.ts";
import type { Reader } from "./reader.ts";

const log = "/log/app.log";

/** Tells after each read of the log where it ended. */
export function onRead(files: FakeFiles, tell: (end: number) => void): void {
  const open = files.open.bind(files);
  files.open = async (path, ...how) => {
    const file = await open(path, ...how);
    const read = file.read.bind(file);
    file.read = async (into, at, length, position) => {
      const got = await read(into, at, length, position);
      // A read behind the end shows nothing of what stands before.
      if (path === log && got > 0) tell(position + got);
      return got;
    };
    return file;
  };
}

export class CopyingWorld {
  readonly files: FakeFiles = new FakeFiles();
  readonly clock: AutoClock = new AutoClock();
  readonly log: string[] = [];
  readonly #random: () => number;
  /** How often others come in between. */
  readonly #share: number;
  reader!: Reader;
  /** Lines that were in the log when a look showed its size. */
  readonly shown: Set<number> = new Set();
  lines = 0;
  /** Of the present content. */
  #first = 0;
  #copied = 0;
  #step: "idle" | "shifted" | "begun" | "copied" = "idle";
  #busy = false;
  #looked = { length: 0, first: 0, lines: 0 };

  readonly #lossy: boolean;
  #resume: readonly ResumeOptions[] | undefined;

  constructor(seed: number, lossy = false) {
    this.#lossy = lossy;
    this.#random = seededNumbers(seed);
    this.#share = [0.02, 0.1, 0.4][this.#pick(3)] ?? 0;
    this.files.put(log, "");
    this.files.hook = (call, path) => {
      if (this.#busy && this.#random() < this.#share) this.others();
      if (path === log && call === "stat") this.#look();
    };
    onRead(this.files, (end) => {
      // Another content that reaches beyond what was looked at hides that it was cut.
      if (end > this.#looked.length) this.#look();
    });
  }

  #pick(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  /** What a look showed is known to be gone once the next one shows less. */
  #look(): void {
    const { length } = this.files.bytes(log);
    if (length < this.#looked.length) this.#show(this.#looked.first, this.#looked.lines);
    this.#looked = { length, first: this.#first, lines: this.lines };
  }

  #show(from: number, to: number): void {
    for (let n = from; n < to; n += 1) this.shown.add(n);
  }

  #append(): void {
    const count = 1 + this.#pick(3);
    for (let n = 0; n < count; n += 1) {
      this.files.append(log, `${this.lines} ${"x".repeat(this.#pick(12))}\n`);
      this.lines += 1;
    }
    this.log.push(`append to ${this.lines}`);
  }

  /** Some steps of a writer and a rotator. */
  others(): void {
    const steps = this.#pick(4) > 0 ? 1 : 1 + this.#pick(20);
    for (let n = 0; n < steps; n += 1) this.#one();
  }

  #one(): void {
    const { files } = this;
    if (this.#pick(3) > 0 || (this.#step === "idle" && this.#pick(4) > 0)) this.#append();
    else if (this.#step === "idle") {
      if (files.node(`${log}.1`) !== undefined) files.move(`${log}.1`, `${log}.2`);
      this.#step = "shifted";
    } else if (this.#step === "shifted" || this.#step === "begun") {
      const bytes = files.bytes(log);
      const to = this.#step === "begun" ? bytes.length : bytes.length >> 1;
      files.append(`${log}.1`, bytes.subarray(this.#copied, to));
      this.#copied = to;
      this.#step = this.#step === "begun" ? "copied" : "begun";
    } else {
      files.cut(log, 0);
      this.#first = this.lines;
      this.#copied = 0;
      this.#step = "idle";
    }
    this.log.push(this.#step);
  }

  async step(): Promise<void> {
    const { reader } = this;
    if (this.#lossy && this.#pick(8) === 0) await this.#lose();
    if (this.#resume !== undefined) return await this.#wait();
    const what = this.#pick(10);
    this.log.push(`do ${what}`);
    this.#busy = true;
    if (what < 2) this.others();
    else if (what < 4) await reader.tail.wait(this.#pick(400));
    else if (what < 7) await reader.step();
    else await reader.pullFor(this.#pick(1_000));
    this.#busy = false;
  }

  async #lose(): Promise<void> {
    const { reader } = this;
    this.log.push("lose");
    this.#resume ??= reader.resume(reader.tail.lastBytes());
    await reader.tail.close();
    if (this.#pick(2) > 0) this.others();
    // What only the life before knew it can tell nobody.
    this.shown.clear();
    this.#looked = { length: 0, first: this.lines, lines: this.lines };
    await reader.open({ resume: [], firstStart: false });
  }

  /** Until it is known where the chain has the log. */
  async #wait(): Promise<void> {
    const { tail } = this.reader;
    this.#busy = true;
    if (this.#pick(3) > 0) {
      this.log.push("wait");
      await tail.wait(this.#pick(4_000));
      if (this.#pick(2) > 0) this.others();
    } else await this.#goOn();
    this.#busy = false;
  }

  async #goOn(): Promise<void> {
    this.log.push("go on");
    const resume = this.#resume ?? [];
    await this.reader.tail.goOn({ resume, firstStart: false, scope: () => true });
    this.#resume = undefined;
  }

  async finish(): Promise<void> {
    if (this.#resume !== undefined) await this.#goOn();
    const { reader } = this;
    reader.tail.drain();
    for (let left = 200; !reader.tail.drained; left -= 1) {
      assert.ok(left > 0, "the drain never ends");
      await reader.pull();
      if (!reader.tail.drained) await reader.tail.wait(1_000);
    }
    this.#judge();
  }

  #judge(): void {
    const { reader, lines } = this;
    const sure = !this.#lossy;
    const sealed = new Set<number>();
    const gaps = new Set<number>();
    let last = -1;
    for (const id of reader.records.keys()) {
      for (const [, digits] of reader.text(id).matchAll(/^(\d+) x*\n/gm)) {
        last = Number(digits);
        assert.ok(!sure || !sealed.has(last), `line ${last} is sealed twice`);
        sealed.add(last);
      }
      // Of a content that was cut before any of it was read: behind the one before.
      if (reader.holes.get(id)?.some(({ to }) => to === undefined)) gaps.add(last + 1);
    }
    for (const n of gaps) {
      assert.ok(!sure || (n < lines && !sealed.has(n)), `a gap before line ${n}`);
    }
    let from = 0;
    for (let n = 0; n < lines; n += 1) {
      if (sealed.has(n)) from = n + 1;
      const fine = sealed.has(n) || !this.shown.has(n) || gaps.has(from);
      assert.ok(fine, `line ${n} was seen and is missing without a gap`);
    }
  }
}
