// A sink that answers before it has read what it is sent: then its sender gives the memory back.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import type { Dispatcher } from "undici";
import { discard } from "../../src/host/memory.ts";
import { httpClientLimits, openHttpClient, post } from "../../src/ship/http-client.ts";

const answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
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
  const client = {
    request: async ({ body }: { body: AsyncIterable<Uint8Array> }) => {
      for await (const piece of body) sent.push(piece);
    },
  } as unknown as Dispatcher;
  const url = new URL("http://127.0.0.1:1");
  await post(client, { url, headers: {}, pieces }, new AbortController().signal);
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
  const client = openHttpClient(undefined, {}, httpClientLimits);
  try {
    const headers = { "content-length": String(length) };
    const url = new URL(`http://127.0.0.1:${port}/`);
    const posted = post(client, { url, headers, pieces }, new AbortController().signal);
    const [socket] = (await once(server, "connection")) as [Socket];
    socket.on("error", () => {});
    await once(socket, "readable");
    socket.write(answer);
    await (await posted).body.text();
    for (const piece of pieces) discard(piece);
    let got = Buffer.alloc(0);
    for await (const chunk of socket as AsyncIterable<Buffer>) got = Buffer.concat([got, chunk]);
    const body = got.subarray(got.indexOf("\r\n\r\n") + 4);
    assert.ok(body.length < length);
    assert.ok(body.equals(kept.subarray(0, body.length)));
  } finally {
    await client.destroy();
    server.close();
  }
});
