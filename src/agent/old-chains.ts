// The older chains of a state directory: opened once, told to the succession as what is known of
// each, and cleared once a newer chain holds what they held.

import { hex } from "../core/bytes.ts";
import { parseCheckpoint } from "../core/checkpoint.ts";
import { Fault } from "../core/fault.ts";
import { openBlock } from "../core/opening.ts";
import { readChecked } from "../host/checked-file.ts";
import { destroyKey } from "../host/keys.ts";
import type { OldChain, Stretch } from "../succession/old-chain.ts";
import { type Origin, originBytesMax, originIn, parseOrigin } from "../succession/origin.ts";
import type { Wal } from "../wal/wal.ts";
import { chainIn, openWal } from "./buffer.ts";
import type { ChainContext, LiveChain } from "./chain.ts";
import { readOwnGrant } from "./grant-files.ts";
import { readReceipt } from "./receipts.ts";
import type { ChainDir } from "./state-dir.ts";

export interface OpenedChain {
  readonly dir: ChainDir;
  /** Empty where nothing of it is left to read. */
  readonly wal: Wal;
  /** Its id, where blocks or receipt say so. */
  readonly chain: string | undefined;
  receipt: Uint8Array | undefined;
  readonly reason: string;
  readonly whole: boolean;
  /** No block of it ever left, for certain. */
  readonly unsent: boolean;
  readonly origin: Origin | undefined;
  /** Of its grant; none: it covers everything. Undefined: its grant is lost. */
  readonly globs: readonly string[] | undefined;
}

export class OldChains {
  readonly #context: ChainContext;
  readonly opened: readonly OpenedChain[];

  private constructor(context: ChainContext, opened: readonly OpenedChain[]) {
    this.#context = context;
    this.opened = opened;
  }

  /** Opens what is left in these folders. `own`: the buffer of one that is open already. */
  static async open(
    context: ChainContext,
    dirs: readonly ChainDir[],
    own?: { readonly dir: ChainDir; readonly wal: Wal },
  ): Promise<OldChains> {
    const opened: OpenedChain[] = [];
    for (const dir of dirs) {
      const chain = await open(context, dir, own?.dir.number === dir.number ? own.wal : undefined);
      if (chain !== undefined) opened.push(chain);
    }
    return new OldChains(context, opened);
  }

  /** The newest that was ever shipped, or could have been. */
  get base(): OpenedChain | undefined {
    return this.opened.findLast(({ whole }) => whole) ?? this.opened[0];
  }

  /** Those that count as never shipped only because of marks that are missing. */
  get doubtful(): OpenedChain[] {
    return this.opened.filter(({ whole, unsent }) => !whole && !unsent);
  }

  /** Blocks that no vault is known to have. */
  get unsent(): number {
    const chains = this.opened.map(({ wal, receipt }) => {
      const size = receipt === undefined ? wal.first : parseCheckpoint(receipt).size;
      return Math.max(0, wal.next - size);
    });
    return chains.reduce((sum, blocks) => sum + blocks, 0);
  }

  /**
   * What is known of them. `remote`: what the vault told of the one that is named.
   */
  facts(remote?: OldChain): OldChain[] {
    const facts = this.#facts();
    if (remote === undefined) return facts;
    const at = this.opened.findIndex(
      ({ dir, chain }) => dir.number === remote.number || chain === remote.held?.chain,
    );
    const known = facts[at];
    if (known !== undefined) {
      // What a vault has was shipped, and so it was whole.
      const { held, fetched, reason, forkedAt } = remote;
      // One that went on from it stands in its place.
      const same = held?.chain === this.opened[at]?.chain;
      const origin = same ? (known.origin ?? remote.origin) : remote.origin;
      return facts.with(at, { ...known, whole: true, held, fetched, reason, origin, forkedAt });
    }
    // It is newer than all that were whole: a folder was lost.
    return facts.toSpliced(facts.findLastIndex(({ whole }) => whole) + 1, 0, remote);
  }

