// The runs of a chain: which ids were used, and how one run followed another.

import { equalBytes, fromHex, hex } from "../core/bytes.ts";

import { Fault } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import type { Thread } from "./thread.ts";

/** Whether a block begins a run; unknown behind a block that was lost. */
export type RunPlace = "new" | "same" | "unknown";

// A run a minute for two years; an id costs some 80 bytes.
const maxRemembered = 1_000_000;

export class RunLog {
  readonly #ids = new Set<string>();
  readonly #unchecked: (what: string) => void;
  /** Runs so far. */
  count = 0;

  constructor(unchecked: (what: string) => void) {
    this.#unchecked = unchecked;
  }

  /** Runs that began before the walk did, in hex: their ids may not come again. */
  know(runIds: Iterable<string>): void {
    for (const id of runIds) this.#ids.add(id);
  }

  get size(): number {
    return this.#ids.size;
  }

  /** All that are known, sorted. */
  get known(): Uint8Array[] {
    return [...this.#ids].sort().map((id) => fromHex(id, 16));
  }

  has(runId: Uint8Array): boolean {
    return this.#ids.has(hex(runId));
  }

  placeOf(thread: Thread, header: Header): RunPlace {
    if (header.blockNo === 0) return "new";
    if (thread.run === undefined) return "unknown";
    return equalBytes(thread.run.runId, header.runId) ? "same" : "new";
  }

  /** Takes note of a block that does not go on with the run before it; says how that run ended. */
  begin(thread: Thread, header: Header): Fault | undefined {
    const id = hex(header.runId);
    if (!this.#ids.has(id) || thread.run !== undefined) this.count += 1;
    if (this.#ids.size < maxRemembered) this.#ids.add(id);
    else this.#unchecked(`run ids used again after the first ${maxRemembered} runs`);
    const { run, stopped } = thread;
    if (run === undefined || stopped === undefined) return undefined;
    const seconds = (header.time - run.time) / 1e6;
    // A clock that went back meanwhile says nothing about how long it took.
    const long = seconds < 0 ? "an unknown time" : `${seconds.toFixed(1)} s`;
    return stopped
      ? new Fault("DOWNTIME", `agent was stopped for ${long}`)
      : new Fault("RESTART_UNCLEAN", `agent began again after ${long} without a stop`);
  }
}
