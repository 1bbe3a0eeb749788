// What readers get: lists, details, notes, raw bytes and lines.

import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, hex } from "../../src/core/bytes.ts";
import { decodeHeader } from "../../src/core/header.ts";
import { parseProof } from "../../src/core/proof.ts";
import { systemClock } from "../../src/host/clock.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { verifyProof } from "../../src/verify/proof-check.ts";
import { type ChainBuilder, testRoot, testVault } from "../fakes/chain-builder.ts";
import { at, type Item, lines, say } from "../fakes/chain-items.ts";
import { type Answer, chainOf, gist, problemOf, Rig, receiptOf } from "./rig.ts";

const heartbeat: Item = say({ type: "heartbeat", sources: [] });

function rowsOf(answer: Answer): Record<string, unknown>[] {
  assert.equal(answer.status, 200, answer.text.slice(0, 300));
  const rows = answer.text.split("\n").slice(0, -1);
  return rows.map((row) => JSON.parse(row) as Record<string, unknown>);
}

test("chains are listed in pages, with subject, size and state", async () => {
  await using rig = await Rig.start();
  const chains: ChainBuilder[] = [];
  for (let i = 0; i < 7; i++) {
    const chain = chainOf(`app-${i}`);
    chain.begin();
    await rig.post(chain);
    chains.push(chain);
  }
  const ids = chains.map(({ name }) => name).sort();
  for (const round of ["live", "after a restart"]) {
    const seen: unknown[] = [];
    let after = "";
    for (let pages = 0; pages < 10; pages++) {
      const page = await rig.json(`/v1/chains?limit=3${after}`);
      seen.push(...(page["chains"] as { chain: string }[]).map(({ chain }) => chain));
      if (page["next"] === undefined) break;
      after = `&after=${page["next"]}`;
    }
    assert.deepEqual(seen, ids, round);
    await rig.restart();
  }
  const [first] = (await rig.json("/v1/chains"))["chains"] as Record<string, unknown>[];
  assert.deepEqual(Object.keys(first!), [
    "chain",
    "subject",
    "state",
    "size",
    "seen_at",
    "forks",
    "open",
    "predecessor",
    "host",
  ]);
  assert.match(String(first!["subject"]), /^app-\d$/);
  assert.deepEqual([first!["state"], first!["size"], first!["forks"]], ["active", 1, 0]);
});

test("a chain's detail says where it stands, the same after a restart", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("detail");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record), lines(id, "a\nb\n")]);
  const receipt = receiptOf(await rig.post(chain));
  const detail = await rig.json(`/v1/chains/${chain.name}`);
  const newest = chain.blocks[1]!;
  const { seen_at: seenAt, receipt: kept, ...rest } = detail;
  assert.ok(Math.abs(Number(seenAt) - Date.now() * 1000) < 60e6);
  assert.deepEqual(kept, { size: 2, time: receipt.time });
  assert.deepEqual(rest, {
    ...{ chain: chain.name, subject: "detail", state: "active", size: 2, forks: 0, open: [] },
    ...{ first_seq: 0, last_seq: 5, first_time: chain.blocks[0]!.header.time },
    ...{ head_time: newest.header.time, max_silence_ms: 60_000, kind: "normal" },
    ...{ head: hex(newest.hash), root: hex(chain.roots[2]!), run: hex(chain.runId) },
    ...{ predecessor: null, host: "host.example" },
  });
  await rig.restart();
  const { seen_at: _, receipt: __, ...again } = await rig.json(`/v1/chains/${chain.name}`);
  assert.deepEqual(again, rest);
});

test("states tell stopped and silent chains from active ones", async () => {
  let shift = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + shift };
  await using rig = await Rig.start({ clock });
  const stopped = chainOf("stopped");
  stopped.begin();
  stopped.stop();
  await rig.post(stopped);
  const silent = chainOf("silent");
  silent.maxSilenceMs = 1000;
  silent.begin();
  await rig.post(silent);
  assert.equal((await rig.json(`/v1/chains/${stopped.name}`))["state"], "stopped");
  assert.equal(await rig.metric('sealtail_vault_chains{state="stopped"}'), 1);
  shift = 1_100_000;
  assert.equal((await rig.json(`/v1/chains/${silent.name}`))["state"], "silent");
  assert.equal(await rig.metric('sealtail_vault_chains{state="silent"}'), 1);
  const oldest = await rig.metric("sealtail_vault_oldest_open_chain_heartbeat_timestamp_seconds");
  assert.ok(Math.abs((oldest ?? 0) - Date.now() / 1000) < 30);
});

