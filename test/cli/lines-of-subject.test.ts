// Lines of a subject that has several chains, as it has once one went on for another.

import assert from "node:assert/strict";
import test from "node:test";
import { ChainBuilder, testTime } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { NoteSigner } from "../fakes/signers.ts";
import { CommandDir, keyWords } from "./command.ts";

/** A chain, and the one that goes on for it, whose clock was set back in between. */
function succession(): { old: ChainBuilder; next: ChainBuilder; app: string } {
  const terms = { subject: "payments" };
  const old = new ChainBuilder("old", { terms, time: (testTime + 100) * 1_000_000 });
  old.begin();
  const { id: app, record } = old.source("/var/log/app.log");
  old.seal([say(record), lines(app, "one\ntw")]);
  const root = Buffer.from(old.roots[2] as Uint8Array).toString("hex");
  const named = { type: "predecessor", chain: old.name, size: 2, root, reason: "keys-lost" };
  const next = new ChainBuilder("next", { terms });
  next.begin([say({ ...named, positions: [{ record, offset: 6 }] })]);
  next.seal([lines(app, "o\nthree\n", 6)]);
  return { old, next, app };
}

test("a subject names all its chains, and their lines come in the order in which the chains began", async () => {
  using dir = new CommandDir();
  const { old, next } = succession();
  for (const chain of [next, old]) dir.store(chain);
  const asked = ["lines", "--data", "data", "payments"];
  const text = await dir.quick(asked);
  assert.equal(text.code, 0, text.err);
  const shown = text.out.trimEnd().split("\n");
  assert.deepEqual(
    shown.map((line) => line.replace(/.*app\.log {2}/, "")),
    ["one", "two", "three"],
  );
  assert.deepEqual(text.err.trimEnd().split("\n"), [
    `sealtail: chain ${next.name} goes on for ${old.name};`,
    "sealtail: only `sealtail verify` says whether the two fit together",
    `sealtail: chain ${old.name} (1 of 2)`,
    `sealtail: chain ${next.name} (2 of 2)`,
  ]);
  const raw = await dir.quick([...asked, "--raw"]);
  assert.deepEqual([raw.code, raw.out], [0, "one\ntwo\nthree\n"]);
  const json = await dir.quick([...asked, "--json"]);
  const chains = json.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line).chain);
  assert.deepEqual(chains, [old.name, old.name, next.name, next.name]);
  const newest = await dir.quick(["lines", "--data", "data", next.name, "--raw"]);
  assert.deepEqual([newest.code, newest.out], [1, "o\nthree\n"]);
  assert.match(newest.err, /bytes 0 to 6 .* an earlier chain has them \[CHAIN_REPLACED\]/);
  const verified = await dir.quick(["verify", "--data", "data", "payments"]);
  assert.match(verified.out, /^2 chains, /m);
});

test("what one chain of a subject leaves out is said with the chain, and the others are printed", async () => {
  using dir = new CommandDir();
  const { old, next } = succession();
  const stranger = new ChainBuilder("stranger", {
    terms: { subject: "payments" },
    root: new NoteSigner("stranger.example"),
  });
  stranger.begin();
  const { id, record } = stranger.source("/var/log/app.log");
  stranger.seal([say(record), lines(id, "false\n")]);
  for (const chain of [stranger, next, old]) dir.store(chain);
  const { code, out, err } = await dir.quick(["lines", "--data", "data", "payments", "--raw"]);
  assert.deepEqual([code, out], [1, "one\ntwo\nthree\n"]);
  assert.match(err, new RegExp(`chain ${stranger.name.slice(0, 16)}: .* \\[UNKNOWN_ROOT\\]`));
});

test("a bundle of a subject holds all its chains, so that none is missing in it", async () => {
  using dir = new CommandDir();
  const { old, next } = succession();
  for (const chain of [next, old]) dir.store(chain);
  const all = await dir.quick(["export", "--data", "data", "payments", "-o", "all.tar"]);
  assert.match(all.err, /^wrote 2 chains to DIR\/all\.tar: /);
  const whole = await dir.quick(["verify", "all.tar", ...keyWords]);
  assert.match(whole.out, /^VALID_WITH_FINDINGS\n2 chains, /);
  await dir.quick(["export", "--data", "data", next.name, "-o", "one.tar"]);
  const part = await dir.quick(["verify", "one.tar", ...keyWords]);
  assert.match(part.out, /^INCOMPLETE\n[\s\S]*CHAIN_MISSING/);
});

test("a line's number, and a proof of it, need one chain", async () => {
  using dir = new CommandDir();
  const { old, next } = succession();
  for (const chain of [next, old]) dir.store(chain);
  for (const words of [
    ["lines", "--data", "data", "payments", "--from-seq", "3"],
    ["prove", "--data", "data", "payments", "4"],
  ]) {
    const { code, err } = await dir.quick(words);
    assert.equal(code, 2);
    assert.match(err, /2 chains are called payments, and one is wanted \[chain-ambiguous\]/);
    assert.match(err, new RegExp(`hint: give one of .*${old.name.slice(0, 16)}`));
  }
});
