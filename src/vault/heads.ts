// The heads of chains: the state that a chain's next block is judged by, one writer per chain.
//
// - A head is brought back from the store when it is needed, and forgotten when others need the
//   room. Forgetting loses nothing: the store is the truth.
// - Whoever changes a head holds its chain's queue. Reading `stored` needs none.
// - The walk may run ahead of the store while a request is worked on; `stored` never does. After a
//   block that failed inside, or a failed write, the head is dropped and brought back.
// - Whoever uses a head finds it only if nobody else changed the stored objects since.
// - After a failed sync no head is brought back, whoever asks: what can be read then need not be
//   what the disk holds.
// - A chain whose objects fail is damaged, whoever found it: nothing is taken in and nothing signed
//   until its objects change and hold. Errors of the machine's own are never kept.
// - A chain's id is all that it takes to have it brought back, so no stranger gets it for many at
//   once: those of one address get it one at a time, with rests between. Who has sent blocks of a
//   chain's own does not wait. However many ask for one chain, it is brought back once.

import { hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import type { Clock } from "../host/clock.ts";
import type { Diag } from "../host/diag.ts";
import type { Peer } from "../host/http-listener.ts";
import type { Store } from "../store/store.ts";
import { type BringBack, type ChainHead, notedEvery, type StoredHead } from "./bring-back.ts";
import type { Catalog } from "./catalog.ts";
import type { ChainEntry } from "./chain-entry.ts";
import { damageOf, OtherKeys } from "./damage.ts";
import type { Founding } from "./founding.ts";
import type { Gate } from "./gate.ts";
import type { OwnNotes } from "./own-notes.ts";
import { Problem } from "./problem.ts";
import { NamedQueues, Shared, WorkQueue, within } from "./queue.ts";
import type { SignedReceipt } from "./signer.ts";

export interface HeadsOptions {
  readonly suite: Suite;
  readonly store: Store;
  readonly notes: Pick<OwnNotes, "read" | "dropChecked">;
  readonly bringBack: BringBack;
  readonly clock: Pick<Clock, "mono" | "sleep">;
  readonly diag: Diag;
  /** Roughly how much memory open heads may take. */
  readonly bytesMax: number;
  readonly catalog: Pick<Catalog, "damaged" | "mended">;
  readonly gate: Gate;
}

/** Requests of one chain that may wait for their turn. */
const waitingMax = 3;
/** How long a request waits for a chain that is checked as a whole, in milliseconds. */
const patienceMs = 10_000;
const headBytes = 16_384;
const sourceBytes = 1_536;

interface Slot {
  readonly queue: WorkQueue;
  head: ChainHead | undefined;
  /** The head is being brought back, also after those who asked for it went away. */
  opening: Promise<void> | undefined;
  bytes: number;
}

interface Damaged {
  readonly problem: Problem;
  /** What stood for the objects, the receipts included, when they failed; undefined: not yet. */
  readonly standing: string | undefined;
}

export class Heads {
  readonly #options: HeadsOptions;
  /** The least recently used chain first. */
  readonly #slots = new Map<string, Slot>();
  readonly #damaged = new Map<string, Damaged>();
  /** Heads that are noted and then forgotten. */
  readonly #leaving = new Set<Promise<void>>();
  readonly #visits = new Shared<ChainHead | undefined>();
  readonly #strangers: NamedQueues;
  #bytes = 0;

  constructor(options: HeadsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#strangers = new NamedQueues({ clock, waitingMax: 1000, restMaxMs: 100 });
  }

  /** How many heads are open, and how many were brought back from the store so far. */
  get counts(): { open: number; replays: number; wholeChecks: number } {
    const { replays, wholeChecks } = this.#options.bringBack;
    return { open: this.#slots.size, replays, wholeChecks };
  }

  /** The newest receipt that the vault gave over a chain, as far as it knows. */
  async receiptOf(chain: string): Promise<SignedReceipt | undefined> {
    return this.peek(chain)?.receipt ?? (await this.#options.bringBack.receipt(chain));
  }

  /** The head of a chain if it is open; for reading only. */
  peek(chain: string): ChainHead | undefined {
    return this.#slots.get(chain)?.head;
  }

  /**
   * The head of a chain that a peer named, to be read and without a turn of its own. Throws as
   * use() does, and while the vault stops: who waits here holds no stop up.
   */
  async visit(chain: string, { address, known }: Peer): Promise<ChainHead | undefined> {
    const open = this.peek(chain);
    if (open !== undefined) return open;
    const bring = (): Promise<ChainHead | undefined> => {
      this.#options.gate.assertOpen();
      return this.#visits.once(chain, () => this.use(chain, async (head) => head));
    };
    return await (known?.() === true ? bring() : this.#strangers.pass(address, bring));
  }

  /**
   * Runs `work` with the chain's head, alone; undefined for a chain without blocks.
   * Throws Problem busy, chain-damaged, vault-keys-changed, grant-refused or store-unavailable.
   */
  async use<T>(
    chain: string,
    work: (head: ChainHead | undefined) => Promise<T>,
    look: "closely" | "quickly" = "quickly",
  ): Promise<T> {
    const slot = this.#slots.get(chain) ?? this.#newSlot(chain);
    // Moves it to the end: the most recently used.
    this.#slots.delete(chain);
    this.#slots.set(chain, slot);
    if (slot.queue.full) {
      throw new Problem("busy", "too many requests for one chain", { retryAfter: 1 });
    }
    try {
      return await slot.queue.pass(async () => {
        try {
          await this.#ready(chain, slot, look);
          const done = await work(slot.head);
          const { head } = slot;
          if (head !== undefined && head.writer.size - head.noted >= notedEvery)
            await this.#note(slot);
          return done;
        } catch (error) {
          // Before anybody else has a turn.
          this.#options.gate.fault(error);
          throw error;
        }
      });
    } finally {
      this.#weigh(chain, slot);
    }
  }

  /**
   * Returns once the stored objects are known to be as they were when they were checked. Throws as
   * use() does. Whoever is just being served by it makes sure of that.
   */
  async assertWhole(chain: string): Promise<void> {
    const slot = this.#slots.get(chain);
    if (slot?.head !== undefined && !slot.queue.idle && !this.#damaged.has(chain)) return;
    await this.use(chain, async () => undefined, "closely");
  }

  /**
   * Looks whether somebody changed a chain's objects, and if so, or where it is said to be damaged,
   * checks them; what may have been changed unseen is read. Throws what says nothing about them.
   */
  async rescan({ chain, damage }: Pick<ChainEntry, "chain" | "damage">): Promise<void> {
    const open = this.#slots.has(chain);
    try {
      if (open || damage !== undefined || !(await this.#options.bringBack.stands(chain)))
        await this.assertWhole(chain);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** A head for a chain that may begin; nothing of it is stored. */
  unfounded(chain: string, founding: Founding): ChainHead {
    return this.#options.bringBack.unfounded(chain, founding);
  }

  /** What a damaged chain answers; undefined for one that is not known to be. */
  damage(chain: string): Problem | undefined {
    return this.#damaged.get(chain)?.problem;
  }

  /** Makes `head` the chain's. Call inside use(). */
  put(head: ChainHead): void {
    const slot = this.#slots.get(head.chain);
    if (slot !== undefined) slot.head = head;
  }

  /** Forgets a head whose walk or writer is no longer what the store holds. Call inside use(). */
  drop(chain: string): void {
    const slot = this.#slots.get(chain);
    if (slot !== undefined) slot.head = undefined;
  }

  /** Stored objects of the chain fail: whoever reads found out. Returns what it is told. */
  async condemn(chain: string, error: unknown): Promise<Problem | undefined> {
    const why = damageOf(error);
    if (why === undefined) return undefined;
    const code = error instanceof OtherKeys ? "vault-keys-changed" : "chain-damaged";
    const problem = new Problem(code, why, { retryAfter: 5 });
    this.drop(chain);
    this.#damaged.set(chain, { problem, standing: undefined });
    await this.#dropNote(chain);
    this.#damaged.set(chain, { problem, standing: await this.#standing(chain) });
    const { diag, catalog } = this.#options;
    diag.error("stored chain can't be used", { chain, why, code });
    catalog.damaged(chain, why);
    return problem;
  }

  /** Notes what was checked of all open heads, before the vault stops. */
  async noteAll(): Promise<void> {
    await Promise.all(this.#leaving);
    for (const slot of this.#slots.values()) await this.#note(slot);
  }

  /** The head is there and its objects are untouched, or there is none. Throws Problem. */
  async #ready(chain: string, slot: Slot, look: "closely" | "quickly"): Promise<void> {
    const known = this.#damaged.get(chain);
    if (known !== undefined && known.standing === undefined) throw known.problem;
    if (known !== undefined && (await this.#standing(chain)) === known.standing)
      throw known.problem;
    const last = slot.head?.stored;
    const writer = slot.head?.writer;
    const right = look === "closely" ? writer?.untouched() : writer?.seemsUntouched();
    if ((await right) === false) slot.head = undefined;
    if (slot.head !== undefined) return;
    this.#options.gate.assertSafe();
    slot.opening ??= this.#opening(chain, slot, last);
    const late = (): Problem =>
      new Problem("busy", "stored blocks of the chain are being checked", { retryAfter: 10 });
    await within(slot.opening, patienceMs, this.#options.clock, late);
    this.#options.gate.assertSafe();
    const stored = this.peek(chain)?.stored;
    if (known === undefined && stored === undefined) return;
    this.#damaged.delete(chain);
    if (known !== undefined) this.#options.diag.info("stored chain holds again", { chain });
    // Others, too, may have taken it for damaged: who listed it, while it was away.
    this.#options.catalog.mended(chain, stored?.header);
  }

  async #opening(chain: string, slot: Slot, last: StoredHead | undefined): Promise<void> {
    try {
      const head = await this.#open(chain, last);
      if (this.#options.gate.unsafe === undefined) slot.head = head;
    } finally {
      slot.opening = undefined;
      // Nobody may be waiting any more.
      if (slot.queue.idle) this.#weigh(chain, slot);
    }
  }

  async #open(chain: string, last: StoredHead | undefined): Promise<ChainHead | undefined> {
    const { bringBack, diag, gate } = this.#options;
    try {
      return await bringBack.open(chain, last);
    } catch (error) {
      // Whoever asked may have gone away.
      gate.fault(error);
      const problem = await this.condemn(chain, error);
      if (problem !== undefined) throw problem;
      if (error instanceof Problem || error instanceof SealtailError) throw error;
      // Out of memory, or a mistake of ours: it says nothing about what is stored.
      diag.error("couldn't bring a chain back", { chain, error: error as Error });
      throw new Problem("store-unavailable", "the chain couldn't be read", { retryAfter: 5 });
    }
  }

  async #standing(chain: string): Promise<string> {
    const { store, notes, suite } = this.#options;
    // What can't be read, a folder in the place of the receipt say, may be once it is mended.
    const told = (work: Promise<Uint8Array | undefined>): Promise<string> =>
      work.then(
        (bytes) => (bytes === undefined ? "none" : hex(suite.sha256(bytes))),
        (error: Error) => `unread: ${error.message}`,
      );
    const { settled, rest } = await store.print(chain, 0);
    const small = [
      ...[await told(store.reader(chain).receipt()), await told(notes.read(chain, "receipt"))],
      await told(notes.read(chain, "checked")),
    ];
    return [settled, rest, ...small].join(" ");
  }

  #newSlot(chain: string): Slot {
    const queue = new WorkQueue({ waitingMax });
    const slot: Slot = { queue, head: undefined, opening: undefined, bytes: 0 };
    this.#slots.set(chain, slot);
    return slot;
  }

  #weigh(chain: string, slot: Slot): void {
    const bytes =
      slot.head === undefined ? 0 : headBytes + slot.head.walk.sources.size * sourceBytes;
    this.#bytes += bytes - slot.bytes;
    slot.bytes = bytes;
    const idle = slot.queue.idle && slot.opening === undefined;
    if (slot.head === undefined && idle) this.#slots.delete(chain);
    for (const [other, each] of this.#slots) {
      if (this.#bytes <= this.#options.bytesMax) return;
      if (each.queue.idle && each.head !== undefined && other !== chain) this.#forget(other, each);
    }
  }

  // It is noted first: whoever needs it meanwhile waits, and keeps it.
  #forget(chain: string, slot: Slot): void {
    this.#bytes -= slot.bytes;
    slot.bytes = 0;
    const gone = slot.queue.pass(async () => {
      await this.#note(slot);
      if (!slot.queue.alone) return;
      slot.head = undefined;
      this.#slots.delete(chain);
    });
    this.#leaving.add(gone);
    void gone.finally(() => this.#leaving.delete(gone));
  }

  async #note({ head }: Slot): Promise<void> {
    if (head === undefined) return;
    await this.#options.bringBack.note(head);
    // A reader may have found damage meanwhile.
    if (this.#damaged.has(head.chain)) await this.#dropNote(head.chain);
  }

  // What it covers failed though nobody seems to have touched it: it counts no more, also not after
  // a restart.
  async #dropNote(chain: string): Promise<void> {
    const { notes, diag, gate } = this.#options;
    try {
      await notes.dropChecked(chain);
    } catch (error) {
      gate.fault(error);
      diag.warn("couldn't drop the note about a damaged chain", { chain, error: error as Error });
    }
  }
}