test("grant, receipt, headers and blocks come as the bytes they are", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("bytes");
  chain.begin();
  for (let i = 0; i < 20; i++) chain.seal([heartbeat]);
  const posted = await rig.post(chain);
  const base = `/v1/chains/${chain.name}`;
  assert.deepEqual((await rig.http(`${base}/grant`)).bytes, chain.grant);
  assert.deepEqual((await rig.http(`${base}/receipt`)).bytes, posted.bytes);
  const heads = chain.blocks.map(({ head }) => head);
  assert.deepEqual((await rig.http(`${base}/headers`)).bytes, concat(...heads));
  const some = await rig.http(`${base}/headers?from=3&limit=4`);
  assert.deepEqual(some.bytes, concat(...heads.slice(3, 7)));
  assert.equal(some.headers.get("sealtail-next-block"), "7");
  assert.equal(some.headers.get("sealtail-size"), "21");
  const blocks = chain.blocks.map(({ bytes }) => bytes);
  const part = await rig.http(`${base}/blocks?from=18&limit=100`);
  assert.deepEqual(part.bytes, concat(...blocks.slice(18)));
  assert.equal(part.headers.get("sealtail-next-block"), "21");
  assert.deepEqual((await rig.http(`${base}/blocks`)).bytes, concat(...blocks));
  assert.equal((await rig.http(`${base}/blocks?from=50`)).bytes.length, 0);
  assert.equal((await rig.http(`${base}/forks`)).bytes.length, 0);
  const head = await rig.http(`${base}/blocks`, { method: "HEAD" });
  assert.deepEqual([head.status, head.bytes.length], [200, 0]);
});

test("lines are envelopes that hash to what the headers say", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("lines");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin();
  chain.seal([say(record), lines(id, Uint8Array.of(0x61, 0x0a, 0xff, 0x0a, 0x0a, 0x63))]);
  chain.seal([lines(id, "d\n")]);
  await rig.post(chain);
  const rows = rowsOf(await rig.http(`/v1/chains/${chain.name}/lines`));
  assert.deepEqual(
    rows.map(({ seq }) => seq),
    [0, 1, 2, 3, 4, 5, 6, 7, 8],
  );
  assert.deepEqual(
    rows.slice(4).map(({ kind, path, offset, lf, text, base64, block }) => ({
      ...{ kind, path, offset, lf, text, base64, block },
    })),
    [
      ["a", undefined, 0, true, 1],
      [undefined, "/w==", 2, true, 1],
      ["", undefined, 4, true, 1],
      ["c", undefined, 5, false, 1],
      ["d", undefined, 6, true, 2],
    ].map(([text, base64, offset, lf, block]) => ({
      ...{ kind: "line", path: "/var/log/app.log", offset, lf, text, base64, block },
    })),
  );
  for (const [index, row] of rows.entries()) {
    if (index > 0) assert.equal(row["prev"], rows[index - 1]!["hash"]);
  }
  assert.equal(rows[7]!["hash"], hex(decodeHeader(chain.blocks[1]!.head).lastHash));
  assert.equal(hashOf(rows[5]!, Uint8Array.of(0xff)), rows[5]!["hash"]);
});

