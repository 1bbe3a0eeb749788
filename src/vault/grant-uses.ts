// Which chains of the store used which grants.
//
// - Grants that share a name of core's grantUses() share their uses, and the least number that one
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
      const shared = this.#byName.get(name) ?? { chains: new Map(), least: maxChains };
      shared.chains.set(chain, maxChains);
      shared.least = Math.min(shared.least, maxChains);
      this.#byName.set(name, shared);
    }
  }

  /** Gives the uses of a chain back. */
  remove(chain: string, { uses }: UsedGrant): void {
    for (const name of uses) {
      const shared = this.#byName.get(name);
      shared?.chains.delete(chain);
      if (shared === undefined) continue;
      if (shared.chains.size === 0) this.#byName.delete(name);
      shared.least = [...shared.chains.values()].reduce((a, b) => Math.min(a, b), 65_535);
    }
  }

  /** Other chains that used the same grant. */
  sharers(chain: string, uses: readonly string[]): string[] {
    const found = new Set(
      uses.flatMap((name) => [...(this.#byName.get(name)?.chains.keys() ?? [])]),
    );
    found.delete(chain);
    return [...found];
  }
}
