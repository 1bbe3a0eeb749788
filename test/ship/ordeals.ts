// The ways in which a sink misbehaves, each with what the shipper has to make of it.

import { gzipSync } from "node:zlib";
import type { Outcome } from "../../src/ship/sink.ts";
import type { SinkState } from "../../src/ship/sink-health.ts";
import { TestChain, VaultSigner } from "./chain.ts";
import { bodyOf, type HostileServer, type Misbehaviour, problem, says } from "./hostile-server.ts";

const day = 86_400_000;
const text = { "content-type": "text/plain" };
const dateIn = (ms: number): string => new Date(Date.now() + ms).toUTCString();

export interface Ordeal {
  readonly name: string;
  readonly does: Misbehaviour;
  readonly outcome: Outcome;
  readonly code: string;
  readonly state: SinkState;
  /** Nobody has to act: it mends by itself. */
  readonly ready: boolean;
  /** Bounds of the first wait, in ms. */
  readonly wait?: readonly [least: number, most: number];
  readonly unusable?: string;
}

type Kind = Pick<Ordeal, "outcome" | "state" | "ready">;
const later = (outcome: Outcome): Kind => ({ outcome, state: "unreachable", ready: true });
const refused: Kind = { outcome: "refused", state: "refused", ready: false };
const throttled: Kind = { outcome: "throttled", state: "throttled", ready: true };
const badReceipt: Kind = { outcome: "bad-receipt", state: "refused", ready: false };

const raw =
  (bytes: string | Uint8Array): Misbehaviour =>
  async (request) => {
    await bodyOf(request);
    request.socket.end(bytes);
  };

/** A 200 that holds what `make` gives for the chain in the request's path. */
const answers =
  (make: (chain: string, server: HostileServer) => Uint8Array | string): Misbehaviour =>
  async (request, response, server) => {
    await bodyOf(request);
    response.writeHead(200, text).end(make((request.url ?? "").split("/")[3] ?? "", server));
  };

const ours = new TestChain(3);
const others = new TestChain(3, 500, 9);
const root = (size: number): Uint8Array => ours.roots[size] as Uint8Array;
const receiptBy = (signer: VaultSigner, size = 3): Uint8Array =>
  signer.receipt(ours.id, size, root(size));
const asText = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

const statuses: readonly Ordeal[] = [
  ...[500, 501, 502, 504, 507, 599].map((status) => ({
    ...{ name: `says ${status}`, does: says(status), code: `http-${status}` },
    ...later("server-error"),
  })),
  ...[408, 425, 429, 503].map((status) => ({
    ...{ name: `says ${status}`, does: says(status), code: `http-${status}`, ...throttled },
  })),
  ...[400, 401, 402, 403, 404, 405, 406, 410, 413, 415, 418, 421, 422, 426, 431, 451].map(
    (status) => ({
      name: `says ${status}`,
      does: says(status),
      code: `http-${status}`,
      ...refused,
    }),
  ),
  ...[201, 202, 204, 206, 226].map((status) => ({
    ...{ name: `says ${status}`, does: says(status, text), code: `http-${status}` },
    ...later("bad-answer"),
  })),
  {
    name: "says 409 and not why",
    does: says(409),
    ...{ outcome: "wrong-head", code: "wrong-head", state: "refused", ready: false },
  },
  {
    name: "does not know the chain that begins here",
    does: async (request, response) => {
      await bodyOf(request);
      problem(response, 404, { code: "unknown-chain" });
    },
    ...{ outcome: "wrong-head", code: "unknown-chain", state: "refused", ready: false },
  },
  {
    name: "says that it holds other blocks",
    does: async (request, response) => {
      await bodyOf(request);
      problem(response, 409, { code: "fork" });
    },
    ...{ outcome: "fork", code: "fork", state: "fork", ready: true, unusable: "fork" },
  },
  {
    name: "always claims to be ahead",
    does: async (request, response) => {
      await bodyOf(request);
      problem(response, 409, { code: "wrong-head", size: 99 });
    },
    ...{ outcome: "wrong-head", code: "wrong-head", state: "refused", ready: false },
  },
];

