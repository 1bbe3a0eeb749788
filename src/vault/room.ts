// Room for request bodies: how many bytes of them the vault holds at once.
//
// - Room is taken as bytes arrive, never for what a request declares.
// - Whoever finds no room is told to come back at once: nobody waits while holding memory.
// - No chain and no address can take all of it, and neither can those who only begin a chain: the
//   rest is for agents whose chain is stored.

import { Problem } from "./problem.ts";

export interface RoomLimits {
  readonly bytes: number;
  /** Of one chain. */
  readonly chainBytes: number;
  /** Percent of all that one address may hold. */
  readonly addressShare: number;
  /** Percent of all that requests may hold together whose chain has not begun. */
  readonly newShare: number;
}

const MiB = 1024 * 1024;

const roomLimits: RoomLimits = {
  bytes: 128 * MiB,
  chainBytes: 32 * MiB,
  addressShare: 75,
  newShare: 50,
};

export class Room {
  readonly #limits: RoomLimits;
  readonly #chains: Ledger;
  readonly #addresses: Ledger;
  readonly #new: Ledger;
  #bytes = 0;

  constructor(limits: Partial<RoomLimits> = {}) {
    this.#limits = { ...roomLimits, ...limits };
    const { bytes, chainBytes, addressShare, newShare } = this.#limits;
    this.#chains = new Ledger(chainBytes);
    this.#addresses = new Ledger((bytes * addressShare) / 100);
    this.#new = new Ledger((bytes * newShare) / 100);
  }

  /** How many bytes are held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** For one request; nothing is taken yet. */
  open(chain: string, address: string): Held {
    const named = [
      { ledger: this.#chains, name: chain },
      { ledger: this.#addresses, name: address },
    ];
    let held = 0;
    return {
      begins: () => void named.push({ ledger: this.#new, name: "" }),
      take: (bytes) => {
        // Whoever is alone always finds room.
        const crowded = this.#bytes > held && this.#bytes + bytes > this.#limits.bytes;
        if (crowded || named.some(({ ledger, name }) => !ledger.has(name, bytes, held))) {
          throw new Problem("busy", "the vault holds as much of requests as it can", {
            retryAfter: 1,
          });
        }
        held += bytes;
        this.#bytes += bytes;
        for (const { ledger, name } of named) ledger.add(name, bytes);
      },
      giveBack: () => {
        this.#bytes -= held;
        for (const { ledger, name } of named) ledger.add(name, -held);
        held = 0;
      },
    };
  }
}

/** What one request holds. */
export interface Held {
  /** The chain has not begun. Say so before anything is taken. */
  begins(): void;
  /** Throws Problem busy where there is no room for so many more. */
  take(bytes: number): void;
  /** All of it. */
  giveBack(): void;
}

/** Who holds how much; whoever holds nothing takes no memory here either. */
class Ledger {
  readonly #most: number;
  readonly #held = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether there is room for `bytes` more under a name; `own` of what it holds is the asker's. */
  has(name: string, bytes: number, own: number): boolean {
    const held = this.#held.get(name) ?? 0;
    return held <= own || held + bytes <= this.#most;
  }

  add(name: string, bytes: number): void {
    const held = (this.#held.get(name) ?? 0) + bytes;
    if (held === 0) this.#held.delete(name);
    else this.#held.set(name, held);
  }
}
