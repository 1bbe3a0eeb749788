// What an agent reads of a vault's chains, over a real socket and a real vault.

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import { systemFiles } from "../../src/host/files.ts";
import type { HttpAnswer, HttpAsker } from "../../src/host/http-client.ts";
import { Refused } from "../../src/host/http-reader.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { ChainDamaged, HttpVaultReads } from "../../src/ship/vault-reads.ts";
import { VaultSink } from "../../src/ship/vault-sink.ts";
import { believe, Unbelievable } from "../../src/succession/vault-chain.ts";
import { ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { FakeClock } from "../fakes/clock.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { FakeFiles } from "../fakes/files.ts";
import { chainOf, Rig } from "../vault/rig.ts";

const notAfter = 4_000_000_000;

function readsOf(url: string): { sink: VaultSink; reads: HttpVaultReads } {
  const sink = new VaultSink({
    ...{ env: {}, files: systemFiles, clock: systemClock, diag: new RecordingDiag() },
    ...{ url, userAgent: "test" },
  });
  return { sink, reads: new HttpVaultReads(sink, systemClock, new AbortController().signal) };
}

test("a chain of a real vault is found by its subject, checked and believed", async () => {
  const rig = await Rig.start();
  const { sink, reads } = readsOf(rig.vault.url);
  try {
    const chain = new ChainBuilder("reads", { terms: { notAfter } });
    const other = new ChainBuilder("other", { terms: { notAfter } });
    const source = chain.source("/var/log/app.log");
    chain.begin();
    chain.seal([say(source.record), lines(source.id, "one\n", 0)]);
    other.begin();
    for (const each of [chain, other]) assert.equal((await rig.post(each)).status, 200);
    const [listed, ...more] = await reads.chainsOf(chain.terms.subject);
    assert.deepEqual([listed?.id, more.length], [chain.name, 0]);
    assert.deepEqual(await reads.chainsOf("nobody"), []);
    const id = chain.name;
    const shown = {
      id,
      grant: () => reads.grant(id),
      receipt: () => reads.receipt(id),
      heads: (from: number, count: number) => reads.heads(id, from, count),
      blocks: (from: number, count: number) => reads.blocks(id, from, count),
    };
    const keys = { roots: [testRoot.key], vaults: [testVault.keys] };
    const believed = await believe(suite, keys, chain.terms.subject, shown);
    assert.equal(believed.size, 2);
    assert.deepEqual(believed.positions, [{ record: source.record, offset: 4 }]);
    await assert.rejects(believe(suite, keys, "nobody", shown), Unbelievable);
  } finally {
    await sink.close();
    await rig.close();
  }
});

test("a vault that cannot be asked is told from one that has nothing", async () => {
  const rig = await Rig.start();
  const { sink, reads } = readsOf(rig.vault.url);
  await rig.close();
  try {
    await assert.rejects(reads.chainsOf("x"), { code: "vault-unreachable" });
  } finally {
    await sink.close();
  }
});

test("a chain that a vault no longer lets begin has no block that could be sent to it again", async () => {
  let later = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + later };
  const files = new FakeFiles();
  await using rig = await Rig.start({ clock, files });
  const chain = chainOf("late");
  chain.begin();
  assert.equal((await rig.post(chain)).status, 200);
  const { sink, reads } = readsOf(rig.vault.url);
  assert.equal(await reads.size(chain.name), 1);
  await sink.close();
  await rig.close();
  for (const folder of [rig.store, `${rig.dir}/state`])
    await files.unlink(`${folder}/chains/${chain.name}/receipt`);
  later = 400 * 86_400_000_000;
  await rig.open();
  const again = readsOf(rig.vault.url);
  assert.equal(await again.reads.size(chain.name), 0);
  assert.equal(await again.reads.size("0".repeat(64)), 0);
  await again.sink.close();
});

