// Reads the lines of a stored chain that someone vouches for.
//
// - Two walks. The first looks at heads only and decides how far the chain is authenticated; the
//   second reads payloads and hands out envelopes, a block at a time, after it was judged again.
// - What the second walk finds is compared with the first: a place that changes its mind between
//   the two is caught.
// - One block is held at a time, and none is read before the lines before it were taken.

import { hex } from "../core/bytes.ts";
import { envelopeKind, field, sourceIdLength } from "../core/envelope.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault, type FindingCode } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import type { JsonObject } from "../core/json.ts";
import type { PayloadItem } from "../core/payload.ts";
import { decodeRecord, encodeRecord, sourceIdOf } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { nativeSuite as suite } from "../host/native-suite.ts";
import { verifyChain } from "../verify/verify.ts";
import type { ChainWalk } from "../verify/walk.ts";
import type { OpenedChain } from "./chains-source.ts";
import { type HeldLine, HeldLines } from "./held-lines.ts";
import type { LineFilter, SourceName } from "./line-filter.ts";
import type { TrustedKeys } from "./trusted-keys.ts";
import { readingAll } from "./watched-chain.ts";

/** One envelope that is wanted. Its bytes are not kept beyond the call that tells of it. */
export interface FoundLine extends HeldLine {
  readonly block: number;
}

export interface ReadLinesOptions {
  readonly chain: OpenedChain;
  readonly filter: LineFilter;
  readonly keys: TrustedKeys;
  /** Hand out what nobody vouches for, too. */
  readonly unauthenticated: boolean;
  /** Called for each line that is wanted, in order. */
  readonly onLine: (line: FoundLine) => void;
  /** Awaited before more is read. */
  readonly ready: () => Promise<void>;
  /** No more is wanted. */
  readonly stopped: () => boolean;
}

export interface ReadOutcome {
  /** Why lines in the asked range may be missing: finding codes and what they are about. */
  readonly leftOut: readonly string[];
}

/** What a walk may find that hides lines. */
const hiding: ReadonlySet<FindingCode> = new Set([
  ...(["BLOCK_MISSING", "PAYLOAD_MISSING", "TAIL_TRUNCATED", "BAD_SIGNATURE"] as const),
  ...(["PAYLOAD_HASH_MISMATCH", "PAYLOAD_LENGTH_MISMATCH", "PAYLOAD_CORRUPT"] as const),
  ...(["COUNT_MISMATCH", "WRONG_CHAIN", "UNSUPPORTED"] as const),
]);

/** Throws source-changed, and what the place throws. */
export async function readLines(options: ReadLinesOptions): Promise<ReadOutcome> {
  const { chain, keys } = options;
  const vouched = options.unauthenticated
    ? Number.POSITIVE_INFINITY
    : await authenticatedEnd(chain, keys);
  const reading = new Reading(options, vouched);
  const lazy: OpenedChain = {
    id: chain.id,
    grant: () => chain.grant(),
    receipt: () => chain.receipt(),
    blocks: () => reading.lazyBlocks(),
    headers: () => chain.headers(),
    forks: () => chain.forks(),
    unread: () => chain.unread(),
  };
  await readingAll(lazy, (readable) =>
    verifyChain(readable, {
      ...{ suite, ...keys },
      report: ({ code, message }) => reading.note(code, message),
      onItem: (item, raw) => reading.item(item, raw),
      onEnvelope: (preimage, hash) => reading.envelope(preimage, hash),
      onAccepted: (header, walk) => reading.accepted(header, walk),
    }),
  );
  reading.finish();
  return { leftOut: reading.leftOut };
}

/** Number of the first block that nobody vouches for. */
async function authenticatedEnd(chain: OpenedChain, keys: TrustedKeys): Promise<number> {
  let walk: ChainWalk | undefined;
  await readingAll(chain, (readable) =>
    verifyChain(readable, {
      ...{ suite, ...keys, headersOnly: true, report: () => {} },
      onAccepted: (_header, accepting) => {
        walk = accepting;
      },
    }),
  );
  return walk?.unauthenticatedFrom ?? Number.POSITIVE_INFINITY;
}

