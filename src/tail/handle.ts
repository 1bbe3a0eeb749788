// Handle: the open descriptor of a followed file, and whether the file could be opened and
// read lately.
//
// - OpenFiles owns the descriptor: it alone opens and closes. A file that another chain goes on
//   with keeps its handle, for a deleted file can be opened by nobody again.

import type { OpenFile } from "../host/files.ts";
import { retryUs } from "./pace.ts";

export class Handle {
  #file: OpenFile | undefined;
  #blockedUntil = 0;
  #unreadable = false;

  get file(): OpenFile | undefined {
    return this.#file;
  }

  get isOpen(): boolean {
    return this.#file !== undefined;
  }

  /** It could not be opened or read at the last attempt. */
  get unreadable(): boolean {
    return this.#unreadable;
  }

  /** Mono µs before which the file is left alone. */
  get blockedUntil(): number {
    return this.#blockedUntil;
  }

  /** From now on this is the descriptor. Returns the one before. */
  take(file: OpenFile | undefined): OpenFile | undefined {
    const before = this.#file;
    this.#file = file;
    return before;
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
