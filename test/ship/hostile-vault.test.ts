// The whole way through real sockets: whatever the other side does, nothing is freed, the state
// says what is wrong, nothing spins, and it heals without a restart.

import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import test from "node:test";
import { settle } from "../fakes/clock.ts";
import { TestChain, VaultSigner } from "./chain.ts";
import {
  bodyOf,
  HostileServer,
  type Misbehaviour,
  problem,
  says,
  sinkTo,
} from "./hostile-server.ts";
import { ship, until } from "./setup.ts";

const waits = { connectTimeoutMs: 400, headersTimeoutMs: 400, bodyTimeoutMs: 400 };
const MiB = 1024 * 1024;

interface Case {
  readonly name: string;
  readonly does: Misbehaviour;
  readonly outcome: string;
  readonly code: string;
  readonly state: string;
  /** Bounds of the wait that follows the first failure, in ms. */
  readonly wait?: readonly [least: number, most: number];
}

const text = { "content-type": "text/plain" };
const httpDate = (ms: number): string => new Date(ms).toUTCString();
const soon = [50, 250] as const;
const slow = [50, 1000] as const;

/** Sends part of a 200, then breaks off. */
const cutAnswer: Misbehaviour = async (request, response) => {
  await bodyOf(request);
  response.writeHead(200, { ...text, "content-length": 1000 });
  response.write("half");
  await settle();
  response.destroy();
};

const cases: readonly Case[] = [
  {
    name: "cuts the connection before it read anything",
    does: (request) => void request.socket.destroy(),
    ...{ outcome: "transport", code: "connection-lost", state: "unreachable", wait: soon },
  },
  {
    name: "cuts the connection in the middle of the request",
    does: (request) => void request.once("data", () => request.socket.destroy()),
    ...{ outcome: "transport", code: "connection-lost", state: "unreachable", wait: soon },
  },
  {
    name: "takes the blocks and cuts the connection without an answer",
    does: async (request, _response, { vault }) => {
      await bodyOf(request);
      vault.requests.length = 0;
      request.socket.destroy();
    },
    ...{ outcome: "transport", code: "connection-lost", state: "unreachable", wait: soon },
  },
  {
    name: "cuts the connection in the middle of the answer",
    does: cutAnswer,
    ...{ outcome: "transport", code: "connection-lost", state: "unreachable", wait: soon },
  },
  {
    name: "never answers",
    does: async (request) => void (await bodyOf(request)),
    ...{ outcome: "timeout", code: "timeout", state: "unreachable", wait: soon },
  },
  {
    name: "never reads the request",
    does: (request) => void request.pause(),
    ...{ outcome: "timeout", code: "timeout", state: "unreachable", wait: soon },
  },
  {
    name: "begins an answer and falls silent",
    does: async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, text).write("half");
    },
    ...{ outcome: "timeout", code: "timeout", state: "unreachable", wait: soon },
  },
  {
    name: "asks for patience in seconds",
    does: says(429, { "retry-after": "30" }),
    ...{ outcome: "throttled", code: "http-429", state: "throttled", wait: [30_000, 33_000] },
  },
  {
    name: "asks for patience until a date",
    does: says(503, { date: httpDate(1e12), "retry-after": httpDate(1e12 + 45_000) }),
    ...{ outcome: "throttled", code: "http-503", state: "throttled", wait: [45_000, 50_000] },
  },
  {
    name: "asks for patience for a year",
    does: says(503, { "retry-after": "31536000" }),
    ...{ outcome: "throttled", code: "http-503", state: "throttled", wait: [600_000, 631_000] },
  },
  {
    name: "fails inside",
    does: says(500),
    ...{ outcome: "server-error", code: "http-500", state: "unreachable", wait: soon },
  },
  {
    name: "stands behind a gateway that fails and names a time",
    does: says(502, { "retry-after": "5" }),
    ...{ outcome: "server-error", code: "http-502", state: "unreachable", wait: [5000, 5500] },
  },
  {
    name: "does not know us",
    does: says(401),
    ...{ outcome: "refused", code: "http-401", state: "refused", wait: slow },
  },
  {
    name: "refuses before it reads the request",
    does: (_request, response) => problem(response, 403, { code: "grant-expired" }),
    ...{ outcome: "refused", code: "http-403 grant-expired", state: "refused", wait: slow },
  },
  {
    name: "finds one block too large",
    does: says(413),
    ...{ outcome: "refused", code: "http-413", state: "refused", wait: slow },
  },
  {
    name: "finds a fault in a block",
    does: async (request, response) => {
      await bodyOf(request);
      problem(response, 422, { code: "refused", finding: "BAD_SIGNATURE" });
    },
    ...{ outcome: "refused", code: "http-422 BAD_SIGNATURE", state: "refused", wait: slow },
  },
  {
    name: "sends us elsewhere",
    does: says(307, { location: "http://127.0.0.1:1/" }),
    ...{ outcome: "refused", code: "http-307", state: "refused", wait: slow },
  },
  {
    name: "is a portal with a friendly page",
    does: async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, { "content-type": "text/html" }).end("<h1>Welcome</h1>");
    },
    ...{ outcome: "bad-answer", code: "media-type", state: "unreachable", wait: soon },
  },
  {
    name: "answers without end",
    does: async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, text);
      response.on("error", () => undefined);
      for (let n = 0; n < 64 && !response.destroyed; n++) {
        response.write(Buffer.alloc(MiB, 97));
        await settle();
      }
    },
    ...{ outcome: "bad-answer", code: "too-long", state: "unreachable", wait: soon },
  },
  {
    name: "does not speak HTTP",
    does: (request) => void request.socket.end("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ...{ outcome: "bad-answer", code: "not-http", state: "unreachable", wait: soon },
  },
  {
    name: "forges a receipt",
    does: async (request, response) => {
      await bodyOf(request);
      const chain = (request.url ?? "").split("/")[3] ?? "";
      const forger = new VaultSigner("vault.example", 99);
      response.writeHead(200, text).end(forger.receipt(chain, 1, new Uint8Array(32)));
    },
    ...{ outcome: "bad-receipt", code: "receipt-forged", state: "refused", wait: slow },
  },
];