const retryAfter = (
  name: string,
  value: string,
  wait: readonly [number, number],
  headers: Record<string, string> = {},
): Ordeal => ({
  ...{ name, does: says(429, { ...headers, "retry-after": value }), code: "http-429", wait },
  ...throttled,
});

const patience: readonly Ordeal[] = [
  retryAfter("asks for seven seconds", "7", [7000, 7700]),
  retryAfter("asks for a date", dateIn(60_000), [58_000, 66_000], { date: dateIn(0) }),
  retryAfter("asks for a date by a clock of its own", dateIn(day + 9000), [8000, 12_000], {
    date: dateIn(day),
  }),
  retryAfter("asks for a date long ago", dateIn(-day), [50, 250], { date: dateIn(0) }),
  retryAfter("asks for no time at all", "0", [50, 250]),
  retryAfter("asks for less than none", "-5", [50, 250]),
  retryAfter("asks for a thousand years", "31536000000", [600_000, 631_000]),
  retryAfter("asks for more digits than a number has", "9".repeat(400), [50, 250]),
  retryAfter("asks for 1e3 seconds", "1e3", [50, 250]),
  retryAfter("asks for garbage", "\x80soon, maybe", [50, 250]),
  retryAfter("asks for a date that is none", "Wed, 31 Feb 2026 99:99:99 GMT", [50, 250]),
];

const redirects: readonly Ordeal[] = [300, 301, 302, 303, 307, 308].map((status) => ({
  name: `sends us elsewhere with ${status}`,
  does: async (request, response, server) => {
    await bodyOf(request);
    // Where an honest answer would wait: nobody may come.
    response.writeHead(status, { location: `${server.url}/elsewhere${request.url}` }).end();
  },
  ...{ code: `http-${status}`, ...refused },
}));

const bodies: readonly Ordeal[] = [
  {
    name: "answers with a page",
    does: async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, { "content-type": "text/html" }).end("<p>Sign in</p>");
    },
    ...{ code: "media-type", ...later("bad-answer") },
  },
  {
    name: "answers without a type",
    does: says(200),
    ...{ code: "media-type", ...later("bad-answer") },
  },
  {
    name: "answers with a receipt that is called JSON",
    does: async (request, response, { vault }) => {
      await bodyOf(request);
      response.writeHead(200, { "content-type": "application/json" });
      response.end(receiptBy(vault.signer));
    },
    ...{ code: "media-type", ...later("bad-answer") },
  },
  {
    name: "announces ten gigabytes and begins",
    does: async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, { ...text, "content-length": "10000000000" });
      response.on("error", () => undefined).write(Buffer.alloc(1_000_000, 97));
    },
    ...{ code: "too-long", ...later("bad-answer") },
  },
  {
    name: "answers with headers without end",
    does: raw(`HTTP/1.1 200 OK\r\n${"x: y\r\n".repeat(20_000)}\r\n`),
    ...{ code: "not-http", ...later("bad-answer") },
  },
  {
    name: "answers in another protocol",
    does: raw("220 smtp.example ESMTP\r\n"),
    ...{ code: "not-http", ...later("bad-answer") },
  },
  {
    name: "answers in HTTP/9.9",
    does: raw("HTTP/9.9 200 OK\r\n\r\n"),
    ...{ code: "not-http", ...later("bad-answer") },
  },
  {
    name: "answers with bytes that mean nothing",
    does: raw(Buffer.from(Array.from({ length: 3000 }, (_, at) => (at * 7919 + 128) % 256))),
    ...{ code: "not-http", ...later("bad-answer") },
  },
  {
    name: "answers with two lengths",
    does: raw(
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ),
    ...{ code: "not-http", ...later("bad-answer") },
  },
  {
    name: "answers with a broken chunk",
    does: raw(
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ),
    ...{ code: "not-http", ...later("bad-answer") },
  },
];

