// Past: files that were let go without knowing that they are deleted, and how far they were sealed.
//
// - A directory that was moved away and back, a volume that is mounted late, a file put back by
//   hand: its source was closed, but its bytes are sealed, and are not sealed again.
// - In memory only and bounded: after a restart, or where another chain goes on, such a file is a
//   new one. That chain knows what it holds; what a chain before was handed it may have left out.

import type { SourceRecord } from "../core/record.ts";
import type { FileInfo } from "../host/files.ts";
import type { Follow } from "./follow.ts";
import type { PastSource } from "./frontier.ts";
import { recordKey } from "./identity.ts";
import type { ResumeOptions } from "./item.ts";

const pastMax = 10_000;

/** A device may be numbered anew when it is mounted again; inode and birth stay. */
function keyOf(file: Pick<SourceRecord, "dev" | "ino" | "birth">): string {
  return file.birth === "0" ? recordKey(file) : `${file.ino} ${file.birth}`;
}

export class Past {
  readonly #known = new Map<string, PastSource>();

  /** A followed file is let go. Nothing is to be known of one that is deleted for certain. */
  keep({ generation, place }: Follow): void {
    const { ref, position } = generation;
    if (ref === undefined || place.unlinkedAt !== undefined || position === 0) return;
    this.#add({ record: ref.record, offset: position, mark: generation.newestMark });
  }

  /** A source to resume is given up. */
  keepResume({ record, offset, frontier }: ResumeOptions): void {
    const mark = frontier?.offset === offset ? frontier : undefined;
    if (offset > 0) this.#add({ record, offset, mark });
  }

  #add(past: PastSource): void {
    const key = keyOf(past.record);
    this.#known.delete(key);
    this.#known.set(key, past);
    const oldest = this.#known.keys().next();
    if (this.#known.size > pastMax && oldest.done !== true) this.#known.delete(oldest.value);
  }

  /** What is known of a file that is met, if it is the same source's; told once. */
  take(info: FileInfo, isSame: (record: SourceRecord) => boolean): PastSource | undefined {
    const { dev, ino, birthNs } = info;
    const birth = birthNs > 0n ? birthNs : 0n;
    const key = keyOf({ dev: String(dev), ino: String(ino), birth: String(birth) });
    const past = this.#known.get(key);
    if (past === undefined || !isSame(past.record)) return undefined;
    this.#known.delete(key);
    return past;
  }
}
