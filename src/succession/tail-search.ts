// Pure. The search for the last sealed bytes of files that were quiet: backwards through what a
// place shows of a chain, and of those that it went on from.
//
// - A head counts only if its hash is the one that the block behind it names, a payload only if its
//   head names it, the end of a chain before only if it makes the tree that is named of it.
// - What lies beyond the limit, or is not shown as it should be though the place answers, stays
//   unknown: `unread` says why. It says nothing against what is known from the edge on, which was
//   checked by itself. Rejects only where the place does not answer.
// - Memory is bounded by the heads of a stretch, and one block.

import { headLength, openPayload } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { blockHash, decodeHeader } from "../core/header.ts";
import { frontierIn } from "../core/opening.ts";
import { payloadItems } from "../core/payload.ts";
import { periodOf } from "../core/record.ts";
import { SealedTails } from "../core/sealed-tails.ts";
import { Frontier } from "../core/tree.ts";
import { FramingError, wholeBlocks } from "../core/whole-blocks.ts";
import { type NamedChain, originIn } from "./origin.ts";
import type { ShownChain } from "./vault-chain.ts";

/** Stored bytes that one search reads at most, but for the rest of a block. */
const searchBytesMax = 64 * 1024 * 1024;
/** Stored bytes that are asked for at once, but for the rest of a block. */
const stretchBytes = 4 * 1024 * 1024;
/** Chains that are searched. */
const chainsMax = 16;
/** How often is asked for what is not shown as it should be. */
const triesMax = 3;

/** A place in a chain: this is the hash of the block right before it. */
export interface Edge {
  readonly at: number;
  readonly hash: Uint8Array;
}

export interface TailSearchOptions {
  readonly suite: Suite;
  /** What is known from the edge on; what is found is added. */
  readonly tails: SealedTails;
  /** Sources, and where each stands. */
  readonly wanted: Iterable<readonly [string, number]>;
  readonly chainOf: (id: string) => ShownChain;
  readonly bytesMax?: number | undefined;
}

/** What the place shows is not what it should be. */
class Unshown extends Error {
  override readonly name = "Unshown";
}

interface Place {
  readonly chain: ShownChain;
  readonly at: number;
  readonly heads: readonly Uint8Array[];
}

export class TailSearch {
  readonly #options: TailSearchOptions;
  readonly #wanted: Map<string, number>;
  #left: number;
  /** Rejects where the place does not answer. */
  #ask: () => Promise<unknown> = async () => undefined;
  /** Why it ended before all was found; undefined where there is no more. */
  unread: string | undefined;

  constructor(options: TailSearchOptions) {
    this.#options = options;
    this.#wanted = new Map(options.wanted);
    this.#left = options.bytesMax ?? searchBytesMax;
    this.#forgetWhole();
  }