test("a refusal in other words than the vault's says nothing of how many blocks it has", async () => {
  for (const [status, said] of [
    [403, '{"code":"read-forbidden"}'],
    [404, "<p>not found</p>"],
  ] as const) {
    const vault = { ask: async () => answer(status, said) };
    const reads = new HttpVaultReads(vault, systemClock, new AbortController().signal);
    await assert.rejects(reads.size("0".repeat(64)), { code: "vault-refused" });
  }
});

test("a vault that is busy is asked again, as late as it says, and not for ever", async () => {
  const waits: number[] = [];
  const clock = { ...systemClock, sleep: async (ms: number) => void waits.push(ms) };
  let busy = 2;
  const vault = {
    ask: async () => {
      busy -= 1;
      const after = { "retry-after": busy === 0 ? "600" : "3" };
      return answer(busy < 0 ? 200 : 503, '{"chains":[]}', after);
    },
  };
  const reads = new HttpVaultReads(vault, clock, new AbortController().signal);
  assert.deepEqual(await reads.chainsOf("x"), []);
  assert.deepEqual(waits, [3000, 10_000]);
  busy = 1000;
  await assert.rejects(reads.chainsOf("x"), { code: "vault-refused" });
  assert.equal(waits.length, 5);
});

test("a chain that the vault calls damaged is not asked for again, and is told from a closed vault", async () => {
  let asked = 0;
  const clock = { ...systemClock, sleep: async () => {} };
  const answers = (status: number, said: string): HttpVaultReads => {
    const ask = async (): Promise<HttpAnswer> => {
      asked += 1;
      return answer(status, said);
    };
    return new HttpVaultReads({ ask }, clock, new AbortController().signal);
  };
  const damaged = answers(503, '{"code":"chain-damaged"}');
  await assert.rejects(damaged.heads("0".repeat(64), 0, 1), ChainDamaged);
  assert.equal(asked, 1);
  for (const [status, closed] of [
    [403, true],
    [401, true],
    [429, false],
    [500, false],
  ] as const) {
    const refused = answers(status, "no");
    await assert.rejects(refused.chainsOf("x"), (error) => {
      assert.ok(error instanceof Refused);
      return error.closed === closed;
    });
  }
});

test("a vault whose answers trickle counts as one that cannot be asked", async () => {
  const clock = new FakeClock();
  const vault: HttpAsker = {
    ask: async () => ({ status: 200, header: () => undefined, body: trickle(clock) }),
  };
  const reads = new HttpVaultReads(vault, clock, new AbortController().signal);
  const failed = { code: "vault-unreachable" };
  await assert.rejects(reads.heads("0".repeat(64), 0, 1024), failed);
});

test("a list tells what each chain says of itself, if the vault read it, and one without an end is no answer", async () => {
  const [one, two] = ["a".repeat(64), "b".repeat(64)];
  const listing = (next: object): HttpVaultReads => {
    const chain = { state: "active", seen_at: 1, size: 2 };
    const chains = [
      { ...chain, chain: one, host: "pod", predecessor: two },
      { ...chain, chain: two, host: null, predecessor: null },
      { ...chain, chain: two },
    ];
    const vault = { ask: async () => answer(200, JSON.stringify({ chains, ...next })) };
    return new HttpVaultReads(vault, systemClock, new AbortController().signal);
  };
  assert.deepEqual(
    (await listing({}).chainsOf("x")).map(({ words }) => words),
    [{ host: "pod", predecessor: two }, { host: undefined, predecessor: undefined }, undefined],
  );
  await assert.rejects(listing({ next: one }).chainsOf("x"), { code: "vault-answer-invalid" });
});

function answer(
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  const all: Readonly<Record<string, string>> = { "content-type": "application/json", ...headers };
  return { status, header: (name) => all[name], body: Readable.from([Buffer.from(text)]) };
}

async function* trickle(clock: FakeClock): AsyncGenerator<Uint8Array> {
  for (;;) {
    await clock.advance(9_000);
    yield new Uint8Array(1);
  }
}
