// The judge itself: what was falsified must not get past it.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { commandLineComplaints } from "./command-line.ts";
import type { Play } from "./deeds.ts";
import { FileJudge } from "./file-judge.ts";
import { judge } from "./judge.ts";
import { type Instant, Ledger, type LogFile } from "./ledger.ts";
import { type Chains, readSealed, type Sealed } from "./sealed.ts";
import { stepsOf, tell } from "./story.ts";
import { stepsOfWorld, testimonyOf, trust } from "./trial.ts";
import { World } from "./world.ts";

let world: World;
let chains: Chains;
/** Of a world whose agent had to begin another chain. */
let several: { readonly world: World; readonly chains: Chains };

/** The first seed of these plays whose story is as wanted. */
async function tellOne(
  plays: readonly Play[],
  wanted: (world: World, chains: Chains) => boolean,
): Promise<{ readonly world: World; readonly chains: Chains }> {
  for (let seed = 1; ; seed += 1) {
    const world = await World.make(seed);
    await tell(world, seed, stepsOf(seed, stepsOfWorld, plays));
    const { disk, config } = world.vault;
    const chains = await readSealed(disk, config.store.path, trust);
    if (wanted(world, chains)) return { world, chains };
  }
}

before(async () => {
  // A restart, a gap and a second life.
  ({ world, chains } = await tellOne([], ({ lives }, { items }) => {
    const gap = items.some(({ kind, cause }) => kind === "gap" && cause === "truncated");
    return gap && lives.length > 1;
  }));
  // A file that both chains hold bytes of, and which only grew.
  several = await tellOne(["grants"], (told, read) => {
    const across = acrossChains(told, read);
    return across !== undefined && judge(testimonyOf(told, read)).length === 0;
  });
});

const chainOf = ({ place }: Sealed): string | undefined => place.split("/")[0];

/** Where in the items a quiet file's last span of one chain and its first of the next lie. */
function acrossChains(told: World, { items }: Chains): [number, number] | undefined {
  for (const [at, { kind, source, record }] of items.entries()) {
    const log = told.ledger.logs.get(record.ino);
    if (kind !== "span" || log?.disturbed.length !== 0) continue;
    const next = items.findIndex((each, later) => {
      return later > at && each.kind === "span" && each.source === source;
    });
    if (next > 0 && chainOf(items[next] as Sealed) !== chainOf(items[at] as Sealed)) {
      return [at, next];
    }
  }
  return undefined;
}

function complaintsOfSeveral(change: (found: Chains, across: [number, number]) => Chains): string {
  const across = acrossChains(several.world, several.chains);
  assert.ok(across);
  const falsified = change(several.chains, across);
  return judge(testimonyOf(several.world, falsified)).join("\n");
}

function complaints(change: (items: Sealed[]) => Sealed[]): string[] {
  const items = change([...chains.items]);
  return judge(testimonyOf(world, { ...chains, items }));
}

const spanAt = (items: readonly Sealed[], nth = 0): number =>
  items.map(({ kind }, at) => (kind === "span" ? at : -1)).filter((at) => at >= 0)[nth] ?? -1;

test("what happened is not complained about", () => {
  assert.deepEqual(
    complaints((items) => items),
    [],
  );
});

test("a span that is left out is missed", () => {
  const spans = chains.items.filter(({ kind }) => kind === "span").length;
  assert.ok(spans > 5);
  const last = complaints((items) => items.toSpliced(spanAt(items, spans - 1), 1));
  assert.notDeepEqual(last, []);
});

test("a span that comes twice is noticed", () => {
  const found = complaints((items) => {
    const at = spanAt(items);
    return items.toSpliced(at, 0, items[at] as Sealed);
  });
  assert.match(found.join(), /was sealed at \d+ and again/);
});

test("a line that is read twice in one instant is noticed, unless its file changed within it", () => {
  for (const changed of [true, false]) {
    const ledger = new Ledger();
    ledger.note("1", Buffer.from("old\nline\n"), "/logs/a.log");
    ledger.noteTime(7);
    if (changed) ledger.note("1", Buffer.from("new\nline\n"), "/logs/a.log");
    ledger.noteTime(7);
    const { first, last: tick } = ledger.times.get(7) as Instant;
    const item = { ...(chains.items[spanAt(chains.items)] as Sealed), offset: 4 };
    const line = { first, tick, item: { ...item, bytes: Buffer.from("line\n") } };
    const log = ledger.logs.get("1") as LogFile;
    const testimony = { ...testimonyOf(world, chains), lives: [], scopes: [] };
    const said = new FileJudge(log, [line, line], [], testimony).complaints(false);
    assert.deepEqual(
      said.filter((each) => each.includes("and again")).length,
      changed ? 0 : 1,
      said.join("\n"),
    );
  }
});