  #facts(): OldChain[] {
    return this.opened.map(({ dir, wal, receipt, reason, whole, unsent, origin }) => ({
      ...{ number: dir.number, whole, unsent, reason, origin },
      held: receipt === undefined ? undefined : heldBy(receipt),
      fetched: undefined,
      ...{ first: wal.first, next: wal.next, blocks: (from: number) => wal.scan(from) },
    }));
  }

  /** What a chain's genesis says that it went on from; undefined where it is gone. */
  async toldBy({ wal }: OpenedChain): Promise<Origin | undefined> {
    const [oldest] = wal.first === 0 ? await wal.read(0, 1) : [];
    try {
      return oldest && originIn(openBlock(this.#context.suite, oldest.bytes).raw);
    } catch (caught) {
      if (!(caught instanceof Fault)) throw caught;
      return undefined;
    }
  }

  /** Blocks below `index` are durable in a newer chain. */
  async free({ chain }: Stretch, index: number): Promise<void> {
    const found = this.opened.find(({ dir }) => dir.number === chain.number);
    await found?.wal.freeBelow(index);
  }

  /** How many blocks of one a saved receipt covers. */
  receiptedSize({ receipt }: OpenedChain): number {
    return receipt === undefined ? 0 : parseCheckpoint(receipt).size;
  }

  /** Whether one that was shipped, or may have been, holds blocks that no receipt covers. */
  hasUnreceipted(chain: OpenedChain): boolean {
    const size = this.receiptedSize(chain);
    const sent = chain.whole && (size > 0 || !chain.unsent);
    return sent && chain.wal.next > chain.wal.first && chain.wal.next > size;
  }

  /**
   * Whether what is left of one says where its newest receipt leaves the sources. Only what a
   * receipt covers is freed, so one whose first blocks are gone had one.
   */
  reachesReceipt({ wal, receipt }: OpenedChain): boolean {
    const size = receipt === undefined ? 0 : parseCheckpoint(receipt).size;
    return wal.first <= size && size <= wal.next;
  }

  /** These, and a chain behind them that is not whole yet and goes on. */
  async with({ dir, wal }: Pick<LiveChain, "dir" | "wal">): Promise<OldChains> {
    const own = await open(this.#context, dir, wal);
    return new OldChains(this.#context, own === undefined ? this.opened : [...this.opened, own]);
  }

  /** Everything is receipted, or sealed and synced in a newer chain. */
  async clear(): Promise<void> {
    await this.close();
    await clearOld(
      this.#context,
      this.opened.map(({ dir }) => dir),
    );
  }

  async close(): Promise<void> {
    for (const { wal } of this.opened) await wal.close();
  }
}

/** Buffers and keys of chains go whose blocks are all elsewhere: nothing may be signed for them. */
export async function clearOld(
  { files, state }: ChainContext,
  dirs: readonly ChainDir[],
): Promise<void> {
  for (const dir of dirs) {
    await state.clearWal(dir);
    if ((await files.stat(dir.keys)) !== undefined) await destroyKey(files, dir.keys);
  }
}

async function open(
  context: ChainContext,
  dir: ChainDir,
  own: Wal | undefined,
): Promise<OpenedChain | undefined> {
  const { files, state } = context;
  const origin = await readOrigin(context, dir);
  const wal = own ?? (await openWal(context, dir));
  const stated = await chainIn(context.suite, wal);
  const receipt = await readReceipt(context, dir.receipt, stated);
  const empty = wal.next === wal.first;
  const keys = (await files.stat(dir.keys)) !== undefined;
  if (empty && receipt === undefined && origin === undefined && !keys) {
    await wal.close();
    return undefined;
  }
  const succeeded = dir.number === 0 || (await files.stat(dir.succeeded)) !== undefined;
  return {
    ...{ dir, wal, receipt, origin },
    chain: stated ?? (receipt && parseCheckpoint(receipt).chainId),
    reason: (await state.replacedBecause(dir)) ?? "unknown",
    // One whose buffer was lost before any receipt leaves what it went on from.
    whole: receipt !== undefined || (succeeded && !empty),
    unsent: (await files.stat(dir.unsent)) !== undefined,
    globs: await globsOf(context, dir),
  };
}

async function globsOf(context: ChainContext, dir: ChainDir): Promise<OpenedChain["globs"]> {
  const grant = await readOwnGrant(context, dir.grant);
  return typeof grant === "string" ? undefined : grant.sources;
}

async function readOrigin(
  { files, suite, diag }: ChainContext,
  dir: ChainDir,
): Promise<Origin | undefined> {
  const bytes = await readChecked(files, suite, dir.origin, originBytesMax);
  const origin = bytes === "damaged" ? undefined : bytes && parseOrigin(bytes);
  if (bytes !== undefined && origin === undefined) {
    diag.warn("what a chain went on from is unreadable, its genesis has to do", {
      place: dir.origin,
    });
  }
  return origin;
}

function heldBy(note: Uint8Array): NonNullable<OldChain["held"]> {
  const { chainId: chain, size, root } = parseCheckpoint(note);
  return { chain, size, root: hex(root) };
}
