// The vault over HTTP: posts blocks, and turns whatever comes back or breaks into one answer.
//
// - The blocks' own bytes are the body: nothing is encoded again, nothing is copied together.
// - Every wait and the answer's size are limited; redirects are not followed.
// - TLS files are looked at before each request: a renewal needs no restart.
// - A connection is made anew after ten minutes, and sooner when it brings nothing but refusals:
//   the vault's name may mean another machine by now.

import type { Dispatcher } from "undici";
import { base64 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import { readAnswer } from "./answer.ts";
import { ClientTls, type ClientTlsMaterial, type ClientTlsPaths } from "./client-tls.ts";
import {
  type Environment,
  get,
  type HttpClientLimits,
  httpClientLimits,
  type Lookup,
  openHttpClient,
  type ProxySettings,
  post,
  proxyFor,
} from "./http-client.ts";
import type { Answer, Sink, Submission } from "./sink.ts";

export interface VaultSinkOptions {
  /** http or https, without a slash at its end. */
  readonly url: string;
  readonly tls?: ClientTlsPaths | undefined;
  /** Where http_proxy, https_proxy and no_proxy are looked for. */
  readonly env: Environment;
  readonly userAgent: string;
  readonly files: Files;
  readonly clock: Clock;
  readonly diag: Diag;
  /** Around what may connect: may get a descriptor, and try again where there was none. */
  readonly connects?: <T>(open: () => Promise<T>) => Promise<T>;
  readonly limits?: Partial<HttpClientLimits> | undefined;
  /** Instead of the system's resolver. */
  readonly lookup?: Lookup | undefined;
}

/** Answers in a row without a receipt after which a new connection is made. */
const unhelpfulMax = 3;
const connectionUs = 600_000_000;

interface Client {
  readonly dispatcher: Dispatcher;
  readonly tls: ClientTlsMaterial;
  /** When it was made, by the monotonic clock. */
  readonly since: number;
}

/** Who asks a vault for what it shows. */
export interface Connection {
  /** Sends a GET; `path` begins with a slash. Rejects with an error of ours, the library or system. */
  get(path: string, signal: AbortSignal): Promise<Dispatcher.ResponseData>;
}

export class VaultSink implements Sink, Connection {
  readonly #url: URL;
  readonly #options: VaultSinkOptions;
  readonly #limits: HttpClientLimits;
  readonly #proxy: ProxySettings | undefined;
  readonly #tls: ClientTls;
  #client: Client | undefined;
  #unhelpful = 0;
  #closed = false;

  /** Connects when it first posts. Throws config-invalid for a proxy that is none. */
  constructor(options: VaultSinkOptions) {
    const { files, clock, diag } = options;
    this.#options = options;
    this.#url = new URL(options.url);
    this.#limits = { ...httpClientLimits, ...options.limits };
    this.#proxy = proxyFor(this.#url, options.env);
    this.#tls = new ClientTls({ files, clock, diag, paths: options.tls ?? {} });
  }

  get certificateNotAfter(): number | undefined {
    return this.#tls.notAfter;
  }

  async post(submission: Submission, signal: AbortSignal): Promise<Answer> {
    let dispatcher: Dispatcher;
    try {
      dispatcher = await this.#connection();
    } catch (error) {
      if (!(error instanceof SealtailError)) throw error;
      return { outcome: "local", code: error.code };
    }
    if (this.#closed || signal.aborted) return { outcome: "timeout", code: "aborted" };
    try {
      const answer = await this.#connecting(() => this.#request(dispatcher, submission, signal));
      this.#unhelpful = answer.outcome === "receipt" ? 0 : this.#unhelpful + 1;
      return answer;
    } catch (error) {
      this.#options.diag.debug("request failed", { cause: error as Error });
      if (signal.aborted) return { outcome: "timeout", code: "aborted" };
      if (error instanceof SealtailError) return { outcome: "local", code: error.code };
      const answer = readFailure(error);
      return this.#blamesUs(answer) ? { outcome: "local", code: "certificate-expired" } : answer;
    }
  }

  async get(path: string, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const dispatcher = await this.#connection();
    const headers = { accept: "*/*", "user-agent": this.#options.userAgent };
    const base = this.#url.pathname.replace(/\/$/, "");
    const { origin } = this.#url;
    const wanted = { origin, path: `${base}${path}`, headers };
    return await this.#connecting(() => get(dispatcher, wanted, signal));
  }

  /** Without a descriptor for a socket nothing was sent. */
  async #connecting<T>(request: () => Promise<T>): Promise<T> {
    const { connects = (open) => open() } = this.#options;
    return await connects(() =>
      request().catch((cause: unknown) => {
        if (!["EMFILE", "ENFILE"].includes(codeOf(cause))) throw cause;
        const message = "couldn't connect: no descriptor is left";
        throw new SealtailError("too-many-open-files", message, { cause });
      }),
    );
  }

  /** A peer that wants no expired certificate just hangs up, or says something about TLS. */
  #blamesUs({ code }: Answer): boolean {
    const over = (this.#tls.notAfter ?? Number.POSITIVE_INFINITY) < this.#options.clock.now();
    return over && (code === "tls" || code === "connection-lost");
  }

  async close(): Promise<void> {
    this.#closed = true;
    const client = this.#client;
    this.#client = undefined;
    await client?.dispatcher.destroy();
  }

  async #connection(): Promise<Dispatcher> {
    const tls = await this.#tls.current();
    const now = this.#options.clock.mono();
    const worn = this.#unhelpful >= unhelpfulMax || now - (this.#client?.since ?? 0) > connectionUs;
    if (this.#client?.tls !== tls || worn) {
      this.#unhelpful = 0;
      // Nothing runs on the old connection: there is one request at a time.
      await this.#client?.dispatcher.destroy();
      const { lookup } = this.#options;
      const dispatcher = openHttpClient(this.#proxy, tls, this.#limits, lookup);
      this.#client = { dispatcher, tls, since: now };
    }
    return this.#client.dispatcher;
  }

  async #request(
    dispatcher: Dispatcher,
    { chainId, blocks, grant }: Submission,
    signal: AbortSignal,
  ): Promise<Answer> {
    const length = blocks.reduce((sum, block) => sum + block.length, 0);
    const headers: Record<string, string> = {
      "content-type": "application/octet-stream",
      "content-length": String(length),
      accept: "text/plain, application/problem+json",
      "user-agent": this.#options.userAgent,
    };
    if (grant !== undefined) headers["sealtail-grant"] = base64(grant);
    const url = new URL(this.#url);
    url.pathname = `${url.pathname.replace(/\/$/, "")}/v1/chains/${chainId}/blocks`;
    const sent = { url, headers, pieces: blocks };
    const { statusCode, headers: answered, body } = await post(dispatcher, sent, signal);
    const answer = {
      status: statusCode,
      contentType: single(answered["content-type"]),
      retryAfter: single(answered["retry-after"]),
      date: single(answered.date),
      body: await readBody(body, this.#limits.answerBytesMax),
    };
    return readAnswer(answer, this.#options.clock.now() / 1000);
  }
}

function single(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : header?.[0];
}

/** The whole body; undefined, with the connection cut, when it is longer than `limit`. */
async function readBody(
  body: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(limit);
  let length = 0;
  for await (const piece of body) {
    // Leaving the loop destroys the body, and the connection with it.
    if (length + piece.length > limit) return undefined;
    bytes.set(piece, length);
    length += piece.length;
  }
  return bytes.slice(0, length);
}

const timeouts: readonly string[] = [
  "ETIMEDOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
];

/** First match: what went wrong, in words that an operator can act on. */
const failures: readonly (readonly [pattern: RegExp, code: string])[] = [
  [/^(?:ENOTFOUND|EAI_)/, "dns"],
  [/^ECONNREFUSED$/, "connection-refused"],
  [/^E(?:HOST|NET)(?:UNREACH|DOWN)$/, "no-route"],
  [/^UND_ERR_(?:PRX|ABORTED|INVALID_ARG)/, "proxy"],
  [/^(?:ECONNRESET|EPIPE|UND_ERR_SOCKET|UND_ERR_CLOSED|UND_ERR_DESTROYED)$/, "connection-lost"],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, "tls-expired"],
  [/^(?:ERR_TLS_CERT_ALTNAME|HOSTNAME_)/, "tls-wrong-name"],
  [/^(?:DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|CERT_)/, "tls-untrusted"],
  [/^(?:ERR_SSL|ERR_TLS|EPROTO)/, "tls"],
];

function readFailure(error: unknown): Answer {
  const code = codeOf(error);
  if (timeouts.includes(code)) return { outcome: "timeout", code: "timeout" };
  if (/^(?:HPE_|UND_ERR_(?:HEADERS_OVERFLOW|RES_))/.test(code)) {
    return { outcome: "bad-answer", code: "not-http" };
  }
  const [, word = "unknown"] = failures.find(([pattern]) => pattern.test(code)) ?? [];
  return { outcome: "transport", code: word };
}

/** The system's or the library's code; for several tried addresses, that of the last. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if (error.name === "HTTPParserError") return "HPE_ANY";
  if (error instanceof AggregateError && !("code" in error)) return codeOf(error.errors.at(-1));
  return "code" in error ? String(error.code) : codeOf(error.cause);
}
