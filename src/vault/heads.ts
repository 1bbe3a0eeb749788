// The heads of chains: the state that a chain's next block is judged by, one writer per chain.
//
// - A head is brought back from the store when it is needed, and forgotten when others need the
//   room. Forgetting loses nothing: the store is the truth.
// - Whoever changes a head holds its chain's turnstile. Reading `stored` needs none.
// - The walk may run ahead of the store while a request is worked on; `stored` never does. After a
//   block that failed inside, or a failed write, the head is dropped and brought back.
// - A chain whose stored blocks fail is damaged: it is not written to, and others go on.

import { believed } from "../core/authority.ts";
import type { VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { type Grant, parseGrant } from "../core/grant.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import type { Diag } from "../host/diag.ts";
import type { ChainReader, ChainWriter, Store } from "../store/store.ts";
import type { Finding } from "../verify/finding.ts";
import { ChainWalk, type WalkOptions } from "../verify/walk.ts";
import { Problem } from "./problem.ts";
import { Damage, OtherKeys, replay } from "./replay.ts";
import type { SignedReceipt } from "./signer.ts";
import { Turnstile } from "./turnstile.ts";

/** What is durable of a chain. */
export interface StoredHead {
  readonly size: number;
  readonly root: Uint8Array;
  readonly header: Header;
  readonly hash: Uint8Array;
}

export interface ChainHead {
  readonly chain: string;
  readonly grant: Grant;
  readonly walk: ChainWalk;
  readonly writer: ChainWriter;
  readonly reader: ChainReader;
  /** What the walk said since this was emptied. */
  readonly findings: Finding[];
  /** Undefined until the genesis is stored. */
  stored: StoredHead | undefined;
  /** Whether the walk knows the runs of all earlier blocks. */
  allRuns: boolean;
  receipt: SignedReceipt | undefined;
}

export interface HeadsOptions {
  readonly store: Store;
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly diag: Diag;
  /** Roughly how much memory open heads may take. */
  readonly bytesMax: number;
  /** Told when the stored blocks of a chain fail. */
  readonly onDamage: (chain: string, why: string) => void;
}

/** Requests of one chain that may wait for their turn. */
const waitingMax = 3;
/** Blocks that a walk remembers here: older ones are looked up in the store. */
const remembered = 32;
const headBytes = 24_576;
const sourceBytes = 1_536;

interface Slot {
  readonly turnstile: Turnstile;
  head: ChainHead | undefined;
  bytes: number;
}

export class Heads {
  readonly #options: HeadsOptions;
  /** The least recently used chain first. */
  readonly #slots = new Map<string, Slot>();
  #bytes = 0;
  #replays = 0;

  constructor(options: HeadsOptions) {
    this.#options = options;
  }

  /** How many heads are open, and how many were brought back from the store so far. */
  get counts(): { open: number; replays: number } {
    return { open: this.#slots.size, replays: this.#replays };
  }

  /** The head of a chain if it is open; for reading only. */
  peek(chain: string): ChainHead | undefined {
    return this.#slots.get(chain)?.head;
  }

  /**
   * Runs `work` with the chain's head, alone; undefined for a chain without blocks.
   * Throws Problem busy, chain-damaged, vault-keys-changed or store-unavailable.
   */
  async use<T>(chain: string, work: (head: ChainHead | undefined) => Promise<T>): Promise<T> {
    const slot = this.#slots.get(chain) ?? this.#newSlot(chain);
    // Moves it to the end: the most recently used.
    this.#slots.delete(chain);
    this.#slots.set(chain, slot);
    if (slot.turnstile.full) {
      throw new Problem("busy", "too many requests for one chain", { retryAfter: 1 });
    }
    try {
      return await slot.turnstile.pass(async () => {
        slot.head ??= await this.#open(chain);
        return await work(slot.head);
      });
    } finally {
      this.#weigh(chain, slot);
    }
  }

  /** A head for a chain that may begin; nothing of it is stored. */
  unfounded(chain: string, grant: Grant): ChainHead {
    const findings: Finding[] = [];
    const walk = new ChainWalk(this.#walkOptions(chain, grant, (each) => findings.push(each)));
    return this.#head(chain, grant, walk, noWriter, findings, true);
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

  #walkOptions(chain: string, grant: Grant, report: (finding: Finding) => void): WalkOptions {
    const { suite, keys } = this.#options;
    return {
      suite,
      chain,
      report,
      authority: believed(grant, [keys]),
      remember: remembered,
    };
  }

  #newSlot(chain: string): Slot {
    const slot = { turnstile: new Turnstile(waitingMax), head: undefined, bytes: 0 };
    this.#slots.set(chain, slot);
    return slot;
  }

  async #open(chain: string): Promise<ChainHead | undefined> {
    try {
      return await this.#bringBack(chain);
    } catch (error) {
      const why = damageOf(error);
      if (why === undefined) throw error;
      this.#options.onDamage(chain, why);
      const code = error instanceof OtherKeys ? "vault-keys-changed" : "chain-damaged";
      this.#options.diag.error("stored chain can't be used", { chain, why, code });
      throw new Problem(code, why);
    }
  }

  async #bringBack(chain: string): Promise<ChainHead | undefined> {
    const { store, suite, diag } = this.#options;
    const opened = await store.open(chain);
    if (opened === undefined) return undefined;
    const { writer, report } = opened;
    if (report.damage !== undefined) throw new Damage(report.damage);
    if (report.cutBytes > 0) {
      diag.warn("torn tail of a chain was cut off", { chain, bytes: report.cutBytes });
    }
    if (writer.size === 0) return undefined;
    const reader = store.reader(chain);
    const grant = parseGrant(suite, (await reader.grant()) ?? new Uint8Array(0));
    const findings: Finding[] = [];
    const options = this.#walkOptions(chain, grant, (finding) => findings.push(finding));
    const { walk, head, from } = await replay(reader, writer.size, options);
    this.#replays += 1;
    const made = this.#head(chain, grant, walk, writer, findings, from === 0);
    made.stored = storedHead(suite, head, rootOf(walk));
    return made;
  }

  #head(
    chain: string,
    grant: Grant,
    walk: ChainWalk,
    writer: ChainWriter,
    findings: Finding[],
    allRuns: boolean,
  ): ChainHead {
    const reader = this.#options.store.reader(chain);
    const [stored, receipt] = [undefined, undefined];
    return { chain, grant, walk, writer, reader, findings, stored, allRuns, receipt };
  }

  #weigh(chain: string, slot: Slot): void {
    const sources = slot.head === undefined ? 0 : [...slot.head.walk.sources].length;
    const bytes = slot.head === undefined ? 0 : headBytes + sources * sourceBytes;
    this.#bytes += bytes - slot.bytes;
    slot.bytes = bytes;
    if (slot.head === undefined && slot.turnstile.idle) this.#slots.delete(chain);
    for (const [other, { turnstile, bytes: freed }] of this.#slots) {
      if (this.#bytes <= this.#options.bytesMax) return;
      if (!turnstile.idle || other === chain) continue;
      this.#slots.delete(other);
      this.#bytes -= freed;
    }
  }
}

/** What is stored, once the block of `head` is durable and `root` is that of all blocks. */
export function storedHead(suite: Suite, head: Uint8Array, root: Uint8Array): StoredHead {
  const header = decodeHeader(head);
  return { size: header.blockNo + 1, root, header, hash: blockHash(suite, head) };
}

function rootOf(walk: ChainWalk): Uint8Array {
  const root = walk.thread.frontier?.root();
  if (root === undefined) throw new Damage("tree of the chain is not known");
  return root;
}

/** Of a chain that has not begun. */
const noWriter: ChainWriter = {
  size: 0,
  append() {
    throw new RangeError("chain has not begun");
  },
};

/** Why stored bytes are damaged; undefined for errors that say nothing about them. */
function damageOf(error: unknown): string | undefined {
  if (error instanceof Damage) return error.message;
  if (error instanceof Fault) return `stored bytes fail: ${error.code}`;
  if (error instanceof Problem) return "stored blocks are cut short";
  const codes = ["store-cut-short", "store-damaged", "file-too-large"];
  if (error instanceof SealtailError && codes.includes(error.code)) return error.message;
  return undefined;
}
