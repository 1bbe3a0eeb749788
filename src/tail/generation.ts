// Generation: the content of a followed file since it last began again: how it is declared, what it
// is told by, and how far it was read.
//
// - The position moves only over bytes that were handed over, or stated as a gap. What is kept as
//   the last bytes moves with it: always those before the position, or none.
// - Times and pauses of its writer outlive it: it begins again in place.

import type { Suite } from "../core/digest.ts";
import type { Clock } from "../host/clock.ts";
import type { FileInfo, OpenFile } from "../host/files.ts";
import { Extent } from "./extent.ts";
import type { FollowStart } from "./follow-start.ts";
import { HeldBack } from "./held-back.ts";
import {
  declareSource,
  type FileName,
  type Fingerprint,
  fingerprintOf,
  sameHead,
} from "./identity.ts";
import type { SourceRef } from "./item.ts";
import { LastBytes, type LastBytesMark, lastBytesMax } from "./last-bytes.ts";
import { withoutHoles } from "./nuls.ts";

export class Generation {
  readonly #suite: Suite;
  readonly extent: Extent;
  readonly heldBack: HeldBack;
  #number = 0;
  #ref: SourceRef | undefined;
  #print: Fingerprint | undefined;
  #lastBytes: LastBytes = new LastBytes();
  #mark: LastBytesMark | undefined;
  #begunNs: bigint;

  constructor(clock: Clock, suite: Suite, { resume, released, place }: FollowStart) {
    this.#suite = suite;
    this.#begunNs = place.info.mtimeNs;
    this.extent = new Extent(clock, resume?.offset ?? 0);
    this.heldBack = new HeldBack(this.extent);
    if (released !== undefined) this.#number = released.record.generation + 1;
    if (resume === undefined) return;
    const { ref, offset, mark } = resume;
    this.#ref = ref;
    // Its first bytes may have been edited since: that is stated already.
    this.#print = mark?.head ?? ref.record;
    this.#number = ref.record.generation;
    this.#mark = mark?.offset === offset ? mark : undefined;
    this.heldBack.skipUpTo(mark?.skipNuls ?? 0);
  }

  get number(): number {
    return this.#number;
  }

  /** Undefined while nothing of it was stated. */
  get ref(): SourceRef | undefined {
    return this.#ref;
  }

  /** What the file's first bytes are compared with. */
  get print(): Fingerprint | undefined {
    return this.#print;
  }

  /** The file's mtime when it was first seen. */
  get begunNs(): bigint {
    return this.#begunNs;
  }

  get position(): number {
    return this.extent.position;
  }

  /** The bytes before the position; empty while they are not known. */
  get lastBytes(): LastBytes {
    return this.#lastBytes;
  }

  /** Stands in for the last bytes while they are not known. */
  get mark(): LastBytesMark | undefined {
    return this.#mark;
  }

  /** What a later look, or a later start, can tell the bytes before the position by. */
  get newestMark(): LastBytesMark | undefined {
    // Of one that was not looked at since the start, what was known then still holds.
    if (this.#lastBytes.length === 0) return this.#mark;
    return this.#lastBytes.mark(this.#suite, this.position);
  }

  /** It is known by its first bytes, or by the sealed hole there. */
  declare(file: FileName, head: Uint8Array): SourceRef {
    const solid = withoutHoles(head);
    const known = solid.length > 0 ? solid : head;
    this.#ref = declareSource(this.#suite, file, this.#number, known);
    this.#print = this.#ref.record;
    return this.#ref;
  }

  /** First bytes that were seen and not read yet: what takes their place is told from them. */
  sawHead(head: Uint8Array): void {
    const solid = withoutHoles(head);
    if (this.#print === undefined && solid.length > 0) {
      this.#print = fingerprintOf(this.#suite, solid);
    }
  }

  /** Its first bytes are these by now, as far as they are compared. */
  tookHead(head: Uint8Array): void {
    const length = Math.min(head.length, this.#print?.fingerprint_len ?? 0);
    this.#print = fingerprintOf(this.#suite, head.subarray(0, length));
  }

  /** `bytes` stand before the position. Too few are no evidence: then the next turn looks again. */
  tookBefore(bytes: Uint8Array): void {
    this.#lastBytes.clear();
    if (bytes.length === Math.min(lastBytesMax, this.position)) {
      this.#lastBytes.push(bytes, bytes.length);
    }
    this.#mark = undefined;
  }

  /** bytes[0, length) were handed over. */
  handOver(bytes: Uint8Array, length: number): void {
    this.extent.handOver(length);
    this.#lastBytes.push(bytes, length);
  }

  /** The next one begins: nothing of it is read or declared, and `now` says what is there. */
  beginAgain(mtimeNs: bigint, now?: FileInfo): void {
    this.#number += 1;
    this.#ref = undefined;
    this.#print = undefined;
    this.#lastBytes = new LastBytes();
    this.extent.restart(now);
    this.heldBack.forget();
    this.heldBack.skipUpTo(0);
    this.#begunNs = mtimeNs;
  }

  /** Everything before `position` is there as it was in the one before, `lastBytes` at its end. */
  goOnBehind(position: number, lastBytes: LastBytes): void {
    this.extent.skipTo(position);
    this.#lastBytes = lastBytes;
  }

  /**
   * Whether what was there before the position still is; of a file that is not read yet, whether
   * `head`, its first bytes, are what they were.
   */
  async isIn(file: OpenFile, head: Uint8Array): Promise<boolean> {
    if (this.position === 0) {
      if (this.#print === undefined || head.length === 0) return true;
      return sameHead(this.#suite, this.#print, head) !== "changed";
    }
    const { length } = this.#lastBytes;
    // Nothing to compare with, because the file was cut while we looked: not to be trusted.
    if (length === 0) return false;
    const now = new Uint8Array(length);
    const got = await file.read(now, 0, length, this.position - length);
    return this.#lastBytes.difference(now.subarray(0, got)) === undefined;
  }

  /** `other` is the same one, which another chain knew; what was seen of it holds here. */
  takeOver(other: Generation): void {
    // Where nothing is read yet, its first bytes tell what takes their place.
    const isUnread = this.#ref === undefined;
    if (isUnread) this.#print = other.#print;
    this.extent.takeOver(other.extent, isUnread);
  }
}
