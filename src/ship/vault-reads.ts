// Reads what a vault shows of its chains, for an agent that has none of its own any more.
//
// - Nothing that is read is believed here. host/http-reader.ts bounds every answer but the blocks,
//   which are as many as were asked for.
// - A vault that is busy is asked again: just after its start it may have much to check.
// - Fails with vault-unreachable, vault-refused or vault-answer-invalid: then the vault could not
//   be asked. With ChainDamaged it was, and said that it cannot show this chain.

import { headLength } from "../core/block.ts";
import { maxReceiptLength } from "../core/checkpoint.ts";
import { SealtailError } from "../core/errors.ts";
import { maxGrantLength } from "../core/grant.ts";
import { textOf } from "../core/json.ts";
import type { Clock } from "../host/clock.ts";
import type { HttpAsker } from "../host/http-client.ts";
import { HttpReader, Refused } from "../host/http-reader.ts";

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

/**
 * Whether nobody told anything yet: a vault is not there, or busy, or in trouble, or it is we who
 * could not ask.
 */
export function isSilence(error: SealtailError): boolean {
  if (error instanceof Refused) return !error.closed;
  return !(error instanceof ChainDamaged) && error.code !== "vault-answer-invalid";
}

/** Of a list of one subject's chains, a thousand each. */
const pagesMax = 100;
const listBytesMax = 4 * 1024 * 1024;
const detailBytesMax = 64 * 1024;
/** What a vault says of a chain that it does not have, or that can't begin any more. */
const sizeless = { 403: "grant-refused", 404: "unknown-chain" };
/** A question is answered at once, or not at all. */
const idleMs = 10_000;

export class HttpVaultReads implements VaultReads {
  readonly #reader: HttpReader;

  /** `signal` ends whatever is under way. */
  constructor(vault: HttpAsker, clock: Pick<Clock, "mono" | "now" | "sleep">, signal: AbortSignal) {
    this.#reader = new HttpReader(vault, {
      ...{ who: "the vault", url: "", clock, until: signal },
      ...{ idleMs, tries: 4, waitMsMax: 10_000 },
      forGood: (status, code) =>
        status === 503 && code === chainDamaged ? new ChainDamaged() : undefined,
    });
  }

  async chainsOf(subject: string): Promise<ListedChain[]> {
    const chains: ListedChain[] = [];
    let path = "";
    let after = "";
    for (let page = 0; page < pagesMax; page += 1) {
      const query = new URLSearchParams({ subject, limit: "1000", ...(after && { after }) });
      path = `/v1/chains?${query}`;
      const list = listIn(await this.#reader.json(path, listBytesMax));
      if (list === undefined) throw this.#reader.invalid(path, "it is no list of chains");
      chains.push(...list.chains);
      if (list.next === undefined) return chains;
      after = list.next;
    }
    throw this.#reader.invalid(path, `the subject has more than ${chains.length} chains`);
  }

  async size(chain: string): Promise<number> {
    const found = await this.#reader.json(`/v1/chains/${chain}`, detailBytesMax, sizeless);
    const { size } = Object(found) as { size?: unknown };
    return Number.isSafeInteger(size) ? (size as number) : 0;
  }

  async grant(chain: string): Promise<Uint8Array | undefined> {
    return await this.#reader.bytes(`/v1/chains/${chain}/grant`, maxGrantLength);
  }

  async receipt(chain: string): Promise<Uint8Array | undefined> {
    return await this.#reader.bytes(`/v1/chains/${chain}/receipt`, maxReceiptLength);
  }

  async heads(chain: string, from: number, count: number): Promise<Uint8Array> {
    const path = `/v1/chains/${chain}/headers?from=${from}&limit=${count}`;
    return (await this.#reader.bytes(path, count * headLength)) ?? new Uint8Array(0);
  }

  async *blocks(chain: string, from: number, count: number): AsyncGenerator<Uint8Array> {
    const path = `/v1/chains/${chain}/blocks?from=${from}&limit=${count}`;
    yield* (await this.#reader.pieces(path, Number.POSITIVE_INFINITY)) ?? [];
  }
}

interface List {
  readonly chains: ListedChain[];
  readonly next: string | undefined;
}

function listIn(found: unknown): List | undefined {
  const { chains, next } = Object(found) as { chains?: unknown; next?: unknown };
  if (!Array.isArray(chains)) return undefined;
  const listed = chains.map((each) => {
    const { chain, state, seen_at, size, host, predecessor } = Object(each) as Record<
      string,
      unknown
    >;
    return {
      ...{ id: textOf(chain), state: textOf(state), words: wordsOf(host, predecessor) },
      ...{ seenAt: numberOf(seen_at), size: numberOf(size) },
    };
  });
  return { chains: listed.filter(({ id }) => isId(id)), next: isId(next) ? next : undefined };
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
