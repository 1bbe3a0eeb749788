// Which envelopes a reader wants to see.
//
// - Numbers and times are inclusive at both ends. Times select; their order is never assumed, for
//   clocks jump.
// - Looks at bytes only: a line is never decoded to be searched.

import { readU64 } from "../core/bytes.ts";
import { field } from "../core/envelope.ts";
import { encodedGlob, globMatches } from "../core/glob.ts";
import type { Header } from "../core/header.ts";
import { type PayloadItem, payloadItems } from "../core/payload.ts";

/** What is known of a source by its record. */
export interface SourceName {
  readonly id: string;
  readonly name: string;
  readonly path: string;
}

export interface LineFilter {
  readonly fromSeq: number;
  readonly toSeq: number;
  /** Unix microseconds, of when the agent read the line. */
  readonly since: number;
  readonly until: number;
  /** Lines of these sources, and no records; undefined: of all. */
  readonly source: ((source: SourceName) => boolean) | undefined;
  /** Also what the agent itself stated. */
  readonly records: boolean;
  /** Further conditions on a preimage. */
  readonly holds?: (preimage: Uint8Array) => boolean;
}

/** Everything there is. */
export const allLines: LineFilter = {
  ...{ fromSeq: 0, toSeq: Number.POSITIVE_INFINITY },
  ...{ since: 0, until: Number.POSITIVE_INFINITY },
  ...{ source: undefined, records: true },
};

/**
 * A rule in text: `name:NAME`, `id:` and 6 to 32 lower-case hex digits, or a glob over paths.
 * Undefined for what is none.
 */
export function sourceRule(text: string): LineFilter["source"] {
  const [, key, value = ""] = /^(name|id):(.*)$/s.exec(text) ?? [];
  if (key === "name") return ({ name }) => name === value;
  if (key !== "id") {
    const glob = encodedGlob(text);
    return ({ path }) => globMatches(glob, path);
  }
  return /^[0-9a-f]{6,32}$/.test(value) ? ({ id }) => id.startsWith(value) : undefined;
}

function overlaps({ fromSeq, toSeq }: LineFilter, first: number, end: number): boolean {
  return first <= toSeq && end > fromSeq;
}

/** Whether a block can hold what is wanted; its sources need not be known yet. */
export function mayWant(filter: LineFilter, { firstSeq, count }: Header, raw: Uint8Array): boolean {
  if (!overlaps(filter, firstSeq, firstSeq + count)) return false;
  for (const item of payloadItems(raw)) {
    const kind = item.kind === "span" || wantsSource(filter, undefined);
    if (kind && isInTime(filter, item)) return true;
  }
  return false;
}

/** Whether any envelope of an item can be wanted; `source` is undefined for records. */
export function wantsItem(
  filter: LineFilter,
  item: PayloadItem,
  source: SourceName | undefined,
): boolean {
  return isInTime(filter, item) && wantsSource(filter, source);
}

/** Whether an item whose first envelope has the number `seq` lies in the asked range. */
export function isInRange(filter: LineFilter, seq: number, item: PayloadItem): boolean {
  return seq >= filter.fromSeq && seq <= filter.toSeq && isInTime(filter, item);
}

function isInTime({ since, until }: LineFilter, { time }: PayloadItem): boolean {
  return time >= since && time <= until;
}

function wantsSource(filter: LineFilter, source: SourceName | undefined): boolean {
  if (source === undefined) return filter.records && filter.source === undefined;
  return filter.source === undefined || filter.source(source);
}

/** Whether an envelope of an item that is wanted is wanted itself. */
export function wantsEnvelope(filter: LineFilter, preimage: Uint8Array): boolean {
  const seq = readU64(preimage, field.seq);
  if (seq < filter.fromSeq || seq > filter.toSeq) return false;
  return filter.holds === undefined || filter.holds(preimage);
}
