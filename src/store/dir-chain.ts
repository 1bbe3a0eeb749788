// The writer of one chain in a directory store.
//
// - The newest `.blocks` object grows by appends. It is complete at 8 MiB, at a multiple of 1,024
//   blocks, or a day after it began; then it becomes read-only and the next one begins.
// - A new object's name is synced after its content: a crash before leaves the chain one append
//   shorter, never with a hole.
// - Each append opens the file anew: thousands of chains must not hold thousands of descriptors.
// - What was written is read back before anybody builds on it (written.ts).

import { headLength } from "../core/block.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { systemClock } from "../host/clock.ts";
import { writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files, OpenFile } from "../host/files.ts";
import { ShelfChain } from "./chain-reader.ts";
import type { TailObject } from "./dir-recovery.ts";
import { blocksPath, blocksPerRange, chainPath, headersPath, rangeOf } from "./layout.ts";
import {
  type ChainPrint,
  isSame,
  numbersOf,
  type ObjectNumbers,
  type PrintRow,
  printOf,
  printOfRows,
  restOf,
  rowsOf,
  tracelessMs,
} from "./print.ts";
import type { DirShelf } from "./shelf.ts";
import type { BlockBytes, ChainWriter, Content } from "./store.ts";
import { Written } from "./written.ts";

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

/** An object that is not sure is read again once it was not read for so long. */
const readAgainMicros = 60_000_000;

/** Before that, a read says nothing for good. */
const restMicros = 20_000;

/** How often a chain that somebody changes again and again is waited for. */
const waitsMax = 5;

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

/** The object that grows. */
interface Growing extends Pick<TailObject, "firstBlock" | "birthMicros"> {
  readonly written: Written;
}

