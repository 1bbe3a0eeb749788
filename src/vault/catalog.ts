// What the vault knows of all its chains without opening them: whose they are, how they fare, and
// which grants they used up.
//
// - Everything here can be rebuilt from the store. The file in the state directory only spares
//   reading every grant at each start, and counts for nothing where the store says otherwise.
// - Starting reads one list of names; the rest is surveyed afterwards, a few chains at a time.
// - A grant's uses count over the whole store, as core/grant.ts names them.

import type { Authority } from "../core/authority.ts";
import { fromUtf8, hex, utf8 } from "../core/bytes.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import type { VerifierKey } from "../core/note.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import type { Files } from "../host/files.ts";
import type { ReadableStore } from "../store/store.ts";
import { damageOf } from "./damage.ts";
import type { Founding } from "./founding.ts";
import { GrantUses } from "./grant-uses.ts";

export type ChainState = "active" | "silent" | "stopped" | "final" | "damaged" | "unknown";

export const chainStates: readonly ChainState[] = [
  "active",
  "silent",
  "stopped",
  "final",
  "damaged",
  "unknown",
];

/** What is known of a chain. Times in Unix microseconds. */
export interface ChainEntry {
  readonly chain: string;
  subject: string | undefined;
  /** By what uses of its grant are counted; empty while unknown, or for a root not trusted. */
  uses: readonly string[];
  maxChains: number;
  size: number;
  /** That many blocks are covered by a receipt of ours, as far as it is known. */
  receipted: number;
  /** When the newest block came, by our clock; after a start, when it was last receipted. */
  seenAt: number;
  /** What the newest block promised; 0 if it promised nothing more. */
  silenceMs: number;
  ended: "no" | "stopped" | "final";
  forks: number;
  damage: string | undefined;
  surveyed: boolean;
}

/** Whose a chain is, and which grant it used. */
type Begun = Pick<ChainEntry, "subject" | "uses" | "maxChains">;

export interface CatalogOptions {
  readonly files: Files;
  readonly store: ReadableStore;
  readonly diag: Diag;
  /** The index file. */
  readonly path: string;
  readonly judge: (grant: Uint8Array | undefined) => Authority;
  /** The root keys that it judges by: an index made by others says nothing. */
  readonly roots: readonly VerifierKey[];
  /** A receipt of ours over the chain, its time in Unix seconds; undefined for what is none. */
  readonly opened: (
    chain: string,
    receipt: Uint8Array,
  ) => { readonly size: number; readonly time: number } | undefined;
  /** Whether a chain of that size is known to end in its agent's stop. */
  readonly isStopped: (chain: string, size: number) => boolean;
  /** Clears what is left of a chain that never began; false for one that did. */
  readonly clear: (chain: string) => Promise<boolean>;
}

const indexBytesMax = 256 * 1024 * 1024;
const surveysAtOnce = 4;

export class Catalog {
  readonly #options: CatalogOptions;
  readonly #entries = new Map<string, ChainEntry>();
  readonly #uses = new GrantUses();
  #sorted: string[] | undefined;
  #indexStale = false;
  readonly #grantsKnown = Promise.withResolvers<void>();

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** Lists the chains and takes over what the index file says about them. */
  async load(): Promise<void> {
    const known = await this.#readIndex();
    for (const chain of await this.#options.store.chainIds()) {
      const entry = this.#add(chain);
      const used = known.get(chain);
      if (used !== undefined) this.#identify(entry, used);
    }
  }

  /** Reads what is still unknown about each chain. Returns when all is known, or on `signal`. */
  async survey(signal: AbortSignal): Promise<void> {
    const strangers = [...this.#entries.values()].filter(({ uses }) => uses.length === 0);
    await this.#each(strangers, signal, async (entry) => {
      if (!(await this.#cleared(entry))) await this.#readGrant(entry);
    });
    this.#grantsKnown.resolve();
    const unseen = [...this.#entries.values()].filter(({ surveyed }) => !surveyed);
    await this.#each(unseen, signal, async (entry) => {
      await this.look(entry.chain);
      if (entry.size === 0) await this.#cleared(entry);
    });
    if (!signal.aborted) await this.save();
  }

  /**
   * Resolves when the grant of every stored chain is known, or survey() was told to stop: until
   * then no use can be counted.
   */
  get grantsKnown(): Promise<void> {
    return this.#grantsKnown.promise;
  }

  get(chain: string): ChainEntry | undefined {
    return this.#entries.get(chain);
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): Iterable<ChainEntry> {
    return this.#entries.values();
  }

