// Watches over what is stored: what was found and not acknowledged, who is silent, who never came.
//
// - Silence is judged by what each chain promised in its own newest block.
// - Nothing here is believed because it was said once: all of it is found in the store again.
//
// Reference: docs/reference/metrics.md.

import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { globMatches } from "../core/glob.ts";
import type { Diag } from "../host/diag.ts";
import type { ChainReader, KeptFork, Store } from "../store/store.ts";
import type { Catalog } from "./catalog.ts";
import { type ChainEntry, type ChainState, chainStates, stateOf } from "./chain-entry.ts";
import type { VaultConfig } from "./config.ts";
import type { Gate } from "./gate.ts";
import type { Heads } from "./heads.ts";
import { type ForkKeeper, keptForks } from "./kept-forks.ts";
import { lookBack } from "./look-back.ts";
import type { FindingKind, LookedAt, OpenFinding, OpenFindings } from "./open-findings.ts";

export interface WatchOptions {
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly diag: Diag;
  readonly store: Store;
  readonly forks: Pick<ForkKeeper, "giveBack">;
  readonly catalog: Catalog;
  readonly findings: OpenFindings;
  readonly expect: VaultConfig["expect"];
  readonly heads: Pick<Heads, "condemn">;
  readonly gate: Pick<Gate, "fault">;
}

/** How many blocks are looked at before what was seen is noted. */
const stretch = 8192;
/** How many blocks may be looked at before the index is written: more are looked at again. */
const unsavedMax = 65_536;

/** What is seen at one moment. Times in Unix seconds. */
export interface Watched {
  readonly chains: Readonly<Record<ChainState, number>>;
  /** Silent longer than promised, and nobody acknowledged it. */
  readonly silent: number;
  /** Stopped by their agent, and nobody acknowledged it. */
  readonly stopped: number;
  readonly forks: number;
  readonly open: readonly { readonly kind: FindingKind; readonly count: number }[];
  /** Oldest sign of life among chains that should give one; 0 if there are none. */
  readonly oldestHeartbeat: number;
  /** Chains of which some stored blocks were not looked at yet. */
  readonly pending: number;
  /** By the expectation's subject: how many chains are missing. */
  readonly missing: readonly { readonly subject: string; readonly count: number }[];
}

export class Watch {
  readonly #options: WatchOptions;
  /** Chains that can't be looked at; nobody tries again before the next start. */
  readonly #unreadable = new Set<string>();
  /** Set once every chain was looked at, or tried. */
  #surveyed: AbortSignal | undefined;
  /** What is done in the background after the survey, one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** Blocks were stored and `seen` is what their verification said. */
  stored(chain: string, seen: LookedAt): void {
    const { findings } = this.#options;
    findings.note(chain, seen);
    const signal = this.#surveyed;
    if (signal === undefined) return;
    // Of a write that failed, blocks may be stored that nobody noted.
    const behind = findings.looked(chain) < seen.to && !this.#unreadable.has(chain);
    if (behind) this.#after(() => this.#survey(chain, signal));
    if (findings.unsaved > unsavedMax) this.#after(() => this.#save());
  }

  /** Resolves when nothing is done in the background any more. */
  get idle(): Promise<void> {
    return this.#work;
  }

