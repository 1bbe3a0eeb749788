// The vault over HTTP: posts blocks, and turns whatever comes back or breaks into one answer.
//
// - The blocks' own bytes are the body: nothing is encoded again, nothing is copied together.
// - Every wait and the answer's size are limited; redirects are not followed.
// - TLS files are looked at before each request: a renewal needs no restart.
// - A connection is made anew after ten minutes, and sooner when it brings nothing but refusals:
//   the vault's name may mean another machine by now.

import { base64 } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { ClientTls, type ClientTlsMaterial, type ClientTlsPaths } from "../host/client-tls.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Files } from "../host/files.ts";
import {
  type HttpAnswer,
  type HttpAsker,
  HttpClient,
  type HttpRequest,
  type HttpWaits,
  type Lookup,
  readBody,
} from "../host/http-client.ts";
import { codeOf, httpFailure } from "../host/http-failure.ts";
import { type Environment, type ProxySettings, proxyFor } from "../host/http-proxy.ts";
import { readAnswer } from "./answer.ts";
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
  readonly waits?: Partial<HttpWaits> | undefined;
  /** Instead of the system's resolver. */
  readonly lookup?: Lookup | undefined;
}

const httpWaits: HttpWaits = {
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 120_000,
  bodyTimeoutMs: 15_000,
};
/** Largest answer to blocks that is read. */
const answerBytesMax = 65_536;

/** Answers in a row without a receipt after which a new connection is made. */
const unhelpfulMax = 3;
const connectionUs = 600_000_000;

interface Client {
  readonly http: HttpClient;
  readonly tls: ClientTlsMaterial;
  /** When it was made, by the monotonic clock. */
  readonly since: number;
}

export class VaultSink implements Sink, HttpAsker {
  readonly #options: VaultSinkOptions;
  readonly #waits: HttpWaits;
  readonly #proxy: ProxySettings | undefined;
  readonly #tls: ClientTls;
  #open: Client | undefined;
  #unhelpful = 0;
  #closed = false;

  /** Connects when it first posts. Throws config-invalid for a proxy that is none. */
  constructor(options: VaultSinkOptions) {
    const { files, clock, diag } = options;
    this.#options = options;
    this.#waits = { ...httpWaits, ...options.waits };
    this.#proxy = proxyFor(new URL(options.url), options.env);
    this.#tls = new ClientTls({ files, clock, diag, paths: options.tls ?? {} });
  }

  get certificateNotAfter(): number | undefined {
    return this.#tls.notAfter;
  }

  async post(submission: Submission, signal: AbortSignal): Promise<Answer> {
    let http: HttpClient;
    try {
      http = await this.#client();
    } catch (error) {
      if (!(error instanceof SealtailError)) throw error;
      return { outcome: "local", code: error.code };
    }
    if (this.#closed || signal.aborted) return { outcome: "timeout", code: "aborted" };
    try {
      const answer = await this.#connecting(() => this.#send(http, submission, signal));
      this.#unhelpful = answer.outcome === "receipt" ? 0 : this.#unhelpful + 1;
      return answer;
    } catch (error) {
      this.#options.diag.debug("request failed", { cause: error as Error });
      if (signal.aborted) return { outcome: "timeout", code: "aborted" };
      if (error instanceof SealtailError) return { outcome: "local", code: error.code };
      const answer = httpFailure(error);
      return this.#blamesUs(answer) ? { outcome: "local", code: "certificate-expired" } : answer;
    }
  }

  /** A question about what the vault shows. */
  async ask(request: HttpRequest): Promise<HttpAnswer> {
    const http = await this.#client();
    const headers = { "user-agent": this.#options.userAgent, ...request.headers };
    return await this.#connecting(() => http.ask({ ...request, headers }));
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
    const open = this.#open;
    this.#open = undefined;
    await open?.http.close();
  }

  async #client(): Promise<HttpClient> {
    const tls = await this.#tls.current();
    const now = this.#options.clock.mono();
    const worn = this.#unhelpful >= unhelpfulMax || now - (this.#open?.since ?? 0) > connectionUs;
    if (this.#open?.tls !== tls || worn) {
      this.#unhelpful = 0;
      // Nothing runs on the old connection: there is one request at a time.
      await this.#open?.http.close();
      const { url, lookup } = this.#options;
      const settings = { url, lookup, tls, proxy: this.#proxy, waits: this.#waits };
      this.#open = { http: new HttpClient(settings), tls, since: now };
    }
    return this.#open.http;
  }

  async #send(
    http: HttpClient,
    { chainId, blocks, grant }: Submission,
    signal: AbortSignal,
  ): Promise<Answer> {
    const headers: Record<string, string> = {
      "content-type": "application/octet-stream",
      accept: "text/plain, application/problem+json",
      "user-agent": this.#options.userAgent,
    };
    if (grant !== undefined) headers["sealtail-grant"] = base64(grant);
    const path = `/v1/chains/${chainId}/blocks`;
    const { status, header, body } = await http.ask({ path, headers, pieces: blocks, signal });
    const answer = {
      status,
      contentType: header("content-type"),
      retryAfter: header("retry-after"),
      date: header("date"),
      body: await readBody(body, answerBytesMax),
    };
    return readAnswer(answer, this.#options.clock.now() / 1000);
  }
}
