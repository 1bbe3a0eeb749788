// RFC 6962 Merkle trees over leaf hashes: frontier, root, inclusion paths.
//
// - Leaves are given as their 32-byte hashes; leafHash() makes one from a leaf's bytes.
// - Sizes and indexes go up to 2^53 - 1. Bit operators cut numbers to 32 bits, so none touch them.
// - Nothing here keeps a hash that it was given: it is copied, the caller may reuse its buffer.
//
// Spec: RFC 6962 section 2.1, RFC 9162 section 2.1.3.2, docs/spec/conventions.md.

import { equalBytes } from "./bytes.ts";
import { domain, type Suite } from "./digest.ts";
import { Fault } from "./fault.ts";

const hashBytes = 32;

/** Where a Frontier's hashes begin in its buffer, behind the preimage of one node. */
const stackAt = 1 + 2 * hashBytes;

/** The hash of a leaf from its bytes: H(00 ‖ bytes). */
export function leafHash(suite: Suite, bytes: Uint8Array): Uint8Array {
  const preimage = new Uint8Array(1 + bytes.length);
  preimage[0] = domain.leaf;
  preimage.set(bytes, 1);
  return suite.sha256(preimage);
}

/** The hash of an inner node from its children's: H(01 ‖ left ‖ right). */
export function nodeHash(suite: Suite, left: Uint8Array, right: Uint8Array): Uint8Array {
  const preimage = new Uint8Array(1 + 2 * hashBytes);
  preimage[0] = domain.node;
  preimage.set(left, 1);
  preimage.set(right, 1 + hashBytes);
  return suite.sha256(preimage);
}

/**
 * The roots of the perfect subtrees that a tree of `size` leaves falls into: all that is needed to
 * append and to know the root. O(log n) memory; append allocates nothing.
 */
export class Frontier {
  readonly #suite: Suite;
  /** The preimage of one node, then the subtree roots, largest first. */
  #bytes: Uint8Array = new Uint8Array(stackAt + 8 * hashBytes);
  #depth = 0;
  #size = 0;

  constructor(suite: Suite) {
    this.#suite = suite;
    this.#bytes[0] = domain.node;
  }

  /**
   * A frontier as hashes() gave it. Throws Fault MALFORMED when the number of hashes is not the
   * number of one bits in `size`, or a hash is not 32 bytes.
   */
  static from(suite: Suite, size: number, hashes: readonly Uint8Array[]): Frontier {
    const want = subtreeCount(size);
    if (hashes.length !== want) {
      throw new Fault("MALFORMED", `frontier of ${size} leaves has ${hashes.length}, want ${want}`);
    }
    const frontier = new Frontier(suite);
    for (const hash of hashes) frontier.#push(hash);
    frontier.#size = size;
    return frontier;
  }

  /** Number of leaves. */
  get size(): number {
    return this.#size;
  }