test("a byte that is another one is noticed", () => {
  const found = complaints((items) => {
    const at = spanAt(items, 2);
    const bytes = Uint8Array.from((items[at] as Sealed).bytes);
    bytes[bytes.length - 1] = 0x7f;
    return items.with(at, { ...(items[at] as Sealed), bytes });
  });
  assert.match(found.join(), /never stood there/);
});

test("a span at another offset is noticed", () => {
  const found = complaints((items) => {
    const at = spanAt(items, 1);
    const span = items[at] as Sealed;
    return items.with(at, { ...span, offset: span.offset + 1 });
  });
  assert.match(found.join(), /never stood there/);
});

test("a gap that is claimed of a file which only grew is noticed", () => {
  const found = complaints((items) => {
    const at = items.findIndex(({ kind, record }) => {
      const log = world.ledger.logs.get(record.ino);
      return kind === "span" && log?.disturbed.length === 0;
    });
    const span = items[at] as Sealed;
    const end = span.offset + span.bytes.length;
    return items.toSpliced(at + 1, 0, {
      ...{ ...span, kind: "gap", cause: "truncated", offset: end },
      bytes: new Uint8Array(0),
    });
  });
  assert.match(found.join(), /gap truncated number 1 of 0 changes/);
});

test("a file that is said to be gone while it was there is noticed", () => {
  const found = complaints((items) => {
    const at = items.findIndex(({ kind, record }) => {
      const log = world.ledger.logs.get(record.ino);
      return kind === "span" && log?.hidden.length === 0;
    });
    return items.toSpliced(at + 1, 0, {
      ...{ ...(items[at] as Sealed), kind: "gap", cause: "rotated-away" },
      bytes: new Uint8Array(0),
    });
  });
  assert.match(found.join(), /but it was always there/);
});

test("a line that two chains hold is noticed", () => {
  const found = complaintsOfSeveral((all, [first, next]) => {
    const twin = all.items[first] as Sealed;
    const { time, place } = all.items[next] as Sealed;
    return { ...all, items: all.items.toSpliced(next, 0, { ...twin, time, place }) };
  });
  assert.match(found, /was sealed at \d+ and again/);
});

test("a line that is left out between two chains is noticed", () => {
  const found = complaintsOfSeveral((all, [, next]) => ({
    ...all,
    items: all.items.toSpliced(next, 1),
  }));
  assert.match(found, /was not sealed|is nowhere/);
});

test("a chain that names none before it is noticed", () => {
  const found = complaintsOfSeveral((all) => {
    const chains = all.report.chains.map((each) => ({ ...each, predecessor: undefined }));
    return { ...all, report: { ...all.report, chains } };
  });
  assert.match(found, /goes on for none/);
});

test("two chains that go on for the same one are noticed", () => {
  const found = complaintsOfSeveral((all) => {
    const twin = all.report.chains.find(({ predecessor }) => predecessor !== undefined);
    assert.ok(twin);
    return { ...all, report: { ...all.report, chains: [...all.report.chains, twin] } };
  });
  assert.match(found, /two chains go on for/);
});

test("a line of a lost chain's buffer that no chain holds is noticed", () => {
  const { world: told, chains: read } = several;
  const span = told.buffers.spans.find(({ record }) => {
    return told.ledger.logs.get(record.ino)?.disturbed.length === 0;
  });
  assert.ok(span);
  const { source, offset } = span;
  const items = read.items.filter((each) => each.source !== source || each.offset < offset);
  const found = judge({ ...testimonyOf(told, { ...read, items }), wanted: new Set() });
  assert.match(found.join("\n"), /in the buffer of .* is nowhere/);
});

test("the command line that says otherwise than the library is noticed", async () => {
  const { world: told, chains: read } = several;
  const { disk, config } = told.vault;
  const ask = (all: Chains): Promise<string[]> =>
    commandLineComplaints(disk, config.store.path, trust, all);
  assert.deepEqual(await ask(read), []);
  const bytes = new Map(
    [...read.bytes].map(([chain, sources]) => [
      chain,
      new Map([...sources].map(([id, parts]) => [id, [...parts, Uint8Array.of(0x0a)]])),
    ]),
  );
  const report = { ...read.report, verdict: "VALID" } as const;
  const found = (await ask({ ...read, bytes, report })).join("\n");
  assert.match(found, /verify ends with 3 where the verdict is VALID/);
  assert.match(found, /lines of \w+ in \w+: \d+ bytes, not the \d+ that it holds/);
});
