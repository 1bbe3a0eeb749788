// Which chains of the store used which grants.
//
// - Grants that share a name of core's useNames() share their uses, and the least number that one
//   of them allows holds for all of them.

/** What a chain used: the names of its grant's uses, and how many chains that grant allows. */
export interface UsedGrant {
  readonly uses: readonly string[];
  readonly maxChains: number;
}

interface Shared {
  /** By chain: how many chains its grant allows. */
  readonly chains: Map<string, number>;
  least: number;
  /** How many of the chains have a grant that allows the least number. */
  ofLeast: number;
}

export class GrantUses {
  readonly #byName = new Map<string, Shared>();

  /** Whether a chain is one of those that its grant allows, or may become one. */
  allow(chain: string, { uses, maxChains }: UsedGrant): boolean {
    return uses.every((name) => {
      const shared = this.#byName.get(name);
      if (shared === undefined || shared.chains.has(chain)) return true;
      return shared.chains.size < Math.min(shared.least, maxChains);
    });
  }

  add(chain: string, { uses, maxChains }: UsedGrant): void {
    for (const name of uses) {
      const shared = this.#byName.get(name) ?? { chains: new Map(), least: maxChains, ofLeast: 0 };
      this.#byName.set(name, shared);
      drop(shared, chain);
      shared.chains.set(chain, maxChains);
      count(shared, maxChains);
    }
  }

  /** Gives the uses of a chain back. */
  remove(chain: string, { uses }: UsedGrant): void {
    for (const name of uses) {
      const shared = this.#byName.get(name);
      if (shared === undefined) continue;
      drop(shared, chain);
      if (shared.chains.size === 0) this.#byName.delete(name);
    }
  }

  /** Whether a chain is one of those that used a grant. */
  has(chain: string, uses: readonly string[]): boolean {
    return uses.some((name) => this.#byName.get(name)?.chains.has(chain));
  }

  /** Other chains that used the same grant, each once. There may be many: they come one by one. */
  *sharers(chain: string, uses: readonly string[]): Generator<string, void, undefined> {
    const told: Shared["chains"][] = [];
    for (const name of uses) {
      const chains = this.#byName.get(name)?.chains;
      if (chains === undefined) continue;
      for (const other of chains.keys())
        if (other !== chain && !told.some((each) => each.has(other))) yield other;
      told.push(chains);
    }
  }
}

function count(shared: Shared, maxChains: number): void {
  if (maxChains < shared.least) [shared.least, shared.ofLeast] = [maxChains, 0];
  if (maxChains === shared.least) shared.ofLeast += 1;
}

// All are looked at only where the last one of the least number goes.
function drop(shared: Shared, chain: string): void {
  const { chains, least } = shared;
  const maxChains = chains.get(chain);
  chains.delete(chain);
  if (maxChains !== least) return;
  shared.ofLeast -= 1;
  if (shared.ofLeast > 0) return;
  shared.least = Number.POSITIVE_INFINITY;
  for (const each of chains.values()) count(shared, each);
}