export class DirChain implements ChainWriter {
  readonly #options: DirChainOptions;
  #size: number;
  #tail: Growing | undefined;
  /** Complete objects of this writer's that are not sure yet. */
  #complete: Written[] = [];
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
    this.#tail = end.tail && this.#growing(end.tail);
    this.#onBroken = onBroken;
  }

  #growing({ firstBlock, birthMicros }: Omit<TailObject, "bytes">): Growing {
    const path = blocksPath(this.#options.chain, firstBlock);
    return { firstBlock, birthMicros, written: new Written(this.#options, path) };
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

  get content(): Content {
    const { bytes, digest } = this.#tail?.written ?? new Written(this.#options, "");
    return { bytes, digest };
  }

  get unsure(): ChainWriter["unsure"] {
    if (this.#complete.length > 0) return "more";
    return this.#tail?.written.sure === false ? "what grows" : "nothing";
  }

  async untouched(): Promise<boolean> {
    const { chain } = this.#options;
    this.#lookedAt = this.#options.now();
    const numbers = await numbersOf(this.#options, chain);
    const print = await printOf(this.#options, chain, this.base, numbers);
    if (!isSame(print, this.#print)) return false;
    const tail = this.#tail?.written ?? [];
    for (const each of this.#complete.concat(tail))
      if (!each.sure && each.age >= readAgainMicros && !(await each.holds())) return false;
    this.#forgetSure();
    return true;
  }

  async seemsUntouched(): Promise<boolean> {
    const { chain, now } = this.#options;
    const count = this.#numbers.blocks.length + this.#numbers.headers.length;
    const due = count <= fewObjects || Math.abs(now() - this.#lookedAt) >= lookEveryMicros;
    if (due) this.#lookedAt = now();
    const growing = this.#tail === undefined ? [] : [this.#tail.firstBlock];
    const part = due ? this.#numbers : { blocks: growing, headers: [] };
    const print = await printOf(this.#options, chain, this.base, part);
    return due ? isSame(print, this.#print) : print.rest === this.#print.rest;
  }

  /**
   * What is there now is what this writer answers for. Call before anything else. Returns when
   * nobody can change it any more without a trace, unless that is not asked for.
   */
  async takePrint(settled = true): Promise<void> {
    const { chain, suite } = this.#options;
    this.#numbers = await numbersOf(this.#options, chain);
    const rows = await (settled
      ? this.#settledRows()
      : rowsOf(this.#options, chain, this.#numbers));
    this.#print = printOfRows(suite, rows, this.base);
    const tail = rows.find(({ path }) => path === this.#tail?.written.path);
    await this.#tail?.written.take(tail?.info?.size ?? 0);
  }

  async #settledRows(): Promise<PrintRow[]> {
    const { chain, now, suite } = this.#options;
    let rows = await rowsOf(this.#options, chain, this.#numbers);
    for (let waits = 0; waits < waitsMax; waits++) {
      const waitMs = rows.reduce(
        (most, { info }) => Math.max(most, info === undefined ? 0 : tracelessMs(info, now())),
        0,
      );
      if (waitMs === 0) return rows;
      // By the machine's own clock, as the files' times are.
      await systemClock.sleep(waitMs);
      const before = printOfRows(suite, rows, 0);
      rows = await rowsOf(this.#options, chain, this.#numbers);
      if (isSame(before, printOfRows(suite, rows, 0))) return rows;
    }
    throw touched(chain);
  }

  #forgetSure(): void {
    this.#complete = this.#complete.filter(({ sure }) => !sure);
  }

  async append(blocks: readonly BlockBytes[]): Promise<void> {
    this.#assertUsable();
    let done = 0;
    try {
      while (done < blocks.length) {
        if (this.#tail !== undefined && this.#isComplete(this.#tail)) await this.#completeTail();
        const count = this.#fitting(blocks, done);
        await this.#appendToTail(blocks.slice(done, done + count));
        done += count;
      }
      if (this.#tail !== undefined && this.#isComplete(this.#tail)) await this.#completeTail();
    } catch (error) {
      this.#broken = true;
      this.#onBroken();
      throw error;
    }
  }

  /** Writes the headers object of a range whose blocks are all there. */
  async writeHeaders(range: number): Promise<Written> {
    const { files, shelf, chain } = this.#options;
    const heads = await new ShelfChain(shelf, chain).heads(range, blocksPerRange);
    if (heads.length !== blocksPerRange * headLength) {
      const count = heads.length / headLength;
      const text = `blocks from ${range} on are ${count}, want ${blocksPerRange}`;
      throw new SealtailError("store-damaged", text, { place: chainPath(chain) });
    }
    await makeFolder(files, shelf, chain, "headers");
    const path = headersPath(chain, range);
    await writeFileDurably(files, shelf.path(path), heads, modes.complete);
    const written = new Written(this.#options, path);
    written.add([heads]);
    return written;
  }

  #assertUsable(): void {
    if (!this.#broken) return;
    throw new SealtailError("store-reopen", "an earlier append to this chain failed", {
      place: chainPath(this.#options.chain),
    });
  }

  #isComplete({ firstBlock, written, birthMicros }: Growing): boolean {
    const { limits, now } = this.#options;
    if (this.#size === firstBlock) return false;
    return (
      this.#size % blocksPerRange === 0 ||
      written.bytes >= limits.bytes ||
      now() - birthMicros >= limits.ageMicros
    );
  }

  /** How many of the blocks from `from` on belong into the object that takes the first of them. */
  #fitting(blocks: readonly BlockBytes[], from: number): number {
    const { limits } = this.#options;
    const toBoundary = rangeOf(this.#size) + blocksPerRange - this.#size;
    const most = Math.min(blocks.length - from, toBoundary, blocksPerWrite);
    let bytes = this.#tail?.written.bytes ?? 0;
    let count = 0;
    while (count < most && (count === 0 || bytes < limits.bytes)) {
      bytes += lengthOf(blocks[from + count] as BlockBytes);
      count += 1;
    }
    return count;
  }

  async #appendToTail(blocks: readonly BlockBytes[]): Promise<void> {
    const { files, shelf, chain, now } = this.#options;
    const isNew = this.#tail === undefined;
    const tail = this.#tail ?? this.#growing({ firstBlock: this.#size, birthMicros: now() });
    const path = shelf.path(tail.written.path);
    const file = await files.open(path, isNew ? "create" : "write", modes.growing);
    try {
      await this.#write(file, tail.written, isNew, blocks);
    } finally {
      await file.close();
    }
    if (isNew) {
      await files.syncDir(shelf.path(chainPath(chain)));
      const numbers = this.#numbers;
      this.#numbers = { ...numbers, blocks: [...numbers.blocks, tail.firstBlock] };
    }
    this.#tail = tail;
    this.#size += blocks.length;
    await this.#readComplete();
    failpoint("store-after-sync");
  }

  async #write(
    file: OpenFile,
    written: Written,
    isNew: boolean,
    blocks: readonly BlockBytes[],
  ): Promise<void> {
    const { chain, suite } = this.#options;
    const { path } = written;
    // What somebody else wrote must not be built on.
    const before = isNew ? restOf(suite) : restOf(suite, path, await file.stat());
    if (before !== this.#print.rest) throw touched(chain);
    const parts = blocks.flatMap(({ head, payload }) => [head, payload]);
    await file.writev(parts, written.bytes);
    failpoint("store-after-append");
    await file.datasync();
    written.add(parts);
    // Whoever writes after this look shows in the next one; before it, in what is read back.
    const info = await file.stat();
    this.#print = { ...this.#print, rest: restOf(suite, path, info) };
    const holds = info.size === written.bytes && (await written.holdsNewest(file, parts));
    if (!holds) throw touched(chain);
  }

  async settle(): Promise<void> {
    if (this.#complete.some(({ rest }) => rest < restMicros))
      await systemClock.sleep(restMicros / 1000);
    await this.#readComplete();
  }

  /** Reads what is complete once more, when nobody can change it unseen any more. */
  async #readComplete(): Promise<void> {
    for (const each of this.#complete) {
      if (each.rest >= restMicros && !(await each.holds())) throw touched(this.#options.chain);
    }
    this.#forgetSure();
  }

  // A crash before the headers object: open() writes it. Before chmod: the object is simply not
  // read-only, until its chain grows or is opened again.
  async #completeTail(): Promise<void> {
    const { files, shelf, chain, suite } = this.#options;
    const { written, firstBlock } = this.#tail as Growing;
    if (!(await this.untouched())) throw touched(chain);
    const range = this.#size - blocksPerRange;
    const { blocks, headers } = this.#numbers;
    const isFull = this.#size % blocksPerRange === 0;
    if (isFull) this.#complete.push(await this.writeHeaders(range));
    await files.chmod(shelf.path(written.path), modes.complete);
    written.add([]);
    this.#complete.push(written);
    this.#tail = undefined;
    this.#numbers = { blocks, headers: isFull ? [...headers, range] : headers };
    const rows = await rowsOf(this.#options, chain, this.#numbers);
    // Of all other objects the new print says what the old one did.
    if (printOfRows(suite, rows, firstBlock).settled !== this.#print.settled) throw touched(chain);
    this.#print = printOfRows(suite, rows, this.base);
  }
}

function touched(chain: string): SealtailError {
  const text = "an object of the chain is not as the vault left it";
  return new SealtailError("store-touched", text, { place: chainPath(chain) });
}

/** Makes a folder in a chain's own. Returns when its name is durable. Throws store-damaged. */
export async function makeFolder(
  files: Files,
  shelf: DirShelf,
  chain: string,
  folder: "headers" | "forks",
): Promise<void> {
  const place = chainPath(chain, folder);
  await files.mkdir(shelf.path(place), modes.dir);
  // Nothing is written through a link, and nothing read.
  if ((await files.linkStat(shelf.path(place)))?.kind !== "dir") {
    throw new SealtailError("store-damaged", "a folder of the chain is a link", { place });
  }
  // Also when it was there: whoever made it may have died before its name was durable.
  await files.syncDir(shelf.path(chainPath(chain)));
}

function lengthOf({ head, payload }: BlockBytes): number {
  return head.length + payload.length;
}
