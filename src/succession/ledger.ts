// Pure. The ledger: where each source stands while old blocks are gone through, and what of each
// block is new.
//
// - Old chains may hold the same bytes: a chain that was replaced in the middle holds copies of
//   what an older one still has. What was taken once is not taken again.
// - Bytes that no old block holds any more, though later ones of their source are there, become a
//   gap. So each source goes on without a hole, whatever was lost. Where only a snapshot says that
//   there were some, the file is read again from there: it may still hold them.
// - A source that was closed stays closed: its id never opens again.

import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { type JsonObject, textOf } from "../core/json.ts";
import { openBlock } from "../core/opening.ts";
import { payloadItems, type SpanItem } from "../core/payload.ts";
import {
  type AgentRecord,
  decodeRecord,
  encodeRecord,
  type SourcePosition,
  sourceIdOf,
} from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";

/** What a new chain takes over: records that belong into one block, or a part of the payload. */
export type Taken =
  | { readonly kind: "records"; readonly records: readonly AgentRecord[] }
  | {
      readonly kind: "bytes";
      readonly source: string;
      readonly offset: number;
      readonly time: number;
      readonly start: number;
      readonly end: number;
    };

interface Entry {
  readonly record: JsonObject;
  readonly path: string;
  offset: number;
}

export interface LedgerStart {
  readonly positions: Iterable<SourcePosition>;
  /** Ids of sources that are over. */
  readonly closed?: Iterable<string>;
  /** Edits that were stated, as `editKey` gives them. */
  readonly edits?: Iterable<string>;
  /** Whether the chain may hold a path; sources outside of it are passed over. */
  readonly scope?: ((path: string) => boolean) | undefined;
}

/** Records that are kept together at most; more of them do not depend on each other. */
const togetherMax = 16;

const editKey = (value: JsonObject): string =>
  JSON.stringify([value["source"], value["from"], value["to"]]);

export class Ledger {
  readonly #suite: Suite;
  readonly #open = new Map<string, Entry>();
  readonly #closed: Set<string>;
  readonly #edits: Set<string>;
  readonly #scope: (path: string) => boolean;
  /** Bytes by path that old blocks held, or hold no more. */
  readonly moved: Map<string, number> = new Map();

  constructor(suite: Suite, start: LedgerStart) {
    this.#suite = suite;
    this.#closed = new Set(start.closed);
    this.#edits = new Set(start.edits);
    this.#scope = start.scope ?? ((): boolean => true);
    for (const { record, offset } of start.positions) this.#declare(record, offset);
  }

  /** The open sources, sorted by id. */
  positions(): SourcePosition[] {
    return [...this.#open]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { record, offset }]) => ({ record, offset }));
  }

  /** Goes through a payload. Throws Fault where it is damaged; what came before stands. */
  *take(raw: Uint8Array): Generator<Taken, void, undefined> {
    let together: AgentRecord[] = [];
    for (const item of payloadItems(raw)) {
      const taken: (AgentRecord | Taken)[] = [];
      if (item.kind === "span") taken.push(...this.#span(item));
      else taken.push(...this.#record(raw.subarray(item.start, item.end)));
      for (const each of taken) {
        const record = "type" in each ? each : undefined;
        // What closes a generation stands first, the next one is declared in the same block.
        const apart = record === undefined || closes(record) || together.length >= togetherMax;
        if (apart && together.length > 0) {
          yield { kind: "records", records: together };
          together = [];
        }
        if (record === undefined) yield each as Taken;
        else together.push(record);
      }
    }
    if (together.length > 0) yield { kind: "records", records: together };
  }

  *#span({ source, offset, time, start, end }: SpanItem): Generator<AgentRecord | Taken> {
    const entry = this.#open.get(source);
    if (entry === undefined) return;
    yield* this.#bridge(source, entry, offset);
    const done = entry.offset - offset;
    if (done >= end - start) return;
    const from = entry.offset;
    this.#move(entry, offset + (end - start));
    yield { kind: "bytes", source, offset: from, time, start: start + done, end };
  }

  // Nobody has what lies between any more.
  *#bridge(source: string, entry: Entry, to: number): Generator<AgentRecord> {
    const from = entry.offset;
    if (to <= from) return;
    this.#move(entry, to);
    yield { type: "gap", source, from, to, cause: "rotated-away" };
  }

  #move(entry: Entry, to: number): void {
    this.moved.set(entry.path, (this.moved.get(entry.path) ?? 0) + to - entry.offset);
    entry.offset = to;
  }

