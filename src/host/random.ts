// Randomness: the only source of it, so that tests and the simulation can be replayed.

export interface Random {
  /** `n` fresh bytes from the system's cryptographic generator, in memory of their own. */
  bytes(n: number): Uint8Array;
}

export const systemRandom: Random = {
  bytes(n) {
    const out = new Uint8Array(n);
    // The web generator takes at most 65,536 bytes a call.
    for (let at = 0; at < n; at += 65_536) {
      crypto.getRandomValues(out.subarray(at, Math.min(n, at + 65_536)));
    }
    return out;
  },
};
