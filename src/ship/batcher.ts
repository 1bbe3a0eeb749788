// Gathers blocks into batches: the next one, and already what follows it while it is on its way.
//
// - Reading ahead does not wait for blocks; the batch grows on when its turn has come.
// - What was read ahead is dropped after an attempt that failed: an outage costs no memory.

import type { Clock } from "../host/clock.ts";
import { Batch, type BlockFeed, batchBytesMax } from "./batch.ts";

const batchBytesMin = 65_536;

export interface BatcherOptions {
  readonly feed: BlockFeed;
  readonly clock: Clock;
  /** The longest that a block waits for others to go with it, in microseconds. */
  readonly maxDelayUs: number;
  /** Whether a batch that begins at this block goes as it is. */
  readonly hurries: (from: number) => boolean;
  /** Told after each look at the feed. */
  readonly onLook: (batch: Batch) => void;
  /** Waits for `work`, or less long. */
  readonly wait: (work: (signal: AbortSignal) => Promise<void>) => Promise<void>;
}

export class Batcher {
  readonly #options: BatcherOptions;
  #bytesMax = batchBytesMax;
  /** Monotonic time at which the last batch was complete: what it left behind came later. */
  #completeAt: number = Number.NEGATIVE_INFINITY;
  #ahead: { readonly batch: Batch; full: Promise<boolean> } | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** One block alone, which is not waited for. */
  async single(from: number): Promise<Batch> {
    this.drop();
    const batch = new Batch(from);
    await batch.fill(this.#options.feed, 1);
    this.#options.onLook(batch);
    return batch;
  }

  /** A batch from block `from` on; lets it wait for more blocks as long as that is allowed. */
  async batch(from: number): Promise<Batch> {
    const { feed, clock, maxDelayUs, hurries, onLook, wait } = this.#options;
    // Blocks wait until max_delay after the batch before: that many requests at most, and after a
    // pause the first one goes at once.
    const until = this.#completeAt + maxDelayUs;
    const ahead = this.#ahead?.batch.from === from ? this.#ahead : undefined;
    let full = ahead !== undefined && (await ahead.full);
    this.drop();
    const batch = ahead?.batch ?? new Batch(from);
    for (;;) {
      full ||= await batch.fill(feed, this.#bytesMax);
      const now = clock.mono();
      this.#completeAt = now;
      onLook(batch);
      const left = until - now;
      if (full || left <= 0 || hurries(from)) return batch;
      await wait((signal) =>
        Promise.race([feed.changed(signal), clock.sleep(left / 1000, signal)]),
      );
    }
  }

  /** Begins to read the batch that starts with block `from`. */
  readAhead(from: number): void {
    const batch = new Batch(from);
    this.#ahead = { batch, full: this.#fill(batch) };
  }

  /** Block `blockNo` if it is the first one that was read ahead, or can be read now. */
  async firstAhead(blockNo: number): Promise<Uint8Array | undefined> {
    const ahead = this.#ahead;
    if (ahead?.batch.from !== blockNo) return undefined;
    await ahead.full;
    if (ahead.batch.blocks.length === 0) ahead.full = this.#fill(ahead.batch);
    await ahead.full;
    return ahead.batch.blocks[0];
  }

  #fill(batch: Batch): Promise<boolean> {
    const full = batch.fill(this.#options.feed, this.#bytesMax);
    // Whoever takes the batch is told. If nobody does, another read finds out.
    full.catch(() => undefined);
    return full;
  }

  drop(): void {
    this.#ahead = undefined;
  }

  grow(): void {
    this.#bytesMax = Math.min(batchBytesMax, this.#bytesMax * 2);
  }

  /** Half of what was sent, after an answer that may be about the size. */
  shrink({ bytes, blocks }: Batch): void {
    if (blocks.length > 1) this.#bytesMax = Math.max(batchBytesMin, Math.floor(bytes / 2));
  }
}
