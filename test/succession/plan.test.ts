// The fold over old chains, without files: random lives of chains, replaced at any moment, whole or
// not. What the vault holds in the end is every byte once; what is missing was left out, and said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { headLength, openPayload } from "../../src/core/block.ts";
import { hex } from "../../src/core/bytes.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { payloadItems } from "../../src/core/payload.ts";
import { type AgentRecord, decodeRecord, type SourcePosition } from "../../src/core/record.ts";
import { SourceTable } from "../../src/core/sources.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { Ledger, statedIn } from "../../src/succession/ledger.ts";
import type { OldChain } from "../../src/succession/old-chain.ts";
import { formatOrigin, leftOutOf, type Origin, parseOrigin } from "../../src/succession/origin.ts";
import { planSuccession } from "../../src/succession/plan.ts";
import { type Receiver, takeOver } from "../../src/succession/take-over.ts";
import { ChainBuilder } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { seededNumbers } from "../fakes/random.ts";

const paths = ["/a", "/b", "/c"];

interface Sim {
  readonly number: number;
  readonly builder: ChainBuilder;
  readonly scope: (path: string) => boolean;
  readonly origin: Origin;
  whole: boolean;
  /** What the vault holds of it. */
  held: number;
  /** Blocks below are not in the buffer any more. */
  first: number;
  /** The buffer is gone: only the vault shows what it holds of it. */
  vanished?: boolean;
}

class Story {
  readonly random: () => number;
  readonly sims: Sim[] = [];
  readonly leftOut = new Map<string, number>();
  /** All bytes that were read of each file. */
  readonly read = new Map<string, string>();
  /** Sources that are over, by path: how many generations. */
  readonly generation = new Map<string, number>();
  readonly narrow: boolean;
  #serial = 0;

  constructor(seed: number, narrow: boolean) {
    this.random = seededNumbers(seed);
    this.narrow = narrow;
  }

  pick(n: number): number {
    return Math.floor(this.random() * n);
  }

  get live(): Sim {
    return this.sims.at(-1) as Sim;
  }

  facts(): OldChain[] {
    return this.sims
      .filter(({ builder, first, held }) => builder.length > first || held > 0)
      .map((sim) => this.fact(sim));
  }

  fact({ number, builder, whole, held, first, origin, vanished }: Sim): OldChain {
    const root = hex(builder.roots[held] as Uint8Array);
    const positions = vanished === true ? positionsAt(builder, held) : [];
    const fetched = vanished === true ? { positions, tails: new Map() } : undefined;
    return {
      ...{ number, whole, reason: `end of ${number}`, fetched },
      held: held === 0 ? undefined : { chain: builder.name, size: held, root },
      origin: parseOrigin(formatOrigin(origin)),
      ...{ first, next: builder.length },
      blocks: async function* (from) {
        for (let index = Math.max(from, first); index < builder.length; index += 1) {
          yield { index, bytes: (builder.blocks[index] as { bytes: Uint8Array }).bytes };
        }
      },
    };
  }

  /** Begins a chain in place of all before, and takes over; maybe only a part of it. */
  async replace(most: number): Promise<void> {
    const old = this.facts();
    const plan = await planSuccession(suite, old);
    const covered = this.narrow ? paths.filter(() => this.random() < 0.6) : paths;
    const scope = (path: string): boolean => covered.includes(path);
    const number = this.sims.length;
    const builder = new ChainBuilder(`chain ${this.#serial++}`);
    const leftOut = leftOutOf(scope, plan.bytes);
    const { named, positions } = plan.origin;
    const isInside = ({ record }: SourcePosition): boolean => scope(String(record["path"]));
    const sim: Sim = {
      ...{ number, builder, scope, whole: false, held: 0, first: 0 },
      origin: { ...plan.origin, outside: positions.filter((each) => !isInside(each)), leftOut },
    };
    const inside = positions.filter(isInside);
    builder.begin(
      named === undefined
        ? []
        : [say({ type: "predecessor", ...named, positions: inside } as AgentRecord)],
    );
    this.sims.push(sim);
    await this.takeOver(sim, plan.stretches, plan.closed, most);
  }

  /** Goes on taking over, as after a crash. */
  async resume(most: number): Promise<void> {
    const plan = await planSuccession(suite, this.facts());
    const stretches = plan.stretches.filter(({ chain }) => chain.number !== this.live.number);
    await this.takeOver(this.live, stretches, plan.closed, most);
  }

