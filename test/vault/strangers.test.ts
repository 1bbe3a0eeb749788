// What somebody without a chain's key can do to those who have one.

import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import net from "node:net";
import { describe, test } from "node:test";
import { concat, hex } from "../../src/core/bytes.ts";
import { limitsByDefault } from "../../src/vault/bounds.ts";
import { pace, piecesOfBody } from "../../src/vault/stream.ts";
import type { BuiltBlock, ChainBuilder } from "../fakes/chain-builder.ts";
import { lines, say } from "../fakes/chain-items.ts";
import { FakeClock } from "../fakes/clock.ts";
import { FaultyFiles } from "../fakes/faulty-files.ts";
import { FakeFiles } from "../fakes/files.ts";
import { signer } from "../fakes/signers.ts";
import { chainOf, gist, Rig, receiptOf } from "./rig.ts";

const heartbeat = say({ type: "heartbeat", sources: [] });

/** A stored chain, and its agent's next block. */
async function grown(rig: Rig, label: string, size = 3): Promise<[ChainBuilder, BuiltBlock]> {
  const chain = chainOf(label);
  chain.begin();
  for (let i = 1; i < size; i++) chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain)), "200");
  return [chain, chain.seal([heartbeat])];
}

/** A body whose rest never comes. */
function stalled(...parts: Uint8Array[]): { body: ReadableStream<Uint8Array>; end: () => void } {
  let end = (): void => {};
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const part of parts) controller.enqueue(part);
      end = () => controller.error(new Error("gone"));
    },
  });
  return { body, end };
}

describe("bytes that were changed on the way", () => {
  test("one flipped bit of a payload never blocks the genuine block", async () => {
    await using rig = await Rig.start();
    const [chain, next] = await grown(rig, "flipped");
    for (let at = next.head.length; at < next.bytes.length; at += 7) {
      const bent = next.bytes.slice();
      bent[at] = (bent[at] as number) ^ 1;
      const answer = await rig.postBytes(chain.name, bent);
      assert.equal(gist(answer), "422 block-refused PAYLOAD_HASH_MISMATCH");
    }
    assert.equal(receiptOf(await rig.post(chain, [next])).size, 4);
  });

  test("nor does one in a genesis", async () => {
    await using rig = await Rig.start();
    const chain = chainOf("flipped-genesis");
    const { bytes } = chain.begin();
    const bent = bytes.slice();
    bent[bent.length - 1] = (bent.at(-1) as number) ^ 1;
    const answer = await rig.postBytes(chain.name, bent, chain.grant);
    assert.equal(gist(answer), "422 block-refused PAYLOAD_HASH_MISMATCH");
    assert.equal(receiptOf(await rig.post(chain)).size, 1);
  });

  test("a block that was refused is a fork once another one is stored, and both heads are kept", async () => {
    await using rig = await Rig.start();
    const chain = chainOf("hidden");
    chain.begin();
    await rig.post(chain);
    const twin = chain.twin([lines("00".repeat(16), "undeclared\n")]);
    const next = chain.seal([heartbeat]);
    assert.equal(gist(await rig.post(chain, [twin])), "422 block-refused SOURCE_UNDECLARED");
    assert.equal(gist(await rig.post(chain, [next])), "200");
    assert.equal(gist(await rig.post(chain, [twin])), "409 fork FORK");
    const proofs = await rig.direct(`/v1/chains/${chain.name}/forks`);
    assert.deepEqual(proofs.bytes, concat(next.head, twin.head));
    assert.deepEqual(await readdir(`${rig.store}/chains/${chain.name}/forks`), [
      `0000000000000001-${hex(twin.hash)}`,
    ]);
  });
});