class Reading {
  readonly leftOut: string[] = [];
  readonly #options: ReadLinesOptions;
  readonly #vouched: number;
  readonly #sources = new Map<string, SourceName>();
  readonly #held = new HeldLines();
  /** The source of the newest line, and its id. */
  #source: SourceName | undefined;
  readonly #sourceId = Buffer.alloc(sourceIdLength);
  #sawPayload = false;
  #done = false;
  #walk: ChainWalk | undefined;
  /** The newest block whose lines were handed out. */
  #given = -1;

  constructor(options: ReadLinesOptions, vouched: number) {
    this.#options = options;
    this.#vouched = vouched;
  }

  /** The chain's objects, read no further than the lines before were taken. */
  async lazyBlocks(): ReturnType<OpenedChain["blocks"]> {
    const objects = await this.#options.chain.blocks();
    return objects.map((object) => ({ ...object, open: () => this.#paced(object.open()) }));
  }

  async *#paced(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      await this.#options.ready();
      if (this.#done || this.#options.stopped()) {
        this.#done = true;
        return;
      }
      yield piece;
    }
  }

  note(code: FindingCode, message: string): void {
    if (this.#done || !hiding.has(code) || this.leftOut.length > 20) return;
    this.leftOut.push(`${message} [${code}]`);
  }

  item(item: PayloadItem, raw: Uint8Array): void {
    this.#sawPayload = true;
    if (item.kind === "record") this.#learn(raw.subarray(item.start, item.end));
  }

  envelope(preimage: Uint8Array, hash: Uint8Array): void {
    const isRecord = preimage[field.kind] === envelopeKind.record;
    const source = isRecord ? undefined : this.#sourceOf(preimage);
    if (this.#options.filter.wants(preimage, source)) this.#held.add(preimage, hash, source);
  }

  // Mostly the same as the line's before.
  #sourceOf(preimage: Uint8Array): SourceName {
    const known = this.#source;
    const same = this.#sourceId.compare(preimage, field.source, field.offset) === 0;
    if (known !== undefined && same) return known;
    const id = hex(preimage.subarray(field.source, field.offset));
    const source = this.#sources.get(id) ?? nameless(id);
    this.#source = source;
    this.#sourceId.set(preimage.subarray(field.source, field.offset));
    return source;
  }

  /** The block whose payload was just judged is part of the chain: its lines may be handed out. */
  accepted(header: Header, walk: ChainWalk): void {
    this.#walk = walk;
    if (!this.#done) this.#give(header, walk);
    this.#held.clear();
    this.#sawPayload = false;
  }

  #give(header: Header, walk: ChainWalk): void {
    const { blockNo, firstSeq, count } = header;
    const { filter, onLine, unauthenticated } = this.#options;
    // Where only a later receipt vouches for the block, the walk must reach it.
    if (
      firstSeq + count > filter.toSeq &&
      (walk.unauthenticatedFrom === undefined || unauthenticated)
    ) {
      this.#done = true;
    }
    if (!this.#sawPayload || !filter.overlaps(firstSeq, firstSeq + count)) return;
    if (blockNo >= this.#vouched) {
      this.leftOut.push(`nobody vouches for block ${blockNo} and those behind it`);
      this.#done = true;
      return;
    }
    if (!unauthenticated) this.#given = blockNo;
    for (const { envelope, hash, source } of this.#held) {
      onLine({ envelope, hash, source, block: blockNo });
    }
  }

  finish(): void {
    const from = this.#walk?.unauthenticatedFrom;
    if (from === undefined || from > this.#given || this.#options.stopped()) return;
    const message = `block ${from} is not the one that was judged before`;
    throw new SealtailError("source-changed", message);
  }

  #learn(bytes: Uint8Array): void {
    try {
      const { type, value } = decodeRecord(bytes);
      if (type === "source") this.#name(value);
      const list = type === "snapshot" ? value["sources"] : value["positions"];
      for (const { record } of positionsIn(list)) this.#name(record);
    } catch (caught) {
      // A record that cannot be read names nothing.
      if (!(caught instanceof Fault)) throw caught;
    }
  }

  #name(record: JsonObject): void {
    const id = hex(sourceIdOf(suite, encodeRecord(record)));
    const { name, path } = record;
    if (typeof name !== "string" || typeof path !== "string") return;
    this.#sources.set(id, { id, name, path });
    this.#source = undefined;
  }
}

/** A source whose declaration was lost. */
function nameless(id: string): SourceName {
  return { id, name: "", path: "" };
}