test("every line that a receipt covers has a proof that holds", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("proofs", { time: (Math.floor(Date.now() / 1000) - 5000) * 1e6 });
  const app = chain.source("/var/log/app.log");
  chain.begin([say(app.record), lines(app.id, "first\n")]);
  chain.seal([lines(app.id, "second\nthird\n")]);
  const gone = chain.source("/var/log/gone.log");
  const ended = say({ type: "end", source: gone.id, size: 4, cause: "deleted" });
  chain.seal([say(gone.record), lines(gone.id, "bye\n"), ended]);
  chain.seal([lines(app.id, `${"x\n".repeat(40)}`)]);
  await rig.post(chain);
  const last = chain.blocks[3]!.header;
  const seqs = [0, 4, 5, 6, 7, 8, 9, last.firstSeq, last.firstSeq + 39];
  for (const life of ["live", "again"]) {
    for (const seq of seqs) {
      const answer = await rig.direct(`/v1/chains/${chain.name}/lines/${seq}/proof`);
      assert.equal(answer.status, 200, `${life} ${seq} ${answer.text}`);
      const report = verifyProof(suite, parseProof(answer.bytes), {
        ...{ roots: [testRoot.key], vaults: [testVault.keys] },
      });
      assert.deepEqual(report.faults, []);
      assert.deepEqual([report.chain, report.envelope?.seq], [chain.name, seq]);
      assert.equal(report.source?.path, report.envelope?.kind === "line" ? pathOf(seq) : undefined);
    }
    await rig.restart();
  }
  const base = `/v1/chains/${chain.name}/lines`;
  assert.equal(gist(await rig.direct(`${base}/${last.firstSeq + 40}/proof`)), "404 not-found");
  assert.equal(gist(await rig.direct(`${base}/x/proof`)), "400 bad-request");

  function pathOf(seq: number): string {
    return seq === 8 ? "/var/log/gone.log" : "/var/log/app.log";
  }
});

/** The envelope hash, from nothing but the row and its bytes. */
function hashOf(row: Record<string, unknown>, bytes: Uint8Array): string {
  const head = Buffer.alloc(96);
  head[0] = 2;
  head[1] = 1;
  head[2] = row["kind"] === "record" ? 1 : 0;
  head[3] = row["lf"] === true ? 1 : 0;
  head.set(Buffer.from(String(row["prev"]), "hex"), 4);
  head.writeBigUInt64BE(BigInt(row["seq"] as number), 36);
  head.writeBigUInt64BE(BigInt(row["time"] as number), 44);
  head.set(Buffer.from(String(row["source"]), "hex"), 52);
  head.writeBigUInt64BE(BigInt(row["offset"] as number), 68);
  head.set(Buffer.from(String(row["salt"]), "hex"), 76);
  head.writeUInt32BE(bytes.length, 92);
  return hex(suite.sha256(concat(head, bytes)));
}

test("lines are found by seq, time and source, wherever in the chain they are", async () => {
  await using rig = await Rig.start();
  const start = (Math.floor(Date.now() / 1000) - 9000) * 1_000_000;
  const chain = chainOf("seek", { time: start });
  const app = chain.source("/var/log/app.log");
  const web = chain.source("/var/log/web.log");
  chain.begin([say(app.record), say(web.record)]);
  // Envelopes: 5 in the genesis, then two lines a block; snapshots where they must stand.
  while (chain.length < 1100) {
    const n = chain.length;
    const snapshot = n % 1024 === 0 ? [chain.snapshot()] : [];
    const pair = [lines(app.id, `app ${n}\n`), lines(web.id, `web ${n}\n`)];
    chain.seal([...snapshot, ...pair]);
  }
  await rig.post(chain);
  const base = `/v1/chains/${chain.name}/lines`;
  const texts = async (query: string): Promise<unknown[]> =>
    rowsOf(await rig.direct(`${base}?${query}`)).map(({ text }) => text);
  const seqOf = (n: number): number => chain.blocks[n]!.header.firstSeq;
  for (const n of [1, 500, 1023, 1025, 1060, 1099]) {
    const query = `from-seq=${seqOf(n)}&to-seq=${seqOf(n) + 1}`;
    assert.deepEqual(await texts(query), [`app ${n}`, `web ${n}`]);
    const time = chain.blocks[n]!.header.time;
    assert.deepEqual(await texts(`since=${time}&until=${time}&source=name:app&limit=1`), [
      `app ${n}`,
    ]);
  }
  assert.deepEqual(await texts(`from-seq=${seqOf(1098)}&source=/var/*/web.log`), [
    "web 1098",
    "web 1099",
  ]);
  assert.deepEqual(await texts(`from-seq=${seqOf(1098)}&source=id:${app.id}`), [
    "app 1098",
    "app 1099",
  ]);
  const iso = new Date(chain.blocks[1099]!.header.time / 1000).toISOString();
  assert.deepEqual(await texts(`since=${iso}`), ["app 1099", "web 1099"]);
  assert.deepEqual(await texts(`from-seq=${seqOf(1099) + 2}`), []);
  assert.equal((await texts("source=/var/log/app.log")).length, 1099);
});

