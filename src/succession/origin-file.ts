// Pure. What a chain went on from, as text: kept beside the chain, because its genesis names only
// the sources that its grant covers, and the next grant may cover others.

import { fromUtf8, utf8 } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { positionsIn } from "../core/sources.ts";
import type { NamedChain, Origin } from "./old-chain.ts";

/** A snapshot's worth of sources, and some more. */
export const originBytesMax: number = 16 * 1024 * 1024;

export function formatOrigin({ leftOut, ...origin }: Origin): Uint8Array {
  return utf8(`${JSON.stringify({ ...origin, leftOut: Object.fromEntries(leftOut) })}\n`);
}

/** Undefined for what is none: then the chain's genesis has to do. */
export function parseOrigin(bytes: Uint8Array): Origin | undefined {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (caught) {
    if (caught instanceof SyntaxError || caught instanceof Fault) return undefined;
    throw caught;
  }
  if (!isObject(value)) return undefined;
  const { named, positions, outside, leftOut, forkedAt } = value;
  if (!Array.isArray(positions) || !isObject(leftOut)) return undefined;
  if (named !== undefined && !isNamed(named)) return undefined;
  const bytesOf = Object.entries(leftOut).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number",
  );
  return {
    named: named as NamedChain | undefined,
    positions: positionsIn(positions),
    outside: positionsIn(outside),
    leftOut: new Map(bytesOf),
    ...(Number.isSafeInteger(forkedAt) ? { forkedAt: Number(forkedAt) } : {}),
  };
}

function isNamed(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { chain, size, root, reason } = value as JsonObject;
  const ids = [chain, root].every((id) => typeof id === "string" && /^[0-9a-f]{64}$/.test(id));
  return ids && Number.isSafeInteger(size) && typeof reason === "string";
}
