// Pure. What a narrower grant keeps out of the next chain, in words.
//
// - Lines that only old buffers hold, or files held open, of files that the new grant does not
//   cover cannot be sealed, and no gap can be declared for a file that may not be declared. So
//   the genesis says how much it is and of which files, in the reason why the old chain is over.

import type { BytesByPath } from "./old-chain.ts";

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
