// Asks a vault over HTTP, and believes nothing about its answers but that they are bytes.
//
// - Every answer has a limit on its size, every wait a limit on its time; redirects are not
//   followed. A hostile server can refuse or lie, it cannot hang or exhaust us.
// - A busy vault is asked again a few times; reading twice does no harm.

import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import http from "node:http";
import https from "node:https";
import { SealtailError } from "../core/errors.ts";
import { systemClock } from "../host/clock.ts";
import { errnoOf } from "../host/file-error.ts";
import { printable } from "./ui.ts";

export interface ClientLimits {
  /** Longest wait for the next byte, milliseconds. */
  readonly idleMs: number;
  /** Longest time for a whole answer, milliseconds. */
  readonly answerMs: number;
  /** How often a busy vault is asked, and the longest wait in between. */
  readonly tries: number;
  readonly waitMsMax: number;
}

const clientLimits: ClientLimits = {
  idleMs: 30_000,
  answerMs: 300_000,
  tries: 4,
  waitMsMax: 10_000,
};

const problemBytesMax = 65_536;

/** A metrics address as a URL: HOST:PORT is short for http://HOST:PORT. */
export function metricsUrl(address: string): string {
  return address.includes("://") ? address : `http://${address}`;
}

export class VaultClient {
  /** Without a slash at its end. */
  readonly url: string;
  readonly #limits: ClientLimits;
  /** Who is asked, for messages. */
  readonly #who: string;
  readonly #agent: http.Agent;

  constructor(url: string, ca: Buffer | undefined, limits: ClientLimits, who: string) {
    this.url = url;
    this.#limits = limits;
    this.#who = who;
    const options = { keepAlive: true, maxSockets: 4 };
    this.#agent = url.startsWith("https:")
      ? new https.Agent({ ...options, ...(ca === undefined ? {} : { ca }) })
      : new http.Agent(options);
  }

