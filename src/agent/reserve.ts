// The reserve: a file that takes room while there is plenty, and is deleted when there is none.
//
// - Whatever else fills the disk, or takes its last inode, heartbeats, gaps, receipts and the stop
//   still find room: the receipt above all, because it frees the buffer.
// - Its bytes mean nothing. Where it cannot be made, the agent goes on without it.

import { SealtailError } from "../core/errors.ts";
import { unlinkIfPresent } from "../host/durable.ts";
import type { Files } from "../host/files.ts";

const pieceBytes = 1024 * 1024;

export class Reserve {
  readonly bytes: number;
  readonly #files: Files;
  readonly #path: string;
  #held = false;
  #work: Promise<void> = Promise.resolve();

  private constructor(files: Files, path: string, bytes: number) {
    this.#files = files;
    this.#path = path;
    this.bytes = bytes;
  }

  /** Takes over the reserve of the life before, or makes one if there is room for it. */
  static async open(files: Files, path: string, bytes: number): Promise<Reserve> {
    const reserve = new Reserve(files, path, bytes);
    const size = (await files.stat(path).catch(() => undefined))?.size;
    if (size === bytes) reserve.#held = true;
    else await reserve.take();
    return reserve;
  }

  get held(): boolean {
    return this.#held;
  }

  /** Makes the file. Not held afterwards if the disk has no room for it. */
  take(): Promise<void> {
    return this.#queued(async () => {
      if (this.#held) return;
      await unlinkIfPresent(this.#files, this.#path);
      const file = await this.#files.open(this.#path, "create");
      try {
        // Zeros: no file system that we know saves their room unless it was told to compress.
        const piece = new Uint8Array(Math.min(pieceBytes, this.bytes));
        for (let at = 0; at < this.bytes; at += piece.length) {
          await file.write(piece.subarray(0, Math.min(piece.length, this.bytes - at)), at);
        }
        this.#held = true;
      } finally {
        await file.close();
        if (!this.#held) await unlinkIfPresent(this.#files, this.#path);
      }
    });
  }

  /** Deletes the file: its room is free when this returns. */
  give(): Promise<void> {
    return this.#queued(async () => {
      this.#held = false;
      await unlinkIfPresent(this.#files, this.#path);
    });
  }

  #queued(work: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(work).catch((error: unknown) => {
      // It only helps: what is really wrong shows where it matters.
      if (!(error instanceof SealtailError) || error.kind === "unsafe") throw error;
    });
    return this.#work;
  }
}