const receipts: readonly Ordeal[] = [
  { name: "gives an empty receipt", does: answers(() => ""), code: "receipt-malformed" },
  {
    name: "gives half a receipt",
    does: answers((_, { vault }) => receiptBy(vault.signer).subarray(0, 100)),
    code: "receipt-malformed",
  },
  {
    name: "gives a compressed receipt",
    does: answers((_, { vault }) => gzipSync(receiptBy(vault.signer))),
    code: "receipt-malformed",
  },
  {
    name: "gives a receipt with other line ends",
    does: answers((_, { vault }) => asText(receiptBy(vault.signer)).replaceAll("\n", "\r\n")),
    code: "receipt-malformed",
  },
  {
    name: "gives a receipt without the time's signature",
    does: answers((_, { vault }) =>
      asText(receiptBy(vault.signer)).split("\n").slice(0, -2).concat("").join("\n"),
    ),
    code: "receipt-forged",
  },
  {
    name: "gives a receipt whose size was raised",
    does: answers((_, { vault }) => asText(receiptBy(vault.signer, 2)).replace("\n2\n", "\n3\n")),
    code: "receipt-forged",
  },
  {
    name: "gives a receipt signed by somebody else",
    does: answers(() => receiptBy(new VaultSigner("vault.example", 90))),
    code: "receipt-forged",
  },
  {
    name: "gives another vault's receipt",
    does: answers(() => receiptBy(new VaultSigner("elsewhere.example", 90))),
    code: "receipt-untrusted",
  },
  {
    name: "gives another chain's receipt",
    does: answers((_, { vault }) => vault.signer.receipt(others.id, 3, others.roots[3]!)),
    code: "receipt-foreign",
  },
].map((each) => ({ ...each, ...badReceipt }));

const stale: readonly Ordeal[] = [
  {
    name: "gives a receipt for nothing",
    does: answers((_, { vault }) => receiptBy(vault.signer, 0)),
    ...{ code: "receipt-stale", ...badReceipt },
  },
  {
    name: "gives a receipt with another root",
    does: answers((_, { vault }) => vault.signer.receipt(ours.id, 3, others.roots[3]!)),
    ...{ outcome: "bad-receipt", code: "receipt-root", state: "fork", ready: true },
    unusable: "fork",
  },
];

const connections: readonly Ordeal[] = [
  {
    name: "resets every connection",
    does: (request) => void request.socket.resetAndDestroy(),
    ...{ code: "connection-lost", ...later("transport") },
  },
  {
    name: "resets the connection in the middle of the request",
    does: (request) => void request.once("data", () => request.socket.resetAndDestroy()),
    ...{ code: "connection-lost", ...later("transport") },
  },
  {
    name: "closes its side instead of answering",
    does: (request) => void request.socket.end(),
    ...{ code: "connection-lost", ...later("transport") },
  },
  {
    name: "breaks off within the answer's headers",
    does: raw("HTTP/1.1 200 OK\r\ncontent-ty"),
    ...{ code: "connection-lost", ...later("transport") },
  },
  {
    name: "breaks off within the answer",
    does: raw("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 500\r\n\r\nvault"),
    ...{ code: "connection-lost", ...later("transport") },
  },
  {
    name: "promises an answer and gives none",
    does: (_request, response) => response.writeProcessing(),
    ...{ code: "timeout", ...later("timeout") },
  },
  {
    name: "never answers",
    does: () => undefined,
    ...{ code: "timeout", ...later("timeout") },
  },
  {
    name: "falls silent within the answer's headers",
    does: async (request) => {
      await bodyOf(request);
      request.socket.write("HTTP/1.1 200 OK\r\ncontent-ty");
    },
    ...{ code: "timeout", ...later("timeout") },
  },
  {
    name: "falls silent within the answer",
    does: async (request, response) => {
      await bodyOf(request);
      response.writeHead(200, text).write("vault.example/");
    },
    ...{ code: "timeout", ...later("timeout") },
  },
];

export const ordeals: readonly Ordeal[] = [
  ...statuses,
  ...patience,
  ...redirects,
  ...bodies,
  ...receipts,
  ...stale,
  ...connections,
];
