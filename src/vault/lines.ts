// Hands out the envelopes of a chain as JSON, one a line, in order, for those who want to look.
//
// - What is handed out was verified before it was stored; still it proves nothing to a stranger.
//   Whoever needs proof takes the blocks, or the proof of a line.
// - A block at a time is held; its lines are written as fast as they are read, and no faster.
//
// Reference: docs/reference/http.md, "Lines".

import { openPayload } from "../core/block.ts";
import { base64, hex, utf8 } from "../core/bytes.ts";
import { deriveEnvelopes } from "../core/derive.ts";
import type { Suite } from "../core/digest.ts";
import { firstPrev, maxStretch, saltLength, saltsOf } from "../core/envelope.ts";
import { globMatches } from "../core/glob.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import type { JsonObject } from "../core/json.ts";
import { type PayloadItem, payloadItems, seedLength } from "../core/payload.ts";
import { decodeRecord } from "../core/record.ts";
import { positionsIn, SourceTable } from "../core/sources.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import { nextTurn } from "../host/turn.ts";
import type { ChainReader } from "../store/store.ts";
import { blockOfSeq, blockOfTime, clockMargin } from "./seek.ts";
import { newestSnapshot } from "./snapshots.ts";

export interface LineFilter {
  /** Both ends belong to it. */
  readonly fromSeq: number | undefined;
  readonly toSeq: number | undefined;
  /** Unix microseconds, of when the agent read the line; both ends belong to it. */
  readonly since: number | undefined;
  readonly until: number | undefined;
  /** A glob over paths, `name:X` or `id:X`. Records are left out. */
  readonly source: string | undefined;
  readonly limit: number;
}

const chunkBytes = 65_536;

/** The lines as NDJSON. `size` blocks are looked at, at most. */
export async function* readLines(
  suite: Suite,
  chain: ChainReader,
  size: number,
  filter: LineFilter,
): AsyncGenerator<Uint8Array, void, undefined> {
  const from = await firstWanted(chain, size, filter);
  if (from >= size) return;
  const view = await View.open(suite, chain, from);
  const writer = new Chunks();
  let left = filter.limit;
  for await (const { header, payload } of wholeBlocks(chain.wholeBlocks(from, size))) {
    if (isPast(header, filter)) break;
    const raw = openPayload(suite, header, payload);
    for (const row of view.rows(header, raw, filter)) {
      const chunk = writer.add(row);
      if (chunk !== undefined) yield chunk;
      left -= 1;
      if (left === 0) break;
    }
    if (left === 0) break;
    await nextTurn();
  }
  const rest = writer.rest();
  if (rest.length > 0) yield rest;
}

async function firstWanted(
  chain: ChainReader,
  size: number,
  { fromSeq, since }: LineFilter,
): Promise<number> {
  const bySeq = fromSeq === undefined ? 0 : await blockOfSeq(chain, size, fromSeq);
  const byTime = since === undefined ? 0 : await blockOfTime(chain, size, since);
  return Math.max(bySeq, byTime);
}

function isPast(header: Header, { toSeq, until }: LineFilter): boolean {
  if (toSeq !== undefined && header.firstSeq > toSeq) return true;
  return until !== undefined && header.firstTime > until + clockMargin;
}

/** Joins rows into pieces worth sending. */
class Chunks {
  #rows: string[] = [];
  #length = 0;

  add(row: string): Uint8Array | undefined {
    this.#rows.push(row);
    this.#length += row.length;
    return this.#length >= chunkBytes ? this.rest() : undefined;
  }

  rest(): Uint8Array {
    const bytes = utf8(this.#rows.join(""));
    this.#rows = [];
    this.#length = 0;
    return bytes;
  }
}

/** A reader's view of a chain at some block: which sources are open, and the hash before. */
export class View {
  readonly #suite: Suite;
  readonly #chain: string;
  readonly #sources: SourceTable;
  #prev: Uint8Array | undefined;

  constructor(suite: Suite, chain: string) {
    this.#suite = suite;
    this.#chain = chain;
    this.#sources = new SourceTable(suite);
    this.#sources.loosen();
  }

  /** Reads from the nearest snapshot up to, but not into, block `at`. */
  static async open(suite: Suite, chain: ChainReader, at: number): Promise<View> {
    const view = new View(suite, chain.id);
    const { block, before } = await newestSnapshot(chain, at + 1);
    if (before !== undefined) view.#prev = decodeHeader(before).lastHash;
    for await (const { header, payload } of wholeBlocks(chain.wholeBlocks(block, at))) {
      const raw = openPayload(suite, header, payload);
      for (const item of payloadItems(raw)) view.#apply(item, raw);
      view.#prev = header.lastHash;
    }
    return view;
  }

