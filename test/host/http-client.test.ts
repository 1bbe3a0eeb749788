// The HTTP client over real sockets: what becomes of a body when its server answers early, and of a
// connection that was idle.

import assert from "node:assert/strict";
import { once } from "node:events";
import http, { type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { HttpClient, inTurn, readBody } from "../../src/host/http-client.ts";
import { httpFailure } from "../../src/host/http-failure.ts";
import { discard } from "../../src/host/memory.ts";

const answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const waits = { connectTimeoutMs: 10_000, headersTimeoutMs: 60_000, bodyTimeoutMs: 10_000 };
const MiB = 1024 * 1024;

const sumOf = (lengths: readonly number[]): number => lengths.reduce((sum, each) => sum + each, 0);

/** Pieces that share one memory, as blocks that were read together do. */
function piecesOf(lengths: readonly number[]): Uint8Array[] {
  const all = new Uint8Array(sumOf(lengths)).map((_, i) => i * 7);
  return lengths.map((length, i) => {
    const at = sumOf(lengths.slice(0, i));
    return all.subarray(at, at + length);
  });
}

test("what waits in the socket is not the memory that is given back", async () => {
  const pieces = piecesOf([100_000, 65_536, 65_535, 10]);
  const kept = pieces.map((piece) => Buffer.from(piece));
  const sent: Uint8Array[] = [];
  for await (const piece of inTurn(pieces)) sent.push(piece);
  discard(pieces[0] as Uint8Array);
  const lengths = sent.map(({ length }) => length);
  // Nobody sends on before the large ones are gone.
  assert.deepEqual(lengths, [0, 0, 65_535, 10]);
  assert.deepEqual(Buffer.from(sent[2] as Uint8Array), kept[2]);
  assert.deepEqual(Buffer.from(sent[3] as Uint8Array), kept[3]);
});

test("bytes that a sink reads after its early answer are those that were sent, or none", async () => {
  const lengths = Array.from({ length: 400 }, (_, i) => (i % 2 === 0 ? 40_000 : 70_000));
  const pieces = piecesOf(lengths);
  const length = sumOf(lengths);
  const kept = Buffer.concat(pieces);
  assert.ok(length > 16 * MiB, "more than a system's buffers take");
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = new HttpClient({ url: `http://127.0.0.1:${port}`, waits });
  try {
    const posted = client.ask({ path: "/", pieces });
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => {});
    await once(socket, "readable");
    socket.write(answer);
    await readBody((await posted).body, 2);
    for (const piece of pieces) discard(piece);
    let got = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) got = Buffer.concat([got, chunk]);
    const body = got.subarray(got.indexOf("\r\n\r\n") + 4);
    assert.ok(body.length < length);
    assert.ok(body.equals(kept.subarray(0, body.length)));
  } finally {
    await client.close();
    server.close();
  }
});

interface Served extends AsyncDisposable {
  readonly client: HttpClient;
  readonly sockets: Set<Socket>;
  /** Methods, in the order in which they came. */
  readonly asked: string[];
}

async function serve(
  handler: (request: IncomingMessage, response: ServerResponse, used: boolean) => void,
): Promise<Served> {
  const [sockets, asked] = [new Set<Socket>(), [] as string[]];
  const server = http.createServer((request, response) => {
    const used = sockets.has(request.socket);
    sockets.add(request.socket);
    asked.push(request.method ?? "");
    handler(request, response, used);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = new HttpClient({ url: `http://127.0.0.1:${port}/base/`, waits });
  return {
    ...{ client, sockets, asked },
    async [Symbol.asyncDispose]() {
      await client.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

const get = async (client: HttpClient, path = "/"): Promise<string> => {
  const { body } = await client.ask({ path });
  return new TextDecoder().decode(await readBody(body, MiB));
};

test("a question whose idle connection was closed is asked again, a body is never sent twice", async () => {
  await using served = await serve((request, response, used) => {
    if (used) request.socket.destroy();
    else response.end(request.url);
  });
  const { client, asked } = served;
  assert.equal(await get(client, "/a?b=1"), "/base/a?b=1");
  assert.equal(await get(client, "/c"), "/base/c");
  assert.equal(asked.length, 3);
  const posted = client.ask({ path: "/", pieces: [new Uint8Array(5)] });
  await assert.rejects(posted, (error) => httpFailure(error).code === "connection-lost");
  assert.deepEqual(asked.slice(3), ["POST"]);
});

test("a server that cuts every connection is asked once", async () => {
  await using served = await serve((request) => request.socket.destroy());
  await assert.rejects(get(served.client));
  assert.deepEqual(served.asked, ["GET"]);
});

test("a connection outlives a question about headers alone", async () => {
  await using served = await serve((_, response) => response.setHeader("size", 7).end("1234567"));
  const { client, sockets } = served;
  for (let i = 0; i < 3; i += 1) {
    const { header, body } = await client.ask({ path: "/", method: "HEAD" });
    assert.deepEqual([header("size"), (await readBody(body, 0))?.length], ["7", 0]);
  }
  assert.equal(await get(client), "1234567");
  assert.equal(sockets.size, 1);
});

test("an answer that is longer than may be read is no answer, in pieces of any size", async () => {
  async function* each(count: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i += 1) yield new Uint8Array(1).fill(i);
  }
  const bytes = await readBody(each(200_000), 200_000);
  assert.deepEqual([bytes?.length, bytes?.[199_999]], [200_000, 199_999 % 256]);
  assert.equal(await readBody(each(11), 10), undefined);
});
