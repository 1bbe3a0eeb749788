// One origin's HTTP connection: keep-alive, limits on every wait, proxies where the environment
// says so.
//
// - One connection, HTTP/1.1, no redirects followed, no retries: the shipper decides those.
// - The name is resolved again for every connection. Of several addresses the next one is tried
//   when one is silent for a while.
// - Proxies come from the environment that is handed over, never from the process; what listens on
//   this machine is reached without one.
// - Of the library only what is used is loaded: the whole of it takes 12 MB more. Its version is
//   pinned, and the tests beside this file go over real sockets.

import type { Dispatcher } from "undici";
import connect from "undici/lib/api/api-connect.js";
import request from "undici/lib/api/api-request.js";
import Agent from "undici/lib/dispatcher/agent.js";
import AnyDispatcher from "undici/lib/dispatcher/dispatcher.js";
import EnvHttpProxyAgent from "undici/lib/dispatcher/env-http-proxy-agent.js";
import { SealtailError } from "../core/errors.ts";
import { isLoopback } from "../host/listen-address.ts";
import type { ClientTlsMaterial } from "./client-tls.ts";

// What the package's own entry does with these two and eight more; proxies need connect.
Object.assign(AnyDispatcher.prototype, { connect, request });

export type Environment = Readonly<Record<string, string | undefined>>;

export interface HttpClientLimits {
  readonly connectTimeoutMs: number;
  /** From the start of the request to the answer's headers: upload, verification, storing. */
  readonly headersTimeoutMs: number;
  /** Between two pieces of the answer. */
  readonly bodyTimeoutMs: number;
  /** Largest answer that is read. */
  readonly answerBytesMax: number;
}

export const httpClientLimits: HttpClientLimits = {
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 120_000,
  bodyTimeoutMs: 15_000,
  answerBytesMax: 65_536,
};

/** Idle connections are given up before the vault gives them up, at 65 s. */
const keepAliveMs = 55_000;
/** How long one of several addresses may be silent. Node's 250 ms are too short for far links. */
const addressMs = 2500;

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

export interface ProxySettings {
  readonly proxy: string;
  readonly noProxy: string;
}

/**
 * The proxy for `url` as curl would choose it: https_proxy or http_proxy, in either case, for the
 * scheme of `url`. Throws config-invalid when the address is none; it is not shown, it may hold a
 * password.
 */
export function proxyFor(url: URL, env: Environment): ProxySettings | undefined {
  if (isLoopback(url.hostname.replace(/^\[|\]$/g, ""))) return undefined;
  const name = url.protocol === "https:" ? "https_proxy" : "http_proxy";
  const value = (env[name] ?? env[name.toUpperCase()] ?? "").trim();
  if (value === "") return undefined;
  const proxy = value.includes("://") ? value : `http://${value}`;
  if (!URL.canParse(proxy) || !/^https?:$/.test(new URL(proxy).protocol)) {
    const hint = `correct ${name} or ${name.toUpperCase()} in the environment`;
    const message = "the proxy's address is not an http or https address";
    throw new SealtailError("config-invalid", message, { place: name, hint });
  }
  return { proxy, noProxy: env.no_proxy ?? env.NO_PROXY ?? "" };
}

export interface PostRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly pieces: readonly Uint8Array[];
}

/** Sends once; rejects with the library's or the system's error. The body of the answer is unread. */
export function post(
  client: Dispatcher,
  { url, headers, pieces }: PostRequest,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  return client.request({
    origin: url.origin,
    path: url.pathname,
    method: "POST",
    headers: { ...headers },
    // Piece by piece, which the library takes though its types do not know: a joined copy would
    // double the memory.
    body: each(pieces) as unknown as Uint8Array,
    signal,
  });
}

/** A question is answered at once, or not at all. */
const quickMs = 10_000;

/** Asks once; the body of the answer is unread. */
export function get(
  client: Dispatcher,
  asked: {
    readonly origin: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
  },
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const quick = { headersTimeout: quickMs, bodyTimeout: quickMs };
  return client.request({
    ...asked,
    ...quick,
    headers: { ...asked.headers },
    method: "GET",
    signal,
  });
}

/** From this length on a piece is waited for until the system has taken all of it: node's limit. */
const waitedFor = 65_536;

/**
 * A sink may answer before it has read everything, and then its sender gives back the memory of the
 * blocks. What is small may still wait in the socket at that time, so the socket gets a copy of it:
 * else it would send whatever stands in that memory by then.
 */
async function* each(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield piece.length < waitedFor ? Uint8Array.from(piece) : piece;
}

export function openHttpClient(
  proxy: ProxySettings | undefined,
  tls: ClientTlsMaterial,
  limits: HttpClientLimits,
  lookup?: Lookup,
): Dispatcher {
  const secured = {
    ...tls,
    ...(lookup === undefined ? {} : { lookup }),
    minVersion: "TLSv1.2",
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: addressMs,
  } as const;
  const options = {
    connections: 1,
    pipelining: 1,
    allowH2: false,
    connectTimeout: limits.connectTimeoutMs,
    headersTimeout: limits.headersTimeoutMs,
    bodyTimeout: limits.bodyTimeoutMs,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    connect: secured,
  };
  if (proxy === undefined) return new Agent(options);
  return new EnvHttpProxyAgent({
    ...options,
    // Both given, so that the library does not look into the process's own environment.
    httpProxy: proxy.proxy,
    httpsProxy: proxy.proxy,
    noProxy: proxy.noProxy,
    requestTls: secured,
  });
}