  /** The wanted envelopes of the next block, each as a line of JSON. */
  *rows(header: Header, raw: Uint8Array, filter: LineFilter): Generator<string, void, undefined> {
    const { firstSeq, count } = header;
    const first = this.#prev ?? firstPrev(this.#suite, header.receiptHash, header.runId);
    const hashes = new Uint8Array(32 * (count + 1));
    hashes.set(first);
    let fed = 0;
    deriveEnvelopes(this.#suite, {
      ...{ raw, prev: first, firstSeq, count },
      onEnvelope: (_preimage, hash) => {
        fed += 1;
        hashes.set(hash, 32 * fed);
      },
    });
    const salts = saltsOf(this.#suite, raw.subarray(0, seedLength), count);
    let index = 0;
    for (const item of payloadItems(raw)) {
      this.#apply(item, raw);
      for (const piece of piecesOf(item, raw)) {
        const seq = firstSeq + index;
        if (this.#isWanted(item, seq, filter)) {
          const envelope = {
            ...{ hash: hex(hashes.subarray(32 * index + 32, 32 * index + 64)) },
            ...{ prev: hex(hashes.subarray(32 * index, 32 * index + 32)) },
            ...{ salt: hex(salts.subarray(saltLength * index, saltLength * (index + 1))) },
          };
          yield this.#row(item, header.blockNo, seq, piece, raw, envelope);
        }
        index += 1;
      }
    }
    this.#prev = header.lastHash;
  }

  /** The record of a source that is open before the next block, or declared in it. */
  recordOf(raw: Uint8Array, id: string): JsonObject | undefined {
    const open = this.#sources.get(id);
    if (open !== undefined) return open.record;
    for (const item of payloadItems(raw)) {
      if (item.kind !== "record") continue;
      const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
      const listed = positionsIn(type === "snapshot" ? value["sources"] : value["positions"]);
      const declared = [
        ...(type === "source" ? [value] : []),
        ...listed.map((each) => each.record),
      ];
      const found = declared.find((record) => this.#sources.idOf(record) === id);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #apply(item: PayloadItem, raw: Uint8Array): void {
    if (item.kind !== "record") return;
    this.#sources.take(item, raw);
  }

  #isWanted(item: PayloadItem, seq: number, filter: LineFilter): boolean {
    const { fromSeq = 0, toSeq = seq, since = 0, until = item.time, source } = filter;
    if (seq < fromSeq || seq > toSeq || item.time < since || item.time > until) return false;
    if (source === undefined) return true;
    if (item.kind === "record") return false;
    if (source.startsWith("id:")) return source.slice(3) === item.source;
    const record = this.#sources.get(item.source)?.record;
    if (source.startsWith("name:")) return record?.["name"] === source.slice(5);
    return typeof record?.["path"] === "string" && globMatches(source, record["path"]);
  }

  #row(
    item: PayloadItem,
    block: number,
    seq: number,
    piece: Piece,
    raw: Uint8Array,
    hashes: JsonObject,
  ): string {
    const { kind, time } = item;
    const bytes = raw.subarray(piece.start, piece.end);
    const about = { chain: this.#chain, block, seq, kind: kind === "span" ? "line" : kind, time };
    const row = { ...about, ...this.#from(item, piece), ...hashes, ...content(bytes) };
    return `${JSON.stringify(row)}\n`;
  }

  #from(item: PayloadItem, piece: Piece): JsonObject {
    if (item.kind === "record") return {};
    const record = this.#sources.get(item.source)?.record;
    return {
      source: item.source,
      ...(record === undefined ? {} : { name: record["name"] ?? "", path: record["path"] ?? "" }),
      offset: item.offset + (piece.start - item.start),
      lf: piece.lf,
    };
  }
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly lf: boolean;
}

/** The bytes of an item's envelopes, as core/derive.ts cuts them. */
function* piecesOf(item: PayloadItem, raw: Uint8Array): Generator<Piece, void, undefined> {
  if (item.kind === "record") {
    yield { start: item.start, end: item.end, lf: false };
    return;
  }
  let nextLf = -1;
  for (let start = item.start; start < item.end; ) {
    if (nextLf < start) {
      const found = raw.indexOf(0x0a, start);
      nextLf = found === -1 ? raw.length : found;
    }
    const limit = Math.min(item.end, start + maxStretch);
    const lf = nextLf < limit;
    const end = lf ? nextLf : limit;
    yield { start, end, lf };
    start = lf ? end + 1 : end;
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The bytes as text where they are UTF-8, else as base64: never anything in between. */
function content(bytes: Uint8Array): { text: string } | { base64: string } {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { base64: base64(bytes) };
  }
}
