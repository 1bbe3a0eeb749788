// Answers those who read: what chains there are, how they stand, and their bytes.
//
// - Everything comes from what is durable, and bytes of a chain only while its objects stand as
//   they were when the vault checked them: the store as it is, is store-reads.ts.

import { headLength } from "../core/block.ts";
import { hex, utf8 } from "../core/bytes.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { decodeHeader } from "../core/header.ts";
import type { Clock } from "../host/clock.ts";
import type { ChainReader, ReadableStore } from "../store/store.ts";
import { allLines, type LineFilter, sourceRule } from "../verify/line-filter.ts";
import type { StoredHead } from "./bring-back.ts";
import type { Catalog } from "./catalog.ts";
import { type ChainEntry, isNothing, stateOf } from "./chain-entry.ts";
import { type ApiRequest, maxSafe } from "./endpoint.ts";
import type { Heads } from "./heads.ts";
import { readLines } from "./lines.ts";
import { Problem } from "./problem.ts";
import { proveLine } from "./proofs.ts";
import { WorkQueue } from "./queue.ts";
import type { ReceiptKeeper } from "./receipts.ts";
import { bodyOf } from "./stream.ts";
import type { Watch } from "./watch.ts";

export interface ReadsOptions {
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly clock: Clock;
  readonly store: ReadableStore;
  readonly catalog: Catalog;
  readonly heads: Heads;
  readonly keeper: ReceiptKeeper;
  readonly watch: Pick<Watch, "openOf">;
}

const headersMax = 65_536;

export class Reads {
  readonly #options: ReadsOptions;

  /** A proof may take as long as a million hashes do: agents get every other moment. */
  readonly #proving: WorkQueue;

  constructor(options: ReadsOptions) {
    this.#options = options;
    this.#proving = new WorkQueue({ clock: options.clock });
  }

  readonly list = async ({ given }: ApiRequest): Promise<Response> => {
    const { catalog } = this.#options;
    const limit = given.integer("limit") ?? 100;
    const after = given.text("after") ?? "";
    const subject = given.text("subject");
    const ids = catalog.page(after, limit, subject);
    const chains: object[] = [];
    for (const id of ids) {
      const entry = await catalog.look(id);
      if (entry === undefined || isNothing(entry)) continue;
      const anybodys = entry.unread && entry.subject === undefined;
      if (subject !== undefined && entry.subject !== subject && !anybodys) continue;
      chains.push(this.#summary(entry));
    }
    const next = ids.length === limit ? { next: ids.at(-1) } : {};
    return json({ chains, ...next });
  };

  readonly detail = async ({ given, peer }: ApiRequest): Promise<Response> => {
    const { heads, keeper, store } = this.#options;
    const entry = await this.#entry(given.text("chain"));
    const about = this.#summary(entry);
    if (entry.damage !== undefined) return json({ ...about, damage: entry.damage });
    let stored: StoredHead | undefined;
    try {
      stored = (await heads.visit(entry.chain, peer))?.stored;
    } catch (error) {
      const { damage } = entry;
      if (!(error instanceof Problem) || damage === undefined) throw error;
      return json({ ...this.#summary(entry), damage });
    }
    if (stored === undefined) throw unknown();
    const { header, size, root, hash } = stored;
    const genesis = decodeHeader(await store.reader(entry.chain).heads(0, 1));
    const receipt = keeper.isHeldBack(entry.chain)
      ? undefined
      : (heads.peek(entry.chain)?.receipt ?? keeper.newest(entry.chain));
    return json({
      ...about,
      ...{ size, first_seq: 0, last_seq: header.firstSeq + header.count - 1 },
      ...{ first_time: genesis.time, head_time: header.time, max_silence_ms: header.maxSilenceMs },
      ...{ head: hex(hash), root: hex(root), run: hex(header.runId), kind: header.kind },
      ...(receipt === undefined ? {} : { receipt: { size: receipt.size, time: receipt.time } }),
    });
  };

  readonly findings = async ({ given }: ApiRequest): Promise<Response> => {
    const { watch, clock } = this.#options;
    const entry = await this.#entry(given.text("chain"));
    const open = watch.openOf(entry, clock.now()).map(({ code, reason, blocks }) => {
      return { code, ...(reason === "" ? {} : { reason }), blocks };
    });
    return json({ chain: entry.chain, size: entry.size, open });
  };

  readonly grant = async (request: ApiRequest): Promise<Response> =>
    note(await (await this.#checked(request)).grant());

  readonly receipt = async ({ given }: ApiRequest): Promise<Response> => {
    const { chain } = await this.#entry(given.text("chain"));
    return note(await this.newestReceipt(chain));
  };

  readonly forks = async (request: ApiRequest): Promise<Response> => {
    const reader = await this.#checked(request);
    const objects = await reader.forks();
    async function* proofs(): AsyncGenerator<Uint8Array, void, undefined> {
      for (const object of objects) yield* object.open({ start: 0, end: 2 * headLength });
    }
    return raw(proofs(), { "sealtail-forks": String(objects.length) });
  };

  readonly headers = async (request: ApiRequest): Promise<Response> => {
    const { reader, size, from, to } = await this.#stretch(request, headersMax);
    async function* heads(): AsyncGenerator<Uint8Array, void, undefined> {
      for (let at = from; at < to; ) {
        const page = await reader.heads(at, to - at);
        if (page.length === 0) throw new RangeError("stored heads are missing");
        yield page;
        at += page.length / headLength;
      }
    }
    return raw(heads(), place(size, to));
  };

  readonly blocks = async (request: ApiRequest): Promise<Response> => {
    const { reader, size, from, to } = await this.#stretch(request, maxSafe);
    return raw(reader.wholeBlocks(from, to), place(size, to));
  };

  readonly proof = async (request: ApiRequest): Promise<Response> => {
    const { suite, keys, clock } = this.#options;
    const reader = await this.#checked(request);
    const seq = request.given.integer("seq") as number;
    // The one that the chain was checked against: the store may hold anything under that name.
    const receipt = await this.newestReceipt(reader.id);
    if (receipt === undefined) throw new Problem("not-found", "the chain has no receipt yet");
    try {
      const proof = await this.#proving.pass(() =>
        proveLine(suite, keys, reader, receipt, seq, clock),
      );
      return note(utf8(proof));
    } catch (error) {
      throw await this.#told(reader.id, error);
    }
  };

  readonly lines = async (request: ApiRequest): Promise<Response> => {
    const { given } = request;
    const chain = await this.#checked(request);
    const { suite, keys, heads } = this.#options;
    const filter = filterOf(given);
    const limit = given.integer("limit") ?? maxSafe;
    const stored = heads.peek(chain.id)?.stored;
    const size = stored?.size ?? (await this.#size(chain));
    const rows = readLines({
      ...{ suite, keys, chain, size, filter, limit },
      newest: stored?.hash,
    });
    return new Response(bodyOf(this.#watched(chain.id, rows)), {
      headers: { ...still, "content-type": ndjson },
    });
  };

  /** What a reader is told of `error`; where it shows damage, the chain is damaged from now on. */
  async #told(chain: string, error: unknown): Promise<unknown> {
    return (await this.#options.heads.condemn(chain, error)) ?? error;
  }

  async *#watched(
    chain: string,
    rows: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* rows;
    } catch (error) {
      throw await this.#told(chain, error);
    }
  }

  #summary(entry: ChainEntry): object {
    const { clock, watch } = this.#options;
    const now = clock.now();
    const { chain, subject = "", size, forks, seenAt, words } = entry;
    const open = [...new Set(watch.openOf(entry, now).map(({ code }) => code))];
    return {
      ...{ chain, subject, state: stateOf(entry, now), size, seen_at: seenAt, forks, open },
      ...(words === undefined ? {} : { predecessor: words.predecessor, host: words.host }),
    };
  }

  async #entry(chain: string | undefined): Promise<ChainEntry> {
    const entry = chain === undefined ? chain : await this.#options.catalog.look(chain);
    if (entry === undefined || isNothing(entry)) throw unknown();
    if (!entry.unread || entry.damage !== undefined) return entry;
    const text = "stored objects of the chain can't be read";
    throw new Problem("store-unavailable", text, { retryAfter: 5 });
  }

  /** To read a chain whose objects stand as they were when they were checked. Throws Problem. */
  async #checked({ given, peer }: ApiRequest): Promise<ChainReader> {
    const { heads, store } = this.#options;
    const { chain } = await this.#entry(given.text("chain"));
    await heads.visit(chain, peer);
    await heads.assertWhole(chain);
    return store.reader(chain);
  }