  async takeOver(
    sim: Sim,
    stretches: Parameters<typeof takeOver>[1],
    closed: ReadonlySet<string>,
    most: number,
  ): Promise<void> {
    const { builder, scope } = sim;
    const stopping = new AbortController();
    const own = this.fact(sim).blocks(0) as AsyncIterable<{ bytes: Uint8Array }>;
    const stated = await statedIn(suite, own);
    const ledger = new Ledger(suite, {
      positions: builder.sources.positions(),
      closed: [...closed, ...stated.closed],
      edits: stated.edits,
      scope,
    });
    const room = new Uint8Array(4);
    let blocks = 0;
    const seal = (items: readonly Item[]): void => {
      if (blocks % 2 === 0) builder.restart(items);
      else builder.seal(items);
      blocks += 1;
      if (blocks >= most) stopping.abort();
    };
    const receiver: Receiver = {
      room: async () => room,
      addSpan: async ({ source, offset }, length) => {
        assert.equal(builder.sources.get(hex(source))?.expected, offset);
        seal([lines(hex(source), room.slice(0, length), offset)]);
      },
      addRecords: async (records) => seal(records.map((record) => say(record))),
      flush: async () => {},
    };
    const done = await takeOver(
      {
        ...{ suite, ledger, receiver, stopping: stopping.signal },
        free: async () => {},
        onDamage: () => assert.fail("damage"),
      },
      stretches,
    );
    // What is durable in the new chain may be freed in the old ones: here, all that was taken.
    if (!done) this.free(stretches, sim);
    if (!done) return;
    sim.whole = true;
    for (const each of this.sims) if (each !== sim) each.first = each.builder.length;
  }

  // As a buffer gives back its oldest segments in the middle: some blocks of the first stretch.
  free(stretches: Parameters<typeof takeOver>[1], sim: Sim): void {
    const [first] = stretches;
    const old = this.sims.find(({ number }) => number === first?.chain.number);
    if (old === undefined || first === undefined) return;
    const table = sim.builder.sources;
    for (let at = Math.max(old.first, first.from); at < old.builder.length - 1; at += 1) {
      const block = old.builder.blocks[at];
      if (block === undefined) return;
      const raw = openPayload(suite, block.header, block.bytes.subarray(headLength));
      for (const item of payloadItems(raw)) {
        const taken =
          item.kind !== "span" ||
          (table.get(item.source)?.expected ?? 0) >= item.offset + item.end - item.start;
        if (!taken) return;
      }
      // A segment begins with a snapshot; here only heads of runs do.
      const next = old.builder.blocks[at + 1];
      if (next !== undefined && next.header.runId !== block.header.runId) old.first = at + 1;
    }
  }

  write(): void {
    const { builder, scope } = this.live;
    const path = paths[this.pick(paths.length)] as string;
    if (!scope(path)) return;
    const generation = this.generation.get(path) ?? 0;
    const { id, record } = builder.source(path, generation);
    const key = `${path}#${generation}`;
    const open = builder.sources.get(id);
    const text = `${this.#serial++} ${"x".repeat(this.pick(9))}\n`;
    const items: Item[] = [];
    // A file that this chain does not know was let go, or is new: only new ones are written to.
    if (open === undefined && this.read.has(key)) return;
    if (open === undefined) items.push(say(record as JsonObject));
    items.push(lines(id, text, this.read.get(key)?.length ?? 0));
    if (open !== undefined && open.expected !== (this.read.get(key) ?? "").length) return;
    this.read.set(key, (this.read.get(key) ?? "") + text);
    if (this.random() < 0.2) {
      const size = (this.read.get(key) as string).length;
      items.push(say({ type: "end", source: id, size, cause: "deleted" }));
      this.generation.set(path, generation + 1);
    }
    if (this.random() < 0.5) builder.restart(items);
    else builder.seal(items);
  }

  /** The vault takes some blocks more, and everybody knows. */
  ship(all: boolean): void {
    const { live } = this;
    live.held += all
      ? live.builder.length - live.held
      : this.pick(live.builder.length - live.held + 1);
  }

  /** The vault says that it has more of the newest whole chain than was known. */
  learn(): void {
    const base = this.sims.findLast(({ whole }) => whole);
    if (base !== undefined && base.held > 0)
      base.held += this.pick(base.builder.length - base.held + 1);
  }
}

