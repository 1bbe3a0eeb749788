// Released files: let go without knowing that they are deleted, and how far they were sealed.
//
// - A directory that was moved away and back, a volume that is mounted late, a file put back by
//   hand: its source was closed, but its bytes are sealed, and are not sealed again.
// - In memory only and bounded: after a restart, or where another chain goes on, such a file is a
//   new one. That chain knows what it holds; what a chain before was handed it may have left out.

import type { SourceRecord } from "../core/record.ts";
import type { FileInfo } from "../host/files.ts";
import type { Follow } from "./follow.ts";
import { recordKey } from "./identity.ts";
import type { ResumeOptions } from "./item.ts";
import type { ReleasedSource } from "./last-bytes.ts";

const releasedMax = 10_000;

/** A device may be numbered anew when it is mounted again; inode and birth stay. */
function keyOf(file: Pick<SourceRecord, "dev" | "ino" | "birth">): string {
  return file.birth === "0" ? recordKey(file) : `${file.ino} ${file.birth}`;
}

export class ReleasedFiles {
  readonly #known = new Map<string, ReleasedSource>();

  /** A followed file is let go. Nothing is to be known of one that is deleted for certain. */
  keep({ generation, place }: Follow): void {
    const { ref, position } = generation;
    if (ref === undefined || place.unlinkedAt !== undefined || position === 0) return;
    this.#add({ record: ref.record, offset: position, mark: generation.newestMark });
  }

  /** A source to resume is given up. */
  keepResume({ record, offset, lastBytes }: ResumeOptions): void {
    const mark = lastBytes?.offset === offset ? lastBytes : undefined;
    if (offset > 0) this.#add({ record, offset, mark });
  }

  #add(released: ReleasedSource): void {
    const key = keyOf(released.record);
    this.#known.delete(key);
    this.#known.set(key, released);
    const oldest = this.#known.keys().next();
    if (this.#known.size > releasedMax && oldest.done !== true) this.#known.delete(oldest.value);
  }

  /** What is known of a file that is met, if it is the same source's; told once. */
  take(info: FileInfo, isSame: (record: SourceRecord) => boolean): ReleasedSource | undefined {
    const { dev, ino, birthNs } = info;
    const birth = birthNs > 0n ? birthNs : 0n;
    const key = keyOf({ dev: String(dev), ino: String(ino), birth: String(birth) });
    const released = this.#known.get(key);
    if (released === undefined || !isSame(released.record)) return undefined;
    this.#known.delete(key);
    return released;
  }
}