describe("room", () => {
  test("stored heads that declare 9 MiB and stall take none of it", async () => {
    await using rig = await Rig.start({ limits: { room: { bytes: 1_000_000 } } });
    const [chain, next] = await grown(rig, "stored");
    const path = `/v1/chains/${chain.name}/blocks`;
    const strangers = Array.from({ length: 15 }, () => {
      const { body, end } = stalled(chain.blocks[1]!.bytes);
      const headers = { "content-length": "9437184" };
      const answer = rig.direct(path, { method: "POST", body, headers, duplex: "half" } as object);
      return { answer, end };
    });
    // Their bytes have come in by now.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(receiptOf(await rig.post(chain, [next])).size, 4);
    for (const { end } of strangers) end();
    await Promise.all(strangers.map(({ answer }) => answer));
  });

  test("a payload takes room as it arrives", async () => {
    await using rig = await Rig.start({ limits: { room: { bytes: 1_000_000 } } });
    const slow = await grown(rig, "slow");
    const other = await grown(rig, "other");
    const { id, record } = slow[0].source("/var/log/slow.log");
    await rig.post(slow[0], [slow[1]]);
    const large = slow[0].seal([say(record), lines(id, new Uint8Array(3_000_000))]);
    const { body, end } = stalled(large.bytes.subarray(0, 100_000));
    const path = `/v1/chains/${slow[0].name}/blocks`;
    const answer = rig.direct(path, { method: "POST", body, duplex: "half" } as object);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(gist(await rig.post(other[0], [other[1]])), "200");
    end();
    await answer;
  });

  test("a stored head before a stranger's own lets the stranger in no further", async () => {
    await using rig = await Rig.start();
    const chain = chainOf("before");
    chain.begin();
    const first = chain.seal([heartbeat]);
    assert.equal(gist(await rig.post(chain)), "200");
    const stray = chain.twin([lines("00".repeat(16), "x\n")], { signer: signer("stray") });
    const { body, end } = stalled(first.bytes, stray.head);
    const path = `/v1/chains/${chain.name}/blocks`;
    const answer = await rig.direct(path, { method: "POST", body, duplex: "half" } as object);
    assert.equal(gist(answer), "422 block-refused BAD_SIGNATURE");
    end();
  });
});

test("many requests with a chain's stored heads do not keep its agent waiting", async () => {
  await using rig = await Rig.start();
  const [chain, next] = await grown(rig, "crowd");
  const crowd = Array.from({ length: 200 }, () => rig.post(chain, [chain.blocks[1]!]));
  assert.equal(gist(await rig.post(chain, [next])), "200");
  for (const answer of await Promise.all(crowd)) assert.equal(gist(answer), "200");
});

test("who knows no more than chains' ids gets them brought back one after the other", async () => {
  await using rig = await Rig.start({ limits: { headBytes: 1 } });
  const chains: ChainBuilder[] = [];
  for (let n = 0; n < 30; n++) {
    const [chain] = await grown(rig, `quiet-${n}`);
    chains.push(chain);
  }
  const [own, next] = await grown(rig, "own");
  await rig.restart();
  const crowd = chains.map(({ name, blocks }) =>
    rig.direct(
      `/v1/chains/${name}/blocks`,
      { method: "POST", body: blocks[0]!.bytes as Uint8Array<ArrayBuffer> },
      { address: "192.0.2.1" },
    ),
  );
  assert.equal(gist(await rig.post(own, [next])), "200");
  const done = (await rig.metric("sealtail_vault_heads_replayed_total")) ?? 0;
  assert.ok(done < 20, `${done} heads were brought back first`);
  for (const answer of await Promise.all(crowd)) assert.equal(gist(answer), "200");
});

for (const what of ["send", "read"]) {
  test(`a vault that stops brings nothing back any more for strangers who wait to ${what}`, async () => {
    const files = new FaultyFiles(new FakeFiles());
    await using rig = await Rig.start({
      files,
      limits: { readers: { readers: 100, addressShare: 100 } },
    });
    const chains: ChainBuilder[] = [];
    for (let n = 0; n < 30; n++) chains.push((await grown(rig, `waits-${n}`))[0]);
    await rig.restart();
    await rig.vault.surveyed;
    files.only = ".blocks";
    files.calls.clear();
    const crowd = chains.map((chain) =>
      what === "send"
        ? rig.post(chain, [chain.blocks[0]!])
        : rig.direct(`/v1/chains/${chain.name}`),
    );
    await rig.close();
    const opened = files.calls.get("open") ?? 0;
    assert.ok(opened < 10, `${opened} objects were opened`);
    const answers = await Promise.all(crowd);
    assert.ok(answers.filter((each) => gist(each) === "503 shutting-down").length > 20);
  });
}

