// A walk that goes on from a note is the walk that the note is of.

import assert from "node:assert/strict";
import { test } from "node:test";
import { believed } from "../../src/core/authority.ts";
import { hex, utf8 } from "../../src/core/bytes.ts";
import { parseGrant } from "../../src/core/grant.ts";
import { formatNote } from "../../src/core/note.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import {
  checkedChain,
  formatHeadNote,
  headNoteText,
  openHeadNote,
  walkFrom,
} from "../../src/vault/head-note.ts";
import { ChainWalk, type WalkOptions } from "../../src/verify/walk.ts";
import { ChainBuilder, testVault } from "../fakes/chain-builder.ts";
import { type Item, lines, say } from "../fakes/chain-items.ts";
import { seededNumbers } from "../fakes/random.ts";

const end = {
  ...{ base: 0, print: { settled: "aa".repeat(32), rest: "bb".repeat(32) } },
  ...{ content: { bytes: 7, digest: "cc".repeat(32) }, grant: "dd".repeat(32), sure: true },
};
const key = testVault.keys.receipt;

function textOf(walk: ChainWalk, head: Uint8Array): string {
  const checked = checkedChain(walk, head, true, { ...end, size: walk.thread.blockNo });
  return headNoteText(key.name, checked);
}

function noteOf(walk: ChainWalk, head: Uint8Array): Uint8Array {
  const text = textOf(walk, head);
  return formatHeadNote(text, testVault.receiptKey.sign(text));
}

/** A chain of some runs, sources that open, move and close, records of all kinds. */
function story(seed: number): ChainBuilder {
  const next = seededNumbers(seed);
  const below = (most: number): number => Math.floor(next() * most);
  const chain = new ChainBuilder(`story-${seed}`);
  const open = new Map<string, number>();
  let files = 0;
  chain.begin();
  const some = (): Item[] => {
    const items: Item[] = [];
    if (open.size < 4 && below(3) === 0) {
      const { id, record } = chain.source(`/var/log/${files++}.log`);
      items.push(say(record));
      open.set(id, 0);
    }
    for (const [id, at] of open) {
      const text = `line ${at}\n`;
      if (below(2) === 0) {
        items.push(lines(id, text, at));
        open.set(id, at + text.length);
      } else if (below(4) === 0) {
        items.push(say({ type: "gap", source: id, from: at, to: at + 10, cause: "truncated" }));
        open.set(id, at + 10);
      } else if (below(6) === 0) {
        items.push(say({ type: "end", source: id, size: at, reason: "deleted" }));
        open.delete(id);
      }
    }
    return items.length === 0 ? [say({ type: "heartbeat", sources: [] })] : items;
  };
  for (let left = 24; left > 0; left--) {
    if (below(8) === 0) {
      if (below(2) === 0) chain.stop();
      chain.restart(some());
    } else chain.seal(some());
  }
  return chain;
}

for (let seed = 1; seed <= 8; seed++) {
  test(`wherever a walk is noted, it goes on as if it had never been: story ${seed}`, () => {
    const chain = story(seed);
    const said: string[] = [];
    const options: WalkOptions = {
      ...{ suite, chain: chain.name },
      authority: believed(parseGrant(suite, chain.grant), [testVault.keys]),
      report: ({ code, block, seq }) => said.push(`${code} ${block} ${seq}`),
    };
    const whole = new ChainWalk(options);
    const states: string[] = [];
    const notes: Uint8Array[] = [];
    const from: number[] = [];
    for (const { head, bytes } of chain.blocks) {
      from.push(said.length);
      whole.block(head, bytes.subarray(head.length));
      notes.push(noteOf(whole, head));
      states.push(textOf(whole, head));
    }
    for (const [at, note] of notes.entries()) {
      const checked = openHeadNote(suite, key, chain.name, note);
      assert.ok(checked !== undefined);
      const heard: string[] = [];
      const report: WalkOptions["report"] = ({ code, block, seq }) =>
        heard.push(`${code} ${block} ${seq}`);
      const walk = walkFrom({ ...options, report }, checked);
      for (const [ahead, { head, bytes }] of chain.blocks.slice(at + 1).entries()) {
        walk.block(head, bytes.subarray(head.length));
        assert.equal(textOf(walk, head), states[at + 1 + ahead], `from ${at} to ${at + 1 + ahead}`);
      }
      assert.deepEqual(heard, said.slice(from[at + 1] ?? said.length), `from ${at}`);
      assert.equal(hex(walk.thread.frontier!.root()), hex(chain.roots.at(-1)!));
    }
  });
}

test("a note that anything was done to, or that another key signed, is none", () => {
  const chain = story(1);
  const walk = new ChainWalk({
    ...{ suite, chain: chain.name, report: () => undefined },
    authority: believed(parseGrant(suite, chain.grant), [testVault.keys]),
  });
  for (const { head, bytes } of chain.blocks) walk.block(head, bytes.subarray(head.length));
  const note = noteOf(walk, chain.blocks.at(-1)!.head);
  assert.ok(openHeadNote(suite, key, chain.name, note));
  assert.equal(openHeadNote(suite, key, "00".repeat(32), note), undefined);
  for (let at = 0; at < note.length; at += 7) {
    const bent = note.slice();
    bent[at] = (bent[at] ?? 0) ^ 1;
    assert.equal(openHeadNote(suite, key, chain.name, bent), undefined, `byte ${at}`);
    assert.equal(openHeadNote(suite, key, chain.name, note.subarray(0, at)), undefined);
  }
  // Words that a careless reader would pass over, under our own signature.
  const text = new TextDecoder().decode(note).split("\n\n")[0]!;
  for (const other of [`${text}\nmore 1\n`, `${text.replace("size ", "size 0")}\n`]) {
    const signed = utf8(formatNote(other, [testVault.receiptKey.sign(other)]));
    assert.equal(openHeadNote(suite, key, chain.name, signed), undefined);
  }
});
