// Pure. A chain that a vault shows, checked before its positions are believed: for an agent that
// has no chain of its own any more.
//
// - What must hold: a grant for this subject and vault, signed by a root key where these are known;
//   the genesis signed by the grant's key; the newest receipt by the grant's vault; from the newest
//   snapshot on every signature and payload; and the tree over all of it as the receipt says.
// - What lies before the snapshot is the receipt's word. A vault that lies about it is found out by
//   whoever verifies: it must show a chain, and that is signed by no grant.
//
// Spec: docs/spec/continuity.md, "From chain to chain".

import { judgeGrant, keysOf, type TrustedKeys } from "../core/authority.ts";
import { headLength } from "../core/block.ts";
import { equalBytes, hex } from "../core/bytes.ts";
import { openReceipt, type Receipt } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Grant } from "../core/grant.ts";
import { blockHash, decodeHeader, isSignedBy } from "../core/header.ts";
import { periodOf, type SourcePosition } from "../core/record.ts";
import { SealedTails } from "../core/sealed-tails.ts";
import { wholeBlocks } from "../core/whole-blocks.ts";
import { contradicts, type Finding } from "../verify/finding.ts";
import { ChainWalk } from "../verify/walk.ts";

/** What a vault shows of one chain; nothing of it is believed. Rejects where it can't be read. */
export interface ShownChain {
  readonly id: string;
  readonly grant: () => Promise<Uint8Array | undefined>;
  readonly receipt: () => Promise<Uint8Array | undefined>;
  /** Heads, joined: as many from `from` on as the place gives at once. */
  readonly heads: (from: number, count: number) => Promise<Uint8Array>;
  readonly blocks: (from: number, count: number) => AsyncIterable<Uint8Array>;
}

export interface BelievedChain {
  readonly grant: Grant;
  readonly size: number;
  readonly root: string;
  /** The newest block ended the chain. */
  readonly final: boolean;
  /** Where the newest receipt leaves the sources. */
  readonly positions: readonly SourcePosition[];
  /** Of what was sealed from the newest snapshot on. */
  readonly tails: SealedTails;
  /** The newest snapshot's block, and the hash of the one before it. */
  readonly edge: { readonly at: number; readonly hash: Uint8Array };
}

/** A chain that is not what it should be; the message says why. */
export class Unbelievable extends Error {
  override readonly name = "Unbelievable";
}

/** Checks a chain as far as its newest receipt. Throws Unbelievable. */
export async function believe(
  suite: Suite,
  keys: TrustedKeys,
  subject: string,
  chain: ShownChain,
): Promise<BelievedChain> {
  try {
    return await new Check(suite, keys, subject, chain).run();
  } catch (caught) {
    if (caught instanceof Fault) throw new Unbelievable(caught.message, { cause: caught });
    throw caught;
  }
}

class Check {
  readonly #suite: Suite;
  readonly #keys: TrustedKeys;
  readonly #subject: string;
  readonly #chain: ShownChain;

  constructor(suite: Suite, keys: TrustedKeys, subject: string, chain: ShownChain) {
    this.#suite = suite;
    this.#keys = keys;
    this.#subject = subject;
    this.#chain = chain;
  }

  async run(): Promise<BelievedChain> {
    const authority = judgeGrant(this.#suite, this.#keys, await this.#chain.grant());
    const { terms: grant, fault } = authority;
    if (grant === undefined) throw new Unbelievable(`its grant: ${fault?.message ?? "refused"}`);
    if (grant.subject !== this.#subject) throw new Unbelievable("its grant is another subject's");
    const { size, root } = await this.#receipt(grant);
    await this.#genesis(grant);
    const first = await this.#newestSnapshot(size);
    const tails = new SealedTails();
    const faults: string[] = [];
    const options = {
      ...{ suite: this.#suite, chain: this.#chain.id, authority },
      report: ({ code }: Finding): void => {
        if (contradicts(code)) faults.push(code);
      },
      onItem: tails.take.bind(tails),
    };
    const before = first === 0 ? undefined : await this.#heads(first - 1, 1);
    const walk = ChainWalk.behind(before, options);
    const final = await this.#walk(walk, first, size);
    if (faults[0] !== undefined) throw new Unbelievable(`a block: ${faults[0]}`);
    const whole = walk.thread.blockNo === size && walk.restored;
    if (!whole || !equalBytes(walk.thread.frontier?.root() ?? new Uint8Array(0), root)) {
      throw new Unbelievable("its blocks are not those that the receipt covers");
    }
    const positions = walk.sources.positions();
    // The walk found that the snapshot's block names it.
    const hash = before === undefined ? new Uint8Array(32) : blockHash(this.#suite, before);
    const edge = { at: first, hash };
    return { grant, size, root: hex(root), final, positions, tails, edge };
  }

  async #receipt(grant: Grant): Promise<Receipt> {
    const note = await this.#chain.receipt();
    if (note === undefined) throw new Unbelievable("it has no receipt");
    const vaults = keysOf(this.#keys.vaults ?? [], grant.audience);
    const receipt = openReceipt(this.#suite, note, vaults);
    if (receipt?.chainId !== this.#chain.id || receipt.size < 1) {
      throw new Unbelievable("its receipt is another chain's or vault's");
    }
    return receipt;
  }

  // The id is the genesis' hash; the grant's key signed it, and it names that grant.
  async #genesis(grant: Grant): Promise<void> {
    const head = await this.#heads(0, 1);
    const header = decodeHeader(head);
    const signed = isSignedBy(this.#suite, grant.key, head.subarray(0, headLength));
    const own = hex(blockHash(this.#suite, head)) === this.#chain.id;
    if (
      header.kind !== "genesis" ||
      !own ||
      !signed ||
      !equalBytes(header.receiptHash, grant.hash)
    ) {
      throw new Unbelievable("its genesis is not the one that the grant is for");
    }
  }

  // Every 1,024th block, and the first of each run, begin with one.
  async #newestSnapshot(size: number): Promise<number> {
    const least = periodOf(size - 1);
    const heads = await this.#heads(least, size - least);
    let newest = least;
    let run: Uint8Array | undefined;
    for (let at = least; at < size; at += 1) {
      const { runId } = decodeHeader(heads.subarray((at - least) * headLength));
      if (run !== undefined && !equalBytes(runId, run)) newest = at;
      run = runId;
    }
    return newest;
  }

  async #heads(from: number, count: number): Promise<Uint8Array> {
    const heads = await this.#chain.heads(from, count);
    if (heads.length < count * headLength)
      throw new Unbelievable("it has fewer blocks than receipted");
    return heads;
  }

  async #walk(walk: ChainWalk, first: number, size: number): Promise<boolean> {
    let final = false;
    for (let at = first; at < size; ) {
      const before = at;
      for await (const { head, header, payload } of wholeBlocks(
        this.#chain.blocks(at, size - at),
      )) {
        if (at >= size) break;
        walk.block(head, payload);
        final = header.kind === "final";
        at += 1;
      }
      if (at === before) throw new Unbelievable("it has fewer blocks than receipted");
    }
    return final;
  }
}
