// Who keeps a connection when there are more than may be. Real sockets.

import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import {
  type FetchHandler,
  type HttpListener,
  type HttpListenerOptions,
  openHttpListener,
} from "../../src/host/http-listener.ts";

async function listen(
  fetch: FetchHandler,
  options: Partial<HttpListenerOptions> = {},
): Promise<HttpListener> {
  const listen = "127.0.0.1:0";
  return openHttpListener({ listen, handler: { fetch }, clock: systemClock, ...options });
}

/** A client on a connection of its own. */
class Client {
  readonly #socket: net.Socket;
  #got = "";
  closed = false;

  constructor(port: number, from = "127.0.0.1") {
    this.#socket = net.connect({ port, host: "127.0.0.1", localAddress: from });
    this.#socket.on("data", (bytes) => {
      this.#got += String(bytes);
    });
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed = true;
    });
  }

  async connected(): Promise<this> {
    if (this.#socket.connecting) await new Promise((done) => this.#socket.once("connect", done));
    return this;
  }

  send(text: string): void {
    this.#socket.write(text);
  }

  /** Everything that came, once it matches. */
  async got(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.#got)) {
      assert.ok(!this.closed, `closed after ${JSON.stringify(this.#got)}`);
      await systemClock.sleep(2);
    }
    return this.#got;
  }

  async get(path = "/"): Promise<string> {
    this.#got = "";
    this.send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    return await this.got(/\r\n\r\n.*end$/s);
  }

  async gone(): Promise<void> {
    while (!this.closed) await systemClock.sleep(2);
  }

  end(): void {
    this.#socket.destroy();
  }
}

const hello: FetchHandler = (request, peer) => {
  if (request.url.endsWith("/write")) peer.know?.();
  return new Response("end");
};

test("whoever has shown that they are wanted keeps the connection, and strangers make room", async () => {
  const closed: string[] = [];
  await using listener = await listen(hello, {
    limits: { connectionsMax: 8, addressShare: 100 },
    onClosed: (why) => void closed.push(why),
  });
  const agent = await new Client(listener.port).connected();
  await agent.get("/write");
  const strangers: Client[] = [];
  for (let i = 0; i < 40; i++) strangers.push(await new Client(listener.port).connected());
  const late = await new Client(listener.port).connected();
  assert.match(await late.get(), /^HTTP\/1.1 200/);
  assert.match(await agent.get(), /^HTTP\/1.1 200/);
  // The oldest went first.
  await strangers[0]!.gone();
  assert.equal(strangers.filter((each) => !each.closed).length, 6);
  assert.deepEqual([...new Set(closed)], ["idle"]);
  assert.equal(listener.connections, 8);
  for (const each of [agent, late, ...strangers]) each.end();
});

test("whoever hangs up before being looked at is forgotten, and the budget still holds", async () => {
  const closed: string[] = [];
  await using listener = await listen(hello, {
    limits: { connectionsMax: 20, addressShare: 50 },
    onClosed: (why) => void closed.push(why),
  });
  for (let round = 0; round < 20; round++) {
    const flood = Array.from({ length: 10 }, async () => {
      const socket = net.connect(listener.port, "127.0.0.1", () => socket.resetAndDestroy());
      socket.on("error", () => {});
      await new Promise((done) => socket.once("close", done));
    });
    await Promise.all(flood);
  }
  while (listener.connections > 0) await systemClock.sleep(2);
  assert.deepEqual(closed, []);
  const crowd: Client[] = [];
  for (let i = 0; i < 30; i++) crowd.push(await new Client(listener.port).connected());
  while (crowd.filter((each) => !each.closed).length > 10) await systemClock.sleep(2);
  for (const each of crowd) each.end();
});

test("strangers of one address do not push out those of another", async () => {
  await using listener = await listen(hello, { limits: { connectionsMax: 8, addressShare: 50 } });
  const other = await new Client(listener.port, "127.0.0.2").connected();
  const crowd: Client[] = [];
  for (let i = 0; i < 30; i++) crowd.push(await new Client(listener.port).connected());
  assert.match(await other.get(), /200 OK/);
  assert.equal(listener.connections, 5);
  for (const each of [other, ...crowd]) each.end();
});

