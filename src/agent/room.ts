// Whether there is room for more: the buffer's own limit, and what the disk has left.
//
// - A reserve stays for what must be sealed even then: heartbeats, gaps and the stop.
// - Full means that reading stops. Nothing is dropped, and files stay open.

import type { ChainContext, LiveChain } from "./chain.ts";
import type { Gauge } from "./gauge.ts";

const reserveMax = 16 * 1024 * 1024;
/** The disk is looked at this often at most, in microseconds. */
const lookPeriodMicros = 1_000_000;

export class Room {
  readonly #context: ChainContext;
  readonly #live: LiveChain;
  readonly #gauge: Gauge;
  readonly #reserve: number;
  #freeBytes = Number.POSITIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Bytes of the buffer when the disk was looked at. */
  #walThen = 0;
  #said = false;
  why: "buffer-full" | "disk-full" = "buffer-full";

  constructor(context: ChainContext, live: LiveChain, gauge: Gauge) {
    this.#context = context;
    this.#live = live;
    this.#gauge = gauge;
    const limit = context.config.buffer.max_bytes;
    this.#reserve = Math.min(reserveMax, Math.floor(limit / 10));
    gauge.walLimit = limit;
  }

  /** Space was given back: look again at once. */
  freed(): void {
    this.#lookedAt = Number.NEGATIVE_INFINITY;
  }

  async isFull(): Promise<boolean> {
    const { clock, files, state, config, diag } = this.#context;
    const { wal, sealer } = this.#live;
    const now = clock.mono();
    if (now - this.#lookedAt >= lookPeriodMicros) {
      if (this.#said) this.#gauge.blockedMicros += now - this.#lookedAt;
      this.#lookedAt = now;
      this.#freeBytes = await files.freeBytes(state.path);
      this.#walThen = wal.bytes;
    }
    // Blocks that are closed but not written yet take room as well.
    const taken = wal.bytes + sealer.pending * config.seal.max_bytes;
    const bufferFull = taken + this.#reserve > config.buffer.max_bytes;
    const diskFull = this.#freeBytes - (taken - this.#walThen) < this.#reserve;
    const full = bufferFull || diskFull;
    this.why = diskFull ? "disk-full" : "buffer-full";
    if (full !== this.#said) {
      this.#said = full;
      if (full) diag.error("buffer is full, reading waits", { cause: this.why });
      else diag.info("buffer has room again, reading goes on");
    }
    return full;
  }
}