  /** Appends the hash of the next leaf. */
  append(leafHash: Uint8Array): void {
    if (this.#size >= Number.MAX_SAFE_INTEGER) throw new RangeError("tree is full");
    this.#push(leafHash);
    // Every trailing one bit of the old size is a subtree as large as the one that just grew.
    for (let rest = this.#size; rest % 2 === 1; rest = (rest - 1) / 2) {
      this.#depth -= 1;
      const at = stackAt + (this.#depth - 1) * hashBytes;
      this.#bytes.copyWithin(1, at, at + 2 * hashBytes);
      this.#suite.sha256Into(this.#bytes, stackAt, this.#bytes, at);
    }
    this.#size += 1;
  }

  /** The tree's root; H("") for the empty tree. */
  root(): Uint8Array {
    if (this.#depth === 0) return this.#suite.sha256(new Uint8Array(0));
    let root = this.#at(this.#depth - 1);
    for (let index = this.#depth - 2; index >= 0; index -= 1) {
      root = nodeHash(this.#suite, this.#at(index), root);
    }
    return root;
  }

  /** The subtree roots, largest subtree first. */
  hashes(): Uint8Array[] {
    return Array.from({ length: this.#depth }, (_, index) => this.#at(index));
  }

  /** An independent frontier of the same tree. */
  copy(): Frontier {
    const other = new Frontier(this.#suite);
    other.#bytes = this.#bytes.slice();
    other.#depth = this.#depth;
    other.#size = this.#size;
    return other;
  }

  #at(index: number): Uint8Array {
    const at = stackAt + index * hashBytes;
    return this.#bytes.slice(at, at + hashBytes);
  }

  #push(hash: Uint8Array): void {
    assertHash(hash);
    const at = stackAt + this.#depth * hashBytes;
    if (at + hashBytes > this.#bytes.length) {
      const larger = new Uint8Array(this.#bytes.length + 16 * hashBytes);
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(hash, at);
    this.#depth += 1;
  }
}

/** The root over the given leaf hashes; H("") for none. */
export function rootOf(suite: Suite, leafHashes: Iterable<Uint8Array>): Uint8Array {
  const frontier = new Frontier(suite);
  for (const hash of leafHashes) frontier.append(hash);
  return frontier.root();
}

/**
 * Builds the inclusion path of leaf `index` in a tree of `size` leaves from a stream of all its
 * leaf hashes, in order, in O(log n) memory.
 */
export class PathBuilder {
  readonly #suite: Suite;
  readonly #size: number;
  /** The subtrees beside the way from the leaf to the root, in the order of their leaves. */
  readonly #siblings: Sibling[];
  #frontier: Frontier;
  #fed = 0;
  #next = 0;

  /** Throws RangeError unless 0 ≤ index < size ≤ 2^53 - 1. */
  constructor(suite: Suite, index: number, size: number) {
    if (!isIndexIn(index, size)) throw new RangeError(`leaf ${index} is not in a tree of ${size}`);
    this.#suite = suite;
    this.#size = size;
    this.#siblings = siblingsOf(index, size).sort((a, b) => a.start - b.start);
    this.#frontier = new Frontier(suite);
  }

  /** Takes the hash of the next leaf. Throws RangeError after the last one. */
  append(leafHash: Uint8Array): void {
    if (this.#fed >= this.#size) throw new RangeError(`tree of ${this.#size} leaves is complete`);
    assertHash(leafHash);
    const at = this.#fed;
    this.#fed += 1;
    const sibling = this.#siblings[this.#next];
    // The siblings cover all leaves but the one whose path this is.
    if (sibling === undefined || at < sibling.start) return;
    this.#frontier.append(leafHash);
    if (this.#fed < sibling.end) return;
    sibling.hash = this.#frontier.root();
    this.#frontier = new Frontier(this.#suite);
    this.#next += 1;
  }

  /** The path, from the leaf upwards. Throws RangeError before the last leaf was given. */
  path(): Uint8Array[] {
    if (this.#fed !== this.#size) {
      throw new RangeError(`path of ${this.#size} leaves was asked for after ${this.#fed}`);
    }
    // A subtree beside a higher node lies around the lower ones and is at least as far up.
    return [...this.#siblings]
      .sort((a, b) => b.depth - a.depth)
      .map((sibling) => sibling.hash as Uint8Array);
  }
}

export interface Inclusion {
  readonly index: number;
  readonly size: number;
  /** The leaf's hash. */
  readonly leaf: Uint8Array;
  /** Siblings, from the leaf upwards. */
  readonly path: readonly Uint8Array[];
  readonly root: Uint8Array;
}

/** Whether `path` proves the leaf to be in the tree. False for anything malformed; never throws. */
export function verifyInclusion(suite: Suite, inclusion: Inclusion): boolean {
  const { index, size, leaf, path, root } = inclusion;
  if (!isIndexIn(index, size)) return false;
  if (leaf.length !== hashBytes || root.length !== hashBytes) return false;
  let node = index;
  let last = size - 1;
  let hash = leaf;
  for (const sibling of path) {
    if (last === 0 || sibling.length !== hashBytes) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(suite, sibling, hash);
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2);
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(suite, hash, sibling);
    }
    node = Math.floor(node / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(hash, root);
}

/** A subtree over leaves [start, end) whose root is part of a path. */
interface Sibling {
  readonly start: number;
  readonly end: number;
  /** Steps from the tree's root. */
  readonly depth: number;
  hash?: Uint8Array;
}

function siblingsOf(index: number, size: number): Sibling[] {
  const siblings: Sibling[] = [];
  let start = 0;
  let end = size;
  while (end - start > 1) {
    const middle = start + largestPowerBelow(end - start);
    const depth = siblings.length;
    if (index < middle) {
      siblings.push({ start: middle, end, depth });
      end = middle;
    } else {
      siblings.push({ start, end: middle, depth });
      start = middle;
    }
  }
  return siblings;
}

/** The largest power of two smaller than `count`, which is at least 2. */
function largestPowerBelow(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function subtreeCount(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new Fault("MALFORMED", `tree size is ${size}, want 0 to 2^53 - 1`);
  }
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2;
  return count;
}

function isIndexIn(index: number, size: number): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(size) && index >= 0 && index < size;
}

function assertHash(hash: Uint8Array): void {
  if (hash.length === hashBytes) return;
  throw new Fault("MALFORMED", `hash is ${hash.length} bytes, want ${hashBytes}`);
}