test("an envelope time that lies behind its block's is found all the same", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("back");
  const { id, record } = chain.source("/var/log/app.log");
  chain.begin([say(record)]);
  const early = chain.time - 1_000_000;
  chain.seal([at(early, lines(id, "early\n"))]);
  await rig.post(chain);
  const rows = rowsOf(
    await rig.direct(`/v1/chains/${chain.name}/lines?since=${early}&until=${early}`),
  );
  assert.deepEqual(
    rows.map(({ text }) => text),
    ["early"],
  );
});

const wrong: readonly (readonly [path: string, said: string])[] = [
  ["/", "404 not-found"],
  ["/v1/nothing", "404 not-found"],
  ["/v1/chains?limit=0", "400 bad-request"],
  ["/v1/chains?limit=1001", "400 bad-request"],
  ["/v1/chains?limit=x", "400 bad-request"],
  ["/v1/chains?limit=1&limit=2", "400 bad-request"],
  ["/v1/chains?size=1", "400 bad-request"],
  ["/v1/chains?after=zz", "400 bad-request"],
  ["/v1/chains/xyz", "400 bad-request"],
  [`/v1/chains/${"0".repeat(64)}`, "404 unknown-chain"],
  [`/v1/chains/${"0".repeat(64)}/receipt`, "404 unknown-chain"],
  [`/v1/chains/${"0".repeat(64)}/blocks?from=1`, "404 unknown-chain"],
];
test("what is asked wrongly is answered by a problem that says so", async () => {
  await using rig = await Rig.start();
  for (const [path, said] of wrong) assert.equal(gist(await rig.direct(path)), said, path);
  const chain = chainOf("wrong");
  chain.begin();
  await rig.post(chain);
  const base = `/v1/chains/${chain.name}`;
  for (const query of [
    "headers?from=-1",
    "blocks?limit=0",
    "lines?since=today",
    "lines?from-seq=1e3",
    "lines?limit=1e308",
    "lines?limit=9007199254740992",
    `headers?from=${2n ** 60n}`,
    "headers?from=1&from=2",
    "blocks?from=01",
    "blocks?from=%2B1",
    `lines?source=${"*a".repeat(1000)}`,
    "lines?since=2026-02-30T99:00:00Z",
    "lines?until=1969-12-31T00:00:00Z",
    "lines/-1/proof",
    "lines/0x1/proof",
  ]) {
    assert.equal(gist(await rig.direct(`${base}/${query}`)), "400 bad-request", query);
  }
  const put = await rig.direct(`${base}/blocks`, { method: "PUT" });
  assert.equal(gist(put), "405 method-not-allowed");
  assert.equal(put.headers.get("allow"), "POST, GET, HEAD");
  const encoded = await rig.direct(`${base}/blocks`, {
    ...{ method: "POST", body: "x", headers: { "content-encoding": "gzip" } },
  });
  assert.equal(gist(encoded), "415 unsupported-encoding");
});

test("reading is for this machine only, unless it is open", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("closed");
  chain.begin();
  assert.equal(gist(await rig.direct("/v1/chains")), "200");
  const far = { address: "192.0.2.7", loopback: false };
  assert.equal(gist(await rig.direct("/v1/chains", {}, far)), "403 read-forbidden");
  assert.equal(gist(await rig.direct("/v1/openapi.json", {}, far)), "200");
  const rebound = new Request("http://evil.example/v1/chains");
  const near = { address: "127.0.0.1", loopback: true, secure: false };
  assert.equal((await rig.vault.fetch(rebound, near)).status, 403);
  await using open = await Rig.start({ config: { access: { open: true } } });
  assert.equal(gist(await open.direct("/v1/chains", {}, far)), "200");
});

test("the API describes itself, every endpoint with its problems", async () => {
  await using rig = await Rig.start();
  const api = await rig.json("/v1/openapi.json");
  const paths = api["paths"] as Record<string, Record<string, { responses: object }>>;
  assert.deepEqual(Object.keys(paths["/v1/chains/{chain}/blocks"]!), ["post", "get"]);
  assert.ok(paths["/v1/chains/{chain}/lines"]);
  const { responses } = paths["/v1/chains/{chain}/blocks"]!["post"]!;
  assert.ok(["200", "409", "413", "422", "503"].every((status) => status in responses));
  assert.equal(problemOf(await rig.direct("/v1/openapi.json"))["openapi"], "3.1.0");
});
