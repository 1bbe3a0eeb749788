// What a chain says about each followed file: declared or not, and up to which offset.
//
// - Continuity: a source's next byte is where the last one ended, unless a record moves it.
//   So every byte from 0 to the expected offset was sealed in order or lies in a declared gap.
// - One table serves the agent (positions to resume from), the vault, readers and the verifier:
//   whoever takes a chain up at a snapshot calls loosen() first, then take() with every item.
// - After a payload that could not be read the table is loose: unknown sources pass and each
//   source's next byte sets its offset, until a snapshot says what holds.
//
// Spec: docs/spec/continuity.md.

import { addNumbers, hex } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault, type FindingCode } from "./fault.ts";
import type { Json, JsonObject } from "./json.ts";
import type { PayloadItem } from "./payload.ts";
import {
  decodeRecord,
  encodeRecord,
  maxRecordLength,
  type SourcePosition,
  sourceIdOf,
} from "./record.ts";

/** An open source: its declaration and the offset of the next byte to be sealed. */
export interface OpenSource {
  readonly id: string;
  readonly record: JsonObject;
  /** Offset of the next byte; undefined while it is not known (loose). */
  expected: number | undefined;
}

/** `{"offset":9007199254740991,"record":},` around each declaration. */
const positionOverhead = 40;

const fault = (code: FindingCode, message: string): Fault => new Fault(code, message);

export class SourceTable {
  readonly #suite: Suite;
  readonly #open = new Map<string, OpenSource>();
  /** Bytes of all open declarations: what a snapshot must hold. */
  #weight = 0;
  #loose = false;

  constructor(suite: Suite) {
    this.#suite = suite;
  }

  /** Whether a payload was lost, so that undeclared sources pass until the next snapshot. */
  get loose(): boolean {
    return this.#loose;
  }

  /** About how many bytes a snapshot's `sources` takes now. */
  get snapshotBytes(): number {
    return this.#weight + this.#open.size * positionOverhead;
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size;
  }

  get(id: string): OpenSource | undefined {
    return this.#open.get(id);
  }

  [Symbol.iterator](): IterableIterator<OpenSource> {
    return this.#open.values();
  }

  /** The open sources as a `snapshot` record lists them: sorted by source id. */
  positions(): SourcePosition[] {
    return this.#sorted().map(({ record, expected }) => ({ record, offset: expected ?? 0 }));
  }

