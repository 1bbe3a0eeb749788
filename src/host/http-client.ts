// The one HTTP client: asks one server, keeps its connections, limits every wait.
//
// - HTTP/1.1, no redirects followed. What to do about an answer is the caller's affair.
// - Nothing is sent twice, but for a question whose idle connection was closed meanwhile: that says
//   nothing of the server.
// - A body that is sent is never joined or encoded, and of its pieces only small ones are copied.
// - The name is resolved again for every connection. Of several addresses the next one is tried
//   when one is silent for a while.
// - Proxies come from the caller, never from the process.

import { Readable } from "node:stream";
import { Agent, type Dispatcher, EnvHttpProxyAgent } from "undici";
import type { ClientTlsMaterial } from "./client-tls.ts";
import { httpFailure } from "./http-failure.ts";
import type { ProxySettings } from "./http-proxy.ts";

export interface HttpWaits {
  readonly connectTimeoutMs: number;
  /** From the start of the request to the answer's headers: upload, verification, storing. */
  readonly headersTimeoutMs: number;
  /** Between two pieces of the answer. */
  readonly bodyTimeoutMs: number;
}

/** Resolves a name, as node's dns.lookup does. */
export type Lookup = (
  name: string,
  options: { readonly all?: boolean | undefined },
  answer: (
    error: NodeJS.ErrnoException | null,
    addresses: string | { readonly address: string; readonly family: number }[],
    family?: number,
  ) => void,
) => void;

export interface HttpClientOptions {
  /** http or https, perhaps with a path; what is asked comes behind it. */
  readonly url: string;
  readonly waits: HttpWaits;
  readonly tls?: ClientTlsMaterial | undefined;
  readonly proxy?: ProxySettings | undefined;
  /** How many there are at a time; 1 unless told. */
  readonly connections?: number;
  /** Instead of the system's resolver. */
  readonly lookup?: Lookup | undefined;
}

export interface HttpRequest {
  /** POST with pieces, GET without, unless told. */
  readonly method?: "GET" | "HEAD" | "POST";
  /** Begins with a slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The body, whose length is stated. Whoever gets the answer may give their memory back. */
  readonly pieces?: readonly Uint8Array[] | undefined;
  /** Instead of the client's own, for the answer's headers and between its pieces. */
  readonly waitMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  /** `name` is in lower case; of several headers of that name the first. */
  readonly header: (name: string) => string | undefined;
  /** Must be read. Whoever leaves it early cuts the connection. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Who may be asked. */
export interface HttpAsker {
  /** Rejects with an error of ours, of the library or of the system: see httpFailure. */
  ask(request: HttpRequest): Promise<HttpAnswer>;
}

/** Idle connections are given up before a vault gives them up, at 65 s. */
const keepAliveMs = 55_000;
/** How long one of several addresses may be silent. Node's 250 ms are too short for far links. */
const addressMs = 2500;

export class HttpClient implements HttpAsker {
  readonly #dispatcher: Dispatcher;
  readonly #origin: string;
  /** Without a slash at its end. */
  readonly #base: string;
  readonly #connections: number;
  /** Before the first answer no connection can be an idle one. */
  #answered = false;

  /** Connects when it is first asked. */
  constructor(options: HttpClientOptions) {
    const { origin, pathname } = new URL(options.url);
    this.#origin = origin;
    this.#base = pathname.replace(/\/+$/, "");
    this.#connections = options.connections ?? 1;
    this.#dispatcher = dispatcherFor(options, this.#connections);
  }

  async ask(request: HttpRequest): Promise<HttpAnswer> {
    // Each time there is one idle connection less.
    for (let idle = this.#connections; ; idle -= 1) {
      try {
        return await this.#send(request);
      } catch (error) {
        const lost = httpFailure(error).code === "connection-lost";
        const question = request.pieces === undefined && request.signal?.aborted !== true;
        if (!(lost && question && this.#answered && idle > 0)) throw error;
      }
    }
  }

  /** Cuts what is running and lets go of every connection. Closing twice is fine. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #send({ path, pieces, waitMs, signal, ...asked }: HttpRequest): Promise<HttpAnswer> {
    const length = pieces?.reduce((sum, piece) => sum + piece.length, 0);
    const stated = length === undefined ? {} : { "content-length": String(length) };
    const waits = waitMs === undefined ? {} : { headersTimeout: waitMs, bodyTimeout: waitMs };
    const { statusCode, headers, body } = await this.#dispatcher.request({
      ...waits,
      origin: this.#origin,
      path: this.#base + path,
      method: asked.method ?? (pieces === undefined ? "GET" : "POST"),
      headers: { ...asked.headers, ...stated },
      body: pieces === undefined ? null : Readable.from(inTurn(pieces)),
      // Otherwise the library closes the connection after a HEAD.
      reset: false,
      signal: signal ?? null,
    });
    this.#answered = true;
    const header = (name: string): string | undefined => {
      const value = headers[name];
      return typeof value === "string" ? value : value?.[0];
    };
    return { status: statusCode, header, body };
  }
}

/** The whole body; undefined, with the connection cut, when it is longer than `limit`. */
export async function readBody(
  body: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array | undefined> {
  // Not a list of pieces: a hostile server sends one byte in each.
  let bytes = new Uint8Array(Math.min(limit, 65_536));
  let length = 0;
  for await (const piece of body) {
    const end = length + piece.length;
    if (end > limit) return undefined;
    if (end > bytes.length) {
      const more = new Uint8Array(Math.min(limit, Math.max(end, bytes.length * 2)));
      more.set(bytes.subarray(0, length));
      bytes = more;
    }
    bytes.set(piece, length);
    length = end;
  }
  return bytes.slice(0, length);
}

/** From this length on a piece is waited for until the system has taken all of it: node's limit. */
const waitedFor = 65_536;

/**
 * A server may answer before it has read everything, and then its caller gives back the memory of
 * the pieces. What is small may still wait in the socket at that time, so the socket gets a copy of
 * it: else it would send whatever stands in that memory by then.
 */
export async function* inTurn(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece.length < waitedFor ? Uint8Array.from(piece) : piece;
}

function dispatcherFor(options: HttpClientOptions, connections: number): Dispatcher {
  const { waits, tls, proxy, lookup } = options;
  const secured = {
    ...tls,
    ...(lookup === undefined ? {} : { lookup }),
    minVersion: "TLSv1.2",
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressMs,
  } as const;
  const settings = {
    connections,
    pipelining: 1,
    allowH2: false,
    connectTimeout: waits.connectTimeoutMs,
    headersTimeout: waits.headersTimeoutMs,
    bodyTimeout: waits.bodyTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    connect: secured,
  };
  if (proxy === undefined) return new Agent(settings);
  return new EnvHttpProxyAgent({
    ...settings,
    // Both given, so that the library does not look into the process's own environment.
    httpProxy: proxy.proxy,
    httpsProxy: proxy.proxy,
    noProxy: proxy.noProxy,
    requestTls: secured,
  });
}
