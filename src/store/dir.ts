// The directory store: chains as folders of plain files that any tool can copy and list.
//
// - Starting costs nothing: a chain's files are looked at when the chain is asked for.
// - One process writes; others may read at any time. Whoever starts it holds the lock.
//
// Format: docs/spec/store.md.

import { maxAcknowledgementLength } from "../core/acknowledgement.ts";
import { equalBytes } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { SealtailError } from "../core/errors.ts";
import { makeDirDurably, writeFileDurably } from "../host/durable.ts";
import { errnoOf } from "../host/file-error.ts";
import type { Files } from "../host/files.ts";
import { ShelfStore } from "./chain-reader.ts";
import { DirChain, makeFolder, modes, type ObjectLimits, objectLimits } from "./dir-chain.ts";
import { leftoversOf, removeLeftovers } from "./dir-leftovers.ts";
import { type FoundEnd, findEnd, missingHeaders, tailAt } from "./dir-recovery.ts";
import {
  acknowledgementPath,
  acknowledgementsFolder,
  chainPath,
  chainsFolder,
  forkOf,
  forkPath,
  grantPath,
  isAcknowledgementName,
  receiptPath,
} from "./layout.ts";
import { type ChainPrint, isSame, numbersOf, printOf } from "./print.ts";
import { DirShelf, noFile, readSmall, textNames } from "./shelf.ts";
import type {
  ChainWriter,
  ForkProof,
  KeptFork,
  KnownEnd,
  OpenChain,
  OpenOptions,
  ReadableStore,
  Store,
} from "./store.ts";

/** A directory store, or a copy of one, to read. */
export function readDirStore(files: Files, dir: string): ReadableStore {
  return new ShelfStore(new DirShelf(files, dir));
}

/** So many of them are kept. */
const writersMax = 1024;

export interface DirStoreOptions {
  readonly files: Files;
  readonly suite: Suite;
  /** Unix microseconds. */
  readonly now: () => number;
  readonly dir: string;
  /** Where torn tails are kept after they are cut off; undefined: nowhere. */
  readonly asideDir?: string;
  readonly limits?: ObjectLimits;
}

/**
 * Opens a directory store for writing, and makes the directory if it is not there. Throws
 * store-damaged where a folder that it writes to is a link.
 */
export async function openDirStore(options: DirStoreOptions): Promise<Store> {
  const shelf = new DirShelf(options.files, options.dir);
  for (const folder of [chainsFolder, acknowledgementsFolder]) {
    if ((await shelf.linkedPart(folder)) === undefined) continue;
    const text = "a folder of the store is a link, which is not followed";
    const hint = "name the directory itself as store.path, or mount the disk there";
    throw new SealtailError("store-damaged", text, { place: `${options.dir}/${folder}`, hint });
  }
  await makeDirDurably(options.files, shelf.path(chainsFolder), modes.dir);
  return new DirStore(options, shelf);
}

class DirStore extends ShelfStore<DirShelf> implements Store {
  readonly #options: DirStoreOptions;
  /** Of chains that this process wrote last, and without a failure: no need to search the end. */
  readonly #writers = new Map<string, DirChain>();

  constructor(options: DirStoreOptions, shelf: DirShelf) {
    super(shelf);
    this.#options = options;
  }

  async open(chain: string, options: OpenOptions = {}): Promise<OpenChain | undefined> {
    return await this.#open(chain, options, true);
  }

