// Listens for HTTP or HTTPS on one address and hands every request to one handler.
//
// - Every wait and every size has a limit; a slow or silent peer cannot hold a connection for ever.
// - A connection has one request worked on at a time; whoever sends many at once is cut off.
// - A handler that throws is a 500 without details; what it threw goes to onFault.
// - close() stops accepting at once, lets running requests finish until its deadline, then cuts.

import http, { type IncomingMessage, type ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { SealtailError } from "../core/errors.ts";
import type { Clock } from "./clock.ts";
import { addressOf, type ClosedWhy, type ConnectionLimits, Connections } from "./connections.ts";
import { errnoOf } from "./file-error.ts";
import { fetchListener } from "./http-fetch.ts";
import {
  formatListenAddress,
  isLoopback,
  type ListenAddress,
  listenWant,
  parseListenAddress,
} from "./listen-address.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

export interface Peer {
  readonly address: string;
  /** Whether the connection comes from this machine. */
  readonly loopback: boolean;
  readonly secure: boolean;
  /** Says that whoever is at the other end is wanted: when connections run out, others go first. */
  readonly know?: () => void;
  /** Whether that was said. */
  readonly known?: () => boolean;
}

export type FetchHandler = (request: Request, peer: Peer) => Response | Promise<Response>;
export type NodeHandler = (
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

export interface HttpLimits extends ConnectionLimits {
  /** From the start of a request to the end of its headers. */
  readonly headersTimeoutMs: number;
  /** From the start of a request to the end of its body. */
  readonly requestTimeoutMs: number;
  /** How long a connection may stay open between two requests. */
  readonly keepAliveTimeoutMs: number;
  /** How long a peer may leave a piece of an answer unread. */
  readonly writeTimeoutMs: number;
  readonly headerBytesMax: number;
}

const httpLimits: HttpLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 120_000,
  keepAliveTimeoutMs: 65_000,
  writeTimeoutMs: 60_000,
  headerBytesMax: 16_384,
  connectionsMax: 1024,
  addressShare: 75,
};

/** Requests of one connection that may wait for the one before them. */
const waitingMax = 8;

/** Statuses for what is no request at all. */
export type Unread = 400 | 408 | 413 | 431;

export interface HttpListenerOptions {
  /** host:port; port 0 lets the system choose. */
  readonly listen: string;
  /** Exactly one of the two: a fetch-style function, or a plain node handler (which loads less). */
  readonly handler: { readonly fetch: FetchHandler } | { readonly node: NodeHandler };
  readonly clock: Pick<Clock, "now">;
  readonly tls?: TlsFiles | undefined;
  readonly limits?: Partial<HttpLimits>;
  /** Told what a handler threw, or what went wrong with the socket. Must not throw. */
  readonly onFault?: (fault: unknown) => void;
  /** Told of connections that were closed to make room for others. */
  readonly onClosed?: (why: ClosedWhy) => void;
  /** The problem document for what is no request; none: an empty body. */
  readonly problemOf?: (status: Unread) => string;
}

/**
 * Starts to listen; returns once connections are accepted. Throws port-in-use,
 * address-unavailable, address-forbidden, listen-failed, or what readTlsFiles throws.
 */
export async function openHttpListener(options: HttpListenerOptions): Promise<HttpListener> {
  const address = parseListenAddress(options.listen);
  if (address === undefined)
    throw new RangeError(`listen is ${options.listen}, want ${listenWant}`);
  const limits = { ...httpLimits, ...options.limits };
  const { tls } = options;
  const material = tls && (await readTlsFiles(tls, options.clock.now()));
  const settings = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    maxHeaderSize: limits.headerBytesMax,
    handshakeTimeout: limits.headersTimeoutMs,
    connectionsCheckingInterval: Math.min(5000, limits.headersTimeoutMs),
  };
  const server = material
    ? https.createServer({ ...settings, ...material, minVersion: "TLSv1.2" })
    : http.createServer(settings);
  const connections = new Connections(limits, options.onClosed);
  server.on("connection", (socket: Socket) => connections.add(socket));
  server.on("clientError", (error, socket) => answerNonsense(error, socket as Socket, options));
  const listener = new HttpListener(server, address, options, material?.notAfter, connections);
  const handle = await requestListener(options, connections, limits);
  server.on("request", (request, response) => inTurn(connections, request, response, handle));
  await startListening(server, address, options.listen);
  server.on("error", (fault) => options.onFault?.(fault));
  return listener;
}

export class HttpListener {
  readonly #server: http.Server | https.Server;
  readonly #address: ListenAddress;
  readonly #options: HttpListenerOptions;
  readonly #running = new Set<ServerResponse>();
  readonly #connections: Connections;
  #notAfter: number | undefined;
  #closed: Promise<void> | undefined;

