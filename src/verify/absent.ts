// Bytes of a file that a chain does not hold, by what its own records say.
//
// - Such bytes may lie before the first line or behind the last, where lines alone show nothing.
//
// Spec: docs/spec/continuity.md.

import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { PayloadItem } from "../core/payload.ts";
import { decodeRecord, encodeRecord, type GapRecord, sourceIdOf } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";

export interface Absent {
  /** Id in hex. */
  readonly source: string;
  readonly from: number;
  /** Undefined: how many there are is not known. */
  readonly to: number | undefined;
  /** For people, with the code of the finding. */
  readonly why: string;
}

/** What an item, if it is a record, says of bytes that are not in its chain. */
export function* absentBytes(
  suite: Suite,
  { kind, start, end }: PayloadItem,
  raw: Uint8Array,
): Generator<Absent, void, undefined> {
  if (kind === "span") return;
  try {
    const { type, value, problem } = decodeRecord(raw.subarray(start, end));
    if (problem?.code === "MALFORMED") return;
    if (type === "gap") {
      const { source, from, to, cause } = value as GapRecord;
      yield { source, from, to, why: `${cause} [GAP_DECLARED]` };
    } else if (type === "predecessor") {
      for (const { record, offset } of positionsIn(value["positions"])) {
        if (offset === 0) continue;
        const source = hex(sourceIdOf(suite, encodeRecord(record)));
        yield { source, from: 0, to: offset, why: "an earlier chain has them [CHAIN_REPLACED]" };
      }
    }
  } catch (caught) {
    // Whoever judges the block says what is wrong with it.
    if (!(caught instanceof Fault)) throw caught;
  }
}