/** Where the first blocks of a chain leave the sources. */
function positionsAt(builder: ChainBuilder, size: number): readonly SourcePosition[] {
  const table = new SourceTable(suite);
  for (const { header, bytes } of builder.blocks.slice(0, size)) {
    const raw = openPayload(suite, header, bytes.subarray(headLength));
    for (const item of payloadItems(raw)) table.take(item, raw);
  }
  return table.positions();
}

async function live(seed: number, narrow: boolean): Promise<Story> {
  const story = new Story(seed, narrow);
  await story.replace(Number.POSITIVE_INFINITY);
  for (let step = 0; step < 60; step += 1) {
    const chance = story.random();
    const most = story.random() < 0.5 ? 1 + story.pick(6) : Number.POSITIVE_INFINITY;
    if (story.live.whole && chance < 0.6) story.write();
    else if (story.live.whole && chance < 0.8) story.ship(false);
    else if (chance < 0.9) {
      if (story.random() < 0.3) story.learn();
      await story.replace(most);
    } else if (!story.live.whole) await story.resume(most);
  }
  return story;
}

/**
 * What the vault holds: bytes and gaps by path and generation, refusing overlaps. `doubled`:
 * sources that may overlap; where they are given, what lies behind where a chain is named counts.
 */
function judge(
  story: Story,
  doubled?: ReadonlySet<string>,
): { bytes: Map<string, string>; gaps: number } {
  const bytes = new Map<string, string>();
  const names = new Map<string, string>();
  let gaps = 0;
  for (const { builder, held } of story.sims) {
    // What lies behind is sealed again by who goes on for it.
    const heir = story.sims.find(
      ({ held, origin }) => held > 0 && origin.named?.chain === builder.name,
    );
    const size = doubled !== undefined ? held : Math.min(held, heir?.origin.named?.size ?? held);
    for (const { header, bytes: block } of builder.blocks.slice(0, size)) {
      const raw = openPayload(suite, header, block.subarray(headLength));
      for (const item of payloadItems(raw)) {
        const content = raw.subarray(item.start, item.end);
        if (item.kind === "span") {
          const key = names.get(item.source) as string;
          const before = bytes.get(key) ?? "";
          if (doubled?.has(key)) continue;
          assert.equal(before.length, item.offset, `${key} is sealed twice, or has a hole`);
          bytes.set(key, before + Buffer.from(content).toString("latin1"));
          continue;
        }
        const { type, value } = decodeRecord(content);
        if (type === "gap") gaps += 1;
        if (type === "gap") {
          const key = names.get(String(value["source"])) as string;
          bytes.set(key, (bytes.get(key) ?? "").padEnd(Number(value["to"]), "?"));
        }
        if (type !== "source") continue;
        const { id } = builder.source(String(value["path"]), Number(value["generation"]));
        names.set(id, `${String(value["path"])}#${String(value["generation"])}`);
      }
    }
  }
  return { bytes, gaps };
}

test("whatever chains lived and were lost, the vault holds every byte once", async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const story = await live(seed, false);
    await story.replace(Number.POSITIVE_INFINITY);
    story.ship(true);
    const { bytes, gaps } = judge(story);
    assert.deepEqual([...bytes].sort(), [...story.read].sort(), `seed ${seed}`);
    assert.equal(gaps, 0, `seed ${seed}`);
  }
});

test("a chain that no vault has is named by nobody, one that a vault has by one at most", async () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const story = await live(seed, true);
    const named = story.sims
      .filter(({ held }) => held > 0)
      .map(({ origin }) => origin.named?.chain);
    const chains = named.filter((chain) => chain !== undefined);
    assert.equal(new Set(chains).size, chains.length, `seed ${seed}`);
    for (const chain of chains) {
      const old = story.sims.find(({ builder }) => builder.name === chain);
      assert.ok((old?.held ?? 0) > 0, `seed ${seed}`);
    }
  }
});

/** Sources that a chain declared and closed between two sizes: nothing but their blocks tells of them. */
function passingIn(builder: ChainBuilder, from: number, to: number): Set<string> {
  const found = new Set<string>();
  for (const { header, bytes } of builder.blocks.slice(from, to)) {
    const raw = openPayload(suite, header, bytes.subarray(headLength));
    for (const item of payloadItems(raw)) {
      if (item.kind === "span") continue;
      const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
      if (type === "source") found.add(`${String(value["path"])}#${String(value["generation"])}`);
    }
  }
  for (const { record } of [...positionsAt(builder, from), ...positionsAt(builder, to)]) {
    found.delete(`${String(record["path"])}#${String(record["generation"])}`);
  }
  return found;
}