  *#record(bytes: Uint8Array): Generator<AgentRecord> {
    const { type, value } = decodeRecord(bytes);
    if (type === "source") return yield* this.#meet(value, 0);
    if (type === "snapshot") return yield* this.#meetAll(value["sources"], false);
    if (type === "predecessor") return yield* this.#meetAll(value["positions"], true);
    if (type !== "end" && type !== "gap" && type !== "rewritten") return;
    const source = textOf(value["source"]);
    const entry = this.#open.get(source);
    if (entry === undefined) return;
    const record = value as unknown as AgentRecord;
    if (type === "end") yield* this.#end(source, entry, record, Number(value["size"]));
    if (type === "gap") yield* this.#gap(source, entry, value);
    if (type === "rewritten" && Number(value["to"]) <= entry.offset) yield* this.#edit(value);
  }

  // `elsewhere`: what lies before the offsets is sealed in a chain before, and is not sealed again.
  *#meetAll(list: JsonObject[string] | undefined, elsewhere: boolean): Generator<AgentRecord> {
    for (const { record, offset } of positionsIn(list))
      yield* this.#meet(record, elsewhere ? offset : 0);
  }

  // Of a source that is met at an offset, no old block has what came before.
  *#meet(record: JsonObject, offset: number): Generator<AgentRecord> {
    const source = hex(sourceIdOf(this.#suite, encodeRecord(record)));
    if (this.#open.has(source) || this.#closed.has(source)) return;
    const entry = this.#declare(record, 0);
    if (entry === undefined) return;
    yield record as unknown as AgentRecord;
    yield* this.#bridge(source, entry, offset);
  }

  *#end(source: string, entry: Entry, record: AgentRecord, size: number): Generator<AgentRecord> {
    if (size < entry.offset) return;
    yield* this.#bridge(source, entry, size);
    this.#close(source);
    yield record;
  }

  *#gap(source: string, { offset }: Entry, value: JsonObject): Generator<AgentRecord> {
    const entry = this.#open.get(source) as Entry;
    const from = Number(value["from"]);
    const { to } = value;
    if (typeof to === "number") {
      if (to <= offset) return;
      // What was stated as missing is in nobody's buffer.
      entry.offset = to;
      yield { ...value, from: offset } as unknown as AgentRecord;
      return;
    }
    if (from < offset) return;
    this.#close(source);
    yield { ...value, from: offset } as unknown as AgentRecord;
  }

  *#edit(value: JsonObject): Generator<AgentRecord> {
    const key = editKey(value);
    if (this.#edits.has(key)) return;
    this.#edits.add(key);
    yield value as unknown as AgentRecord;
  }

  #declare(record: JsonObject, offset: number): Entry | undefined {
    const path = textOf(record["path"]);
    if (!this.#scope(path)) return undefined;
    const entry = { record, path, offset };
    this.#open.set(hex(sourceIdOf(this.#suite, encodeRecord(record))), entry);
    return entry;
  }

  #close(source: string): void {
    this.#open.delete(source);
    this.#closed.add(source);
  }
}

function closes(record: AgentRecord): boolean {
  return record.type === "end" || (record.type === "gap" && record.to === undefined);
}

/** What blocks closed and which edits they stated: a chain that goes on must not do it again. */
export async function statedIn(
  suite: Suite,
  blocks: AsyncIterable<{ readonly bytes: Uint8Array }>,
): Promise<{ closed: Set<string>; edits: Set<string> }> {
  const closed = new Set<string>();
  const edits = new Set<string>();
  for await (const { bytes } of blocks) {
    const { raw } = openBlock(suite, bytes);
    for (const item of payloadItems(raw)) {
      if (item.kind === "span") continue;
      const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
      if (type === "rewritten") edits.add(editKey(value));
      else if (type === "end" || (type === "gap" && value["to"] === undefined)) {
        closed.add(textOf(value["source"]));
      }
    }
  }
  return { closed, edits };
}
