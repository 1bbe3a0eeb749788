// A batch: consecutive whole blocks on their way to the sink in one request.
//
// - The feed owns the blocks; a batch holds their bytes only while it waits and is sent.

import { readU64 } from "../core/bytes.ts";
import { discard } from "../host/memory.ts";

/** Blocks that are synced and handed over, oldest still held first. */
export interface BlockFeed {
  /** Number of the oldest block that can still be read. */
  readonly first: number;
  /** Number of the next block to be sealed; those below are handed over. */
  readonly next: number;
  /**
   * Consecutive blocks from `fromBlock` on: as many as there are and fit into `maxBytes`, but at
   * least one if it is there. Their bytes belong to the caller.
   */
  read(fromBlock: number, maxBytes: number): Promise<readonly FeedBlock[]>;
  /** Resolves at the next change of `next` after the call, or early when `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>;
}

export interface FeedBlock {
  readonly blockNo: number;
  readonly bytes: Uint8Array;
}

/**
 * Most bytes of a request with more than one block; a vault takes 9 MiB. Two batches are in memory
 * at a time: the one that is sent, and what was read ahead.
 */
export const batchBytesMax: number = 4 * 1024 * 1024;

const firstTimeAt = 376;
const chainRootAt = 112;

export class Batch {
  readonly from: number;
  readonly blocks: Uint8Array[] = [];
  bytes = 0;

  constructor(from: number) {
    this.from = from;
  }

  /** One more than the number of its last block. */
  get end(): number {
    return this.from + this.blocks.length;
  }

  /** When block `blockNo` took its first line, in Unix microseconds; undefined if it is not here. */
  firstTime(blockNo: number): number | undefined {
    const block = this.blocks[blockNo - this.from];
    return block && readU64(block, firstTimeAt);
  }

  /** Gives its memory back: nobody looks at the blocks any more. */
  release(): void {
    for (const block of this.blocks) discard(block);
  }

  /** Adds what the feed holds, up to `limit` bytes. Returns whether nothing more fits. */
  async fill(feed: BlockFeed, limit: number): Promise<boolean> {
    while (this.end < feed.next && this.bytes < limit) {
      const [at, next] = [this.end, feed.next];
      for (const { blockNo, bytes } of await feed.read(at, limit - this.bytes)) {
        if (blockNo !== this.end) {
          throw new RangeError(`feed gave block ${blockNo}, want ${this.end}`);
        }
        // Appended to the WAL, but not handed over yet.
        if (blockNo >= feed.next) break;
        if (this.blocks.length > 0 && this.bytes + bytes.length > limit) return true;
        this.blocks.push(bytes);
        this.bytes += bytes.length;
      }
      if (this.end === at) throw new RangeError(`feed gave no block ${at} of ${feed.next}`);
      // It had more, which does not fit. Reading it to find that out would cost the way back.
      if (this.end < next) return true;
    }
    return this.bytes >= limit;
  }
}

/** The root over all blocks before this one, as its header states it. */
export function statedRoot(block: Uint8Array): Uint8Array {
  return block.slice(chainRootAt, chainRootAt + 32);
}
