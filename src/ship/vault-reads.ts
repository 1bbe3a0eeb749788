// Reads what a vault shows of its chains, for an agent that has none of its own any more.
//
// - Everything is bounded: bytes, waits, redirects (none), and how slowly an answer may come.
//   Nothing that is read is believed here.
// - A vault that is busy is asked again: just after its start it may have much to check.
// - Fails with vault-unreachable, vault-refused or vault-answer-invalid: then the vault could not
//   be asked. With ChainDamaged it was, and said that it cannot show this chain.

import type { Dispatcher } from "undici";
import { headLength } from "../core/block.ts";
import { maxReceiptLength } from "../core/checkpoint.ts";
import { type ErrorCode, SealtailError } from "../core/errors.ts";
import { maxGrantLength } from "../core/grant.ts";
import { textOf } from "../core/json.ts";
import type { Clock } from "../host/clock.ts";
import { parseRetryAfter } from "./backoff.ts";
import type { Connection } from "./vault-sink.ts";

/** A chain in a vault's list. */
export interface ListedChain {
  readonly id: string;
  /** The vault's word: it lives, is over, or is damaged. */
  readonly state: string;
  /** When its newest block came, Unix microseconds. */
  readonly seenAt: number;
  /** Blocks that it has; 0 while its state is unknown. */
  readonly size: number;
  /** What it says of itself, as the vault read it; undefined while that has read nothing. */
  readonly words: ListedWords | undefined;
}

/** Of one chain, undefined where it says nothing. */
export interface ListedWords {
  /** On which host its newest run began. */
  readonly host: string | undefined;
  /** The chain that its genesis names as the one before. */
  readonly predecessor: string | undefined;
}

export interface VaultReads {
  /** All of them, or none: half a list does not say which chain went on from which. */
  chainsOf(subject: string): Promise<ListedChain[]>;
  /** How many blocks it says that it has; 0 for what is not there, or can't begin any more. */
  size(chain: string): Promise<number>;
  grant(chain: string): Promise<Uint8Array | undefined>;
  receipt(chain: string): Promise<Uint8Array | undefined>;
  heads(chain: string, from: number, count: number): Promise<Uint8Array>;
  blocks(chain: string, from: number, count: number): AsyncIterable<Uint8Array>;
}

/** The vault's own word for a chain whose blocks it cannot show: that is an answer, not silence. */
export const chainDamaged = "chain-damaged";

/** The vault says that it cannot show a chain: asking again does not help until someone acts. */
export class ChainDamaged extends SealtailError {
  constructor() {
    super("vault-refused", "the vault calls the chain damaged");
  }
}

/** A status other than those of an answer. */
export class VaultRefused extends SealtailError {
  /** Whoever answered let nobody ask; otherwise he may later. */
  readonly closed: boolean;

  constructor(statusCode: number) {
    super("vault-refused", `the vault answered with status ${statusCode}`);
    this.closed = statusCode < 500 && !later.includes(statusCode);
  }
}

/**
 * Whether nobody told anything yet: a vault is not there, or busy, or in trouble, or it is we who
 * could not ask.
 */
export function isSilence(error: SealtailError): boolean {
  if (error instanceof VaultRefused) return !error.closed;
  return !(error instanceof ChainDamaged) && error.code !== "vault-answer-invalid";
}

/** Of a list of one subject's chains, a thousand each. */
const pagesMax = 100;
const listBytesMax = 4 * 1024 * 1024;
const detailBytesMax = 64 * 1024;
/** An answer may be slower than this for so long. */
const bytesPerSecondMin = 1024;
const slowSecondsMax = 30;
/** Of a vault that is busy. */
const triesMax = 4;
const busyMsMin = 1000;
const busyMsMax = 10_000;
/** Below 500, and still no word on whether it may be asked. */
const later: readonly number[] = [408, 425, 429];
/** What a vault says of a chain that it does not have, or that can't begin any more. */
const sizeless: Readonly<Record<number, string>> = { 403: "grant-refused", 404: "unknown-chain" };

export class HttpVaultReads implements VaultReads {
  readonly #connection: Connection;
  readonly #clock: Pick<Clock, "mono" | "sleep">;
  readonly #signal: AbortSignal;

  /** `signal` ends whatever is under way. */
  constructor(connection: Connection, clock: Pick<Clock, "mono" | "sleep">, signal: AbortSignal) {
    this.#connection = connection;
    this.#clock = clock;
    this.#signal = signal;
  }

  async chainsOf(subject: string): Promise<ListedChain[]> {
    const chains: ListedChain[] = [];
    let after = "";
    for (let page = 0; page < pagesMax; page += 1) {
      const query = new URLSearchParams({ subject, limit: "1000", ...(after && { after }) });
      const body = await this.#small(`/v1/chains?${query}`, listBytesMax);
      const list = parseList(body);
      chains.push(...list.chains);
      if (list.next === undefined) return chains;
      after = list.next;
    }
    throw failure("vault-answer-invalid", `the subject has more than ${chains.length} chains`);
  }

