// The writer of one chain in a directory store.
//
// - The newest `.blocks` object grows by appends. It is complete at 8 MiB, at a multiple of 1,024
//   blocks, or a day after it began; then it becomes read-only and the next one begins.
// - A new object's name is synced after its content: a crash before leaves the chain one append
//   shorter, never with a hole.
// - Each append opens the file anew: thousands of chains must not hold thousands of descriptors.

import { headLength } from "../core/block.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import { ShelfChain } from "./chain-reader.ts";
import type { TailObject } from "./dir-recovery.ts";
import { blocksPath, blocksPerRange, chainPath, headersPath, rangeOf } from "./layout.ts";
import {
  type ChainPrint,
  isSame,
  numbersOf,
  type ObjectNumbers,
  printOf,
  restOf,
} from "./print.ts";
import type { DirShelf } from "./shelf.ts";
import type { BlockBytes, ChainWriter } from "./store.ts";

export interface ObjectLimits {
  /** An object of this size is complete. */
  readonly bytes: number;
  /** An object that began this many microseconds ago is complete. */
  readonly ageMicros: number;
}

export const objectLimits: ObjectLimits = { bytes: 8 * 1024 * 1024, ageMicros: 86_400_000_000 };

/** Modes: the chain's own folders keep strangers out, so a complete object may be plain read-only. */
export const modes = { dir: 0o750, growing: 0o640, complete: 0o444, small: 0o640 } as const;

/** So many objects are all looked at each time; of more, all of them at most once in a while. */
const fewObjects = 64;
const lookEveryMicros = 1_000_000;

/** Blocks that a single write takes: the limit of writev on every system. */
const blocksPerWrite = 500;

export interface DirChainOptions {
  readonly files: Files;
  readonly shelf: DirShelf;
  readonly chain: string;
  readonly now: () => number;
  readonly limits: ObjectLimits;
  readonly suite: Suite;
}

export class DirChain implements ChainWriter {
  readonly #options: DirChainOptions;
  #size: number;
  #tail: TailObject | undefined;
  #print: ChainPrint = { settled: "", rest: "" };
  #numbers: ObjectNumbers = { blocks: [], headers: [] };
  /** When everything that is known to be there was looked at last, in Unix microseconds. */
  #lookedAt = 0;
  #broken = false;
  /** Told when this writer is of no use any more, so that recovery runs at the next open. */
  readonly #onBroken: () => void;

  constructor(
    options: DirChainOptions,
    end: { readonly size: number; readonly tail: TailObject | undefined },
    onBroken: () => void,
  ) {
    this.#options = options;
    this.#size = end.size;
    this.#tail = end.tail;
    this.#onBroken = onBroken;
  }

  get size(): number {
    return this.#size;
  }

  get base(): number {
    return this.#tail?.firstBlock ?? this.#size;
  }

  get print(): ChainPrint {
    return this.#print;
  }