  /** For openHttpListener only. */
  constructor(
    server: http.Server | https.Server,
    address: ListenAddress,
    options: HttpListenerOptions,
    notAfter: number | undefined,
    connections: Connections,
  ) {
    this.#connections = connections;
    this.#server = server;
    this.#address = address;
    this.#options = options;
    this.#notAfter = notAfter;
    server.on("request", (_request, response: ServerResponse) => {
      this.#running.add(response);
      response.once("close", () => this.#running.delete(response));
      if (this.#closed !== undefined) response.shouldKeepAlive = false;
    });
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.count;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo | null)?.port ?? this.#address.port;
  }

  /** An address that works on this machine, without a slash at its end. */
  get url(): string {
    const wildcards: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
    const host = wildcards[this.#address.host] ?? this.#address.host;
    const scheme = this.#options.tls ? "https" : "http";
    return `${scheme}://${formatListenAddress({ host, port: this.port })}`;
  }

  /** When the certificate in use ends, in Unix microseconds; undefined without TLS. */
  get certificateNotAfter(): number | undefined {
    return this.#notAfter;
  }

  /** Returns when every connection is gone, at the latest after `deadlineMs`. Closing twice is fine. */
  close(deadlineMs: number): Promise<void> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close(0);
  }

  async #close(deadlineMs: number): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const response of this.#running) response.shouldKeepAlive = false;
    this.#server.closeIdleConnections();
    const cut = setTimeout(() => this.#server.closeAllConnections(), deadlineMs);
    await gone;
    clearTimeout(cut);
  }
}

/** Runs `handle` once the connection's request before is answered. */
async function inTurn(
  connections: Connections,
  request: IncomingMessage,
  response: ServerResponse,
  handle: NodeHandler,
): Promise<void> {
  const { socket } = request;
  const connection = connections.of(socket);
  if (connection === undefined || connection.requests > waitingMax) {
    socket.destroy();
    return;
  }
  const before = connection.last;
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.last = promise;
  connections.begin(connection);
  response.once("close", () => {
    connections.end(connection);
    resolve();
  });
  if (connection.requests > 1) await before;
  if (!socket.destroyed) await handle(request, response);
}

async function requestListener(
  options: HttpListenerOptions,
  connections: Connections,
  { writeTimeoutMs }: HttpLimits,
): Promise<NodeHandler> {
  const { handler, problemOf } = options;
  const onFault = options.onFault ?? ((): void => undefined);
  if ("fetch" in handler) {
    return fetchListener(handler.fetch, {
      ...{ onFault, writeTimeoutMs, peerOf: (request) => peerOf(request, connections) },
      nonsense: () =>
        new Response(problemOf?.(400) ?? null, {
          status: 400,
          headers: problemOf === undefined ? {} : { "content-type": problemType },
        }),
    });
  }
  return async (request, response) => {
    try {
      await handler.node(request, response);
    } catch (fault) {
      onFault(fault);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    }
  };
}

const problemType = "application/problem+json";
const unread: Readonly<Record<string, Unread>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408,
};

/** Answers what node could not read as a request, and closes the connection. */
function answerNonsense(
  error: Error & { readonly code?: string },
  socket: Socket & { readonly _httpMessage?: ServerResponse | null },
  { problemOf }: HttpListenerOptions,
): void {
  // In the middle of an answer there is nothing to say.
  if (!socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy();
    return;
  }
  const status = unread[error.code ?? ""] ?? 400;
  const body = problemOf?.(status) ?? "";
  const type = problemOf === undefined ? "" : `content-type: ${problemType}\r\n`;
  const head = `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nconnection: close\r\n`;
  const length = `content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  socket.end(head + type + length + body, () => socket.destroy());
}

function peerOf({ socket }: IncomingMessage, connections: Connections): Peer {
  const address = addressOf(socket);
  const secure = (socket as Partial<TLSSocket>).encrypted === true;
  const know = (): void => connections.know(socket);
  const known = (): boolean => connections.of(socket)?.known === true;
  return { address, loopback: isLoopback(address), secure, know, known };
}

async function startListening(
  server: http.Server,
  { host, port }: ListenAddress,
  place: string,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause: unknown): void => reject(listenError(cause, place));
  server.once("error", failed);
  server.listen({ host, port }, resolve);
  await promise;
  server.off("error", failed);
}

function listenError(cause: unknown, place: string): SealtailError {
  const errno = errnoOf(cause) ?? "unknown reason";
  const codes = {
    EADDRINUSE: "port-in-use",
    EADDRNOTAVAIL: "address-unavailable",
    ENOTFOUND: "address-unavailable",
    EAI_AGAIN: "address-unavailable",
    EACCES: "address-forbidden",
  } as const;
  const code = codes[errno as keyof typeof codes] ?? "listen-failed";
  return new SealtailError(code, `couldn't listen on ${place} (${errno})`, { place, cause });
}