for (const { name, does, outcome, code, state, wait } of cases) {
  test(`a vault that ${name}: ${outcome}, nothing freed, and it heals`, async () => {
    await using server = await HostileServer.start();
    server.script = [does];
    const chain = new TestChain(1, 6 * MiB);
    const sink = sinkTo(server.url, { waits });
    await using all = ship(chain, sink, { signer: server.vault.signer });
    await until(() => all.shipper.status().lastOutcome !== undefined);
    const status = all.shipper.status();
    assert.deepEqual([status.lastOutcome, status.code, status.state], [outcome, code, state]);
    assert.deepEqual([all.saved, all.freed, server.requests], [[], [], 1]);
    const next = all.clock.nextWakeMs ?? 0;
    const [least, most] = wait ?? soon;
    assert.ok(next >= least && next <= most, `waits ${next} ms`);
    await all.clock.advance(next);
    await until(() => all.freed.length > 0);
    assert.deepEqual([all.freed, all.shipper.status().state, server.requests], [[1], "ok", 2]);
    assert.deepEqual(server.vault.stored, chain.blocks);
    await sink.close();
  });
}

test("a vault that is not there yet is found once it listens", async () => {
  const chain = new TestChain(2);
  const placeholder = http.createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => placeholder.once("listening", resolve));
  const { port } = placeholder.address() as AddressInfo;
  await new Promise((resolve) => placeholder.close(resolve));
  const sink = sinkTo(`http://127.0.0.1:${port}`);
  await using server = await HostileServer.start();
  await using all = ship(chain, sink, { signer: server.vault.signer });
  await until(() => all.shipper.status().lastOutcome !== undefined);
  const { code, state } = all.shipper.status();
  assert.deepEqual([code, state], ["connection-refused", "unreachable"]);
  await new Promise((resolve) => server.server.close(resolve));
  await new Promise<void>((resolve) => server.server.listen(port, "127.0.0.1", resolve));
  await all.clock.advance(all.clock.nextWakeMs ?? 0);
  await until(() => all.freed.length > 0);
  await sink.close();
});

test("requests reuse one connection, carry the blocks' bytes and the grant once", async () => {
  await using server = await HostileServer.start();
  const chain = new TestChain(3, MiB);
  const sink = sinkTo(`${server.url}/some/where`);
  const grant = new Uint8Array([250, 251, 252]);
  await using all = ship(chain, sink, { signer: server.vault.signer, grant });
  await until(() => all.freed.length === 1);
  chain.seal(MiB);
  await all.clock.advance(1000);
  await until(() => all.freed.length === 2);
  assert.deepEqual(server.vault.stored, chain.blocks);
  assert.deepEqual([server.connections, server.requests], [1, 2]);
  assert.equal(server.paths[0], `/some/where/v1/chains/${chain.id}/blocks`);
  const [first, second] = server.headers;
  assert.equal(first?.["sealtail-grant"], "+vv8");
  assert.equal(first?.["content-length"], String(3 * MiB));
  assert.deepEqual(
    [second?.["sealtail-grant"], second?.["user-agent"]],
    [undefined, "sealtail-test"],
  );
  const { clockSkew } = all.shipper.status();
  assert.ok(clockSkew !== undefined);
  await sink.close();
});

test("a real rollback and a real fork are met as in the model", async () => {
  await using server = await HostileServer.start();
  const chain = new TestChain(4);
  const sink = sinkTo(server.url);
  await using all = ship(chain, sink, { signer: server.vault.signer });
  await until(() => all.freed.length === 1);
  server.vault.stored.length = 1;
  chain.seal();
  await all.clock.advance(1000);
  await until(() => all.shipper.status().state === "rollback");
  await all.clock.advance(all.clock.nextWakeMs ?? 0);
  await until(() => all.freed.length === 2);
  server.vault.stored.push(new TestChain(7, 500, 5).blocks[5]!);
  chain.seal();
  await all.clock.advance(1000);
  await until(() => all.shipper.status().state === "fork");
  assert.deepEqual(all.freed, [4, 5]);
  await sink.close();
});

test("close cuts a request that hangs", async () => {
  await using server = await HostileServer.start();
  server.script = [() => undefined];
  const sink = sinkTo(server.url);
  await using all = ship(new TestChain(1), sink, { signer: server.vault.signer });
  await until(() => server.requests === 1);
  await all.shipper.close();
  await sink.close();
  await sink.close();
  await until(() => server.sockets.size === 0);
});