  #sorted(): OpenSource[] {
    return [...this.#open.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** A payload could not be read: what it declared, moved or closed is unknown. */
  loosen(): void {
    this.#loose = true;
    for (const source of this.#open.values()) source.expected = undefined;
  }

  /** Takes over what a snapshot lists, whatever was known before. */
  restore(positions: readonly SourcePosition[]): void {
    this.#open.clear();
    this.#weight = 0;
    this.#loose = false;
    for (const { record, offset } of positions) this.declare(record, offset);
  }

  /**
   * Takes the next item of an opened payload, whatever it is, and returns what is wrong with it.
   * Throws Fault for a record that can't be read.
   */
  take(item: PayloadItem, raw: Uint8Array): Fault | undefined {
    if (item.kind === "span") return this.advance(item.source, item.offset, item.end - item.start);
    const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
    return type === "snapshot" ? this.takeSnapshot(value) : this.apply(type, value);
  }

  /**
   * What a snapshot lists must be what is open. Where that is not known (loose), it is taken over.
   * Returns SNAPSHOT_MISMATCH, and then changes nothing.
   */
  takeSnapshot(snapshot: JsonObject): Fault | undefined {
    const listed = positionsIn(snapshot["sources"]);
    const found = listed.map(({ record, offset }) => ({ id: this.idOf(record), offset }));
    const sorted = found.every(({ id }, at) => at === 0 || (found[at - 1]?.id as string) < id);
    if (!sorted) return fault("SNAPSHOT_MISMATCH", "snapshot's sources are not sorted by id");
    if (this.#loose) {
      this.restore(listed);
      return undefined;
    }
    const open = this.#sorted();
    const same =
      open.length === found.length &&
      open.every(({ id, expected }, at) => found[at]?.id === id && found[at]?.offset === expected);
    return same
      ? undefined
      : fault("SNAPSHOT_MISMATCH", "snapshot's sources are not those that are open");
  }

  /** The source id, in hex, that a source record stands for. */
  idOf(record: JsonObject): string {
    return hex(sourceIdOf(this.#suite, encodeRecord(record)));
  }

  /** Opens a source and returns its id; declaring identical bytes again changes nothing. */
  declare(record: JsonObject, offset = 0): string {
    const bytes = encodeRecord(record);
    const id = hex(sourceIdOf(this.#suite, bytes));
    if (!this.#open.has(id)) {
      this.#open.set(id, { id, record, expected: offset });
      this.#weight += bytes.length;
    }
    return id;
  }

  #close(source: OpenSource): void {
    if (this.#open.delete(source.id)) this.#weight -= encodeRecord(source.record).length;
  }

  /** Bytes [offset, offset + length) of a source were sealed. Returns what is wrong with that. */
  advance(id: string, offset: number, length: number): Fault | undefined {
    const next = addNumbers(offset, length);
    const source = this.#open.get(id);
    if (source === undefined) {
      return this.#loose ? undefined : fault("SOURCE_UNDECLARED", "line of a source not declared");
    }
    const { expected } = source;
    source.expected = next;
    if (expected === undefined || expected === offset) return undefined;
    return offset > expected
      ? fault("GAP_UNDECLARED", `next byte is ${offset}, want ${expected}`)
      : fault("OFFSET_OVERLAP", `next byte is ${offset}, want ${expected}`);
  }

  /**
   * Applies a record about sources (source, end, gap, rewritten, heartbeat, predecessor) and
   * returns what is wrong with it. Other types change nothing. A wrong number is still applied.
   */
  apply(type: string, value: JsonObject): Fault | undefined {
    switch (type) {
      case "source":
        return this.#applySource(value);
      case "predecessor":
        return this.#applyPredecessor(positionsIn(value["positions"]));
      case "heartbeat":
        return this.#applyHeartbeat(value["sources"]);
      case "end":
      case "gap":
      case "rewritten":
        return this.#applyTo(type, value);
      default:
        return undefined;
    }
  }

  // Bounds the table: sources that fit in no snapshot can't all be open.
  #applySource(record: JsonObject, offset = 0): Fault | undefined {
    const source = this.#open.get(this.declare(record, offset));
    if (source === undefined || this.#weight <= maxRecordLength) return undefined;
    this.#close(source);
    return fault("LIMIT_EXCEEDED", "open sources are more than a snapshot can hold");
  }

  #applyPredecessor(positions: readonly SourcePosition[]): Fault | undefined {
    let first: Fault | undefined;
    for (const { record, offset } of positions) {
      const found = this.#applySource(record, offset);
      first ??= found;
    }
    return first;
  }

  #applyHeartbeat(list: Json | undefined): Fault | undefined {
    if (this.#loose || !Array.isArray(list)) return undefined;
    const stranger = list.some((item) => this.#named((item as JsonObject)["source"]) === undefined);
    return stranger
      ? fault("SOURCE_UNDECLARED", "heartbeat names a source that is not open")
      : undefined;
  }

  #applyTo(type: "end" | "gap" | "rewritten", value: JsonObject): Fault | undefined {
    const source = this.#named(value["source"]);
    if (source === undefined) {
      return this.#loose
        ? undefined
        : fault("SOURCE_UNDECLARED", `${type} record is about a source that is not open`);
    }
    if (type === "rewritten") return wrongRewrite(source, value);
    const { expected } = source;
    if (type === "end") {
      this.#close(source);
      const size = value["size"];
      return expected === undefined || size === expected
        ? undefined
        : fault("MALFORMED", `end record has another size than ${expected}`);
    }
    const { from, to } = value;
    if (to === undefined) this.#close(source);
    else source.expected = typeof to === "number" ? to : undefined;
    if (typeof from === "number" && typeof to === "number" && to <= from) {
      return fault("MALFORMED", `gap record ends at ${to}, before it begins at ${from}`);
    }
    return expected === undefined || from === expected
      ? undefined
      : fault("MALFORMED", `gap record does not begin at ${expected}`);
  }

  // Values of a malformed record may be of any kind; not all of them can be made text.
  #named(id: Json | undefined): OpenSource | undefined {
    return typeof id === "string" ? this.#open.get(id) : undefined;
  }
}

function wrongRewrite(source: OpenSource, value: JsonObject): Fault | undefined {
  const { from, to } = value;
  const inside =
    typeof from === "number" &&
    typeof to === "number" &&
    from < to &&
    (source.expected === undefined || to <= source.expected);
  return inside
    ? undefined
    : fault("MALFORMED", "rewritten record does not lie within what was sealed");
}

/** The well-formed positions of a `snapshot` or `predecessor` record. */
export function positionsIn(list: Json | undefined): SourcePosition[] {
  if (!Array.isArray(list)) return [];
  return list.filter(
    (item) =>
      typeof item === "object" &&
      typeof item["record"] === "object" &&
      typeof item["offset"] === "number",
  ) as SourcePosition[];
}
