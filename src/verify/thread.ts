// The thread of a chain: what the next block must continue, and how it is taken up after a loss.
//
// - A field is undefined while it is not known. Unknown is never wrong: what cannot be compared is
//   not judged, and whoever needed it says so (`unchecked`).
// - Where one bent number leaves two readings of what follows, both are candidates, so that one
//   fault is one finding.
//
// Spec: docs/spec/verification.md, "After a fault".

import { equalBytes, maxInteger } from "../core/bytes.ts";
import type { Suite } from "../core/digest.ts";
import { firstPrev } from "../core/envelope.ts";
import type { Header } from "../core/header.ts";
import { isPublicKey } from "../core/public-key.ts";
import { Frontier } from "../core/tree.ts";

const maxCandidates = 4;

export class Thread {
  readonly #suite: Suite;
  /** Number of the next block. */
  blockNo = 0;
  /** Who must sign it. */
  key: Uint8Array | undefined;
  prevHash: Uint8Array | undefined = new Uint8Array(32);
  /** Candidates for first_seq; none: unknown. */
  seqs: number[] = [0];
  /** Candidates for the hash of the newest envelope; none: unknown. */
  lastHashes: Uint8Array[] = [];
  /** Tree over all blocks before the next one. */
  frontier: Frontier | undefined;
  /** The newest block, which says of its run what the next one must fit. */
  run: Header | undefined;
  /** Whether the newest block ended its run with `stop`. */
  stopped: boolean | undefined = false;
  final = false;
  configHash: Uint8Array | undefined;
  receiptHash: Uint8Array | undefined = new Uint8Array(32);
  receiptSize = 0;

  /** A genesis must be signed by the grant's key. */
  constructor(suite: Suite, grantKey: Uint8Array | undefined) {
    this.#suite = suite;
    this.key = grantKey;
    this.frontier = new Frontier(suite);
  }

  /** Blocks before `header` were lost: what only they knew is unknown from here. */
  skipTo(header: Header): void {
    const lost = header.blockNo - this.blockNo;
    // Exactly one: its hash, and so its leaf, is what its successor names as the one before.
    if (lost === 1) this.frontier?.append(header.prevHash);
    else this.frontier = undefined;
    this.blockNo = header.blockNo;
    this.key = undefined;
    this.prevHash = undefined;
    this.seqs = [];
    this.lastHashes = [];
    this.run = undefined;
    this.stopped = undefined;
    this.configHash = undefined;
    this.receiptHash = undefined;
  }

  /**
   * What a genesis' first envelope may name as the hash before it: by the grant that its header
   * names, or by the one that is there.
   */
  beginAt({ receiptHash, runId }: Header, grantHash: Uint8Array | undefined): void {
    const hashes = grantHash === undefined ? [receiptHash] : [receiptHash, grantHash];
    this.lastHashes = hashes.map((hash) => firstPrev(this.#suite, hash, runId));
  }

  /** Goes on behind a block. `actualCount` is what its payload held, if that is known. */
  advance(header: Header, hash: Uint8Array, actualCount?: number): void {
    const { firstSeq, count } = header;
    const begins = this.seqs.includes(firstSeq) ? [firstSeq] : [firstSeq, ...this.seqs];
    const ends = begins.map((seq) => seq + (actualCount ?? count));
    this.seqs = [...new Set([firstSeq + count, ...ends])].slice(0, maxCandidates);
    // Of a block that is linked the place counts, whatever number it gives.
    this.blockNo += 1;
    // What is no key can't have signed anything: the next block is not authenticated.
    this.key = header.kind === "final" || !isPublicKey(header.nextPub) ? undefined : header.nextPub;
    this.prevHash = hash;
    if (this.frontier !== undefined && this.frontier.size < maxInteger) this.frontier.append(hash);
    else this.frontier = undefined;
    this.run = header;
    this.final = header.kind === "final";
  }

  /** Begins behind a block whose head is vouched for by someone else. */
  beginBehind(header: Header, hash: Uint8Array): void {
    this.skipTo(header);
    this.frontier = undefined;
    this.advance(header, hash);
    this.lastHashes = [header.lastHash];
    this.configHash = header.configHash;
    this.receiptHash = header.blockNo > 0 ? header.receiptHash : new Uint8Array(32);
    this.receiptSize = header.receiptSize;
  }
}

/** Equal, or one of both is not known. */
export function agree(known: Uint8Array | undefined, found: Uint8Array): boolean {
  return known === undefined || equalBytes(known, found);
}
