// The judge itself: what was falsified must not get past it.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { judge } from "./judge.ts";
import { type Chains, readSealed, type Sealed } from "./sealed.ts";
import { stepsOf, tell } from "./story.ts";
import { stepsOfWorld, testimonyOf, trust } from "./trial.ts";
import { World } from "./world.ts";

let world: World;
let chains: Chains;

/** The first seed whose story has a restart, a gap and a second life. */
async function tellOne(): Promise<void> {
  for (let seed = 1; ; seed += 1) {
    world = await World.make(seed);
    await tell(world, seed, stepsOf(seed, stepsOfWorld));
    const { disk, config } = world.vault;
    chains = await readSealed(disk, config.store.path, trust);
    const gap = chains.items.some(({ kind, cause }) => kind === "gap" && cause === "truncated");
    if (gap && world.lives.length > 1) return;
  }
}

before(tellOne);

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