  async #open(
    chain: string,
    { durable = 0, known }: OpenOptions,
    settled: boolean,
  ): Promise<OpenChain | undefined> {
    const usual = { cutBytes: 0, headersWritten: 0, damage: undefined };
    const own = this.#writers.get(chain);
    if (own !== undefined && (await own.untouched())) return { writer: own, report: usual };
    this.#writers.delete(chain);
    if ((await this.reader(chain).grant()) === undefined) return undefined;
    const { files, asideDir } = this.#options;
    const noted = known && (await this.#noted(chain, known));
    if (noted !== undefined) return { writer: this.#keep(chain, noted), report: usual };
    const recovery = { files, shelf: this.shelf, asideDir };
    const found = await findEnd(recovery, chain, durable);
    const { cutBytes, damage } = found;
    const writer = this.#writer(chain, found);
    const missing = damage === undefined ? await missingHeaders(this.shelf, chain, found.size) : [];
    for (const range of missing) await writer.writeHeaders(range);
    await writer.takePrint(settled);
    if (damage === undefined) this.#keep(chain, writer);
    return { writer, report: { cutBytes, headersWritten: missing.length, damage } };
  }

  /** A writer that goes on where `known` ends; undefined where anything is not as it was. */
  async #noted(chain: string, known: KnownEnd): Promise<DirChain | undefined> {
    const { size, base, print, content } = known;
    const tail =
      base === size ? undefined : await tailAt(this.#options.files, this.shelf, chain, base);
    // A complete object behind the base is of an end that nobody noted.
    if (base < size && tail?.bytes !== content.bytes) return undefined;
    const writer = this.#writer(chain, { size, tail });
    await writer.takePrint(false);
    const same = isSame(writer.print, print) && writer.content.digest === content.digest;
    return same ? writer : undefined;
  }

  #keep(chain: string, writer: DirChain): DirChain {
    const [oldest] = this.#writers.keys();
    if (oldest !== undefined && this.#writers.size >= writersMax) this.#writers.delete(oldest);
    this.#writers.set(chain, writer);
    return writer;
  }

  async print(chain: string, base: number): Promise<ChainPrint> {
    const { files, suite } = this.#options;
    const place = { files, suite, shelf: this.shelf };
    return await printOf(place, chain, base, await numbersOf(place, chain));
  }

  async create(chain: string, grant: Uint8Array): Promise<ChainWriter> {
    const { files } = this.#options;
    await files.mkdir(this.shelf.path(chainPath(chain)), modes.dir);
    // Also when it was there: whoever made it may have died before its name was durable.
    await files.syncDir(this.shelf.path(chainsFolder));
    await writeFileDurably(files, this.shelf.path(grantPath(chain)), grant, modes.complete);
    // The grant is new: whoever goes on from here judges it by its hash.
    const opened = await this.#open(chain, {}, false);
    if (opened === undefined) throw new RangeError(`grant of chain ${chain} did not stay`);
    return opened.writer;
  }

  async clear(chain: string): Promise<boolean> {
    const leftovers = await leftoversOf(this.#options.files, this.shelf, chain);
    if (leftovers === undefined) return false;
    this.#writers.delete(chain);
    await removeLeftovers(this.#options.files, this.shelf, chain, leftovers);
    return true;
  }

  async writeReceipt(chain: string, receipt: Uint8Array): Promise<void> {
    const { files } = this.#options;
    const path = this.shelf.path(receiptPath(chain));
    try {
      await writeFileDurably(files, path, receipt, modes.small);
    } catch (error) {
      // Anything else than a folder is replaced.
      if (errnoOf(error) !== "EISDIR" || (await files.linkStat(path))?.kind !== "dir") throw error;
      throw noFile(receiptPath(chain));
    }
  }

  async writeFork(chain: string, fork: ForkProof): Promise<boolean> {
    const { files } = this.#options;
    const path = forkPath(chain, fork.block, fork.hash);
    await makeFolder(files, this.shelf, chain, "forks");
    // Somebody may have put something else under its name.
    const there = await readSmall(this.shelf, path, fork.proof.length);
    if (there !== undefined && equalBytes(there, fork.proof)) return false;
    await writeFileDurably(files, this.shelf.path(path), fork.proof, modes.complete);
    return true;
  }

  async forksKept(chain: string): Promise<KeptFork[]> {
    const found: KeptFork[] = [];
    for (const name of await this.shelf.names(chain, "forks")) {
      const fork = forkOf(name);
      const object = `${chainPath(chain, "forks")}/${name}`;
      // A time that cannot be set: a copy of an old proof is new, and has to be looked at again.
      const info = fork && (await this.#options.files.stat(this.shelf.path(object)));
      if (info === undefined || fork === undefined) continue;
      found.push({ block: fork.block, object, since: Number(info.ctimeNs / 1_000_000_000n) });
    }
    return found;
  }

  async acknowledgements(): Promise<Uint8Array[]> {
    const { files } = this.#options;
    const folder = this.shelf.path(acknowledgementsFolder);
    const items = (await files.list(folder)) ?? [];
    const names = textNames(items, "file").filter(isAcknowledgementName);
    const notes: Uint8Array[] = [];
    for (const name of names.sort()) {
      const path = `${acknowledgementsFolder}/${name}`;
      const note = await readSmall(this.shelf, path, maxAcknowledgementLength);
      if (note !== undefined) notes.push(note);
    }
    return notes;
  }

  async writeAcknowledgement(time: number, id: string, note: Uint8Array): Promise<void> {
    const { files } = this.#options;
    await makeDirDurably(files, this.shelf.path(acknowledgementsFolder), modes.dir);
    const path = this.shelf.path(acknowledgementPath(time, id));
    await writeFileDurably(files, path, note, modes.complete);
  }

  freeBytes(): Promise<number> {
    return this.#options.files.freeBytes(this.#options.dir);
  }

  #writer(chain: string, { size, tail }: Pick<FoundEnd, "size" | "tail">): DirChain {
    const { files, suite, now, limits = objectLimits } = this.#options;
    const options = { files, suite, now, limits, chain, shelf: this.shelf };
    return new DirChain(options, { size, tail }, () => this.#writers.delete(chain));
  }
}