  /** The newest receipt that the vault gave: what lies in the store may be any other. */
  async newestReceipt(chain: string): Promise<Uint8Array | undefined> {
    const { heads, keeper } = this.#options;
    const newest = await heads.receiptOf(chain);
    return keeper.isHeldBack(chain) ? undefined : newest?.bytes;
  }

  /** How many blocks may be handed out: those that are durable. */
  async #size(reader: ChainReader): Promise<number> {
    const { heads } = this.#options;
    const known = heads.peek(reader.id)?.stored?.size;
    return known ?? (await reader.newest((await heads.receiptOf(reader.id))?.size)).size;
  }

  async #stretch(
    request: ApiRequest,
    most: number,
  ): Promise<{ reader: ChainReader; size: number; from: number; to: number }> {
    const reader = await this.#checked(request);
    const { given } = request;
    const size = await this.#size(reader);
    const from = given.integer("from") ?? 0;
    const limit = given.integer("limit") ?? 1024;
    const to = Math.max(from, Math.min(size, from + Math.min(limit, most)));
    return { reader, size, from, to };
  }
}

function filterOf(given: ApiRequest["given"]): LineFilter {
  const source = given.text("source");
  return {
    fromSeq: given.integer("from-seq") ?? allLines.fromSeq,
    toSeq: given.integer("to-seq") ?? allLines.toSeq,
    since: given.time("since") ?? allLines.since,
    until: given.time("until") ?? allLines.until,
    ...{ source: source === undefined ? undefined : sourceRule(source), records: true },
  };
}

const ndjson = "application/x-ndjson";
const still = { "cache-control": "no-store", "x-content-type-options": "nosniff" };

function place(size: number, next: number): Record<string, string> {
  return { "sealtail-size": String(size), "sealtail-next-block": String(next) };
}

function unknown(): Problem {
  return new Problem("unknown-chain", "chain is not stored");
}

export function json(value: object): Response {
  const headers = { ...still, "content-type": "application/json" };
  return new Response(`${JSON.stringify(value)}\n`, { headers });
}

function note(bytes: Uint8Array | undefined): Response {
  if (bytes === undefined) throw new Problem("not-found", "there is no such note");
  return new Response(bytes as Uint8Array<ArrayBuffer>, {
    headers: { ...still, "content-type": "text/plain; charset=utf-8" },
  });
}

export function raw(pieces: AsyncIterable<Uint8Array>, headers: Record<string, string>): Response {
  const type = { "content-type": "application/octet-stream" };
  return new Response(bodyOf(pieces), { headers: { ...still, ...type, ...headers } });
}