test("a stranger's block of a new run does not make the vault read the whole chain", async () => {
  await using rig = await Rig.start();
  const chain = chainOf("runs");
  chain.begin();
  chain.stop();
  chain.restart();
  assert.equal(gist(await rig.post(chain)), "200");
  await rig.restart();
  const next = chain.seal([heartbeat]);
  assert.equal(gist(await rig.post(chain, [next])), "200");
  const header = (): object => ({ runId: new Uint8Array(16).fill(7) });
  const stray = chain.twin([heartbeat], { signer: signer("stray"), header });
  // Whoever reads the chain's heads from now on finds one damaged.
  const [file] = (await readdir(`${rig.store}/chains/${chain.name}`)).filter((name) =>
    name.endsWith(".blocks"),
  );
  const path = `${rig.store}/chains/${chain.name}/${file}`;
  const bytes = await readFile(path);
  bytes[chain.blocks[0]!.bytes.length] = 0;
  await writeFile(path, bytes);
  assert.equal(gist(await rig.post(chain, [stray])), "422 block-refused BAD_SIGNATURE");
});

async function all(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const got: Uint8Array[] = [];
  for await (const piece of pieces) got.push(piece);
  return got;
}

describe("slow bodies", () => {
  test("a body that stalls is answered as too slow, whether it ever began or not", async () => {
    const clock = new FakeClock();
    for (const parts of [[], [new Uint8Array(100)]]) {
      const { body } = stalled(...parts);
      const reading = all(piecesOfBody(body, clock));
      const failed = assert.rejects(reading, { code: "too-slow", status: 408 });
      await clock.advance(pace.everyMs);
      await failed;
    }
  });

  test("a body that is cut off is its sender's fault, not ours", async () => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.error(new Error("aborted")),
    });
    const reading = all(piecesOfBody(body, new FakeClock()));
    await assert.rejects(reading, { code: "bad-request", status: 400 });
  });

  test("one that waits for us is not slow, however long that takes", async () => {
    const clock = new FakeClock();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        for (let i = 0; i < 5; i++) controller.enqueue(new Uint8Array(100));
        controller.close();
      },
    });
    let got = 0;
    for await (const piece of piecesOfBody(body, clock)) {
      got += piece.length;
      await clock.advance(pace.everyMs * 0.9);
    }
    assert.equal(got, 500);
  });

  test("one that trickles is cut, one that comes at its pace has its time, and no more", async () => {
    const clock = new FakeClock();
    const fed = (piece: number): [Promise<Uint8Array[]>, () => Promise<void>] => {
      let put: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => {
          put = controller;
        },
      });
      const reading = all(piecesOfBody(body, clock));
      reading.catch(() => {});
      return [
        reading,
        async () => {
          put?.enqueue(new Uint8Array(piece));
          await new Promise((done) => setImmediate(done));
          await clock.advance(pace.everyMs);
        },
      ];
    };
    const [trickle, drip] = fed(pace.bytes - 1);
    await drip();
    await assert.rejects(trickle, { code: "too-slow" });
    const [steady, step] = fed(pace.bytes);
    for (let passed = pace.everyMs; passed < pace.wholeMs; passed += pace.everyMs) await step();
    const state = await Promise.race([steady.then(() => "ended"), Promise.resolve("goes on")]);
    assert.equal(state, "goes on");
    await step();
    await assert.rejects(steady, { code: "too-slow" });
  });
});

