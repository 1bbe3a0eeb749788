// The Merkle tree over a block's envelopes: groups of 16 hashes as RFC 6962 leaves.
//
// - A leaf's bytes are "SEALGRP1" and the hashes of up to 16 envelopes; only the last group is
//   shorter. Standard RFC 6962 code verifies it, at a sixteenth of a plain tree's hash calls.
// - Sealing feeds it once per line: add() allocates nothing, and hashes once per 16 envelopes.
//
// Spec: docs/spec/block.md, "Envelope tree".

import { equalBytes, utf8 } from "./bytes.ts";
import { domain, type Suite } from "./digest.ts";
import { Fault } from "./fault.ts";
import { Frontier, leafHash, PathBuilder, verifyInclusion } from "./tree.ts";

const hashBytes = 32;

/** Envelope hashes in a group. */
export const groupSize = 16;

const magic: Uint8Array = utf8("SEALGRP1");
const hashesAt = 1 + magic.length;
const hashWords = hashBytes / 4;
/** Words before the hashes, where they are to lie at whole ones. */
const firstWord = Math.ceil(hashesAt / 4);

/** Fed every envelope hash of a block in order; gives the block's envelope_root. */
export class GroupTree {
  readonly #suite: Suite;
  readonly #frontier: Frontier;
  /** The open group's leaf preimage: 00 ‖ magic ‖ hashes so far. */
  readonly #group = groupPreimage();
  /** The same memory; the hashes begin at a whole word. */
  readonly #words = new Uint32Array(this.#group.buffer);
  readonly #leaf = new Uint8Array(hashBytes);
  /** Hashes in the open group. */
  #open = 0;

  constructor(suite: Suite) {
    this.#suite = suite;
    this.#frontier = new Frontier(suite);
  }

  /** Takes the envelope hash in the first 8 words, as it lies in memory. Allocates nothing. */
  add(words: Uint32Array): void {
    const group = this.#words;
    const to = firstWord + this.#open * hashWords;
    for (let index = 0; index < hashWords; index += 1) {
      group[to + index] = words[index] as number;
    }
    this.#open += 1;
    if (this.#open < groupSize) return;
    this.#suite.sha256Into(this.#group, this.#group.length, this.#leaf, 0);
    this.#frontier.append(this.#leaf);
    this.#open = 0;
  }

  /** The root over all envelopes so far, an open group included. More may be added afterwards. */
  root(): Uint8Array {
    if (this.#open === 0) return this.#frontier.root();
    const whole = this.#frontier.copy();
    const end = hashesAt + this.#open * hashBytes;
    whole.append(this.#suite.sha256(this.#group.slice(0, end)));
    return whole.root();
  }
}

/** Ties one envelope to a block's envelope_root. */
export interface EnvelopePath {
  /** All hashes of the envelope's group, in order. */
  readonly group: readonly Uint8Array[];
  /** The RFC 6962 path of the group's leaf, from the leaf upwards. */
  readonly path: readonly Uint8Array[];
}

/** Builds the path of envelope `index` of `count` from a stream of all envelope hashes. */
export class EnvelopePathBuilder {
  readonly #suite: Suite;
  readonly #groupIndex: number;
  readonly #count: number;
  readonly #builder: PathBuilder;
  readonly #kept: Uint8Array[] = [];
  #open: Uint8Array[] = [];
  #fed = 0;

  /** Throws RangeError unless 0 ≤ index < count. */
  constructor(suite: Suite, index: number, count: number) {
    if (!(index >= 0 && index < count)) {
      throw new RangeError(`envelope ${index} is not in a block of ${count}`);
    }
    this.#suite = suite;
    this.#groupIndex = Math.floor(index / groupSize);
    this.#count = count;
    this.#builder = new PathBuilder(suite, this.#groupIndex, Math.ceil(count / groupSize));
  }

  /** Takes the next envelope hash. Throws RangeError after the last one. */
  add(hash: Uint8Array): void {
    if (this.#fed >= this.#count) throw new RangeError(`block of ${this.#count} is complete`);
    this.#open.push(hash.slice());
    if (Math.floor(this.#fed / groupSize) === this.#groupIndex) this.#kept.push(hash.slice());
    this.#fed += 1;
    if (this.#open.length < groupSize && this.#fed < this.#count) return;
    this.#builder.append(groupHash(this.#suite, this.#open));
    this.#open = [];
  }

  /** The path. Throws RangeError before the last hash was given. */
  path(): EnvelopePath {
    return { group: this.#kept, path: this.#builder.path() };
  }
}

export interface EnvelopeInclusion extends EnvelopePath {
  /** Place of the envelope in its block: its seq minus the header's first_seq. */
  readonly index: number;
  /** The header's count. */
  readonly count: number;
  /** The envelope's hash. */
  readonly hash: Uint8Array;
  /** The header's envelope_root. */
  readonly root: Uint8Array;
}

/** Whether the path proves the envelope to be in the block. False for anything malformed. */
export function verifyEnvelope(suite: Suite, inclusion: EnvelopeInclusion): boolean {
  const { index, count, hash, group, path, root } = inclusion;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(count)) return false;
  if (index < 0 || index >= count || hash.length !== hashBytes) return false;
  const groupIndex = Math.floor(index / groupSize);
  if (group.length !== Math.min(groupSize, count - groupIndex * groupSize)) return false;
  if (group.some((each) => each.length !== hashBytes)) return false;
  const own = group[index % groupSize];
  if (own === undefined || !equalBytes(hash, own)) return false;
  const size = Math.ceil(count / groupSize);
  return verifyInclusion(suite, {
    index: groupIndex,
    size,
    leaf: groupHash(suite, group),
    path,
    root,
  });
}

/** The RFC 6962 leaf hash of one group. */
export function groupHash(suite: Suite, hashes: readonly Uint8Array[]): Uint8Array {
  if (hashes.length === 0 || hashes.length > groupSize) {
    throw new Fault("MALFORMED", `group holds ${hashes.length} hashes, want 1 to ${groupSize}`);
  }
  const leaf = new Uint8Array(magic.length + hashes.length * hashBytes);
  leaf.set(magic);
  hashes.forEach((hash, index) => {
    if (hash.length !== hashBytes) {
      throw new Fault("MALFORMED", `envelope hash is ${hash.length} bytes, want ${hashBytes}`);
    }
    leaf.set(hash, magic.length + index * hashBytes);
  });
  return leafHash(suite, leaf);
}

function groupPreimage(): Uint8Array {
  const buffer = new ArrayBuffer(4 * (firstWord + groupSize * hashWords));
  const bytes = new Uint8Array(buffer, 4 * firstWord - hashesAt);
  bytes[0] = domain.leaf;
  bytes.set(magic, 1);
  return bytes;
}
