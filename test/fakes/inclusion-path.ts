// The inclusion path of a leaf, where all leaf hashes are at hand.

import type { Suite } from "../../src/core/digest.ts";
import { PathBuilder } from "../../src/core/tree.ts";

/** The inclusion path of leaf `index`, from the leaf upwards. Throws RangeError for no such leaf. */
export function inclusionPath(
  suite: Suite,
  leafHashes: readonly Uint8Array[],
  index: number,
): Uint8Array[] {
  const builder = new PathBuilder(suite, index, leafHashes.length);
  for (const hash of leafHashes) builder.append(hash);
  return builder.path();
}
