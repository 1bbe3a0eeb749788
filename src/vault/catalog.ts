// What the vault knows of all its chains without opening them: whose they are, how they fare,
// what they say of themselves, and which grants they used up.
//
// - Everything here can be rebuilt from the store and from what the vault wrote down for itself.
//   The index file only spares reading every grant at each start.
// - A chain of which the vault wrote anything down began. Where it is gone from the store it is
//   damaged, and still it is whose it was, and its use of a grant stays taken.
// - Starting reads one list of names; the rest is surveyed afterwards, a few chains at a time.
// - A grant's uses count over the whole store, as core/grant.ts names them. While the machine can't
//   read one of the grants, nobody begins a chain.

import { hex } from "../core/bytes.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import { decodeHeader, type Header } from "../core/header.ts";
import { countUpTo } from "../core/sorted.ts";
import type { Diag } from "../host/diag.ts";
import type { ReadableStore } from "../store/store.ts";
import type { CatalogIndex, UsedBy } from "./catalog-index.ts";
import { type ChainEntry, isUnread, lacksWords, newEntry } from "./chain-entry.ts";
import { type ChainWords, storedWords } from "./chain-words.ts";
import { damageOf } from "./damage.ts";
import { ownReceipt } from "./floor.ts";
import type { Founding, FoundingPolicy } from "./founding.ts";
import { GrantUses } from "./grant-uses.ts";
import type { OpenFindings } from "./open-findings.ts";
import type { OwnNotes } from "./own-notes.ts";
import { Problem } from "./problem.ts";
import { forEachOf, Shared } from "./queue.ts";
import { hasBegun, storedGrant } from "./stored-grant.ts";

type ByGrant = Pick<Founding, "grant" | "uses">;

export interface CatalogOptions {
  readonly keys: VaultKeys;
  readonly policy: FoundingPolicy;
  readonly store: ReadableStore;
  readonly notes: Pick<OwnNotes, "chains" | "read">;
  readonly index: CatalogIndex;
  readonly diag: Diag;
  /** When the vault began to listen, in Unix microseconds. */
  readonly startedAt: number;
  readonly findings: Pick<OpenFindings, "isStopped">;
  /** Clears what is left of a chain that never began; false for one that did. */
  readonly clear: (chain: string) => Promise<boolean>;
}

const surveysAtOnce = 4;
/** How often a chain is read that grows meanwhile. */
const readsMax = 3;

