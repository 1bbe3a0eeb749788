// What looks at the chains of a subject found out at the vault, each chain by itself.
//
// - Nothing of it is believed: it only chooses between chains.
// - One chain that cannot be shown costs only itself, as long as the vault answers.

import { hex } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { blockHash } from "../core/header.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import { attemptMsMax } from "../ship/backoff.ts";
import { ChainDamaged, type ListedChain, type VaultReads } from "../ship/vault-reads.ts";
import { originIn } from "../succession/origin.ts";
import { newestHost, type Shown, toldIn } from "./shown-blocks.ts";

/** What the vault's last word on a chain may be while its agent lives. */
export const living: readonly string[] = ["active", "unknown"];
/** The blocks of one request come within this time of each other, in µs. */
const requestUs = 4_000_000;
/**
 * A chain of which no block comes for so long does not live, whatever it promised; and no attempt
 * of its agent is under way any more.
 */
const silentUs = attemptMsMax * 1000;
/** How often a chain is asked for while the vault answers. */
const triesMax = 2;

interface Watched {
  /** When it was first seen, or grew last. */
  since: number;
  size: number;
  /** When it grew first. */
  grew: number | undefined;
}

/** What looks at the vault's chains found out, from the first look on. */
export class ChainsSeen {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();
  readonly #others = new Set<string>();
  readonly #told = new Set<string>();
  readonly #hosts = new Map<string, unknown>();
  readonly #named = new Map<string, string | undefined>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether a chain of our host is another agent's, which lives, or is gone. */
  fateOf({ id, state, size }: ListedChain): "gone" | "lives" | "wait" {
    if (this.#others.has(id)) return "lives";
    if (!living.includes(state)) return "gone";
    const now = this.#clock.mono();
    const watched = this.#watched.get(id) ?? { since: now, size, grew: undefined };
    this.#watched.set(id, watched);
    // A vault that was just started does not know a chain's size at once.
    if (size > watched.size && watched.size > 0) {
      // A dead agent had one request under way; who sends a second one lives.
      watched.grew ??= now;
      watched.since = now;
      if (now - watched.grew > requestUs) this.#others.add(id);
    }
    watched.size = size;
    if (this.#others.has(id)) return "lives";
    return now - watched.since < silentUs ? "wait" : "gone";
  }

  /** Whether that was not said of a chain before; from now on it was. */
  isNew(what: string, chain: string): boolean {
    const key = `${what} ${chain}`;
    const isNew = !this.#told.has(key);
    this.#told.add(key);
    return isNew;
  }

  /** The host of its newest run. */
  async hostOf(shown: Shown, id: string): Promise<unknown> {
    const host = this.#hosts.get(id) ?? (await newestHost(shown, id));
    // What cannot be told yet is asked again.
    if (host !== undefined) this.#hosts.set(id, host);
    return host;
  }

  /** The chain that its genesis names as the one before. */
  async namedBy(shown: Shown, id: string): Promise<string | undefined> {
    if (!this.#named.has(id)) {
      const isGenesis = (block: Uint8Array): boolean => hex(blockHash(shown.suite, block)) === id;
      const named = await toldIn(shown, id, 0, (raw, block) =>
        isGenesis(block) ? originIn(raw)?.named?.chain : undefined,
      );
      this.#named.set(id, named);
    }
    return this.#named.get(id);
  }
}

/** What was found out of one chain, or why nothing could be. */
export type Found<T> = { readonly value: T } | { readonly failure: SealtailError };

/**
 * A chain that the vault cannot show costs no other. Rejects where the vault does not answer at
 * all; what went wrong on the way is tried again.
 */
export async function ofOne<T>(
  reads: VaultReads,
  id: string,
  work: () => Promise<T>,
): Promise<Found<T>> {
  for (let tries = 1; ; tries += 1) {
    try {
      return { value: await work() };
    } catch (error) {
      if (!(error instanceof SealtailError) || error.kind === "unsafe") throw error;
      if (error instanceof ChainDamaged) return { failure: error };
      await reads.size(id);
      if (tries === triesMax) return { failure: error };
    }
  }
}

interface Seeker {
  readonly host: string;
  readonly own: string | undefined;
  readonly diag: Diag;
  readonly seen: ChainsSeen;
}

/** Another host may have gone on from our chain, or say so: then all is sealed again, aloud. */
export function sayTaken(
  { host, own, diag, seen }: Seeker,
  chains: readonly ListedChain[],
  named: ReadonlyMap<string, string | undefined>,
): void {
  for (const { id, words } of chains) {
    const before = chains.find((each) => each.id === named.get(id));
    const ours = before !== undefined && (before.id === own || before.words?.host === host);
    if (!ours || typeof words?.host !== "string" || words.host === host) continue;
    const fields = { code: "predecessor-refused", chain: before.id, cause: `${id} names it` };
    if (seen.isNew("taken", id))
      diag.warn("a chain of another host goes on from ours, which is passed over", fields);
  }
}
