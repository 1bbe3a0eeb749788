// Random bytes that a seed repeats, and a small generator for tests' own choices.

import type { Random } from "../../src/host/random.ts";

/** Numbers in [0, 1) from `seed` (mulberry32). */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export class SeededRandom implements Random {
  readonly #next: () => number;

  constructor(seed = 1) {
    this.#next = seededNumbers(seed);
  }

  bytes(n: number): Uint8Array {
    const made = new Uint8Array(n);
    for (let at = 0; at < n; at += 1) made[at] = this.#next() * 256;
    return made;
  }
}
