// Reads what a server shows, and believes nothing about its answers but that they are bytes.
//
// - Every answer has a limit on its size and on how slowly it may come, every wait a limit on its
//   time; redirects are not followed. A hostile server can refuse or lie, it cannot hang or exhaust
//   us.
// - A busy server is asked again as often as is allowed; reading twice does no harm.
// - Fails with vault-unreachable, vault-refused or vault-answer-invalid; what a server says about a
//   refusal stands in the message, made printable.

import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { parseRetryAfter } from "../core/retry-after.ts";
import type { Clock } from "./clock.ts";
import { type HttpAnswer, type HttpAsker, type HttpRequest, readBody } from "./http-client.ts";
import { httpFailure } from "./http-failure.ts";

export interface HttpReaderOptions {
  /** Who is asked, for messages. */
  readonly who: string;
  /** Without a slash at its end; begins the place that errors name. */
  readonly url: string;
  readonly clock: Pick<Clock, "mono" | "now" | "sleep">;
  /** How often a busy server is asked, and the longest wait in between. */
  readonly tries: number;
  readonly waitMsMax: number;
  /** What to throw where asking again does not help; undefined for all other answers. */
  readonly forGood?: (status: number, code: unknown) => SealtailError | undefined;
  /** Longest wait for the next byte; the asker's own unless told. */
  readonly idleMs?: number;
  /** Longest time for a whole answer, in milliseconds; or what ends whatever is under way. */
  readonly until: number | AbortSignal;
}

/** The server refuses what was asked. */
export class Refused extends SealtailError {
  /** Asking again later does not help. */
  readonly closed: boolean;

  constructor(status: number, message: string, place?: string) {
    super("vault-refused", message, place === undefined ? {} : { place });
    this.closed = status < 500 && !passing.includes(status);
  }
}

/** Statuses below 500 that pass. */
const passing: readonly number[] = [408, 425, 429];

/** Statuses that say "there is nothing"; where a code is named, the answer must say it, too. */
export type Absent = Readonly<Record<number, string | undefined>>;

const notFound: Absent = { 404: undefined };
const problemBytesMax = 65_536;
/** An answer may be slower than this for so long. */
const bytesPerSecondMin = 1024;
const slowSecondsMax = 30;

export class HttpReader {
  /** What the place of an error begins with. */
  readonly url: string;
  readonly #asker: HttpAsker;
  readonly #options: HttpReaderOptions;

  constructor(asker: HttpAsker, options: HttpReaderOptions) {
    this.url = options.url;
    this.#asker = asker;
    this.#options = options;
  }