test("behind a chain that only the vault shows, nothing is lost, and nothing that it showed is sealed again", async () => {
  let grown = 0;
  for (let seed = 1; seed <= 30; seed += 1) {
    const story = new Story(seed, false);
    await story.replace(Number.POSITIVE_INFINITY);
    for (let step = 0; step < 12; step += 1) story.write();
    story.ship(false);
    const [base] = story.sims;
    if (base === undefined || base.held === 0) continue;
    for (let step = 0; step < 6; step += 1) story.write();
    const known = base.held;
    for (let tries = 1 + story.pick(2); tries > 0; tries -= 1) {
      await story.replace(1 + story.pick(8));
    }
    if (story.live.whole) continue;
    base.first = base.builder.length;
    base.vanished = true;
    story.learn();
    const shown = base.held;
    if (shown > known) grown += 1;
    await story.replace(story.random() < 0.5 ? 1 + story.pick(8) : Number.POSITIVE_INFINITY);
    // Told to stop in the middle: the next start does not ask again.
    base.vanished = false;
    base.held = known;
    if (!story.live.whole) await story.resume(Number.POSITIVE_INFINITY);
    base.held = shown;
    story.ship(true);
    const passing = passingIn(base.builder, known, shown);
    const { bytes, gaps } = judge(story, passing);
    assert.equal(gaps, 0, `seed ${seed}`);
    for (const [key, sealed] of bytes) {
      const whole = story.read.get(key) ?? "";
      if (!passing.has(key)) assert.ok(whole.startsWith(sealed), `seed ${seed} ${key}`);
    }
    for (const { record, offset } of positionsAt(base.builder, shown)) {
      const key = `${String(record["path"])}#${String(record["generation"])}`;
      assert.ok((bytes.get(key) ?? "").length >= offset, `seed ${seed} ${key}`);
    }
  }
  assert.ok(grown > 5, `${grown} grew`);
});

test("what an unfinished chain lost of its buffer is sealed again from where it came from", async () => {
  let lost = 0;
  for (let seed = 1; seed <= 40; seed += 1) {
    const story = new Story(seed, false);
    await story.replace(Number.POSITIVE_INFINITY);
    for (let step = 0; step < 14; step += 1) story.write();
    story.ship(false);
    const [base] = story.sims;
    await story.replace(2 + story.pick(12));
    const { live: copy } = story;
    if (copy.whole || base === undefined) continue;
    // Of the old buffer nothing was given back yet.
    base.first = 0;
    const heads = copy.builder.blocks.flatMap(({ header }, at, all) =>
      at > 0 && header.runId !== all[at - 1]?.header.runId ? [at] : [],
    );
    copy.first = heads[story.pick(heads.length)] ?? 0;
    if (copy.first > 0) lost += 1;
    await story.replace(story.random() < 0.5 ? 1 + story.pick(8) : Number.POSITIVE_INFINITY);
    if (!story.live.whole) await story.resume(Number.POSITIVE_INFINITY);
    story.ship(true);
    const { bytes, gaps } = judge(story);
    assert.equal(gaps, 0, `seed ${seed}`);
    assert.deepEqual([...bytes].sort(), [...story.read].sort(), `seed ${seed}`);
  }
  assert.ok(lost > 20, `${lost} lost blocks`);
});

