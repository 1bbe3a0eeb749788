// The newest receipt on disk: written, synced, and only then what it covers may go.

import type { Receipt } from "../core/checkpoint.ts";
import { parseCheckpoint } from "../core/checkpoint.ts";
import { writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import type { ReceiptStore } from "../ship/contract.ts";

export class ReceiptFile implements ReceiptStore {
  readonly #files: Files;
  readonly #path: string;
  #newest: { readonly note: Uint8Array; readonly size: number } | undefined;

  constructor(files: Files, path: string, note: Uint8Array | undefined) {
    this.#files = files;
    this.#path = path;
    this.#newest = note === undefined ? undefined : { note, size: parseCheckpoint(note).size };
  }

  get newest(): { readonly note: Uint8Array; readonly size: number } | undefined {
    return this.#newest;
  }

  async save(note: Uint8Array, receipt: Receipt): Promise<void> {
    await writeFileDurably(this.#files, this.#path, note);
    failpoint("receipt-after-write");
    this.#newest = { note, size: receipt.size };
  }
}
