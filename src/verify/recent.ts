// What a walk remembers of the newest blocks: enough to judge receipts, duplicates and forks.
//
// - A ring of fixed size: a chain of any length is walked in constant memory.

import { hex } from "../core/bytes.ts";

/** Blocks remembered. A receipt recorded further behind than this cannot be checked. */
export const remembered = 32_768;

interface Remembered {
  /** Block hash; unknown for a block that was lost. */
  readonly leaf: Uint8Array | undefined;
  /** Root of the tree over this block and all before it, where it is known. */
  readonly root: Uint8Array | undefined;
  /** The key that signed it. */
  readonly key: Uint8Array | undefined;
  readonly time: number;
}

export class RecentBlocks {
  readonly #blocks = new Map<number, Remembered>();
  readonly #limit: number;
  /** Keys that signed the blocks remembered, in hex. */
  readonly #keys = new Set<string>();
  #learned: { readonly size: number; readonly root: Uint8Array } | undefined;

  constructor(limit: number = remembered) {
    this.#limit = limit;
  }

  add(blockNo: number, block: Remembered): void {
    this.#blocks.set(blockNo, block);
    if (block.key !== undefined) this.#keys.add(hex(block.key));
    const forgotten = this.#blocks.get(blockNo - this.#limit);
    if (forgotten?.key !== undefined) this.#keys.delete(hex(forgotten.key));
    this.#blocks.delete(blockNo - this.#limit);
  }

  /** A root that was looked up elsewhere; the next one that is learned takes its place. */
  learn(size: number, root: Uint8Array): void {
    this.#learned = { size, root };
  }

  /** Whether this key signed one of the blocks remembered. */
  signedBy(key: Uint8Array): boolean {
    return this.#keys.has(hex(key));
  }

  get(blockNo: number): Remembered | undefined {
    return this.#blocks.get(blockNo);
  }

  /** Root of the tree over the first `size` blocks, if it is still known. */
  rootAt(size: number): Uint8Array | undefined {
    const root = this.#blocks.get(size - 1)?.root;
    return root ?? (this.#learned?.size === size ? this.#learned.root : undefined);
  }
}
