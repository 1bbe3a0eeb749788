// The newest receipt on disk: written, synced, and only then what it covers may go.
//
// - On a full disk the reserve makes room for it, because it is what frees the buffer.
// - A stored receipt that is none of its vault's counts as lost: the vault gives another one.

import {
  maxReceiptLength,
  openReceipt,
  parseCheckpoint,
  type Receipt,
  type VaultKeys,
} from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { isShortage, SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import type { Diag } from "../host/diag.ts";
import { readWhole, writeFileDurably } from "../host/durable.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import type { ReceiptStore } from "../ship/contract.ts";
import type { Reserve } from "./reserve.ts";

export interface ReceiptReading {
  readonly files: Files;
  readonly suite: Suite;
  readonly diag: Diag;
  readonly vaults: readonly VaultKeys[];
}

/** The note in the file; undefined if there is none, or none that can be believed. */
export async function readReceipt(
  { files, suite, diag, vaults }: ReceiptReading,
  path: string,
): Promise<Uint8Array | undefined> {
  try {
    const note = await readWhole(files, path, maxReceiptLength);
    if (note !== undefined) openReceipt(suite, note, vaults);
    return note;
  } catch (error) {
    const damaged = error instanceof SealtailError && error.code === "file-too-large";
    if (!damaged && !(error instanceof Fault)) throw error;
    diag.warn("the kept receipt is damaged, the vault is asked for another", { place: path });
    return undefined;
  }
}

export class ReceiptFile implements ReceiptStore {
  readonly #files: Files;
  readonly #path: string;
  readonly #reserve: Reserve | undefined;
  #newest: { readonly note: Uint8Array; readonly size: number } | undefined;

  /** Told when there is no descriptor to write with. */
  onNoDescriptor: () => void = () => {};

  constructor(
    files: Files,
    path: string,
    note: Uint8Array | undefined,
    reserve?: Reserve | undefined,
  ) {
    this.#reserve = reserve;
    this.#files = files;
    this.#path = path;
    this.#newest = note === undefined ? undefined : { note, size: parseCheckpoint(note).size };
  }

  get newest(): { readonly note: Uint8Array; readonly size: number } | undefined {
    return this.#newest;
  }

  async save(note: Uint8Array, receipt: Receipt): Promise<void> {
    try {
      await writeFileDurably(this.#files, this.#path, note);
    } catch (error) {
      if (!isShortage(error)) throw error;
      if (error.code === "too-many-open-files") this.onNoDescriptor();
      if (error.code !== "disk-full" || this.#reserve === undefined) throw error;
      await this.#reserve.give();
      await writeFileDurably(this.#files, this.#path, note);
    }
    failpoint("receipt-after-write");
    this.#newest = { note, size: receipt.size };
  }
}