  /** `ca` is the path of a PEM file. Throws source-unusable for what is no vault's address. */
  static async open(
    address: string,
    ca: string | undefined,
    limits: ClientLimits = clientLimits,
    who = "the vault",
  ): Promise<VaultClient> {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url === undefined || url.search !== "" || url.hash !== "" || url.username !== "") {
      const message = `this is no address of ${who}: want http://HOST:PORT or https://HOST:PORT`;
      throw new SealtailError("source-unusable", message, {
        place: printable(address).replace(/(:\/\/)[^/@]*@/, "$1***@"),
      });
    }
    const pem = ca === undefined ? undefined : await readPem(ca);
    return new VaultClient(url.href.replace(/\/+$/, ""), pem, limits, who);
  }

  /** The whole answer; undefined for 404. More than `limit` bytes is vault-answer-invalid. */
  async bytes(path: string, limit: number): Promise<Uint8Array | undefined> {
    const pieces: Uint8Array[] = [];
    const answer = await this.#ask(path);
    if (answer === undefined) return undefined;
    for await (const piece of this.#body(answer, path, limit)) pieces.push(piece);
    return new Uint8Array(Buffer.concat(pieces));
  }

  /** The answer as JSON; undefined for 404. */
  async json(path: string, limit: number): Promise<unknown> {
    const bytes = await this.bytes(path, limit);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw this.invalid(path, "the answer is not JSON");
    }
  }

  /** One header of the answer to HEAD; undefined where it is not there. 404 is vault-refused. */
  async header(path: string, name: string): Promise<string | undefined> {
    const answer = await this.#ask(path, undefined, "HEAD");
    if (answer === undefined) throw this.#refused(path, "404 not found");
    answer.done.abort();
    answer.response.resume();
    const value = answer.response.headers[name];
    return typeof value === "string" ? value : undefined;
  }

  /**
   * The answer in pieces, of which there must be as many bytes as `lengthBy` says by the value of
   * the header `name`; undefined for 404.
   */
  async pieces(
    path: string,
    limit: number,
    [name, lengthBy]: readonly [name: string, lengthBy: (value: unknown) => number],
  ): Promise<AsyncGenerator<Uint8Array, void, undefined> | undefined> {
    const answer = await this.#ask(path);
    if (answer === undefined) return undefined;
    return this.#body(answer, path, limit, () => lengthBy(answer.response.headers[name]));
  }

  /** Sends `body` and returns the answer; 404 is vault-refused. Sent again only to a busy vault. */
  async post(path: string, body: Uint8Array, limit: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    const answer = await this.#ask(path, body);
    if (answer === undefined) throw this.#refused(path, "404 not found");
    for await (const piece of this.#body(answer, path, limit)) pieces.push(piece);
    return new Uint8Array(Buffer.concat(pieces));
  }

  close(): void {
    this.#agent.destroy();
  }

  invalid(path: string, why: string): SealtailError {
    const message = `couldn't use the vault's answer: ${why}`;
    return new SealtailError("vault-answer-invalid", message, { place: this.url + path });
  }

  #refused(path: string, why: string): SealtailError {
    const message = `${this.#who} refused the request (${printable(why)})`;
    return new SealtailError("vault-refused", message, { place: this.url + path });
  }

  async #ask(
    path: string,
    body?: Uint8Array,
    method: string = body === undefined ? "GET" : "POST",
  ): Promise<Answer | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#request(path, body, method);
      const { response } = answer;
      const status = response.statusCode ?? 0;
      if (status === 200) return answer;
      const why = await this.#problem(answer, path);
      if (status === 404) return undefined;
      if (![429, 503].includes(status) || attempt >= this.#limits.tries) {
        if (status >= 300 && status < 400)
          throw this.invalid(path, `it leads elsewhere (${status})`);
        throw this.#refused(path, why);
      }
      await systemClock.sleep(Math.min(waitOf(response, attempt), this.#limits.waitMsMax));
    }
  }

  async #request(path: string, body: Uint8Array | undefined, method: string): Promise<Answer> {
    const target = this.url + path;
    const ending = new AbortController();
    const { idleMs, answerMs } = this.#limits;
    const done = new AbortController();
    void systemClock.sleep(answerMs, done.signal).then(() => ending.abort());
    const options = { method, agent: this.#agent, timeout: idleMs, signal: ending.signal };
    const headers = { accept: "*/*", "accept-encoding": "identity" };
    const send = target.startsWith("https:") ? https.request : http.request;
    let stale = false;
    try {
      const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
        const request = send(target, { ...options, headers }, resolve);
        request.on("timeout", () => request.destroy(new Error(`nothing came for ${idleMs} ms`)));
        request.on("error", (cause) => {
          stale = request.reusedSocket && /^(ECONNRESET|EPIPE)$/.test(errnoOf(cause) ?? "");
          reject(cause);
        });
        request.end(body);
      });
      return { response, done };
    } catch (cause) {
      done.abort();
      // An idle connection was closed while we were busy: that says nothing of the vault. Each
      // time there is one less of them.
      if (stale && body === undefined) return await this.#request(path, body, method);
      throw this.#broken(path, cause);
    }
  }

  async *#body(
    { response, done }: Answer,
    path: string,
    limit: number,
    lengthOf?: () => number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let length = 0;
    try {
      const want = lengthOf?.();
      for await (const piece of response as AsyncIterable<Buffer>) {
        length += piece.length;
        if (length > limit) throw this.invalid(path, `it is longer than ${limit} bytes`);
        yield piece;
      }
      if (want === undefined || length === want) return;
      throw this.invalid(path, `it is ${length} bytes, want ${want}`);
    } catch (cause) {
      if (cause instanceof SealtailError) throw cause;
      throw this.#broken(path, cause);
    } finally {
      done.abort();
      response.destroy();
    }
  }

  #broken(path: string, cause: unknown): SealtailError {
    const errno = errnoOf(cause);
    const text = cause instanceof Error ? cause.message : String(cause);
    const why = errno === "ABORT_ERR" ? "it takes too long" : printable(errno ?? text);
    const message = `couldn't reach ${this.#who} (${why})`;
    return new SealtailError("vault-unreachable", message, { place: this.url + path, cause });
  }

  /** What the vault says about a refusal: its code and sentence, or the status alone. */
  async #problem(answer: Answer, path: string): Promise<string> {
    const { statusCode, headers } = answer.response;
    const status = String(statusCode);
    const pieces: Uint8Array[] = [];
    try {
      for await (const piece of this.#body(answer, path, problemBytesMax)) pieces.push(piece);
      if (!String(headers["content-type"]).includes("json")) return status;
      const problem = JSON.parse(Buffer.concat(pieces).toString("utf8")) as Record<string, unknown>;
      const said = [problem["code"], problem["detail"] ?? problem["title"]];
      return [status, ...said.filter((each) => typeof each === "string")].join(" ").slice(0, 500);
    } catch {
      return status;
    }
  }
}

interface Answer {
  readonly response: http.IncomingMessage;
  /** Ends the wait for the whole answer. */
  readonly done: AbortController;
}

function waitOf(response: http.IncomingMessage, attempt: number): number {
  const seconds = Number(response.headers["retry-after"]);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 250 * 2 ** attempt;
}

async function readPem(path: string): Promise<Buffer> {
  let pem: Buffer;
  try {
    pem = await readFile(path);
  } catch (cause) {
    const message = `couldn't read the certificate file (${errnoOf(cause) ?? "unknown reason"})`;
    throw new SealtailError("tls-file-unreadable", message, { place: path, cause });
  }
  try {
    new X509Certificate(pem);
  } catch {
    // The cause could quote what the file holds.
    const message = "the TLS file is not a PEM certificate";
    throw new SealtailError("tls-file-invalid", message, { place: path });
  }
  return pem;
}