  async size(chain: string): Promise<number> {
    const answer = await this.#get(`/v1/chains/${chain}`, Object.keys(sizeless).map(Number));
    const { statusCode } = answer;
    const body = await this.#whole(answer, detailBytesMax);
    const { size, code } = parseJson<{ size: unknown; code: unknown }>(body);
    // Anybody on the way may answer so, in other words.
    if (statusCode !== 200 && code !== sizeless[statusCode]) throw new VaultRefused(statusCode);
    return statusCode === 200 && Number.isSafeInteger(size) ? (size as number) : 0;
  }

  async grant(chain: string): Promise<Uint8Array | undefined> {
    return await this.#small(`/v1/chains/${chain}/grant`, maxGrantLength);
  }

  async receipt(chain: string): Promise<Uint8Array | undefined> {
    return await this.#small(`/v1/chains/${chain}/receipt`, maxReceiptLength);
  }

  async heads(chain: string, from: number, count: number): Promise<Uint8Array> {
    const path = `/v1/chains/${chain}/headers?from=${from}&limit=${count}`;
    return (await this.#small(path, count * headLength)) ?? new Uint8Array(0);
  }

  async *blocks(chain: string, from: number, count: number): AsyncGenerator<Uint8Array> {
    const { body } = await this.#get(`/v1/chains/${chain}/blocks?from=${from}&limit=${count}`);
    yield* this.#pieces(body);
  }

  async *#pieces(body: Dispatcher.ResponseData["body"]): AsyncGenerator<Uint8Array> {
    const began = this.#clock.mono();
    let length = 0;
    try {
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        length += piece.length;
        const seconds = (this.#clock.mono() - began) / 1_000_000 - slowSecondsMax;
        if (length < seconds * bytesPerSecondMin) throw new RangeError("the answer trickles");
        yield piece;
      }
    } catch (cause) {
      throw failure("vault-unreachable", "the connection broke", cause);
    }
  }

  /** A whole body; undefined for what is not there. */
  async #small(path: string, limit: number): Promise<Uint8Array | undefined> {
    const answer = await this.#get(path);
    const bytes = await this.#whole(answer, limit);
    return answer.statusCode === 404 ? undefined : bytes;
  }

  async #whole({ body }: Dispatcher.ResponseData, limit: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    let length = 0;
    for await (const piece of this.#pieces(body)) {
      length += piece.length;
      if (length > limit) break;
      pieces.push(piece);
    }
    if (length > limit) throw failure("vault-answer-invalid", `answer is above ${limit} bytes`);
    return Buffer.concat(pieces);
  }

  async #get(path: string, absent = [404]): Promise<Dispatcher.ResponseData> {
    for (let tries = 1; ; tries += 1) {
      const answer = await this.#connection.get(path, this.#signal).catch((cause: unknown) => {
        if (cause instanceof SealtailError) throw cause;
        throw failure("vault-unreachable", "the vault could not be reached", cause);
      });
      const { statusCode, headers } = answer;
      if (statusCode === 200 || absent.includes(statusCode)) return answer;
      // Its own word for it lies in a small body.
      const body = await this.#whole(answer, detailBytesMax).catch(() => undefined);
      if (statusCode === 503 && codeIn(body) === chainDamaged) throw new ChainDamaged();
      if (statusCode !== 503 || tries === triesMax || this.#signal.aborted)
        throw new VaultRefused(statusCode);
      const asked = parseRetryAfter(String(headers["retry-after"] ?? ""), 0) ?? 0;
      const waitMs = Math.min(Math.max(asked, busyMsMin), busyMsMax);
      await this.#clock.sleep(waitMs, this.#signal);
    }
  }
}

function failure(code: ErrorCode, message: string, cause?: unknown): SealtailError {
  return new SealtailError(code, message, cause === undefined ? {} : { cause });
}

function codeIn(body: Uint8Array | undefined): unknown {
  try {
    return Object(JSON.parse(new TextDecoder().decode(body))).code;
  } catch {
    return undefined;
  }
}

function parseJson<T>(body: Uint8Array | undefined): T {
  try {
    return Object(JSON.parse(new TextDecoder().decode(body)));
  } catch (cause) {
    throw failure("vault-answer-invalid", "the answer cannot be read", cause);
  }
}

function parseList(body: Uint8Array | undefined): {
  chains: ListedChain[];
  next: string | undefined;
} {
  const found = parseJson<{
    chains: Record<"chain" | "state" | "seen_at" | "size" | "host" | "predecessor", unknown>[];
    next?: unknown;
  }>(body);
  try {
    const chains = found.chains
      .map(({ chain, state, seen_at, size, host, predecessor }) => ({
        ...{ id: textOf(chain), state: textOf(state), words: wordsOf(host, predecessor) },
        ...{ seenAt: numberOf(seen_at), size: numberOf(size) },
      }))
      .filter(({ id }) => isId(id));
    return { chains, next: isId(found.next) ? found.next : undefined };
  } catch (cause) {
    throw failure("vault-answer-invalid", "the list of chains cannot be read", cause);
  }
}

function numberOf(value: unknown): number {
  return typeof value === "number" ? value : 0;
}

function wordsOf(host: unknown, predecessor: unknown): ListedWords | undefined {
  if (host === undefined || predecessor === undefined) return undefined;
  return {
    host: typeof host === "string" ? host : undefined,
    predecessor: isId(predecessor) ? predecessor : undefined,
  };
}

function isId(value: unknown): value is string {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}
