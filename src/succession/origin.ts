// Pure. What a chain went on from, as its genesis says and as it is kept beside the chain; and what
// its grant kept out of it.
//
// - It is kept as a file because a genesis names only the sources that its grant covers, and the
//   next grant may cover others.
// - Lines that only old buffers hold, or files held open, of files that the new grant does not
//   cover cannot be sealed, and no gap can be declared for a file that may not be declared. So
//   the genesis says how much it is and of which files, in the reason why the old chain is over.

import { fromUtf8, utf8 } from "../core/bytes.ts";
import { Fault } from "../core/fault.ts";
import { isObject, type JsonObject } from "../core/json.ts";
import { openingRecord } from "../core/opening.ts";
import type { PredecessorRecord, SourcePosition } from "../core/record.ts";
import type { SealedTail } from "../core/sealed-tails.ts";
import { positionsIn } from "../core/sources.ts";

/** A chain as a predecessor record names it. */
export type NamedChain = Omit<PredecessorRecord, "type" | "positions">;

/** Bytes by path, as records have it. */
export type BytesByPath = ReadonlyMap<string, number>;

/**
 * What a chain went on from: as its genesis says, but of every source, whatever its grant covers.
 */
export interface Origin {
  /** Undefined: no vault held any chain before it. */
  readonly named: NamedChain | undefined;
  readonly positions: readonly SourcePosition[];
  /** Those of them that its grant did not cover: where they stand it cannot have changed. */
  readonly outside: readonly SourcePosition[];
  /** Buffered bytes that its grant did not cover, so that they are in no chain. */
  readonly leftOut: BytesByPath;
  /** What a vault shows that was sealed last of those outside. */
  readonly tails?: ReadonlyMap<string, SealedTail> | undefined;
  /** What `forkedAt` of the chain before was. */
  readonly forkedAt?: number | undefined;
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

/** Files that are named; of more than these only the number is. */
const namedMax = 10;

/** Adds up what falls outside; paths that the chain may hold are none of it. */
export function leftOutOf(
  covers: (path: string) => boolean,
  ...parts: readonly BytesByPath[]
): Map<string, number> {
  const sum = new Map<string, number>();
  for (const part of parts) {
    for (const [path, bytes] of part) {
      if (bytes > 0 && !covers(path)) sum.set(path, (sum.get(path) ?? 0) + bytes);
    }
  }
  return sum;
}

/** For people, and signed: how much was left out, and of which files. */
export function leftOutText(leftOut: BytesByPath): string {
  const named = [...leftOut].slice(0, namedMax).map(([path, bytes]) => `${path} (${bytes} bytes)`);
  const more = leftOut.size > namedMax ? `, and ${leftOut.size - namedMax} more` : "";
  return `left out, as outside the grant: ${named.join(", ")}${more}`;
}
