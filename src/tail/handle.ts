// Handle: the open descriptors of a followed file, and whether the file could be opened and read
// lately.
//
// - Whoever opened a file hands it over here; from then on only the handle closes it. An error in
//   closing changes nothing, for the file was only read.
// - A file that another chain goes on with keeps its handle: a deleted one can be opened by nobody
//   again.

import type { OpenFile } from "../host/files.ts";
import { retryUs } from "./pace.ts";

export class Handle {
  #file: OpenFile | undefined;
  #copy: OpenFile | undefined;
  #blockedUntil = 0;
  #unreadable = false;

  get file(): OpenFile | undefined {
    return this.#file;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** A copy that its old content is read from. */
  get copy(): OpenFile | undefined {
    return this.#copy;
  }

  /** It could not be opened or read at the last attempt. */
  get unreadable(): boolean {
    return this.#unreadable;
  }

  /** Mono µs before which the file is left alone. */
  get blockedUntil(): number {
    return this.#blockedUntil;
  }

  /** From now on this is the descriptor; the one before is closed. */
  take(file: OpenFile): void {
    void closed(this.#file);
    this.#file = file;
  }

  takeCopy(copy: OpenFile): void {
    this.#copy = copy;
  }

  async closeCopy(): Promise<void> {
    const copy = this.#copy;
    this.#copy = undefined;
    await closed(copy);
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await Promise.all([closed(file), this.closeCopy()]);
  }

  /** The file is left alone for a while. */
  pause(now: number): void {
    this.#blockedUntil = now + retryUs;
  }

  /** Its path is known again: nothing is waited for. */
  resume(): void {
    this.#blockedUntil = 0;
  }

  /** It could not be opened or read: left alone for a while. True when that is new. */
  failed(now: number): boolean {
    this.pause(now);
    const first = !this.#unreadable;
    this.#unreadable = true;
    return first;
  }

  /** It was read. True when it could not be before. */
  worked(): boolean {
    const healed = this.#unreadable;
    this.#unreadable = false;
    return healed;
  }
}

const closed = (file: OpenFile | undefined): Promise<void> | undefined =>
  file?.close().catch(() => undefined);