  /**
   * Chain ids behind `after`, in order. Of `subject`, if it is told: also those of which nobody
   * has read yet whose they are.
   */
  page(after: string, limit: number, subject?: string): string[] {
    this.#sorted ??= [...this.#entries.keys()].sort();
    const from = firstAbove(this.#sorted, after);
    if (subject === undefined) return this.#sorted.slice(from, from + limit);
    const page: string[] = [];
    for (let at = from; at < this.#sorted.length && page.length < limit; at += 1) {
      const id = this.#sorted[at] as string;
      const known = this.#entries.get(id)?.subject;
      if (known === undefined || known === subject) page.push(id);
    }
    return page;
  }

  /** Whether a grant is good for no further chain. Call after grantsKnown. */
  isUsedUp(chain: string, { grant, uses }: Pick<Founding, "grant" | "uses">): boolean {
    return !this.#uses.allow(chain, { uses, maxChains: grant.maxChains });
  }

  /** Other chains that used the grant of one, once all are known. */
  async sharers(chain: string): Promise<string[]> {
    await this.grantsKnown;
    const { uses = [] } = this.#entries.get(chain) ?? {};
    return this.#uses.sharers(chain, uses);
  }

  /** Takes one of a grant's uses for a chain. False if they are used up. Call after grantsKnown. */
  reserve(chain: string, founding: Pick<Founding, "grant" | "uses">): boolean {
    if (this.isUsedUp(chain, founding)) return false;
    const { grant, uses } = founding;
    this.#identify(this.#entries.get(chain) ?? this.#add(chain), { ...grant, uses });
    this.#indexStale = true;
    return true;
  }

  /** Gives a use back: the chain did not come to be. */
  forget(chain: string): void {
    const entry = this.#entries.get(chain);
    if (entry === undefined) return;
    this.#uses.remove(chain, entry);
    this.#entries.delete(chain);
    this.#sorted = undefined;
    this.#indexStale = true;
  }

  /** A chain grew: `at` by our clock. */
  grew(chain: string, header: Header, at: number, stopped: boolean): void {
    const entry = this.#entries.get(chain) ?? this.#add(chain);
    entry.size = header.blockNo + 1;
    entry.seenAt = at;
    entry.silenceMs = header.maxSilenceMs;
    entry.ended = endOf(header, stopped);
    entry.damage = undefined;
    entry.surveyed = true;
  }

  /** A receipt of ours covers so many blocks of a chain. */
  receipted(chain: string, size: number): void {
    const entry = this.#entries.get(chain);
    if (entry !== undefined) entry.receipted = size;
  }

  /** Stored objects of a chain fail; also of one that should be there and is not. */
  damaged(chain: string, why: string): void {
    const entry = this.#entries.get(chain) ?? this.#add(chain);
    entry.damage = why;
  }

  /** A damaged chain holds again. */
  mended(chain: string, header: Header | undefined): void {
    const entry = this.#entries.get(chain);
    if (entry === undefined) return;
    entry.damage = undefined;
    if (header !== undefined) entry.size = header.blockNo + 1;
  }

  /** Those that are damaged, by id. */
  damages(): ChainEntry[] {
    const found = [...this.#entries.values()].filter(({ damage }) => damage !== undefined);
    return found.sort((a, b) => (a.chain < b.chain ? -1 : 1));
  }

  /** Looks a chain up in the store, unless it is known. Undefined for no chain of ours. */
  async look(chain: string): Promise<ChainEntry | undefined> {
    const entry = this.#entries.get(chain);
    if (entry === undefined || entry.surveyed) return entry;
    if (entry.subject === undefined) await this.#readGrant(entry);
    try {
      const reader = this.#options.store.reader(chain);
      const kept = await reader.receipt();
      const receipt = kept && this.#options.opened(chain, kept);
      const seen = receipt && receipt.time * 1_000_000;
      const forks = (await reader.forks()).length;
      const { size, head } = await reader.newest();
      // It may have grown while we looked: what came in meanwhile is newer.
      if (entry.surveyed) return entry;
      entry.forks = forks;
      entry.receipted = receipt?.size ?? 0;
      if (head !== undefined) this.#fill(entry, decodeHeader(head), size, seen);
    } catch (error) {
      if (entry.surveyed) return entry;
      // A disk that can't be read now says nothing about what is on it.
      if (damageOf(error) !== undefined) {
        entry.damage = "stored blocks can't be read";
        entry.surveyed = true;
      }
      this.#options.diag.error("couldn't look at a stored chain", { chain, error: error as Error });
    }
    return entry;
  }

  /** Writes the index file, if it would say anything new. */
  async save(): Promise<void> {
    if (!this.#indexStale) return;
    this.#indexStale = false;
    const lines = [...this.#entries.values()].flatMap(({ chain, subject, uses, maxChains }) =>
      uses.length === 0 ? [] : [`${JSON.stringify({ chain, subject, uses, maxChains })}\n`],
    );
    await writeFileDurably(
      this.#options.files,
      this.#options.path,
      utf8([this.#firstLine(), ...lines].join("")),
    );
  }

  #firstLine(): string {
    const roots = this.#options.roots.map(({ publicKey }) => hex(publicKey)).sort();
    return `${JSON.stringify({ roots })}\n`;
  }

  #add(chain: string): ChainEntry {
    const entry: ChainEntry = {
      chain,
      subject: undefined,
      uses: [],
      maxChains: 0,
      size: 0,
      receipted: 0,
      seenAt: 0,
      silenceMs: 0,
      ended: "no",
      forks: 0,
      damage: undefined,
      surveyed: false,
    };
    this.#entries.set(chain, entry);
    this.#sorted = undefined;
    return entry;
  }

  #identify(entry: ChainEntry, { subject, uses, maxChains }: Begun): void {
    entry.subject = subject;
    entry.uses = uses;
    entry.maxChains = maxChains;
    this.#uses.add(entry.chain, entry);
  }

  #fill(entry: ChainEntry, header: Header, size: number, seen: number | undefined): void {
    entry.size = size;
    entry.seenAt = seen ?? header.time;
    entry.silenceMs = header.maxSilenceMs;
    entry.ended = endOf(header, this.#options.isStopped(entry.chain, size));
    entry.surveyed = true;
  }

  // A chain that never began has no receipt, and uses no grant up.
  async #cleared({ chain }: ChainEntry): Promise<boolean> {
    const { store, clear, diag } = this.#options;
    try {
      const reader = store.reader(chain);
      if ((await reader.receipt()) !== undefined) return false;
      // One with blocks is judged later: for that all grants must be known.
      if ((await reader.newest()).size > 0 || !(await clear(chain))) return false;
    } catch (error) {
      diag.warn("couldn't look whether a chain ever began", { chain, error: error as Error });
      return false;
    }
    diag.info("what was left of a chain that never began was cleared", { chain });
    this.forget(chain);
    return true;
  }

  async #readGrant(entry: ChainEntry): Promise<void> {
    const { store, judge, diag } = this.#options;
    const { chain } = entry;
    let judged: Authority;
    try {
      judged = judge(await store.reader(chain).grant());
    } catch (error) {
      // One that can't be read must not keep all others from beginning chains.
      diag.error("couldn't read a stored grant, its use is not counted", {
        chain,
        error: error as Error,
      });
      return;
    }
    const { grant, uses } = judged;
    entry.subject = grant?.subject;
    if (grant === undefined || uses.length === 0) return;
    this.#identify(entry, { ...grant, uses });
    this.#indexStale = true;
  }

