// What the judge asks for of one file: all that was seen of it, but nothing that began where no
// pattern means it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { SourceRecord } from "../../src/core/record.ts";
import type { Reading } from "./facts.ts";
import { FileJudge } from "./file-judge.ts";
import { Ledger, type LogFile, type Scope } from "./ledger.ts";
import type { Chains, Sealed } from "./sealed.ts";

const wanted = "/logs/a.log";
const rotated = "/logs/a.log.1";

/** One file, and what a life of the agent saw and sealed of it. */
class Story {
  readonly #ledger: Ledger = new Ledger();
  readonly #readings: Reading[] = [];
  readonly #scopes: Scope[] = [];
  #text = "";
  #begun = 0;

  #log(): LogFile {
    return this.#ledger.note("1", Buffer.from(this.#text), wanted);
  }

  holds(text: string): this {
    this.#text = text;
    this.#log();
    return this;
  }

  isCalled(name: string): this {
    this.#ledger.look(new Map([["1", [name]]]));
    return this;
  }

  isGone(): this {
    this.#ledger.look(new Map());
    return this;
  }

  /** A grant for these files begins a chain. */
  isGranted(...sources: readonly string[]): this {
    this.#ledger.tick += 1;
    this.#scopes.push({ tick: this.#ledger.tick, sources });
    return this;
  }

  /** Life 0 was killed, and life 1 begins. */
  begins(): this {
    this.#ledger.tick += 1;
    this.#begun = this.#ledger.tick;
    return this;
  }

  /** By life 1, or by life 0, which was killed. */
  isSeen(isWanted: boolean, life = 1): this {
    const size = this.#text.length;
    this.#ledger.see("1", { life, size, wanted: isWanted, open: false, exact: true });
    this.#ledger.see("1", { life, size, wanted: isWanted, open: true, exact: true });
    return this;
  }

  says(kind: Sealed["kind"], text = "", more: Partial<Sealed> = {}): this {
    this.#ledger.tick += 1;
    const record = { path: wanted, generation: 0 } as unknown as SourceRecord;
    const item = { kind, source: "s", record, time: 0, offset: 0, to: undefined };
    const rest = { bytes: Buffer.from(text), cause: "", place: "", ...more };
    const { tick } = this.#ledger;
    this.#readings.push({ tick, first: tick, item: { ...item, ...rest } });
    return this;
  }

  complaints(isThere = false): string[] {
    const over = this.#ledger.tick + 1;
    const chains = { leftOut: new Map(), report: { chains: [] } } as unknown as Chains;
    const scopes = [{ tick: 0, sources: [] }, ...this.#scopes];
    const begun = [0, this.#begun];
    const lives = begun.map((at, number) => {
      const isOver = number === 0 && this.#begun > 0;
      const rested = number === 0 ? [] : [over];
      return { number, begun: at, over: isOver ? this.#begun - 1 : over, rested };
    });
    return new FileJudge(this.#log(), this.#readings, [], { lives, scopes, chains }).complaints(
      isThere,
    );
  }
}

const rotatedAway = (): Story =>
  new Story()
    .holds("one\n")
    .isCalled(wanted)
    .isSeen(true)
    .says("source")
    .says("span", "one\n")
    .isCalled(rotated);

test("what a file is overwritten with outside of its pattern is nobody's, once its source ended", () => {
  const story = rotatedAway().isSeen(false).holds("123456").isSeen(false);
  assert.match(story.complaints().join(), /is nowhere/);
  assert.deepEqual(story.says("end").complaints(), []);
});

test("so it is after another change, which was read as a generation of the log", () => {
  const story = rotatedAway().holds("anew\n").isSeen(false);
  const next = { source: "t" };
  story.says("end").says("source", "", next).says("span", "anew\n", next);
  story.holds("1234567").isSeen(false);
  assert.match(story.complaints().join(), /is nowhere/);
  assert.deepEqual(story.says("end").complaints(), []);
});

test("so it is where an heir declares its source anew before it states the end", () => {
  const story = rotatedAway().isSeen(false).holds("123456").isSeen(false);
  assert.deepEqual(story.says("source").says("end").complaints(), []);
});

test("so it is where it was changed in its pattern between two looks outside of it", () => {
  const story = rotatedAway().isSeen(false).isCalled(wanted).holds("123456").isCalled(rotated);
  assert.deepEqual(story.isSeen(false).says("end").complaints(), []);
});

test("so it is where only a life that was killed saw it in its pattern", () => {
  const story = rotatedAway().isSeen(false).isCalled(wanted).holds("123456").isSeen(true, 0);
  story.isCalled(rotated).isSeen(false);
  assert.match(story.complaints().join(), /is nowhere/);
  assert.deepEqual(story.says("end").complaints(), []);
});

test("what was seen in its pattern, or by nobody outside of it, is owed", () => {
  const seen = rotatedAway().isSeen(false).isCalled(wanted).holds("123456").isSeen(true);
  assert.match(seen.isCalled(rotated).isSeen(false).says("end").complaints().join(), /is nowhere/);
  const unseen = rotatedAway().isCalled(wanted).holds("123456").isCalled(rotated);
  assert.match(unseen.isSeen(false).says("end").complaints().join(), /is nowhere/);
});

test("a hole before sealed bytes is no loss again when the file is looked at later", () => {
  const hole = { offset: 0, to: 4, cause: "rotated-away" };
  const told = (): Story => new Story().holds("one\ntwo\n").isCalled(wanted).says("source");
  const read = told().says("span", "two\n", { offset: 4 }).says("gap", "", hole).isSeen(true);
  assert.deepEqual(read.complaints(true), []);
  const unread = told().says("gap", "", hole).says("span", "two\n", { offset: 4 }).isSeen(true);
  assert.match(unread.complaints(true).join(), /always there.* is nowhere.* there in the end/);
});

test("what is skipped must be sealed elsewhere", () => {
  const skipped = { offset: 0, to: 4, cause: "skipped" };
  const story = new Story().holds("one\ntwo\n").isCalled(wanted).isSeen(true).says("source");
  story.says("gap", "", skipped).says("span", "two\n", { offset: 4 });
  assert.match(story.complaints().join(), /byte 0, .* is nowhere/);
});

test("what was changed may be sealed twice by who knows nothing of the change", () => {
  const told = (killed: boolean, source = "t"): string[] => {
    const story = new Story()
      .holds("one\ntwo")
      .isCalled(wanted)
      .says("source")
      .says("span", "one\n");
    story.holds("one\n1234\n").says("span", "1234\n", { offset: 4 });
    if (killed) story.begins();
    story.says("gap", "", { cause: "truncated", offset: 9 }).says("source", "", { source });
    return story.says("span", "one\n1234\n", { source }).complaints();
  };
  assert.deepEqual(told(true), []);
  assert.match(told(false).join(), /byte 4 was sealed at \d+ and again/);
  // Declared anew by an heir, who knows it.
  assert.match(told(true, "s").join(), /was sealed at \d+ and again/);
});

test("what a grant covers only under another name is sealed again under that one", () => {
  const other = { source: "t", record: { path: "/logs/b.log", generation: 0 } as SourceRecord };
  const told = (...granted: readonly string[]): string[] => {
    const story = new Story().holds("one\n").isCalled(wanted).says("source").says("span", "one\n");
    story.isGranted(...granted).says("source", "", other);
    return story.says("span", "one\n", other).complaints();
  };
  assert.deepEqual(told("/logs/b.log"), []);
  assert.match(told("/logs/*.log").join(), /byte 0 was sealed at \d+ and again/);
});

test("of a file that a chain knows under two names one source is closed by a gap", () => {
  const place = "abcdef/0";
  const other = { source: "t", record: { path: "/logs/b.log", generation: 0 } as SourceRecord };
  const told = (more: Partial<Sealed>): string[] => {
    const story = new Story().holds("one\n").isCalled(wanted).isSeen(true).says("source");
    story.says("span", "one\n").says("position", "", { place });
    return story
      .says("position", "", { place, ...more })
      .says("gap", "", { cause: "rotated-away", offset: 4, place })
      .complaints();
  };
  assert.deepEqual(told(other), []);
  assert.match(told({}).join(), /rotated-away, but it was always there/);
});

test("an heir repeats that a file was deleted, also where it may name no chain", () => {
  const told = (chain: string): string[] => {
    const story = new Story().holds("one\n").isCalled(wanted).says("source");
    story
      .says("span", "one\n", { place: `${chain}/2` })
      .isGone()
      .isCalled(wanted)
      .begins();
    const end = { cause: "deleted", offset: 4, place: "abcdef/1" };
    return story.says("end", "", end).complaints();
  };
  assert.deepEqual(told("abcdef"), []);
  assert.match(told("fedcba").join(), /end deleted, but it was always there/);
});
