// What a narrower grant keeps out of the next chain: lines that only the old chain's buffer holds,
// of files that the new grant does not cover.
//
// - They cannot be sealed, and no gap can be declared for a file that may not be declared. So the
//   genesis says how much it is and of which files, in the reason why the old chain is over.

import { headLength, openPayload } from "../core/block.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, inScope } from "../core/grant.ts";
import { decodeHeader } from "../core/header.ts";
import { payloadItems } from "../core/payload.ts";
import { SourceTable } from "../core/sources.ts";
import type { Wal } from "../wal/wal.ts";

/** Path, as records have it → bytes. */
export type LeftOut = ReadonlyMap<string, number>;

/** Files that are named; of more than these only the number is. */
const namedMax = 10;

/** Finds what the old chain's blocks from `from` on hold of files outside the grant. */
export async function findLeftOut(
  suite: Suite,
  wal: Wal | undefined,
  from: number,
  grant: Pick<Grant, "sources">,
): Promise<LeftOut> {
  const found = new Map<string, number>();
  if (wal === undefined || grant.sources.length === 0) return found;
  const sources = new SourceTable(suite);
  sources.loosen();
  try {
    for await (const { index, bytes } of wal.scan()) {
      const raw = openPayload(suite, decodeHeader(bytes), bytes.subarray(headLength));
      for (const item of payloadItems(raw)) {
        sources.take(item, raw);
        if (item.kind === "span" && index >= from) {
          const path = sources.get(item.source)?.record["path"];
          if (typeof path === "string" && !inScope(grant, path)) {
            found.set(path, (found.get(path) ?? 0) + item.end - item.start);
          }
        }
      }
    }
  } catch (caught) {
    // Whoever seals the blocks again comes to it, and says so.
    if (!(caught instanceof Fault)) throw caught;
  }
  return found;
}

/** For people, and signed: how much was left out, and of which files. */
export function leftOutText(leftOut: LeftOut): string {
  const named = [...leftOut].slice(0, namedMax).map(([path, bytes]) => `${path} (${bytes} bytes)`);
  const more = leftOut.size > namedMax ? `, and ${leftOut.size - namedMax} more` : "";
  return `left out, as outside the grant: ${named.join(", ")}${more}`;
}
