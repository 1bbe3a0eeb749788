// Room for request bodies: how many bytes of them the vault holds at once.
//
// - Whoever finds no room is told to come back at once: nobody waits while holding memory.

import { Problem } from "./problem.ts";

export interface RoomLimits {
  readonly bytes: number;
  readonly requests: number;
}

export const roomLimits: RoomLimits = { bytes: 128 * 1024 * 1024, requests: 256 };

export class Room {
  readonly #limits: RoomLimits;
  #bytes = 0;
  #requests = 0;

  constructor(limits: RoomLimits = roomLimits) {
    this.#limits = limits;
  }

  /** Takes room for a body of `bytes`; call the result to give it back. Throws Problem busy. */
  take(bytes: number): () => void {
    const { bytes: bytesMax, requests } = this.#limits;
    const crowded = this.#requests > 0 && this.#bytes + bytes > bytesMax;
    if (crowded || this.#requests >= requests) {
      throw new Problem("busy", "the vault holds as many requests as it can", { retryAfter: 1 });
    }
    this.#bytes += bytes;
    this.#requests += 1;
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#bytes -= bytes;
      this.#requests -= 1;
    };
  }
}