export class Catalog {
  readonly #options: CatalogOptions;
  readonly #entries = new Map<string, ChainEntry>();
  readonly #uses = new GrantUses();
  /** The same of chains that are known to have begun: they have a receipt, or get it now. */
  readonly #begun = new GrantUses();
  /** Chains of which the vault wrote anything down before it started. */
  #noted: ReadonlySet<string> = new Set();
  /** Chains whose grant the machine couldn't read: they may have used any. */
  readonly #grantsUnread = new Set<string>();
  /** What an index says that other root keys made, or an earlier build. */
  #older: ReadonlyMap<string, UsedBy> = new Map();
  /** Their ids in order; undefined after some came or went. */
  #ids: readonly string[] | undefined;
  #indexStale = false;
  readonly #looks = new Shared<void>();
  readonly #grantsKnown = Promise.withResolvers<void>();

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** Lists the chains and takes over what the index file says about them. */
  async load(): Promise<void> {
    const { store, notes, index } = this.#options;
    const { byChain, current } = await index.read();
    if (!current) this.#older = byChain;
    const stored = new Set(await store.chainIds());
    this.#noted = new Set(await notes.chains());
    const entries = [...new Set([...stored, ...this.#noted])].map((chain) => this.#add(chain));
    for (const entry of entries) {
      const { chain } = entry;
      const used = byChain.get(chain);
      if (used !== undefined && current) this.#identify(entry, used);
      if (!stored.has(chain)) entry.damage = "the whole chain is gone";
    }
  }

  /** Reads what is still unknown about each chain. Returns when all is known, or on `signal`. */
  async survey(signal: AbortSignal): Promise<void> {
    const strangers = [...this.#entries.values()].filter(({ uses }) => uses.length === 0);
    await forEachOf(strangers, surveysAtOnce, async (entry) => {
      if (!signal.aborted && !(await this.#cleared(entry))) await this.#readGrant(entry);
    });
    this.#grantsKnown.resolve();
    const unseen = [...this.#entries.values()].filter(isUnread);
    await forEachOf(unseen, surveysAtOnce, async (entry) => {
      if (signal.aborted) return;
      await this.look(entry.chain);
      if (entry.size === 0) await this.#cleared(entry);
    });
    if (!signal.aborted) await this.save();
  }

  /**
   * Resolves once the grant of every stored chain was read, or survey() was told to stop: before
   * that no use can be counted. Throws Problem while one of them can't be read.
   */
  async usesKnown(): Promise<void> {
    await this.#grantsKnown.promise;
    for (const chain of this.#grantsUnread) {
      await this.look(chain);
      if (!this.#grantsUnread.has(chain)) continue;
      const text = "the grant of a stored chain can't be read, so nobody knows what was used";
      throw new Problem("store-unavailable", text, { retryAfter: 5 });
    }
  }

  get(chain: string): ChainEntry | undefined {
    return this.#entries.get(chain);
  }

  entries(): Iterable<ChainEntry> {
    return this.#entries.values();
  }

  /**
   * Chain ids behind `after`, in order. Of `subject`, if it is told: also those of which nobody
   * has read yet whose they are.
   */
  page(after: string, limit: number, subject?: string): string[] {
    this.#ids ??= [...this.#entries.keys()].sort();
    const page: string[] = [];
    for (let at = countUpTo(this.#ids, after); at < this.#ids.length; at += 1) {
      if (page.length >= limit) break;
      const id = this.#ids[at] as string;
      const known = this.#entries.get(id)?.subject;
      if (subject === undefined || known === undefined || known === subject) page.push(id);
    }
    return page;
  }

  /** Whether a grant is good for no further chain. Call after usesKnown(). */
  isUsedUp(chain: string, { grant, uses }: ByGrant): boolean {
    return !this.#uses.allow(chain, { uses, maxChains: grant.maxChains });
  }

  /**
   * Other chains by the same grant of which it is not known that they began, once all are read:
   * as long as the chain may begin.
   */
  async *sharers(chain: string, by: ByGrant): AsyncGenerator<string, void, undefined> {
    await this.usesKnown();
    for (const other of this.#uses.sharers(chain, by.uses)) {
      if (!this.mayBegin(chain, by)) return;
      if (!this.#begun.has(other, by.uses)) yield other;
    }
  }

  /** A chain has a receipt of ours. */
  began(chain: string): void {
    const entry = this.#entries.get(chain);
    if (entry !== undefined) this.#begun.add(chain, entry);
  }

  /** Whether a stored chain without a receipt may get one, by how many began as far as is known. */
  mayBegin(chain: string, { grant, uses }: ByGrant): boolean {
    return this.#begun.allow(chain, { uses, maxChains: grant.maxChains });
  }

  /** Takes one of a grant's uses for a chain that begins now. False if others began by all of them. */
  begin(chain: string, by: ByGrant): boolean {
    if (!this.mayBegin(chain, by)) return false;
    const { grant, uses } = by;
    this.#identify(this.#entries.get(chain) ?? this.#add(chain), { ...grant, uses });
    this.began(chain);
    this.#indexStale = true;
    return true;
  }

  /** The same for a chain that is to be stored: all that are stored count. Call after usesKnown(). */
  reserve(chain: string, by: ByGrant): boolean {
    return !this.isUsedUp(chain, by) && this.begin(chain, by);
  }

  /** Gives a use back: the chain did not come to be. */
  forget(chain: string): void {
    const entry = this.#entries.get(chain);
    if (entry === undefined) return;
    this.#uses.remove(chain, entry);
    this.#begun.remove(chain, entry);
    this.#entries.delete(chain);
    this.#grantsUnread.delete(chain);
    this.#ids = undefined;
    this.#indexStale = true;
  }

  /** A chain grew: `at` by our clock. `words`: undefined if nobody has read all of them. */
  grew(
    chain: string,
    header: Header,
    at: number,
    { stopped, words }: { readonly stopped: boolean; readonly words: ChainWords | undefined },
  ): void {
    const entry = this.#entries.get(chain) ?? this.#add(chain);
    this.#keep(entry, words);
    entry.size = header.blockNo + 1;
    entry.seenAt = at;
    entry.silenceMs = header.maxSilenceMs;
    entry.ended = endOf(header, stopped);
    entry.damage = undefined;
    entry.surveyed = true;
    entry.unread = this.#grantsUnread.has(chain);
  }

  /** A receipt of ours covers so many blocks of a chain. */
  receipted(chain: string, size: number): void {
    const entry = this.#entries.get(chain);
    if (entry !== undefined) entry.receipted = size;
  }

  /** Stored objects of a chain fail. */
  damaged(chain: string, why: string): void {
    const entry = this.#entries.get(chain) ?? this.#add(chain);
    entry.damage = why;
  }

  /** A damaged chain holds again. */
  mended(chain: string, header: Header | undefined): void {
    const entry = this.#entries.get(chain);
    if (entry === undefined) return;
    Object.assign(entry, { damage: undefined, wordless: false });
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
    if (entry !== undefined && isUnread(entry)) {
      await this.#looks.once(chain, async () => {
        if (entry.unread || !entry.surveyed) await this.#look(entry);
        let tries = entry.surveyed ? readsMax : 0;
        while (lacksWords(entry) && tries-- > 0) await this.#readWords(entry);
      });
    }
    return entry;
  }

  async #look(entry: ChainEntry): Promise<void> {
    const { chain } = entry;
    if (entry.subject === undefined || this.#grantsUnread.has(chain)) await this.#readGrant(entry);
    const read = entry.surveyed || (await this.#readNewest(entry));
    entry.unread = !read || this.#grantsUnread.has(chain);
  }

  /** False if the machine can't read it now. */
  async #readNewest(entry: ChainEntry): Promise<boolean> {
    const { chain } = entry;
    const { store, keys, policy } = this.#options;
    try {
      const reader = store.reader(chain);
      const kept = await reader.receipt();
      const receipt = kept && ownReceipt(policy.suite, keys, chain, kept);
      const seen = receipt && receipt.time * 1_000_000;
      if (receipt !== undefined) this.began(chain);
      const forks = (await reader.forks()).length;
      const { size, head } = await reader.newest(receipt?.size);
      // It may have grown while we looked: what came in meanwhile is newer.
      if (entry.surveyed) return true;
      entry.forks = forks;
      entry.receipted = receipt?.size ?? 0;
      if (head !== undefined) this.#fill(entry, decodeHeader(head), size, seen);
      else if (receipt !== undefined || this.#noted.has(chain))
        entry.damage ??= "the chain began, and its blocks are gone";
    } catch (error) {
      return entry.surveyed || this.#fails(entry, error);
    }
    return true;
  }

  async #readWords(entry: ChainEntry): Promise<void> {
    const { chain, size } = entry;
    const { policy, store, diag } = this.#options;
    try {
      const words = await storedWords(policy.suite, store.reader(chain), size);
      if (entry.size === size) this.#keep(entry, words);
    } catch (error) {
      // Whether that is damage, whoever looks back at the chain judges.
      if (entry.size === size) entry.wordless = damageOf(error) !== undefined;
      diag.warn("couldn't read what a chain says of itself", { chain, error: error as Error });
    }
  }

  // A disk that can't be read now says nothing about what is on it.
  #fails(entry: ChainEntry, error: unknown): boolean {
    const damaged = damageOf(error) !== undefined;
    if (damaged) Object.assign(entry, { damage: "stored blocks can't be read", surveyed: true });
    const fields = { chain: entry.chain, error: error as Error };
    this.#options.diag.error("couldn't look at a stored chain", fields);
    return damaged;
  }

  /** Writes the index file, if it would say anything new. */
  async save(): Promise<void> {
    if (!this.#indexStale) return;
    this.#indexStale = false;
    await this.#options.index.write(this.#entries.values());
  }

  #add(chain: string): ChainEntry {
    const entry = newEntry(chain, this.#options.startedAt);
    this.#entries.set(chain, entry);
    this.#ids = undefined;
    return entry;
  }

  #identify(entry: ChainEntry, { subject, uses, maxChains, words }: UsedBy): void {
    if (words !== undefined) entry.words = this.#shared(entry, words);
    entry.subject = subject;
    entry.uses = uses;
    entry.maxChains = maxChains;
    this.#uses.add(entry.chain, entry);
  }

  #keep(entry: ChainEntry, words: ChainWords | undefined): void {
    if (words === entry.words) return;
    entry.words = words && this.#shared(entry, words);
    this.#indexStale = true;
  }

  // Most say what they said, or the chain before did: the same text is kept once.
  #shared({ words: old }: ChainEntry, { run, host, predecessor }: ChainWords): ChainWords {
    const before = this.#entries.get(predecessor ?? "");
    const same = [old?.host, before?.words?.host].find((each) => each === host);
    return { run, host: same ?? host, predecessor: before?.chain ?? predecessor };
  }

  #fill(entry: ChainEntry, header: Header, size: number, seen: number | undefined): void {
    entry.size = size;
    entry.seenAt = seen ?? header.time;
    entry.silenceMs = header.maxSilenceMs;
    entry.ended = endOf(header, this.#options.findings.isStopped(entry.chain, size));
    entry.surveyed = true;
    // A vault that was killed wrote nothing of the newest run into its index.
    if (entry.words?.run !== hex(header.runId)) entry.words = undefined;
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
    const { diag } = this.#options;
    const { chain } = entry;
    const noted = this.#noted.has(chain);
    const older = noted ? this.#older.get(chain) : undefined;
    const unread = this.#grantsUnread.has(chain);
    let used = older;
    try {
      const { grant, uses } = await storedGrant(this.#options, chain);
      entry.subject = grant?.subject;
      if (grant !== undefined && uses.length > 0)
        if (noted || (await hasBegun(this.#options, chain, grant))) used = { ...grant, uses };
      this.#grantsUnread.delete(chain);
    } catch (error) {
      // Damage must not keep all others from beginning chains. Else it is read again, said once.
      entry.unread = damageOf(error) === undefined && older === undefined;
      if (entry.unread) this.#grantsUnread.add(chain);
      else this.#grantsUnread.delete(chain);
      if (!unread) diag.error("couldn't read a stored grant", { chain, error: error as Error });
    }
    if (used === undefined) return;
    this.#identify(entry, used);
    this.#indexStale = true;
  }
}

function endOf(header: Header, stopped: boolean): ChainEntry["ended"] {
  if (header.kind === "final") return "final";
  return stopped ? "stopped" : "no";
}