describe("readers", () => {
  async function long(rig: Rig): Promise<ChainBuilder> {
    const chain = chainOf("long");
    chain.begin();
    const { id, record } = chain.source("/var/log/app.log");
    chain.seal([say(record), lines(id, "x\n".repeat(20_000))]);
    for (let i = 0; i < 20; i++) chain.seal([lines(id, "x\n".repeat(20_000))]);
    assert.equal(gist(await rig.post(chain)), "200");
    return chain;
  }

  /** An answer of which only the first piece is taken. */
  async function hold(rig: Rig, path: string): Promise<{ status: number; end(): Promise<void> }> {
    const from = { address: "127.0.0.1", loopback: true, secure: false };
    const request = new Request(`http://127.0.0.1${path}`);
    const response = await rig.vault.fetch(request, from);
    const reader = response.body?.getReader();
    await reader?.read();
    return { status: response.status, end: async () => await reader?.cancel() };
  }

  test("as many as may be are answered, others are told to come back, and writing goes on", async () => {
    await using rig = await Rig.start({ config: { limits: { ...limitsByDefault, readers: 4 } } });
    const chain = await long(rig);
    const path = `/v1/chains/${chain.name}/blocks`;
    const held = await Promise.all(Array.from({ length: 25 }, () => hold(rig, path)));
    // Three of the four are one address's share.
    assert.equal(held.filter(({ status }) => status === 200).length, 3);
    const away = await rig.direct(path);
    assert.equal(gist(away), "503 busy");
    assert.equal(away.headers.get("retry-after"), "1");
    assert.equal(gist(await rig.direct("/v1/chains", {}, { address: "127.0.0.9" })), "200");
    assert.equal(gist(await rig.post(chain, [chain.seal([heartbeat])])), "200");
    for (const each of held) await each.end();
    assert.equal((await rig.direct(path)).status, 200);
  });

  test("whoever does not read loses the place to the next, and the answer does not look whole", async () => {
    await using rig = await Rig.start({
      ...{ limits: { readers: { readers: 1, patienceMs: 20 } } },
    });
    const chain = await long(rig);
    const path = `/v1/chains/${chain.name}/lines`;
    const from = { address: "127.0.0.1", loopback: true, secure: false };
    const slow = await rig.vault.fetch(new Request(`http://127.0.0.1${path}`), from);
    const reader = slow.body!.getReader();
    await reader.read();
    assert.equal(gist(await rig.direct("/v1/chains")), "503 busy");
    await new Promise((done) => setTimeout(done, 30));
    assert.equal((await rig.direct("/v1/chains")).status, 200);
    await assert.rejects(async () => {
      while (!(await reader.read()).done);
    });
    assert.equal(await rig.metric('sealtail_vault_connections_closed_total{why="reader"}'), 1);
  });

  test("HEAD, and answers that end or fail, leave their places", async () => {
    await using rig = await Rig.start({ limits: { readers: { readers: 1 } } });
    const chain = await long(rig);
    for (const path of [
      "",
      "/receipt",
      "/lines?limit=100",
      "/blocks",
      "/lines/0/proof",
      "/nothing",
    ]) {
      for (const method of ["HEAD", "GET"]) {
        const answer = await rig.direct(`/v1/chains/${chain.name}${path}`, { method });
        assert.notEqual(answer.status, 503, path);
        const overSocket = await rig.http(`/v1/chains/${chain.name}${path}`, { method });
        assert.notEqual(overSocket.status, 503, path);
      }
    }
    assert.equal(await rig.metric("sealtail_vault_readers_open"), 0);
  });
});

test("an agent's connection outlives any number of idle strangers", async () => {
  const limits = { ...limitsByDefault, connections: 16, address_share: 100 };
  await using rig = await Rig.start({ config: { limits } });
  const [chain, next] = await grown(rig, "wanted");
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const send = (block: BuiltBlock): Promise<number | undefined> =>
    new Promise((resolve, reject) => {
      const url = `${rig.vault.url}/v1/chains/${chain.name}/blocks`;
      const request = http.request(url, { method: "POST", agent }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      });
      request.on("error", reject).end(block.bytes);
    });
  assert.equal(await send(next), 200);
  const port = Number(new URL(rig.vault.url).port);
  const idle = Array.from({ length: 100 }, () => net.connect(port, "127.0.0.1"));
  for (const each of idle) each.on("error", () => {});
  while ((await rig.metric('sealtail_vault_connections_closed_total{why="idle"}')) !== 85) {
    await new Promise((done) => setTimeout(done, 5));
  }
  assert.equal(await send(chain.seal([heartbeat])), 200);
  assert.equal(await rig.metric("sealtail_vault_connections_open"), 16);
  for (const each of idle) each.destroy();
  agent.destroy();
});
