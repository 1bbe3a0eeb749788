// Pure. What the snapshot at the beginning of a block says: a buffer's segments begin so.

import { fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import type { Header } from "../core/header.ts";
import { openingRecord } from "../core/opening.ts";
import type { PredecessorRecord } from "../core/record.ts";
import { positionsIn } from "../core/sources.ts";
import { Frontier } from "../core/tree.ts";
import type { Origin } from "./old-chain.ts";

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
