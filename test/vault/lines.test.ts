// The lines that a vault hands out: all that match, whatever clocks did, and no faster than read.

import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { lines, say } from "../fakes/chain-items.ts";
import { chainOf, gist, Rig } from "./rig.ts";

async function textsOf(rig: Rig, chain: string, query: string): Promise<string[]> {
  const { text } = await rig.direct(`/v1/chains/${chain}/lines?${query}`);
  const rows = text.split("\n").filter((row) => row !== "");
  return rows
    .map((row) => JSON.parse(row) as { kind: string; text: string })
    .filter(({ kind }) => kind === "line")
    .map((row) => row.text);
}

test("lines until a time are all there, though a clock was ahead for a moment", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("ahead");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record)]);
  const start = chain.time;
  const step = (before: number, after: number) =>
    say({ type: "clock", before: start + before, after: start + after, mono: chain.mono });
  const time = (after: number) => ({ time: start + after });
  chain.seal([lines(id, "before\n")], time(1e6));
  chain.seal([step(2e6, 3600e6), lines(id, "ahead\n")], time(3600e6));
  chain.seal([step(3601e6, 3e6), lines(id, "after\n")], time(3e6));
  assert.equal(gist(await rig.post(chain)), "200");
  assert.deepEqual(await textsOf(rig, chain.name, `until=${start + 60e6}`), ["before", "after"]);
  assert.deepEqual(await textsOf(rig, chain.name, `since=${start + 60e6}`), ["ahead"]);
});

test("lines since a time are all there, though a range begins with a clock that is behind", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("behind");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record)]);
  const start = chain.time;
  const wanted: string[] = [];
  for (let block = 2; block < 1040; block += 1) {
    const isBehind = block >= 1024 && block < 1030;
    const snapshot = block % 1024 === 0 ? [chain.snapshot()] : [];
    const time = isBehind ? 1e9 + block : start + block * 1e3;
    chain.seal([...snapshot, lines(id, `line ${block}\n`)], { time });
    if (!isBehind) wanted.push(`line ${block}`);
  }
  for (let from = 0; from < chain.length; from += 500) {
    const answer = await rig.post(chain, chain.blocks.slice(from, from + 500));
    assert.equal(gist(answer), "200");
  }
  assert.deepEqual(await textsOf(rig, chain.name, `since=${start - 3600e6}`), wanted);
  assert.equal((await textsOf(rig, chain.name, "until=1000002000")).length, 6);
});

test("readers that never read hold little of a small block with a million lines", async () => {
  setFlagsFromString("--expose-gc");
  const gc = runInNewContext("gc") as () => void;
  const held = (): number => {
    gc();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  await using rig = await Rig.start();
  const chain = chainOf("million");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record), lines(id, new Uint8Array(1_000_000).fill(0x0a))]);
  assert.equal(gist(await rig.post(chain)), "200");
  const before = held();
  const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  for (let reader = 0; reader < 25; reader += 1) {
    const request = new Request(`http://127.0.0.1/v1/chains/${chain.name}/lines`);
    const peer = { address: "127.0.0.1", loopback: true, secure: false };
    const { body } = await rig.vault.fetch(request, peer);
    const stream = (body as ReadableStream<Uint8Array>).getReader();
    assert.ok(((await stream.read()).value as Uint8Array).length > 0);
    readers.push(stream);
  }
  const each = (held() - before) / readers.length;
  assert.ok(each < 4e6, `each reader holds ${each} bytes`);
  for (const reader of readers) await reader.cancel();
});

test("a block that was changed in the store cuts the answer off, or is refused before", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("changed");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record), lines(id, "one\n")]);
  chain.seal([lines(id, "two\n")]);
  assert.equal(gist(await rig.post(chain)), "200");
  const path = join(rig.store, "chains", chain.name, "0000000000000000.blocks");
  const bytes = await readFile(path);
  bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1;
  await writeFile(path, bytes);
  const answer = await rig.http(`/v1/chains/${chain.name}/lines`).catch(() => undefined);
  const told = answer === undefined ? "cut off" : gist(answer);
  assert.match(told, /^cut off|^503 chain-damaged/);
});

test("a source that is no rule is refused", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("rules");
  chain.begin();
  assert.equal(gist(await rig.post(chain)), "200");
  const path = `/v1/chains/${chain.name}/lines?source=id:xyz`;
  assert.equal(gist(await rig.direct(path)), "400 bad-request");
});
