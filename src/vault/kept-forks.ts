// Which of a chain's kept fork proofs prove a fork: whoever can write into the store may have put
// one there, and an operator must not be told of a fork that nobody made. And how they are kept.
//
// - What proves nothing takes no room from what does.
// - Where the store does not take a proof, the vault keeps it for itself, and puts it into the
//   store at a start at which that takes it. Whoever refuses a fork says so, whatever became of
//   its proof.

import { headLength } from "../core/block.ts";
import { fromHex } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { parseGrant } from "../core/grant.ts";
import { decodeHeader } from "../core/header.ts";
import type { Diag } from "../host/diag.ts";
import type { ChainReader, ForkProof, KeptFork, Store } from "../store/store.ts";
import { judgeForks, readForks } from "../verify/forks.ts";
import type { Gate } from "./gate.ts";
import type { OwnNotes } from "./own-notes.ts";

/** Fork proofs kept per chain: more of them prove nothing more. */
const forksMax = 16;

export interface ForkKeeperOptions {
  readonly suite: Suite;
  readonly store: Pick<Store, "forksKept" | "writeFork" | "reader">;
  readonly notes: Pick<OwnNotes, "forks" | "keepFork" | "dropFork">;
  readonly diag: Diag;
  readonly gate: Pick<Gate, "fault">;
}

export class ForkKeeper {
  readonly #options: ForkKeeperOptions;

  constructor(options: ForkKeeperOptions) {
    this.#options = options;
  }

  /** Never throws. False if it is kept already, can't be kept, or if there are enough. */
  async keep(chain: string, fork: ForkProof): Promise<boolean> {
    try {
      return await this.#store(chain, fork);
    } catch (error) {
      this.#failed(chain, error);
    }
    try {
      const { notes } = this.#options;
      return (await notes.forks(chain)).length < forksMax && (await notes.keepFork(chain, fork));
    } catch (error) {
      this.#failed(chain, error);
      return false;
    }
  }

  async #store(chain: string, fork: ForkProof): Promise<boolean> {
    const { suite, store } = this.#options;
    const crowded = (await store.forksKept(chain)).length >= forksMax;
    const { proven } = crowded
      ? await keptForks(suite, store, store.reader(chain))
      : { proven: [] };
    return proven.length < forksMax && (await store.writeFork(chain, fork));
  }

  /** Puts into the store what the vault kept for itself. Never throws; returns what is left. */
  async giveBack(chain: string): Promise<readonly ForkProof[]> {
    const { notes } = this.#options;
    let left: readonly ForkProof[] = [];
    try {
      left = await notes.forks(chain);
      for (const fork of left) {
        await this.#store(chain, fork);
        await notes.dropFork(chain, fork);
        left = left.slice(1);
      }
    } catch (error) {
      this.#failed(chain, error);
    }
    return left;
  }

  #failed(chain: string, error: unknown): void {
    const { diag, gate } = this.#options;
    diag.error("couldn't keep the proof of a fork", { chain, error: error as Error });
    gate.fault(error);
  }
}

/**
 * Judges the store's proofs, and `own` ones that it does not have. `not`: the objects that prove
 * nothing.
 */
export async function keptForks(
  suite: Suite,
  store: Pick<Store, "forksKept">,
  reader: ChainReader,
  own: readonly ForkProof[] = [],
): Promise<{ proven: KeptFork[]; not: string[] }> {
  const kept = await store.forksKept(reader.id);
  if (kept.length + own.length === 0) return { proven: [], not: [] };
  const proofs = await readForks(reader, () => {});
  for (const { block, hash, proof } of own) {
    const object = `own/${hash}`;
    kept.push({ block, object, since: Number.POSITIVE_INFINITY });
    proofs.set(block, [...(proofs.get(block) ?? []), { object, bytes: proof }]);
  }
  const chainId = fromHex(reader.id, 32);
  const { size } = await reader.newest();
  const not = new Set<string>();
  const there = new Set<string>();
  for (const [block, claimed] of proofs) {
    const key = await keyOf(suite, reader, size, block);
    const walked = await headAt(reader, size, block);
    judgeForks(claimed, { suite, chainId, block, key, walked }, (code, _why, object) =>
      (code === "FORK" ? there : not).add(object),
    );
  }
  return { proven: kept.filter(({ object }) => there.has(object)), not: [...not] };
}

async function keyOf(
  suite: Suite,
  reader: ChainReader,
  size: number,
  block: number,
): Promise<Uint8Array | undefined> {
  if (block === 0) {
    const grant = await reader.grant();
    return grant && parseGrant(suite, grant).key;
  }
  const before = await headAt(reader, size, block - 1);
  return before && decodeHeader(before).nextPub;
}

async function headAt(
  reader: ChainReader,
  size: number,
  block: number,
): Promise<Uint8Array | undefined> {
  if (block >= size) return undefined;
  const head = await reader.heads(block, 1);
  return head.length === headLength ? head : undefined;
}