  async #each(
    entries: readonly ChainEntry[],
    signal: AbortSignal,
    work: (entry: ChainEntry) => Promise<unknown>,
  ): Promise<void> {
    const left = entries.values();
    const worker = async (): Promise<void> => {
      for (const entry of left) {
        if (signal.aborted) return;
        await work(entry);
      }
    };
    await Promise.all(Array.from({ length: surveysAtOnce }, worker));
  }

  async #readIndex(): Promise<Map<string, Begun>> {
    const known = new Map<string, Begun>();
    const bytes = await readWhole(this.#options.files, this.#options.path, indexBytesMax);
    if (bytes === undefined) return known;
    try {
      const text = fromUtf8(bytes);
      if (!text.startsWith(this.#firstLine())) return known;
      for (const line of text.slice(this.#firstLine().length).split("\n")) {
        if (line === "") continue;
        const { chain, ...used } = JSON.parse(line) as Begun & { readonly chain: string };
        if (!Array.isArray(used.uses)) throw new TypeError("a line names no uses");
        known.set(chain, used);
      }
    } catch (error) {
      this.#options.diag.warn("index of chains is damaged, it is made anew", {
        error: error as Error,
      });
      known.clear();
    }
    return known;
  }
}

export function stateOf(entry: ChainEntry, now: number): ChainState {
  if (entry.damage !== undefined) return "damaged";
  if (!entry.surveyed) return "unknown";
  if (entry.ended !== "no") return entry.ended;
  return now - entry.seenAt > entry.silenceMs * 1000 ? "silent" : "active";
}

function endOf(header: Header, stopped: boolean): ChainEntry["ended"] {
  if (header.kind === "final") return "final";
  return stopped ? "stopped" : "no";
}

function firstAbove(sorted: readonly string[], after: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] as string) <= after) low = middle + 1;
    else high = middle;
  }
  return low;
}