  async untouched(): Promise<boolean> {
    const { chain } = this.#options;
    this.#lookedAt = this.#options.now();
    const numbers = await numbersOf(this.#options, chain);
    return isSame(await printOf(this.#options, chain, this.base, numbers), this.#print);
  }

  async seemsUntouched(): Promise<boolean> {
    const { chain, now } = this.#options;
    const count = this.#numbers.blocks.length + this.#numbers.headers.length;
    const due = count <= fewObjects || Math.abs(now() - this.#lookedAt) >= lookEveryMicros;
    if (due) this.#lookedAt = now();
    const part = due ? this.#numbers : { blocks: this.#growing(), headers: [] };
    const print = await printOf(this.#options, chain, this.base, part);
    return due ? isSame(print, this.#print) : print.rest === this.#print.rest;
  }

  #growing(): number[] {
    return this.#tail === undefined ? [] : [this.#tail.firstBlock];
  }

  /** What is there now is what this writer answers for. Call before anything else. */
  async takePrint(): Promise<void> {
    const { chain } = this.#options;
    this.#numbers = await numbersOf(this.#options, chain);
    this.#print = await printOf(this.#options, chain, this.base, this.#numbers);
  }

  async append(blocks: readonly BlockBytes[]): Promise<void> {
    this.#assertUsable();
    let done = 0;
    try {
      while (done < blocks.length) {
        if (this.#tail !== undefined && this.#isComplete(this.#tail)) await this.#complete();
        const count = this.#fitting(blocks, done);
        await this.#appendToTail(blocks.slice(done, done + count));
        done += count;
      }
      if (this.#tail !== undefined && this.#isComplete(this.#tail)) await this.#complete();
    } catch (error) {
      this.#broken = true;
      this.#onBroken();
      throw error;
    }
  }

  /** Writes the headers object of a range whose blocks are all there. */
  async writeHeaders(range: number): Promise<void> {
    const { files, shelf, chain } = this.#options;
    const heads = await new ShelfChain(shelf, chain).heads(range, blocksPerRange);
    if (heads.length !== blocksPerRange * headLength) {
      const count = heads.length / headLength;
      const text = `blocks from ${range} on are ${count}, want ${blocksPerRange}`;
      throw new SealtailError("store-damaged", text, { place: chainPath(chain) });
    }
    await makeFolder(files, shelf, chain, "headers");
    const path = shelf.path(headersPath(chain, range));
    await writeFileDurably(files, path, heads, modes.complete);
  }

  #assertUsable(): void {
    if (!this.#broken) return;
    throw new SealtailError("store-reopen", "an earlier append to this chain failed", {
      place: chainPath(this.#options.chain),
    });
  }

  #isComplete({ firstBlock, bytes, birthMicros }: TailObject): boolean {
    const { limits, now } = this.#options;
    if (this.#size === firstBlock) return false;
    return (
      this.#size % blocksPerRange === 0 ||
      bytes >= limits.bytes ||
      now() - birthMicros >= limits.ageMicros
    );
  }

  /** How many of the blocks from `from` on belong into the object that takes the first of them. */
  #fitting(blocks: readonly BlockBytes[], from: number): number {
    const { limits } = this.#options;
    const toBoundary = rangeOf(this.#size) + blocksPerRange - this.#size;
    const most = Math.min(blocks.length - from, toBoundary, blocksPerWrite);
    let bytes = this.#tail?.bytes ?? 0;
    let count = 0;
    while (count < most && (count === 0 || bytes < limits.bytes)) {
      bytes += lengthOf(blocks[from + count] as BlockBytes);
      count += 1;
    }
    return count;
  }

  async #appendToTail(blocks: readonly BlockBytes[]): Promise<void> {
    const { files, shelf, chain, now, suite } = this.#options;
    const tail = this.#tail ?? { firstBlock: this.#size, bytes: 0, birthMicros: now() };
    const path = shelf.path(blocksPath(chain, tail.firstBlock));
    const isNew = this.#tail === undefined;
    const name = blocksPath(chain, tail.firstBlock);
    const file = await files.open(path, isNew ? "create" : "write", modes.growing);
    try {
      // What somebody else wrote must not be built on.
      const before = isNew ? restOf(suite) : restOf(suite, name, await file.stat());
      if (before !== this.#print.rest) throw touched(chain);
      const parts = blocks.flatMap(({ head, payload }) => [head, payload]);
      await file.writev(parts, tail.bytes);
      failpoint("store-after-append");
      await file.datasync();
      this.#print = { ...this.#print, rest: restOf(suite, name, await file.stat()) };
    } finally {
      await file.close();
    }
    if (isNew) await files.syncDir(shelf.path(chainPath(chain)));
    if (isNew) {
      const numbers = this.#numbers;
      this.#numbers = { ...numbers, blocks: [...numbers.blocks, tail.firstBlock] };
    }
    const bytes = tail.bytes + blocks.reduce((sum, block) => sum + lengthOf(block), 0);
    this.#tail = { ...tail, bytes };
    this.#size += blocks.length;
    failpoint("store-after-sync");
  }

  // A crash before the headers object: open() writes it. Before chmod: the object is simply not
  // read-only, until its chain grows or is opened again.
  async #complete(): Promise<void> {
    const { files, shelf, chain } = this.#options;
    const tail = this.#tail as TailObject;
    if (!(await this.untouched())) throw touched(chain);
    if (this.#size % blocksPerRange === 0) await this.writeHeaders(this.#size - blocksPerRange);
    await files.chmod(shelf.path(blocksPath(chain, tail.firstBlock)), modes.complete);
    this.#tail = undefined;
    await this.takePrint();
  }
}

function touched(chain: string): SealtailError {
  const text = "an object of the chain is not as the vault left it";
  return new SealtailError("store-touched", text, { place: chainPath(chain) });
}

function linked(place: string): SealtailError {
  return new SealtailError("store-damaged", "a folder of the chain is a link", { place });
}

/** Makes a folder in a chain's own. Returns when its name is durable. Throws store-damaged. */
export async function makeFolder(
  files: Files,
  shelf: DirShelf,
  chain: string,
  folder: "headers" | "forks",
): Promise<void> {
  const path = shelf.path(chainPath(chain, folder));
  await files.mkdir(path, modes.dir);
  // Nothing is written through a link, and nothing read.
  if ((await files.linkStat(path))?.kind !== "dir") throw linked(chainPath(chain, folder));
  // Also when it was there: whoever made it may have died before its name was durable.
  await files.syncDir(shelf.path(chainPath(chain)));
}

function lengthOf({ head, payload }: BlockBytes): number {
  return head.length + payload.length;
}