  #after(work: () => Promise<void>): void {
    this.#work = this.#work.then(work);
  }

  async #save(): Promise<void> {
    const { findings, diag, gate } = this.#options;
    if (findings.unsaved <= unsavedMax) return;
    try {
      await findings.save();
    } catch (error) {
      diag.warn("couldn't write the index of findings", { error: error as Error });
      gate.fault(error);
    }
  }

  /** A fork was proven and its proof is kept. */
  forked(chain: string, block: number): void {
    this.#options.findings.fork(chain, block, Number.POSITIVE_INFINITY);
  }

  /** Looks at every stored block that was not looked at yet. Returns when all were, or on `signal`. */
  async survey(signal: AbortSignal): Promise<void> {
    const { catalog, findings } = this.#options;
    for (const { chain } of [...catalog.entries()]) {
      if (signal.aborted) return;
      await this.#survey(chain, signal);
    }
    this.#surveyed = signal;
    if (!signal.aborted) await findings.save();
  }

  async #survey(chain: string, signal: AbortSignal): Promise<void> {
    const { store, findings, catalog, heads, suite, keys, diag } = this.#options;
    const reader = store.reader(chain);
    try {
      const forks = await this.#forks(reader);
      for (;;) {
        const entry = catalog.get(chain);
        if (entry === undefined || !entry.surveyed || entry.damage !== undefined) return;
        findings.cut(chain, entry.size);
        for (const { block, since } of forks) findings.fork(chain, block, since);
        const from = findings.looked(chain);
        if (from >= entry.size) break;
        const to = Math.min(entry.size, from + stretch);
        const seen = await lookBack(reader, from, to, { suite, keys, signal });
        if (seen === undefined) return;
        // What came in meanwhile may have been noted already.
        if (findings.looked(chain) < to) findings.note(chain, seen);
      }
      const entry = catalog.get(chain);
      const stopped = entry?.ended === "no" && findings.isStopped(chain, entry.size);
      if (entry !== undefined && stopped) entry.ended = "stopped";
    } catch (error) {
      this.#unreadable.add(chain);
      await heads.condemn(chain, error);
      diag.error("couldn't look back over a stored chain", { chain, error: error as Error });
    }
  }

  async #forks(reader: ChainReader): Promise<readonly KeptFork[]> {
    const { suite, store, forks, catalog, diag } = this.#options;
    const left = await forks.giveBack(reader.id);
    const { proven, not } = await keptForks(suite, store, reader, left);
    const entry = catalog.get(reader.id);
    if (entry !== undefined && not.length + left.length > 0) entry.forks = proven.length;
    for (const object of not) diag.warn("a kept fork proof proves nothing", { object });
    return proven;
  }

  /** What is open in a chain, its end included: what an operator acknowledges. */
  openOf(entry: ChainEntry, now: number): OpenFinding[] {
    const end = this.#endOf(entry, now);
    const blocks = [Math.max(0, entry.size - 1)];
    const open = this.#options.findings.of(entry.chain);
    return end === undefined ? open : [...open, { code: end, reason: "", blocks }];
  }

  read(now: number): Watched {
    const { catalog, findings } = this.#options;
    const chains = Object.fromEntries(chainStates.map((state) => [state, 0])) as Record<
      ChainState,
      number
    >;
    let [silent, stopped, pending, oldest] = [0, 0, 0, Number.POSITIVE_INFINITY];
    for (const entry of catalog.entries()) {
      const state = stateOf(entry, now);
      chains[state] += 1;
      const end = this.#endOf(entry, now);
      if (end === "CHAIN_STALLED") silent += 1;
      if (end === "STOPPED") stopped += 1;
      if (findings.looked(entry.chain) < entry.size) pending += 1;
      const due = state === "active" || end === "CHAIN_STALLED";
      if (due) oldest = Math.min(oldest, entry.seenAt);
    }
    const open = findings.counts();
    return {
      ...{ chains, silent, stopped, pending, open, missing: this.#missing(now) },
      forks: open.find(({ kind }) => kind.code === "FORK")?.count ?? 0,
      oldestHeartbeat: Number.isFinite(oldest) ? oldest / 1e6 : 0,
    };
  }

  /** What is wrong with a chain's end and not acknowledged. */
  #endOf(entry: ChainEntry, now: number): "CHAIN_STALLED" | "STOPPED" | undefined {
    const state = stateOf(entry, now);
    if (state !== "silent" && state !== "stopped") return undefined;
    const code = state === "silent" ? "CHAIN_STALLED" : "STOPPED";
    const { findings } = this.#options;
    return findings.isAcknowledged(entry.chain, code, entry.size) ? undefined : code;
  }

  // A chain that is not looked at yet may well be the one that is expected.
  #missing(now: number): { subject: string; count: number }[] {
    const there = [...this.#options.catalog.entries()].filter((entry) =>
      ["active", "unknown"].includes(stateOf(entry, now)),
    );
    return this.#options.expect.map(({ subject, chains }) => {
      const found = there.filter((entry) => globMatches(subject, entry.subject ?? "")).length;
      return { subject, count: Math.max(0, chains - found) };
    });
  }
}