test("a fleet behind one address keeps all connections that it has shown to be wanted", async () => {
  await using listener = await listen(hello, { limits: { connectionsMax: 8, addressShare: 25 } });
  const fleet: Client[] = [];
  for (let i = 0; i < 8; i++) {
    const each = await new Client(listener.port).connected();
    await each.get("/write");
    fleet.push(each);
  }
  for (const each of fleet) assert.match(await each.get(), /200 OK/);
  for (const each of fleet) each.end();
});

test("where all are at work nobody is pushed out by the next", async () => {
  const { promise, resolve } = Promise.withResolvers<Response>();
  const closed: string[] = [];
  const know: FetchHandler = (_request, peer) => {
    peer.know?.();
    return promise;
  };
  await using listener = await listen(know, {
    limits: { connectionsMax: 2, addressShare: 100 },
    onClosed: (why) => void closed.push(why),
  });
  const working = [new Client(listener.port), new Client(listener.port)];
  for (const each of working) (await each.connected()).send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  await systemClock.sleep(20);
  await new Client(listener.port).gone();
  resolve(new Response("end"));
  await working[0]!.got(/end$/);
  assert.deepEqual(closed, ["refused"]);
  for (const each of working) each.end();
});

test("requests sent all at once on one connection are worked on one after the other, in order", async () => {
  let atOnce = 0;
  let most = 0;
  await using listener = await listen(async (request) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await systemClock.sleep(3);
    atOnce -= 1;
    return new Response(new URL(request.url).pathname);
  });
  const client = await new Client(listener.port).connected();
  for (let i = 0; i < 6; i++) client.send(`GET /${i} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const got = await client.got(/\/5$/);
  assert.deepEqual(got.match(/\/\d(?=HTTP|$)/g), ["/0", "/1", "/2", "/3", "/4", "/5"]);
  assert.equal(most, 1);
  client.end();
});

test("whoever sends hundreds at once is cut off", async () => {
  let served = 0;
  await using listener = await listen(async () => {
    served += 1;
    await systemClock.sleep(50);
    return new Response("end");
  });
  const client = await new Client(listener.port).connected();
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n".repeat(300));
  await client.gone();
  await systemClock.sleep(150);
  assert.ok(served <= 2, String(served));
});

test("an answer that nobody takes is cut off after a while, and its source is let go of", async () => {
  const { promise: left, resolve } = Promise.withResolvers<void>();
  const piece = new Uint8Array(1_000_000);
  const body = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(piece),
      cancel: () => resolve(),
    });
  await using listener = await listen(() => new Response(body()), {
    limits: { writeTimeoutMs: 100 },
  });
  const socket = net.connect(listener.port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.pause();
  await left;
  socket.destroy();
});

test("what is no request gets a problem that says so", async () => {
  await using listener = await listen(hello, {
    limits: { headerBytesMax: 2048, headersTimeoutMs: 50, requestTimeoutMs: 50 },
    problemOf: (status) => `{"status":${status}}`,
  });
  const said: [string, RegExp][] = [
    ["nonsense\r\n\r\n", /400 Bad Request.*problem\+json.*\{"status":400\}$/s],
    [`GET / HTTP/1.1\r\nBig: ${"x".repeat(4000)}\r\n\r\n`, /431 .*\{"status":431\}$/s],
    ["GET / HTTP/1.1\r\nHost: x\r\nSlow", /408 .*\{"status":408\}$/s],
    ["POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", /400/],
    ["GET / HTTP/1.1\r\nHost: a b\r\n\r\n", /400 .*\{"status":400\}/s],
  ];
  for (const [text, want] of said) {
    const client = await new Client(listener.port).connected();
    client.send(text);
    await client.got(want);
    client.end();
  }
});
