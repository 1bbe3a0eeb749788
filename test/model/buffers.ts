// What the agent's buffers hold: every span that is durable in one is owed, whatever happens to the
// process, the chain and the grant, until the buffer itself is lost.
//
// - Blocks are read as they lie on the disk, chain by chain, up to the first that is damaged: what
//   lies behind it may be set aside.
// - A block that was seen stays owed also when its buffer is cleared: who clears it says by that
//   that it is sealed elsewhere.

import { headLength, openPayload } from "../../src/core/block.ts";
import { hex } from "../../src/core/bytes.ts";
import { Fault } from "../../src/core/fault.ts";
import { decodeHeader } from "../../src/core/header.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { payloadItems } from "../../src/core/payload.ts";
import {
  decodeRecord,
  encodeRecord,
  type SourceRecord,
  sourceIdOf,
} from "../../src/core/record.ts";
import { positionsIn } from "../../src/core/sources.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { checkFrame } from "../../src/wal/frame.ts";

/** A span that lies in a buffer. */
export interface Buffered {
  readonly source: string;
  readonly record: SourceRecord;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** When it was found there. */
  readonly tick: number;
  /** Chain and block, for people. */
  readonly place: string;
}

/** The segments of one chain's buffer, by the index of their first block. */
export type Segments = readonly { readonly first: number; readonly bytes: Uint8Array }[];

export class Buffers {
  readonly #records = new Map<string, SourceRecord>();
  /** By the folder of the chain, then by block. */
  readonly #held = new Map<string, Map<string, Buffered[]>>();

  get spans(): Buffered[] {
    return [...this.#held.values()].flatMap((blocks) => [...blocks.values()].flat());
  }

  /** Takes in what the buffer of the chain in folder `dir` holds. */
  find(dir: string, segments: Segments, tick: number): void {
    const known = this.#held.get(dir) ?? new Map<string, Buffered[]>();
    this.#held.set(dir, known);
    for (const block of blocksIn(segments)) {
      try {
        this.#take(block, known, tick);
      } catch (caught) {
        if (caught instanceof Fault) return;
        throw caught;
      }
    }
  }

  /** What the chain in this folder held may be lost, and what it took over from older ones. */
  forget(dir: string): void {
    for (const each of [...this.#held.keys()]) if (each <= dir) this.#held.delete(each);
  }

  forgetAll(): void {
    this.#held.clear();
  }

  #take(block: Uint8Array, known: Map<string, Buffered[]>, tick: number): void {
    const header = decodeHeader(block);
    const place = `${hex(header.chainId).slice(0, 6)}/${header.blockNo}`;
    if (known.has(place)) return;
    const raw = openPayload(suite, header, block.subarray(headLength));
    const spans: Buffered[] = [];
    for (const item of payloadItems(raw)) {
      const bytes = raw.slice(item.start, item.end);
      if (item.kind === "record") this.#learn(decodeRecord(bytes));
      else {
        const { source, offset } = item;
        const record = this.#records.get(source);
        if (record !== undefined) spans.push({ source, record, offset, bytes, tick, place });
      }
    }
    known.set(place, spans);
  }

  #learn({ type, value }: { readonly type: string; readonly value: JsonObject }): void {
    const listed = [...positionsIn(value["positions"]), ...positionsIn(value["sources"])];
    const records = type === "source" ? [value] : listed.map(({ record }) => record);
    for (const record of records) {
      if (record === undefined) continue;
      const id = hex(sourceIdOf(suite, encodeRecord(record)));
      this.#records.set(id, record as unknown as SourceRecord);
    }
  }
}

/** Whole blocks in order, up to the first damage or hole. */
function* blocksIn(segments: Segments): Generator<Uint8Array> {
  let next = segments[0]?.first ?? 0;
  for (const { first, bytes } of segments) {
    if (first !== next) return;
    for (let at = 0; at < bytes.length; next += 1) {
      const frame = checkFrame(bytes, at, next);
      if (frame.kind !== "whole") return;
      yield bytes.subarray(frame.start, frame.end);
      at = frame.end;
    }
  }
}
