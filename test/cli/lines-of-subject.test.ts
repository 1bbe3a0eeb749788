// Lines of a subject that has several chains, as it has once one went on for another.

import assert from "node:assert/strict";
import test from "node:test";
import { formatVerifierKey } from "../../src/core/note.ts";
import type { SourcePosition } from "../../src/core/record.ts";
import { ChainBuilder, testTime, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { NoteSigner, TestVault } from "../fakes/signers.ts";
import { CommandDir, keyWords } from "./command.ts";

/** A chain, and the one that goes on for it, whose clock was set back in between. */
function succession(
  change: object = {},
  vault: TestVault = testVault,
): { old: ChainBuilder; next: ChainBuilder; app: string } {
  const terms = { subject: "payments" };
  const old = new ChainBuilder("old", { terms, vault, time: (testTime + 100) * 1_000_000 });
  old.begin();
  const { id: app, record } = old.source("/var/log/app.log");
  old.seal([say(record), lines(app, "one\ntw")]);
  const root = Buffer.from(old.roots[2] as Uint8Array).toString("hex");
  const named = { type: "predecessor", chain: old.name, size: 2, root, reason: "keys-lost" };
  const next = new ChainBuilder("next", { terms });
  next.begin([say({ ...named, positions: [{ record, offset: 6 }], ...change })]);
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

test("no line is given of a chain that disagrees with the one before it, which verify calls INVALID", async () => {
  for (const change of [{ root: "ab".repeat(32) }, { size: 9 }]) {
    using dir = new CommandDir();
    const { old, next } = succession(change);
    for (const chain of [next, old]) dir.store(chain);
    const verified = await dir.quick(["verify", "--data", "data", "payments"]);
    assert.match(verified.out, /^INVALID\n[\s\S]*CHAIN_REPLACED_UNLINKED/);
    for (const [more, given] of [
      [["--raw"], "one\ntw"],
      [["--json"], /"chain":/],
      [[], /one/],
    ] as const) {
      const { code, out, err } = await dir.quick(["lines", "--data", "data", "payments", ...more]);
      assert.equal(code, 1, err);
      if (typeof given === "string") assert.equal(out, given);
      assert.doesNotMatch(out, /three/);
      const where = `chain ${next.name.slice(0, 16)}: the chain that it names has `;
      assert.match(err, new RegExp(`${where}.*\\[CHAIN_REPLACED_UNLINKED\\]`));
    }
    const anyhow = ["lines", "--data", "data", "payments", "--unauthenticated"];
    const all = await dir.quick(anyhow);
    assert.equal(all.code, 0, all.err);
    assert.match(all.out, /three/);
    assert.match(all.err, /only `sealtail verify` says whether the two fit together/);
  }
});

test("bytes between a chain and the one before it are said, and the lines of both are given", async () => {
  using dir = new CommandDir();
  const [{ record }] = succession().old.sources.positions() as [SourcePosition];
  const { old, next } = succession({ positions: [{ record, offset: 5006 }] });
  for (const chain of [next, old]) dir.store(chain);
  const { code, err } = await dir.quick(["lines", "--data", "data", "payments"]);
  assert.equal(code, 1);
  assert.match(err, /5000 bytes of 1 sources are in no chain.* \[GAP_UNDECLARED\]/);
});

test("an agent that moved to another vault leaves one file in two chains, and its lines fit together", async () => {
  using dir = new CommandDir();
  const other = new TestVault("other.example");
  const { old, next } = succession({}, other);
  for (const chain of [next, old]) dir.store(chain);
  const place = "data/store";
  const keys = [...keyWords];
  for (const [at, { key }] of [other.receiptKey, other.timeKey].entries()) {
    dir.write(`other-${at}.pub`, `${formatVerifierKey(key)}\n`);
    keys.push("--vault-key", `other-${at}.pub`);
  }
  const verified = await dir.quick(["verify", place, "payments", ...keys]);
  assert.match(verified.out, /^VALID_WITH_FINDINGS\n2 chains, /, verified.err);
  const raw = await dir.quick(["lines", place, "payments", "--raw", ...keys]);
  assert.deepEqual([raw.code, raw.out], [0, "one\ntwo\nthree\n"], raw.err);
});

test("where the chain before is not there, a subject's lines are not all there; of the one chain they are", async () => {
  using dir = new CommandDir();
  const { old, next } = succession();
  dir.store(next);
  const said = new RegExp(`${old.name}: chain is not there; .* \\[CHAIN_MISSING\\]`);
  const hint = /if another vault kept it, give a place that holds both/;
  const subject = await dir.quick(["lines", "--data", "data", "payments"]);
  assert.equal(subject.code, 1);
  assert.match(subject.err, said);
  assert.match(subject.err, hint);
  const one = await dir.quick(["lines", "--data", "data", next.name]);
  assert.equal(one.code, 0, one.err);
  assert.match(one.err, said);
  dir.store(old);
  const unread = await dir.quick(["lines", "--data", "data", next.name]);
  assert.equal(unread.code, 0, unread.err);
  assert.match(unread.err, new RegExp(`not compared: chain ${old.name}, which chain ${next.name}`));
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
    assert.match(err, /this asks for one chain, and 2 are called payments \[chain-ambiguous\]/);
    assert.match(err, new RegExp(`hint: give one of .*${old.name.slice(0, 16)}`));
  }
});
