// The contract of a store: where a vault keeps chains, and where verifiers and readers find them.
//
// - A chain only grows. What was stored is never changed, and nothing here deletes it.
// - Durable means: it survives a power cut. A method that promises it returns only then.
// - The order of writes is the store's: grant, then blocks; a range's blocks, then its headers
//   object, then the next range. What a crash leaves between two steps, open() repairs.
// - A store knows framing and hashes of payloads; whether a block is right is not its affair.
//
// Format: docs/spec/store.md.

import type {
  ChainSource,
  Contents,
  Pieces,
  StoredObject,
  VerifiableSource,
} from "../core/chain-source.ts";
import type { ChainPrint } from "./print.ts";

export type { ChainPrint };

/** A block's two parts as they are stored, one behind the other. */
export interface BlockBytes {
  /** header ‖ signature. */
  readonly head: Uint8Array;
  readonly payload: Uint8Array;
}

export interface KeptFork {
  readonly block: number;
  /** Its object's name. */
  readonly object: string;
  /** Since when it lies there, in Unix seconds. */
  readonly since: number;
}

/** The proof of a fork, to be kept. */
export interface ForkProof {
  readonly block: number;
  /** Block hash, in hex, of the block that was refused. */
  readonly hash: string;
  /** Both heads, the stored one first. */
  readonly proof: Uint8Array;
}

/**
 * A chain to read, also while it is written to. Nothing is read before it is asked for, and no
 * call needs memory that grows with the chain but for the list of its objects.
 * Whoever wants a receipt that the blocks cover reads the receipt first.
 */
export interface ChainReader extends ChainSource {
  /** The object of that name in the layout; undefined where there is none. */
  readonly object: (name: string) => Promise<StoredObject | undefined>;
  /**
   * Heads from block `from` on, joined, at most `count` and never past the end of its range of
   * 1,024. Fewer, or none, where fewer are there.
   */
  readonly heads: (from: number, count: number) => Promise<Uint8Array>;
  /** The whole blocks [from, to) as they are stored. Throws store-cut-short where one is missing. */
  readonly wholeBlocks: (from: number, to: number) => Pieces;
  /**
   * Number of whole blocks, and the newest one's head: what open() would leave of them. Reads the
   * heads of the newest object, and the payloads of all but the first `durable` blocks.
   */
  readonly newest: (
    durable?: number,
  ) => Promise<{ readonly size: number; readonly head: Uint8Array | undefined }>;
}

/** Chains to read. Safe to use concurrently, and beside a writer in this or another process. */
export interface ReadableStore extends VerifiableSource {
  /** Ids of all chains, sorted. A chain is listed as soon as its grant is being written. */
  readonly chainIds: () => Promise<string[]>;
  readonly contents: () => Promise<Contents<ChainReader>>;
  /** A chain to read; it need not exist: then it has no grant and no blocks. */
  readonly reader: (chain: string) => ChainReader;
}

/** The one who appends to a chain. Calls must not overlap; the caller sees to that. */
export interface ChainWriter {
  /** Number of blocks stored, all of them durable. */
  readonly size: number;
  /**
   * Appends blocks `size`, `size + 1` … and returns when all of them are durable.
   * Throws disk-full, io-error … : some of them may be stored, in order, or none. Then this writer
   * is of no use any more, and open() finds out what is there. Throws sync-failed: nobody knows
   * what is there. Stop the process.
   */
  append(blocks: readonly BlockBytes[]): Promise<void>;
  /** The object that grows begins with this block; where none does, the next block. */
  readonly base: number;
  /** What stood for the stored objects after this writer's last write; below `base` is settled. */
  readonly print: ChainPrint;
  /** What the object that grows holds. */
  readonly content: Content;
  /**
   * What was not read again since this writer changed it: somebody may have changed it in the same
   * moment, and the print would not show it. Of `more`, also complete objects.
   */
  readonly unsure: "nothing" | "what grows" | "more";
  /** Reads complete objects that are unsure. Throws store-touched where one is not as it was. */
  settle(): Promise<void>;
  /**
   * Whether that still stands for them: nobody else changed, added or took away any. What is unsure
   * is read, if that was not done for a minute.
   */
  untouched(): Promise<boolean>;
  /**
   * The same at the price of a few looks: without a search for objects that were put beside, and of
   * many objects not all each time.
   */
  seemsUntouched(): Promise<boolean>;
}

/** Bytes of an object, and their SHA-256 in hex. */
export interface Content {
  readonly bytes: number;
  readonly digest: string;
}

/** What stood for a chain's objects once, with `size` blocks in them. */
export interface KnownEnd {
  readonly size: number;
  readonly base: number;
  readonly print: ChainPrint;
  readonly content: Content;
}

export interface OpenOptions {
  /** Blocks that were durable once: not one of them is cut off. */
  readonly durable?: number;
  /** Only what grows is read where this still stands for what is there. */
  readonly known?: KnownEnd | undefined;
}

/** What was found and mended, or found and left alone, when a chain was opened. */
export interface OpenReport {
  /** Bytes behind the last whole block that were cut off; a copy was kept aside. */
  readonly cutBytes: number;
  /** Headers objects that a crash had prevented. */
  readonly headersWritten: number;
  /** Why the stored blocks can't be right; then nothing was cut and nothing may be appended. */
  readonly damage: string | undefined;
}

export interface OpenChain {
  readonly writer: ChainWriter;
  readonly report: OpenReport;
}

export interface Store extends ReadableStore {
  /**
   * A writer for a chain that exists; undefined if it has no grant. A torn tail is cut back to
   * whole blocks, and what is left is durable before this returns.
   * One writer per chain at a time, in one process: the caller sees to that.
   */
  open(chain: string, options?: OpenOptions): Promise<OpenChain | undefined>;
  /** What stands for the objects of a chain now; `base` parts what is settled from the rest. */
  print(chain: string, base: number): Promise<ChainPrint>;
  /**
   * Begins a chain: returns when its grant is durable. Fine if a crash left the chain with its
   * grant and no blocks: then the grant is replaced.
   */
  create(chain: string, grant: Uint8Array): Promise<ChainWriter>;
  /**
   * Takes away what is left of a chain that never began: at most its grant and the beginning of its
   * genesis. Durable. False, and nothing is touched, where anything else lies there. The caller
   * sees to it that nobody begins the chain meanwhile.
   */
  clear(chain: string): Promise<boolean>;
  /**
   * Replaces the kept receipt of a chain: whoever reads sees the old or the new one whole. Durable.
   * One at a time per chain; appends may go on meanwhile.
   */
  writeReceipt(chain: string, receipt: Uint8Array): Promise<void>;
  /**
   * Keeps the proof of a fork. Durable. False if it is there already. One at a time per chain;
   * appends may go on meanwhile.
   */
  writeFork(chain: string, fork: ForkProof): Promise<boolean>;
  /** The fork proofs that lie in a chain's folder; nobody has judged them. */
  forksKept(chain: string): Promise<KeptFork[]>;
  /** Operators' statements as they are kept, the oldest first; one too long to be any is cut. */
  acknowledgements(): Promise<Uint8Array[]>;
  /** Keeps one, named by its time in Unix seconds and its hash in hex. Durable; twice is fine. */
  writeAcknowledgement(time: number, id: string, note: Uint8Array): Promise<void>;
  /** Bytes that may still be written; Infinity: not known. */
  freeBytes(): Promise<number>;
}