  /** Searches a chain before a believed edge, then those before it. */
  async run(id: string, edge: Edge): Promise<void> {
    let [chain, from] = [this.#options.chainOf(id), edge];
    // That was shown a moment ago: a place that does not show it now is silent.
    this.#ask = chain.receipt;
    try {
      for (let chains = 1; ; chains += 1) {
        await this.#chain(chain, from);
        if (this.#wanted.size === 0) return;
        const named = await this.#tried(() => this.#namedBy(chain));
        if (named === undefined) return;
        if (chains === chainsMax) throw new Unshown("too many chains");
        chain = this.#options.chainOf(named.chain);
        from = await this.#tried(() => this.#endOf(chain, named));
      }
    } catch (error) {
      if (!(error instanceof Unshown)) throw error;
      this.unread = error.message;
    }
  }

  async #chain(chain: ShownChain, edge: Edge): Promise<void> {
    let { at: end, hash } = edge;
    while (end > 0 && this.#wanted.size > 0) {
      // No object of a store crosses it.
      const first = periodOf(end - 1);
      const before = { at: end, hash };
      const heads = await this.#tried(() => this.#headsBefore(chain, first, before));
      for (let to = end; to > first && this.#wanted.size > 0; ) {
        const from = this.#stretchBefore(heads, first, to);
        const place = { chain, at: from, heads: heads.slice(from - first, to - first) };
        this.#take(await this.#tried(() => this.#tailsIn(place)));
        to = from;
      }
      hash = decodeHeader(heads[0] as Uint8Array).prevHash;
      end = first;
    }
  }

  async #headsBefore(chain: ShownChain, first: number, edge: Edge): Promise<Uint8Array[]> {
    const heads = await headsOf(chain, first, edge.at - first);
    let { hash } = edge;
    for (const head of heads.toReversed()) {
      if (!equalBytes(blockHash(this.#options.suite, head), hash)) throw new Unshown(wrongHead);
      hash = decodeHeader(head).prevHash;
    }
    return heads;
  }

  #stretchBefore(heads: readonly Uint8Array[], first: number, to: number): number {
    if (this.#left <= 0) throw new Unshown("the limit of bytes is reached");
    let [from, bytes] = [to, 0];
    while (from > first && bytes < Math.min(stretchBytes, this.#left)) {
      from -= 1;
      bytes += headLength + decodeHeader(heads[from - first] as Uint8Array).storedLength;
    }
    this.#left -= bytes;
    return from;
  }

  async #tailsIn(place: Place): Promise<SealedTails> {
    const tails = new SealedTails();
    for await (const raw of this.#payloads(place)) {
      for (const item of payloadItems(raw)) tails.take(item, raw);
    }
    return tails;
  }

  #take(earlier: SealedTails): void {
    for (const [source, offset] of this.#wanted) {
      this.#options.tails.precede(earlier, source, offset);
    }
    this.#forgetWhole();
  }

  #forgetWhole(): void {
    for (const [source, offset] of this.#wanted) {
      if (this.#options.tails.isWhole(source, offset)) this.#wanted.delete(source);
    }
  }

  /** The payloads of blocks whose heads are known. */
  async *#payloads({ chain, at, heads }: Place): AsyncGenerator<Uint8Array> {
    for (let done = 0; done < heads.length; ) {
      const before = done;
      for await (const block of wholeBlocks(chain.blocks(at + done, heads.length - done))) {
        const head = heads[done];
        if (head === undefined) break;
        if (!equalBytes(block.head, head)) throw new Unshown("blocks have other heads than shown");
        yield openPayload(this.#options.suite, block.header, block.payload);
        done += 1;
      }
      if (done === before) throw new Unshown("blocks are not shown");
    }
  }

  /** The chain that a genesis says it went on from. */
  async #namedBy(chain: ShownChain): Promise<NamedChain | undefined> {
    const heads = await headsOf(chain, 0, 1);
    const [head] = heads as [Uint8Array];
    if (hex(blockHash(this.#options.suite, head)) !== chain.id) throw new Unshown(wrongHead);
    for await (const raw of this.#payloads({ chain, at: 0, heads })) return originIn(raw)?.named;
    return undefined;
  }

  /** The end of a chain before, as the one behind names it. */
  async #endOf(chain: ShownChain, { size, root }: NamedChain): Promise<Edge> {
    const { suite } = this.#options;
    const least = periodOf(size - 1);
    const heads = await headsOf(chain, least, size - least);
    let frontier: Frontier | undefined = new Frontier(suite);
    if (least > 0) {
      const place = { chain, at: least, heads: heads.slice(0, 1) };
      const header = decodeHeader(heads[0] as Uint8Array);
      for await (const raw of this.#payloads(place)) frontier = frontierIn(suite, header, raw);
    }
    const hashes = heads.map((head) => blockHash(suite, head));
    for (const hash of hashes) frontier?.append(hash);
    const hash = hashes.at(-1);
    if (hash === undefined || frontier === undefined || hex(frontier.root()) !== root) {
      throw new Unshown("the chain before is not the one that is named");
    }
    return { at: size, hash };
  }

  /** What `work` makes of what is shown. */
  async #tried<T>(work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (!isLack(error)) throw error;
        await this.#ask();
        if (tries === triesMax) throw new Unshown(error.message);
      }
    }
  }
}

const wrongHead = "its heads are not those that its blocks name";

async function headsOf(chain: ShownChain, first: number, count: number): Promise<Uint8Array[]> {
  const shown = await chain.heads(first, count);
  if (shown.length < count * headLength) throw new Unshown("it shows fewer heads than it has");
  return Array.from({ length: count }, (_, at) =>
    shown.subarray(at * headLength, (at + 1) * headLength),
  );
}

function isLack(error: unknown): error is Error {
  const kinds = [Unshown, Fault, FramingError, SealtailError];
  return kinds.some((kind) => error instanceof kind);
}
