// Pure. The fold over all older chains: what a new chain must state, and what it takes over.
//
// - The newest whole chain is the base: all that older ones held is sealed in it, or at a vault. It
//   is named as predecessor up to what a vault is known to hold of it. Where no vault holds any of
//   it, what it went on from itself is named instead, so no chain is named that nobody has.
// - Chains behind the base never came to be whole. They hold copies of what was first in the older
//   buffers, some of which is gone there. So they are taken over first, the newest before the
//   older; but for one that lost blocks: what begins before it goes first.
// - One walk over each buffer. The plan does not depend on the next grant: that one may come later.

import { compareBytes, hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader, type Header } from "../core/header.ts";
import { frontierIn, openBlock, openingRecord } from "../core/opening.ts";
import { payloadItems } from "../core/payload.ts";
import { decodeRecord, encodeRecord, type SourcePosition, sourceIdOf } from "../core/record.ts";
import { type SealedTail, SealedTails } from "../core/sealed-tails.ts";
import { positionsIn, SourceTable } from "../core/sources.ts";
import type { Frontier } from "../core/tree.ts";
import { Ledger } from "./ledger.ts";
import type { OldBlock, OldChain, Stretch } from "./old-chain.ts";
import { type BytesByPath, type Origin, originIn } from "./origin.ts";

export interface Plan {
  /** What the new chain goes on from. */
  readonly origin: Pick<Origin, "named" | "positions" | "forkedAt">;
  /** Blocks that are taken over, in this order. */
  readonly stretches: readonly Stretch[];
  /** Ids of sources that were over before: copies of them are not taken. */
  readonly closed: ReadonlySet<string>;
  /** Where the sources stand once all of it is taken over. */
  readonly ends: readonly SourcePosition[];
  /** The newest sealed bytes of each. */
  readonly tails: ReadonlyMap<string, SealedTail>;
  /**
   * What only old buffers held, by path, and what grants before left out without a vault being
   * told. Of files that the next grant does not cover it is left out.
   */
  readonly bytes: BytesByPath;
  /** Chains whose buffers hold nothing that is not elsewhere. */
  readonly done: readonly number[];
}

const nothing: Origin = { named: undefined, positions: [], outside: [], leftOut: new Map() };

/**
 * Folds over all older chains, the oldest first. `drafts`: payloads that the newest one handed over
 * and could not seal. A damaged block ends what is known of its buffer.
 */
export async function planSuccession(
  suite: Suite,
  chains: readonly OldChain[],
  drafts: readonly Uint8Array[] = [],
): Promise<Plan> {
  const at = Math.max(
    0,
    chains.findLastIndex(({ whole }) => whole),
  );
  const base = chains[at];
  if (base === undefined) {
    const none = { stretches: [], ends: [], bytes: new Map(), tails: new Map(), done: [] };
    return { origin: nothing, closed: new Set(), ...none };
  }
  const unfinished = chains.slice(at + 1).reverse();
  const fold = new Fold(suite, base, unfinished);
  const ledger = await fold.run();
  for (const draft of drafts) fold.take(ledger, draft);
  return {
    origin: fold.origin,
    stretches: fold.order.map((chain) => ({
      chain,
      from: chain === base ? Math.max(fold.from, base.first) : 0,
    })),
    closed: fold.closed,
    ends: ledger.positions(),
    tails: fold.tails.all,
    bytes: fold.bytes(ledger.moved),
    done: chains.slice(0, at).map(({ number }) => number),
  };
}

function idOf(suite: Suite, { record }: SourcePosition): Uint8Array {
  return sourceIdOf(suite, encodeRecord(record));
}

/** Offsets by source. */
type Begin = ReadonlyMap<string, number> | undefined;

function isBefore(a: Begin, b: Begin): boolean {
  if (a === undefined || b === undefined) return a !== b && a === undefined;
  const shared = [...a].map(([source, offset]) => offset - (b.get(source) ?? offset));
  return shared.some((step) => step < 0) && shared.every((step) => step <= 0);
}

class Fold {
  readonly #suite: Suite;
  readonly #base: OldChain;
  readonly #unfinished: readonly OldChain[];
  /** So many blocks are held by a vault. */
  #size = 0;
  /** Blocks of the base below are held by a vault: as many, unless another life sealed others. */
  from = 0;
  origin: Origin = nothing;
  readonly tails: SealedTails;
  /** In which they are taken over. */
  order: readonly OldChain[] = [];
  /** What the newest unfinished chain went on from. */
  #told: Origin | undefined;
  /** What the base itself went on from. */
  #before: Origin | undefined;
  readonly #prefix: SourceTable;
  #frontier: Frontier | undefined;
  #chain: string | undefined;
  #root: string | undefined;

