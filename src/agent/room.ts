// Whether there is room for more: the buffer's own limit, and what the disk has left.
//
// - A reserve stays for what must be sealed even then: heartbeats, gaps and the stop. In the buffer
//   it is a part of the limit, on the disk a file (reserve.ts).
// - Full means that reading stops. Nothing is dropped, and files stay open.
// - But deleted files that are held open on the same file system take room that only reading them
//   gives back: once the reserve is given, it is not waited for as long as there are such files.
// - Nor do blocks that a receipt covers keep reading waiting: the newest segment never goes, so
//   another begins where only such blocks are left in it.

import type { Shortage } from "../core/errors.ts";
import type { TailNumbers } from "../tail/stats.ts";
import type { ChainContext, LiveChain } from "./chain.ts";
import type { AgentState, Gauge } from "./gauge.ts";

/** The disk is looked at this often at most, in microseconds. */
const lookPeriodMicros = 1_000_000;

export class Room {
  readonly #context: ChainContext;
  readonly #live: LiveChain;
  readonly #gauge: Gauge;
  #freeBytes = Number.POSITIVE_INFINITY;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #stale = false;
  /** Bytes of the buffer when the disk was looked at. */
  #walThen = 0;
  #said = false;
  /** A block was asked for to begin a segment with, since reading waits. */
  #madeWay = false;
  readonly #stats: (dev: bigint) => ReadonlyMap<string, TailNumbers>;
  /** Bytes of deleted files when the disk was looked at, once the reserve is given. */
  #pinnedThen = 0;
  why: AgentState & ("buffer-full" | "disk-full" | "no-descriptors") = "buffer-full";
  /** What closed blocks wait for, as long as they do. */
  shortage: Shortage["code"] | undefined;

  /** `stats`: of what is followed; bytes of deleted files, as far as a device holds them. */
  constructor(
    context: ChainContext,
    live: LiveChain,
    gauge: Gauge,
    stats: (dev: bigint) => ReadonlyMap<string, TailNumbers>,
  ) {
    this.#stats = stats;
    this.#context = context;
    this.#live = live;
    this.#gauge = gauge;
    gauge.walLimit = context.bufferBytes;
  }

  /** Space was given back: look again at once. */
  freed(): void {
    this.#stale = true;
  }

  async isFull(): Promise<boolean> {
    const { clock } = this.#context;
    const now = clock.mono();
    if (this.#stale || now - this.#lookedAt >= lookPeriodMicros) await this.#look(now);
    const why = this.#lack();
    const full = why !== undefined;
    this.why = why ?? this.why;
    if (full !== this.#said) this.#say(full);
    return full;
  }

  /**
   * Asks the buffer for another segment where the room is taken by blocks below `receipted` alone.
   * True if a block should begin it at once. Where that one cannot, later ones try: there may be
   * no room for them, and nothing else must come of it than heartbeats.
   */
  makesWay(receipted: number): boolean {
    const { wal, sealer } = this.#live;
    const waits = wal.next > receipted || sealer.pending > 0 || sealer.dueInMs() !== undefined;
    if (waits || wal.bytes <= this.#context.config.seal.max_bytes) return false;
    wal.wantSegment();
    const first = !this.#madeWay;
    this.#madeWay = true;
    return first;
  }

  async #look(now: number): Promise<void> {
    const { files, state, reserve } = this.#context;
    if (this.#said) this.#gauge.blockedMicros += now - this.#lookedAt;
    this.#lookedAt = now;
    this.#stale = false;
    this.#freeBytes = await files.freeBytes(state.path);
    this.#walThen = this.#live.wal.bytes;
    if (!reserve.held) await this.#lookAtPinned();
    // Twice: what was just given back must not be taken from whoever is about to need it.
    const plenty = this.#freeBytes >= 2 * reserve.bytes + this.#margin;
    if (!reserve.held && this.shortage === undefined && plenty) await reserve.take();
  }

  // All files are asked: not where nobody wants to know.
  async #lookAtPinned(): Promise<void> {
    const { files, state } = this.#context;
    const disk = await files.stat(state.path);
    const stats = disk === undefined ? [] : [...this.#stats(disk.dev).values()];
    this.#pinnedThen = stats.reduce((sum, { pinnedBytes }) => sum + pinnedBytes, 0);
  }

  /** What drafts may take before the disk is looked at again. */
  get #margin(): number {
    return 2 * this.#context.config.seal.max_bytes;
  }

  #lack(): Room["why"] | undefined {
    const { config, reserve } = this.#context;
    const { wal, sealer } = this.#live;
    if (this.shortage === "too-many-open-files") return "no-descriptors";
    if (this.shortage === "disk-full") return "disk-full";
    // Blocks that are closed but not written yet take room as well.
    // Full, it is full until there is room for more than one: reading must not start and stop.
    const spare = this.#said ? 2 : 0;
    const taken = wal.bytes + (sealer.pending + spare) * config.seal.max_bytes;
    const least = reserve.held ? this.#margin : reserve.bytes + this.#margin;
    const scarce = this.#freeBytes - (taken - this.#walThen) < least;
    if (scarce && (reserve.held || this.#pinnedThen === 0)) return "disk-full";
    // Not what the disk held at the start: it may have grown since.
    return taken + reserve.bytes > config.buffer.max_bytes ? "buffer-full" : undefined;
  }

  #say(full: boolean): void {
    const { diag } = this.#context;
    this.#said = full;
    if (full) diag.error("buffer is full, reading waits", { cause: this.why });
    else {
      this.#madeWay = false;
      diag.info("buffer has room again, reading goes on");
    }
  }
}
