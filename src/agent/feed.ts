// What the shipper sees of the chain: the WAL's blocks, but only those that were handed over.
//
// - A block is handed over after its sync and after the key that signed it was destroyed (law,
//   step 4). What the WAL holds beyond that does not exist for the shipper.
// - A read that finds no descriptor waits for one.

import { isShortage } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import { type SealedBlock, shortageRetryMs } from "../seal/pipeline.ts";
import type { BlockFeed, FeedBlock } from "../ship/batch.ts";
import type { TreeView } from "../ship/contract.ts";
import type { Wal } from "../wal/wal.ts";

export class Feed implements BlockFeed, TreeView {
  readonly #clock: Clock;
  readonly #wal: Wal;
  #next: number;
  #root: Uint8Array;
  readonly #waiters = new Set<() => void>();
  readonly #closing = new AbortController();

  /** `next` and `root`: what was handed over before, in an earlier run. */
  constructor(clock: Clock, wal: Wal, next: number, root: Uint8Array) {
    this.#clock = clock;
    this.#wal = wal;
    this.#next = next;
    this.#root = root;
  }

  get first(): number {
    return this.#wal.first;
  }

  get next(): number {
    return this.#next;
  }

  handOver({ header, root }: SealedBlock): void {
    this.#next = header.blockNo + 1;
    this.#root = root;
    for (const resolve of this.#waiters) resolve();
  }

  async read(fromBlock: number, maxBytes: number): Promise<readonly FeedBlock[]> {
    for (;;) {
      try {
        const frames = await this.#wal.read(fromBlock, maxBytes);
        return frames.map(({ index, bytes }) => ({ blockNo: index, bytes }));
      } catch (error) {
        const { signal } = this.#closing;
        if (!isShortage(error) || signal.aborted) throw error;
        await this.#clock.sleep(shortageRetryMs, signal);
      }
    }
  }

  /** From now on nothing is waited for. */
  close(): void {
    this.#closing.abort();
  }

  async changed(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiters.add(resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    this.#waiters.delete(resolve);
  }

  /** Older roots are stated in the headers of the blocks that the feed still holds. */
  rootAt(size: number): Uint8Array | undefined {
    return size === this.#next ? this.#root : undefined;
  }
}
