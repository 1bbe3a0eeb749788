// Pure. A block opened, and what the snapshot at its beginning says: a buffer's segments begin so.

import { headLength, openPayload } from "../core/block.ts";
import { fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import type { JsonObject } from "../core/json.ts";
import { payloadItems } from "../core/payload.ts";
import { decodeRecord, type PredecessorRecord } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { Frontier } from "../core/tree.ts";
import type { Origin } from "./old-chain.ts";

/** Throws Fault for a block that is damaged. */
export function openBlock(suite: Suite, bytes: Uint8Array): { header: Header; raw: Uint8Array } {
  const header = decodeHeader(bytes);
  return { header, raw: openPayload(suite, header, bytes.subarray(headLength)) };
}

/**
 * The first record of a type among those that a payload begins with; one that lacks what its type
 * must have is none. Throws Fault for what cannot be read.
 */
export function openingRecord(raw: Uint8Array, type: string): JsonObject | undefined {
  for (const item of payloadItems(raw)) {
    if (item.kind === "span") return undefined;
    const { type: found, value, problem } = decodeRecord(raw.subarray(item.start, item.end));
    if (found === type) return problem?.code === "MALFORMED" ? undefined : value;
    if (found === "source") return undefined;
  }
  return undefined;
}

/** What a genesis says of the chain that it went on from: of the sources that its grant covers. */
export function originIn(raw: Uint8Array): Origin | undefined {
  const value = openingRecord(raw, "predecessor");
  if (value === undefined) return undefined;
  const { chain, size, root, reason } = value as PredecessorRecord;
  const named = { chain, size, root, reason };
  const positions = positionsIn(value["positions"]);
  return { named, positions, outside: [], leftOut: new Map() };
}

/** The tree over all blocks before, as the block's snapshot lists it. */
export function frontierIn(suite: Suite, header: Header, raw: Uint8Array): Frontier | undefined {
  const snapshot = openingRecord(raw, "snapshot");
  if (snapshot === undefined) return undefined;
  const tree = (snapshot["tree"] as string[]).map((text) => fromHex(text, 32));
  return Frontier.from(suite, header.blockNo, tree);
}
