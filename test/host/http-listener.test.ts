import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { systemClock } from "../../src/host/clock.ts";
import {
  type FetchHandler,
  type HttpListener,
  type HttpListenerOptions,
  openHttpListener,
} from "../../src/host/http-listener.ts";
import { makeCertificate } from "../fakes/certificates.ts";

const day = 86_400_000;

interface Answer {
  status: number | undefined;
  body: string;
  headers: http.IncomingHttpHeaders;
}

function ask(url: string, options: https.RequestOptions = {}, body?: Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const client = url.startsWith("https:") ? https : http;
  const request = client.request(url, { agent: false, ...options }, async (response) => {
    try {
      const text = (await response.toArray()).join("");
      resolve({ status: response.statusCode, body: text, headers: response.headers });
    } catch (error) {
      reject(error);
    }
  });
  request.on("error", reject);
  request.end(body);
  return promise;
}

async function listen(
  handler: HttpListenerOptions["handler"] | FetchHandler,
  options: Partial<HttpListenerOptions> = {},
): Promise<HttpListener> {
  return openHttpListener({
    listen: "127.0.0.1:0",
    handler: typeof handler === "function" ? { fetch: handler } : handler,
    clock: systemClock,
    ...options,
  });
}

test("a fetch-style handler gets the whole request and the peer", async () => {
  await using listener = await listen(async (request, peer) => {
    const bytes = await request.arrayBuffer();
    return Response.json({ ...peer, size: bytes.byteLength, path: new URL(request.url).pathname });
  });
  const { body } = await ask(`${listener.url}/a/b`, { method: "POST" }, Buffer.alloc(3_000_000));
  assert.deepEqual(JSON.parse(body), {
    address: "127.0.0.1",
    loopback: true,
    secure: false,
    size: 3_000_000,
    path: "/a/b",
  });
});

test("a plain node handler is served as well", async () => {
  await using listener = await listen({ node: (_request, response) => void response.end("up") });
  assert.equal((await ask(listener.url)).body, "up");
});

test("what a handler throws reaches onFault and not the client", async () => {
  const faults: unknown[] = [];
  const fault = new Error("inside");
  const onFault = (one: unknown): void => void faults.push(one);
  const handlers: HttpListenerOptions["handler"][] = [
    { fetch: () => Promise.reject(fault) },
    { node: () => Promise.reject(fault) },
  ];
  for (const handler of handlers) {
    await using listener = await listen(handler, { onFault });
    const { status, body } = await ask(listener.url);
    assert.deepEqual({ status, body }, { status: 500, body: "" });
  }
  assert.deepEqual(faults, [fault, fault]);
});

test("a response body that fails cuts the connection, so that nobody takes it for whole", async () => {
  const faults: unknown[] = [];
  const fault = new Error("inside");
  const handler: FetchHandler = () => {
    let parts = 0;
    const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
      await systemClock.sleep(1);
      parts += 1;
      if (parts < 4) controller.enqueue(Buffer.alloc(1000));
      else controller.error(fault);
    };
    return new Response(new ReadableStream({ pull }));
  };
  await using listener = await listen(handler, { onFault: (one) => void faults.push(one) });
  await assert.rejects(ask(listener.url), { code: "ECONNRESET" });
  assert.deepEqual(faults, [fault]);
});

test("a client that goes away while its answer is being made is no fault", async () => {
  const faults: unknown[] = [];
  const made = Promise.withResolvers<void>();
  const left = Promise.withResolvers<void>();
  const handler: FetchHandler = () => {
    async function* pieces(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(1000);
      await made.promise;
      yield Buffer.alloc(1000);
    }
    const asked = pieces();
    const pull = async (controller: ReadableStreamDefaultController): Promise<void> => {
      const { done, value } = await asked.next();
      if (done) controller.close();
      else controller.enqueue(value);
    };
    return new Response(new ReadableStream({ pull, cancel: () => left.resolve() }));
  };
  await using listener = await listen(handler, { onFault: (one) => void faults.push(one) });
  const socket = net.connect(listener.port, "127.0.0.1");
  socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  socket.once("data", () => setImmediate(() => socket.destroy()));
  await left.promise;
  made.resolve();
  for (let turns = 0; turns < 5; turns += 1) await new Promise((done) => setImmediate(done));
  assert.deepEqual(faults, []);
});