  constructor(suite: Suite, base: OldChain, unfinished: readonly OldChain[]) {
    this.#suite = suite;
    this.#base = base;
    this.#unfinished = unfinished;
    this.#prefix = new SourceTable(suite);
    this.#prefix.loosen();
    this.#before = base.origin;
    const { fetched, origin } = base;
    this.tails = new SealedTails([...(origin?.tails ?? []), ...(fetched?.tails ?? [])]);
  }

  get #forkedAt(): number | undefined {
    const { fetched, forkedAt } = this.#base;
    return fetched === undefined ? this.#told?.forkedAt : forkedAt;
  }

  bytes(moved: BytesByPath): Map<string, number> {
    const all = new Map(this.#size > 0 ? [] : this.#before?.leftOut);
    for (const [path, bytes] of moved) all.set(path, (all.get(path) ?? 0) + bytes);
    // What the newest try counted may be gone from the buffers since.
    for (const [path, bytes] of this.origin.leftOut) {
      all.set(path, Math.max(bytes, all.get(path) ?? 0));
    }
    return all;
  }

  async run(): Promise<Ledger> {
    const base = this.#base;
    const [newest] = this.#unfinished;
    this.#told = newest === undefined ? undefined : (newest.origin ?? (await this.#toldBy(newest)));
    this.#size = await this.#heldSize();
    this.from = this.#forkedAt ?? this.#size;
    const blocks = base.blocks(base.first)[Symbol.asyncIterator]();
    try {
      return await this.#fold(blocks);
    } finally {
      // Blocks that nobody asked for keep a file open.
      await blocks.return?.();
    }
  }

  async #fold(blocks: AsyncIterator<OldBlock>): Promise<Ledger> {
    const pending = await this.#readHeld(blocks);
    this.origin = await this.#origin();
    const ledger = new Ledger(this.#suite, { ...this.origin, closed: this.closed });
    this.order = await this.#inOrder();
    for (const chain of this.order) {
      if (chain !== this.#base) await this.#takeAll(ledger, chain.blocks(chain.first));
      else if (pending !== undefined) await this.#takeAll(ledger, rest(pending, blocks));
    }
    return ledger;
  }

  // All hold the same bytes in the same order. Where one begins behind what another still has, to
  // take it first would declare as missing what lies between.
  async #inOrder(): Promise<readonly OldChain[]> {
    const all = [...this.#unfinished, this.#base];
    if (this.#unfinished.every(({ first }) => first === 0)) return all;
    const order: { readonly chain: OldChain; readonly begin: Begin }[] = [];
    for (const chain of all) {
      const begin = await this.#begin(chain);
      const behind = order.findIndex((each) => isBefore(begin, each.begin));
      order.splice(behind < 0 ? order.length : behind, 0, { chain, begin });
    }
    return order.map(({ chain }) => chain);
  }

  /** From where on its kept blocks have each source; undefined: from where a succession begins. */
  async #begin(chain: OldChain): Promise<Begin> {
    const { first } = chain;
    if (first <= (chain === this.#base ? this.from : 0)) return undefined;
    const begin = new Map<string, number>();
    const note = (each: SourcePosition): void => {
      const id = hex(idOf(this.#suite, each));
      if (!begin.has(id)) begin.set(id, each.offset);
    };
    try {
      for await (const { bytes } of chain.blocks(first)) {
        const { raw } = openBlock(this.#suite, bytes);
        const snapshot = openingRecord(raw, "snapshot");
        for (const each of positionsIn(snapshot?.["sources"])) note(each);
        for (const item of payloadItems(raw)) {
          if (item.kind === "span") continue;
          const { type, value } = decodeRecord(raw.subarray(item.start, item.end));
          if (type === "source") note({ record: value, offset: 0 });
        }
      }
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
    }
    return begin;
  }

  // What a receipt covers; where it was lost, what the newest block says of receipts. What was
  // freed was receipted too, unless an unfinished chain took it over. Such a one holds copies of
  // what lay behind the receipt of its time: the next chain begins there as well, whatever a vault
  // is known to hold since.
  async #heldSize(): Promise<number> {
    const { held, fetched, first, next, unsent = false } = this.#base;
    const named = fetched === undefined ? this.#told?.named : undefined;
    if (held !== undefined && named?.chain === held.chain) return Math.min(held.size, named.size);
    if (held !== undefined) return held.size;
    let size = this.#unfinished.length === 0 && !unsent ? first : 0;
    if (next === first) return size;
    try {
      for await (const { bytes } of this.#base.blocks(next - 1)) {
        size = Math.max(size, decodeHeader(bytes).receiptSize);
      }
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
    }
    return size;
  }

  /** Reads what a vault holds. Returns the first block behind it, if there is one. */
  async #readHeld(blocks: AsyncIterator<OldBlock>): Promise<OldBlock | undefined> {
    try {
      for (;;) {
        const step = await blocks.next();
        if (step.done === true) break;
        const { index, bytes } = step.value;
        const { header, raw } = openBlock(this.#suite, bytes);
        if (header.blockNo > 0) this.#chain ??= hex(header.chainId);
        if (index >= this.from) {
          if (index === this.from) this.#root = hex(header.chainRoot);
          if (index === 0) this.#chain = hex(blockHash(this.#suite, bytes));
          this.#meet(header, raw, index === this.from && index === this.#base.first);
          return step.value;
        }
        this.#hold(header, raw, blockHash(this.#suite, bytes));
      }
    } catch (caught) {
      // Whoever takes the blocks over comes to it, and says so.
      if (!(caught instanceof Fault)) throw caught;
    }
    if (this.#frontier?.size === this.from) this.#root = hex(this.#frontier.root());
    return undefined;
  }

  // The first block behind what is held. A snapshot in it says what held before it.
  #meet(header: Header, raw: Uint8Array, restores: boolean): void {
    if (header.blockNo === 0) this.#before ??= originIn(raw);
    const snapshot = restores ? openingRecord(raw, "snapshot") : undefined;
    if (snapshot !== undefined) this.#prefix.takeSnapshot(snapshot);
  }

  #hold(header: Header, raw: Uint8Array, hash: Uint8Array): void {
    for (const item of payloadItems(raw)) {
      this.#prefix.take(item, raw);
      this.tails.take(item, raw);
    }
    this.#frontier ??= frontierIn(this.#suite, header, raw);
    this.#frontier?.append(hash);
    if (header.blockNo === 0) this.#chain = hex(hash);
  }

  async #origin(): Promise<Origin> {
    const { held, fetched, first, reason } = this.#base;
    // What lay before was taken over already, so only the one that took it knows where it began.
    const told = this.#told;
    const forkedAt = this.#forkedAt;
    const forked = forkedAt !== undefined && fetched === undefined;
    const freed = forked || first > this.from || this.#base.next === first;
    // What a vault told of a chain that the next one does not know, or knew less of, is newer.
    const known = told?.named?.chain === held?.chain && (told?.named?.size ?? 0) >= this.#size;
    const newer = fetched !== undefined && !known;
    if (freed && told !== undefined && !newer) {
      if (forkedAt === undefined && told.named?.chain === this.#chain) {
        this.from = told.named?.size ?? 0;
      }
      return { ...told, forkedAt };
    }
    const leftOut = told?.leftOut ?? new Map();
    const chain = held?.chain ?? this.#chain;
    const size = this.#size;
    if (size > 0 && chain !== undefined) {
      const root = held?.size === size ? held.root : this.#root;
      const positions = this.#withPassed(fetched?.positions ?? this.#prefix.positions());
      if (root !== undefined) {
        const named = { chain, size, root, reason };
        return { ...nothing, named, positions, leftOut, forkedAt };
      }
    }
    return { ...(this.#before ?? nothing), leftOut };
  }

  // What older chains hold of files that the base might not hold stands where it stood before.
  #withPassed(positions: readonly SourcePosition[]): readonly SourcePosition[] {
    const { outside } = this.#before ?? nothing;
    if (outside.length === 0) return positions;
    return [...outside, ...positions].sort((a, b) =>
      compareBytes(idOf(this.#suite, a), idOf(this.#suite, b)),
    );
  }

  /**
   * Sources that were open where an older try went on from the same chain, or where another life
   * did, and no longer are.
   */
  get closed(): Set<string> {
    const closed = new Set<string>();
    const { named, positions } = this.origin;
    if (this.#forkedAt !== undefined) {
      for (const each of this.#prefix.positions()) closed.add(hex(idOf(this.#suite, each)));
    }
    for (const { origin } of this.#unfinished) {
      if (named === undefined || origin?.named?.chain !== named.chain) continue;
      if (origin.named.size >= named.size) continue;
      for (const each of origin.positions) closed.add(hex(idOf(this.#suite, each)));
    }
    for (const each of positions) closed.delete(hex(idOf(this.#suite, each)));
    return closed;
  }

  async #toldBy(chain: OldChain): Promise<Origin | undefined> {
    if (chain.first > 0) return undefined;
    try {
      for await (const { bytes } of chain.blocks(0)) {
        return originIn(openBlock(this.#suite, bytes).raw);
      }
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
    }
    return undefined;
  }

  take(ledger: Ledger, raw: Uint8Array): void {
    for (const _ of ledger.take(raw));
    for (const item of payloadItems(raw)) this.tails.take(item, raw);
  }

  async #takeAll(ledger: Ledger, blocks: AsyncIterable<OldBlock>): Promise<void> {
    try {
      for await (const { bytes } of blocks) {
        this.take(ledger, openBlock(this.#suite, bytes).raw);
      }
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
    }
  }
}

async function* rest(
  first: OldBlock,
  blocks: AsyncIterator<OldBlock>,
): AsyncGenerator<OldBlock, void, undefined> {
  yield first;
  for (let step = await blocks.next(); step.done !== true; step = await blocks.next()) {
    yield step.value;
  }
}