  /** The whole answer; undefined for what is absent. More than `limit` is vault-answer-invalid. */
  async bytes(
    path: string,
    limit: number,
    absent: Absent = notFound,
  ): Promise<Uint8Array | undefined> {
    const answer = await this.#ask({ path }, absent);
    return answer && (await this.#whole(answer, path, limit));
  }

  /** The answer as JSON; undefined for what is absent. */
  async json(path: string, limit: number, absent: Absent = notFound): Promise<unknown> {
    const bytes = await this.bytes(path, limit, absent);
    if (bytes === undefined) return undefined;
    try {
      return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch {
      throw this.invalid(path, "the answer is not JSON");
    }
  }

  /** One header of the answer to HEAD; undefined where it is not there. 404 is vault-refused. */
  async header(path: string, name: string): Promise<string | undefined> {
    const answer = await this.#ask({ path, method: "HEAD" });
    if (answer === undefined) throw this.#refused(path, 404, "404 not found");
    await this.#whole(answer, path, 0);
    return answer.header(name);
  }

  /**
   * The answer in pieces, at most `limit` bytes and, with `lengthOf`, exactly as many as that says;
   * undefined for 404.
   */
  async pieces(
    path: string,
    limit: number,
    lengthOf?: (answer: HttpAnswer) => number,
  ): Promise<AsyncGenerator<Uint8Array, void, undefined> | undefined> {
    const answer = await this.#ask({ path });
    return answer && this.#pieces(answer, path, limit, lengthOf);
  }

  /** Sends `body` and returns the answer; 404 is vault-refused. Sent again only to a busy server. */
  async post(path: string, body: Uint8Array, limit: number): Promise<Uint8Array> {
    const answer = await this.#ask({ path, pieces: [body] });
    if (answer === undefined) throw this.#refused(path, 404, "404 not found");
    return await this.#whole(answer, path, limit);
  }

  invalid(path: string, why: string): SealtailError {
    const message = `couldn't use the vault's answer: ${why}`;
    return new SealtailError("vault-answer-invalid", message, { place: this.url + path });
  }

  async #ask(request: HttpRequest, absent = notFound): Promise<HttpAnswer | undefined> {
    const { path } = request;
    const { tries, waitMsMax, clock, until, forGood } = this.#options;
    const ended = typeof until === "number" ? undefined : until;
    for (let attempt = 1; ; attempt += 1) {
      const answer = await this.#once(request);
      const { status } = answer;
      if (status === 200) return answer;
      const { code, why } = await this.#problem(answer, path);
      if (status in absent && [undefined, code].includes(absent[status])) return undefined;
      const last = forGood?.(status, code);
      if (last !== undefined) throw last;
      if (![429, 503].includes(status) || attempt >= tries) {
        if (status >= 300 && status < 400)
          throw this.invalid(path, `it leads elsewhere (${status})`);
        throw this.#refused(path, status, why);
      }
      const asked = parseRetryAfter(answer.header("retry-after"), clock.now() / 1000);
      await clock.sleep(Math.min(asked || 250 * 2 ** attempt, waitMsMax), ended);
    }
  }

  async #once(request: HttpRequest): Promise<HttpAnswer> {
    const { until, idleMs } = this.#options;
    const signal = typeof until === "number" ? AbortSignal.timeout(until) : until;
    const headers = { accept: "*/*", "accept-encoding": "identity" };
    try {
      return await this.#asker.ask({ ...request, headers, waitMs: idleMs, signal });
    } catch (cause) {
      throw this.#broken(request.path, cause);
    }
  }

  async #whole(answer: HttpAnswer, path: string, limit: number): Promise<Uint8Array> {
    const bytes = await readBody(this.#pieces(answer, path, limit), limit);
    return bytes ?? new Uint8Array(0);
  }

  async *#pieces(
    answer: HttpAnswer,
    path: string,
    limit: number,
    lengthOf?: (answer: HttpAnswer) => number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { clock } = this.#options;
    const began = clock.mono();
    let length = 0;
    try {
      const want = lengthOf?.(answer);
      for await (const piece of answer.body) {
        length += piece.length;
        if (length > limit) throw this.invalid(path, `it is longer than ${limit} bytes`);
        const seconds = (clock.mono() - began) / 1_000_000 - slowSecondsMax;
        if (length < seconds * bytesPerSecondMin) throw new RangeError("the answer trickles");
        yield piece;
      }
      if (want === undefined || length === want) return;
      throw this.invalid(path, `it is ${length} bytes, want ${want}`);
    } catch (cause) {
      throw this.#broken(path, cause);
    }
  }

  #refused(path: string, status: number, why: string): Refused {
    const message = `${this.#options.who} refused the request (${printable(why)})`;
    return new Refused(status, message, this.url + path);
  }

  #broken(path: string, cause: unknown): SealtailError {
    if (cause instanceof SealtailError) return cause;
    const { code } = httpFailure(cause);
    const text = cause instanceof Error ? cause.message : String(cause);
    const why = code === "unknown" ? printable(text) : code;
    const message = `couldn't reach ${this.#options.who} (${why})`;
    return new SealtailError("vault-unreachable", message, { place: this.url + path, cause });
  }

  /** What the server says about a refusal: its code and sentence, or the status alone. */
  async #problem(answer: HttpAnswer, path: string): Promise<Problem> {
    const status = String(answer.status);
    try {
      const body = await this.#whole(answer, path, problemBytesMax);
      if (answer.header("content-type")?.includes("json") !== true) return { why: status };
      const problem = JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
      const { code, detail, title } = problem;
      const said = [status, code, detail ?? title].filter((each) => typeof each === "string");
      return { code, why: said.join(" ").slice(0, 500) };
    } catch {
      return { why: status };
    }
  }
}

interface Problem {
  readonly code?: unknown;
  /** For people. */
  readonly why: string;
}
