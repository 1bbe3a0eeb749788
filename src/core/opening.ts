// A block opened, and the records that the first block of a run begins with.

import { headLength, openPayload } from "./block.ts";
import { equalBytes, fromHex } from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { decodeHeader, type Header } from "./header.ts";
import type { JsonObject } from "./json.ts";
import { payloadItems } from "./payload.ts";
import { decodeRecord } from "./record.ts";
import { Frontier } from "./tree.ts";

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

/**
 * The newest run of a chain of `size` blocks, and its first block. A run is one stretch, so the
 * search may halve; `runAt` tells of one block, and what it throws is for the caller.
 */
export async function newestRun(
  size: number,
  runAt: (block: number) => Promise<Uint8Array>,
): Promise<{ readonly run: Uint8Array; readonly first: number }> {
  const run = await runAt(size - 1);
  let [low, high] = [0, size - 1];
  while (low < high) {
    const middle = low + Math.floor((high - low) / 2);
    if (equalBytes(await runAt(middle), run)) high = middle;
    else low = middle + 1;
  }
  return { run, first: low };
}

/** The tree over all blocks before, as the block's snapshot lists it. */
export function frontierIn(suite: Suite, header: Header, raw: Uint8Array): Frontier | undefined {
  const snapshot = openingRecord(raw, "snapshot");
  if (snapshot === undefined) return undefined;
  const tree = (snapshot["tree"] as string[]).map((text) => fromHex(text, 32));
  return Frontier.from(suite, header.blockNo, tree);
}