test("a client that goes away is no fault", async () => {
  const faults: unknown[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const handler: FetchHandler = async (request) => {
    try {
      await request.arrayBuffer();
    } finally {
      resolve();
    }
    return new Response();
  };
  await using listener = await listen(handler, { onFault: (one) => void faults.push(one) });
  const socket = net.connect(listener.port, "127.0.0.1");
  socket.write("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc", () => {
    setImmediate(() => socket.destroy());
  });
  await ended;
  await new Promise((done) => setImmediate(done));
  assert.deepEqual(faults, []);
});

describe("limits", () => {
  test("headers larger than allowed are refused", async () => {
    await using listener = await listen(() => new Response(), { limits: { headerBytesMax: 2048 } });
    assert.equal((await ask(listener.url, { headers: { big: "x".repeat(1000) } })).status, 200);
    assert.equal((await ask(listener.url, { headers: { big: "x".repeat(4000) } })).status, 431);
  });

  test("a peer that never ends its headers is cut", async () => {
    await using listener = await listen(() => new Response(), {
      limits: { headersTimeoutMs: 50, requestTimeoutMs: 50 },
    });
    const socket = net.connect(listener.port, "127.0.0.1");
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nSlow");
    assert.match((await socket.toArray()).join(""), /^HTTP\/1\.1 408 /);
  });

  test("beyond the limit whoever waits idle goes, and who is new is answered", async () => {
    const closed: string[] = [];
    await using listener = await listen(() => new Response("x"), {
      limits: { connectionsMax: 1 },
      onClosed: (why) => void closed.push(why),
    });
    const first = net.connect(listener.port, "127.0.0.1");
    await new Promise((done) => first.once("connect", done));
    assert.equal((await ask(listener.url)).body, "x");
    assert.deepEqual(closed, ["idle"]);
    first.destroy();
  });
});

describe("an address that cannot be listened on", () => {
  test("is in use", async () => {
    await using listener = await listen(() => new Response());
    const place = `127.0.0.1:${listener.port}`;
    await assert.rejects(
      listen(() => new Response(), { listen: place }),
      {
        code: "port-in-use",
        message: `couldn't listen on ${place} (EADDRINUSE)`,
        place,
      },
    );
  });

  test("belongs to another machine", async () => {
    const attempt = listen(() => new Response(), { listen: "192.0.2.1:0" });
    await assert.rejects(attempt, { code: "address-unavailable" });
  });
});

describe("closing", () => {
  test("lets a running request finish and refuses new ones", async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const { promise: answer, resolve: finish } = Promise.withResolvers<Response>();
    const listener = await listen(() => {
      begin();
      return answer;
    });
    const agent = new http.Agent({ keepAlive: true });
    const running = ask(listener.url, { agent });
    await begun;
    const { url } = listener;
    const closed = listener.close(5000);
    await assert.rejects(ask(url), { code: "ECONNREFUSED" });
    finish(new Response("done"));
    const { body, headers } = await running;
    assert.equal(body, "done");
    assert.equal(headers.connection, "close");
    await closed;
    await listener.close(0);
    agent.destroy();
  });

  test("closes idle connections at once", async () => {
    const listener = await listen(() => new Response("x"));
    const agent = new http.Agent({ keepAlive: true });
    await ask(listener.url, { agent });
    await listener.close(60_000);
    agent.destroy();
  });

  test("cuts what still runs at the deadline", async () => {
    const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
    const listener = await listen(() => {
      begin();
      return new Promise<Response>(() => undefined);
    });
    const cut = assert.rejects(ask(listener.url), { code: "ECONNRESET" });
    await begun;
    await listener.close(20);
    await cut;
  });
});

describe("TLS", async () => {
  const dir = await mkdtemp(join(tmpdir(), "sealtail-"));
  after(() => rm(dir, { recursive: true }));
  const tls = { cert: join(dir, "tls.crt"), key: join(dir, "tls.key") };
  const now = Date.now();
  const good = makeCertificate(new Date(now - day), new Date(now + day));

  async function put({ cert, key } = good): Promise<void> {
    await writeFile(tls.cert, cert);
    await writeFile(tls.key, key);
  }

  const attempt = (): Promise<HttpListener> => listen(() => new Response("sealed"), { tls });

  test("is served from files, and the end of the certificate is known", async () => {
    await put();
    await using listener = await attempt();
    assert.match(listener.url, /^https:/);
    assert.equal((await ask(listener.url, { ca: good.cert })).body, "sealed");
    assert.equal(listener.certificateNotAfter, Math.floor((now + day) / 1000) * 1_000_000);
  });

  test("a certificate past its last day or before its first is refused", async () => {
    for (const [from, to] of [
      [-2, -1],
      [1, 2],
    ] as const) {
      await put(makeCertificate(new Date(now + from * day), new Date(now + to * day)));
      await assert.rejects(attempt(), { code: "certificate-expired", place: tls.cert });
    }
  });

  test("files that are absent, no PEM or no pair are refused by name", async () => {
    await put({ cert: good.cert, key: makeCertificate(new Date(), new Date()).key });
    await assert.rejects(attempt(), { code: "tls-file-invalid", place: tls.key });
    await put({ cert: good.cert, key: "secret" });
    await assert.rejects(attempt(), (error: Error) => {
      assert.ok(!`${error.stack}${error.cause}`.includes("secret"));
      return true;
    });
    await put({ cert: "x", key: good.key });
    await assert.rejects(attempt(), { code: "tls-file-invalid", place: tls.cert });
    await rm(tls.key);
    await assert.rejects(attempt(), { code: "tls-file-unreadable", place: tls.key });
  });
});
