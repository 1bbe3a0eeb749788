// A reader for tests: pulls everything a Tail has and holds it to the rules of the format.
//
// - Every statement and span goes through core's own table of sources, so a wrong offset, gap or
//   end fails the test that caused it.
// - `text(id)` is what was read of a source; `lines()` what was read of all, in order.

import assert from "node:assert/strict";
import type { SourceRecord } from "../../src/core/record.ts";
import { SourceTable } from "../../src/core/sources.ts";
import type { Clock } from "../../src/host/clock.ts";
import type { Files } from "../../src/host/files.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";
import type { ResumeOptions, Statement, TailOptions } from "../../src/tail/item.ts";
import type { LastBytesMark } from "../../src/tail/last-bytes.ts";
import { Tail } from "../../src/tail/tail.ts";
import { RecordingDiag } from "../fakes/diag.ts";

export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface Hole {
  readonly from: number;
  readonly to: number | undefined;
  readonly cause: string;
}

export type ReaderOptions = Partial<TailOptions> & {
  readonly clock: Clock;
  readonly files: Files;
  /** One source named "app" with these patterns, unless `sources` says more. */
  readonly include?: readonly string[];
};

export class Reader {
  tail!: Tail;
  readonly diag: RecordingDiag = new RecordingDiag();
  readonly table: SourceTable = new SourceTable(nativeSuite);
  readonly records: Map<string, SourceRecord> = new Map();
  readonly pieces: Map<string, Piece[]> = new Map();
  readonly holes: Map<string, Hole[]> = new Map();
  readonly ends: Map<string, { size: number; cause: string }> = new Map();
  /** All statements, oldest first. */
  stated: Statement[] = [];
  /** Bytes of each span, oldest first, with the name of their source's path. */
  spans: { id: string; path: string; bytes: Buffer }[] = [];
  readonly room: Uint8Array;
  readonly #options: ReaderOptions;

  private constructor(options: ReaderOptions, room: number) {
    this.#options = options;
    this.room = new Uint8Array(room);
  }

  static async start(options: ReaderOptions, room = 400_000): Promise<Reader> {
    const reader = new Reader(options, room);
    await reader.open(options);
    return reader;
  }

  /** Starts a Tail on what has been read so far, as after a restart. */
  async open(more: Partial<TailOptions> = {}): Promise<void> {
    const include = this.#options.include ?? [];
    this.tail = await Tail.start({
      sources: [{ name: "app", include, exclude: [], startAt: "beginning" }],
      resume: this.resume(),
      firstStart: this.stated.length === 0,
      refuse: [],
      suite: nativeSuite,
      diag: this.diag,
      hints: "none",
      ...this.#options,
      ...more,
    });
  }

  resume(lastBytes: ReadonlyMap<string, LastBytesMark> = new Map()): ResumeOptions[] {
    return [...this.table].map(({ id, record, expected }) => ({
      id,
      record: record as unknown as SourceRecord,
      offset: expected ?? 0,
      lastBytes: lastBytes.get(id),
    }));
  }

  /** Takes one item; false when there is none. */
  async step(): Promise<boolean> {
    const item = await this.tail.next(this.room);
    if (item === undefined) return false;
    if (item.kind === "pause") return true;
    if (item.kind === "span") {
      const { source, offset, length } = item;
      assert.ok(length > 0 && length <= this.room.length);
      assert.equal(this.table.advance(source.hex, offset, length), undefined);
      const bytes = Buffer.from(this.room.slice(0, length));
      this.#list(this.pieces, source.hex).push({ offset, bytes });
      this.spans.push({ id: source.hex, path: source.record.path, bytes });
    } else {
      assert.ok(item.statements.length > 0);
      for (const statement of item.statements) this.#state(statement);
    }
    return true;
  }

  #list<T>(map: Map<string, T[]>, id: string): T[] {
    const list = map.get(id) ?? [];
    map.set(id, list);
    return list;
  }

  #state(statement: Statement): void {
    const fault = this.table.apply(statement.type, statement);
    assert.equal(fault, undefined, JSON.stringify(statement));
    this.stated.push(statement);
    if (statement.type === "source") {
      const id = [...this.table].find(({ record }) => (record as unknown) === statement)?.id;
      if (id !== undefined) this.records.set(id, statement);
    } else if (statement.type === "gap") {
      const { source, from, to, cause } = statement;
      this.#list(this.holes, source).push({ from, to, cause });
    } else if (statement.type === "end") this.ends.set(statement.source, statement);
  }

  /** Reads until there is nothing left for now. */
  async pull(): Promise<void> {
    for (let left = 100_000; left > 0; left -= 1) if (!(await this.step())) return;
    assert.fail("next() never ends");
  }

  /** Pulls whatever comes within `ms`. */
  async pullFor(ms: number): Promise<void> {
    const { clock } = this.#options;
    const end = clock.mono() + ms * 1000;
    for (let left = ms; left > 0; left = (end - clock.mono()) / 1000) {
      await this.tail.wait(left);
      await this.pull();
    }
  }

  /** Waits and pulls until `done`, on the real clock. */
  async until(done: () => boolean, ms = 60_000): Promise<void> {
    const { clock } = this.#options;
    const end = clock.mono() + ms * 1000;
    await this.pull();
    while (!done()) {
      assert.ok(clock.mono() < end, `not within ${ms} ms: ${JSON.stringify(this.lines())}`);
      await this.pullFor(200);
    }
  }

  /** What was read of one source. */
  text(id: string): string {
    return Buffer.concat((this.pieces.get(id) ?? []).map(({ bytes }) => bytes)).toString("latin1");
  }

  /** What was read of all generations of the files that were found at a path. */
  textAt(path: string): string {
    const of = this.spans.filter((span) => span.path === path);
    return Buffer.concat(of.map(({ bytes }) => bytes)).toString("latin1");
  }

  /** All that was read, as lines in the order of reading. */
  lines(): string[] {
    const text = Buffer.concat(this.spans.map(({ bytes }) => bytes)).toString("latin1");
    if (text === "") return [];
    return text.split("\n").slice(0, text.endsWith("\n") ? -1 : undefined);
  }

  /** Short forms of the statements: type, and cause where there is one. */
  said(): string[] {
    return this.stated.map((one) => ("cause" in one ? `${one.type} ${one.cause}` : one.type));
  }
}