test("what a vault shows of a file's last bytes is joined with what the buffer holds behind it", async () => {
  const builder = new ChainBuilder("joined");
  const [file, outside] = [builder.source("/a"), builder.source("/other")];
  builder.begin([say(file.record)]);
  builder.seal([lines(file.id, "one\n")]);
  builder.seal([lines(file.id, "two\n")]);
  const text = (of: string): { offset: number; bytes: Uint8Array } => {
    return { offset: 4, bytes: Uint8Array.from(Buffer.from(of)) };
  };
  const origin = { named: undefined, positions: [], outside: [], leftOut: new Map() };
  const { tails, ends } = await planSuccession(suite, [
    {
      ...{ number: 0, whole: true, reason: "test" },
      held: { chain: builder.name, size: 2, root: hex(builder.roots[2] as Uint8Array) },
      origin: { ...origin, tails: new Map([[outside.id, text("far\n")]]) },
      fetched: {
        positions: [{ record: file.record, offset: 4 }],
        tails: new Map([[file.id, text("one\n")]]),
      },
      ...{ first: 2, next: 3 },
      blocks: async function* (from) {
        if (from <= 2) yield { index: 2, bytes: builder.blocks[2]?.bytes as Uint8Array };
      },
    },
  ]);
  assert.deepEqual(ends, [{ record: file.record, offset: 8 }]);
  const known = [...tails].map(([id, { offset, bytes }]) => [
    id,
    offset,
    String(Buffer.from(bytes)),
  ]);
  assert.deepEqual(
    new Map(known.map(([id, ...rest]) => [id, rest])),
    new Map([
      [file.id, [8, "one\ntwo\n"]],
      [outside.id, [4, "far\n"]],
    ]),
  );
});

test("what a life on an old copy sealed is taken over behind what a vault has beyond it, also by the next start", async () => {
  const builder = new ChainBuilder("copied");
  const [open, over, held] = [builder.source("/a"), builder.source("/b"), builder.source("/c")];
  builder.begin([say(open.record), say(over.record)]);
  builder.seal([lines(open.id, "one\n"), lines(over.id, "over\n")]);
  builder.seal([lines(open.id, "two\n"), say(held.record), lines(held.id, "held\n")]);
  const named = { chain: builder.name, size: 9, root: "00".repeat(32) };
  const positions = [{ record: open.record, offset: 12 }];
  const copied: OldChain = {
    ...{ number: 0, whole: true, reason: "agent-rollback", origin: undefined },
    held: named,
    fetched: { positions, tails: new Map() },
    forkedAt: 2,
    ...{ first: 0, next: 3 },
    blocks: async function* (from) {
      for (let index = from; index < 3; index += 1) {
        yield { index, bytes: builder.blocks[index]?.bytes as Uint8Array };
      }
    },
  };
  const plan = await planSuccession(suite, [copied]);
  const { origin, stretches, closed, ends } = plan;
  assert.deepEqual(origin.named, { ...named, reason: "agent-rollback" });
  assert.deepEqual(origin.positions, positions);
  assert.deepEqual(stretches, [{ chain: copied, from: 2 }]);
  assert.deepEqual([...closed], [over.id]);
  const byPath = ends.map(({ record, offset }) => [record["path"], offset]);
  assert.deepEqual(
    new Map(byPath as [string, number][]),
    new Map([
      ["/a", 12],
      ["/c", 5],
    ]),
  );
  const kept = { ...origin, outside: [], leftOut: new Map() };
  const begun: OldChain = {
    ...{ number: 1, whole: false, reason: "unknown", held: undefined, fetched: undefined },
    origin: parseOrigin(formatOrigin(kept)),
    ...{ first: 0, next: 0 },
    async *blocks() {},
  };
  const receipted = { ...named, size: 1, root: hex(builder.roots[1] as Uint8Array) };
  const known = { ...copied, held: receipted, fetched: undefined, forkedAt: undefined };
  const again = await planSuccession(suite, [known, begun]);
  assert.deepEqual(again.origin.positions, origin.positions);
  assert.deepEqual([...again.closed], [over.id]);
  assert.deepEqual(again.stretches, [
    { chain: begun, from: 0 },
    { chain: known, from: 2 },
  ]);
  assert.deepEqual(again.ends, ends);
});

test("a buffer is let go in which a block is damaged", async () => {
  const builder = new ChainBuilder("damaged");
  builder.begin();
  for (let block = 1; block < 4; block += 1)
    builder.seal([say({ type: "heartbeat", sources: [] })]);
  for (const damaged of [0, 1, 3]) {
    let reading = 0;
    await planSuccession(suite, [
      {
        ...{ number: 0, whole: true, reason: "test", fetched: undefined, origin: undefined },
        held: { chain: builder.name, size: 2, root: hex(builder.roots[2] as Uint8Array) },
        ...{ first: 0, next: 4 },
        async *blocks(from) {
          reading += 1;
          try {
            for (const [index, { bytes }] of [...builder.blocks.entries()].slice(from)) {
              yield { index, bytes: index === damaged ? bytes.subarray(0, -1) : bytes };
            }
          } finally {
            reading -= 1;
          }
        },
      },
    ]);
    assert.equal(reading, 0, String(damaged));
  }
});
