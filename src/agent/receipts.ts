// The newest receipt on disk: written, synced, and only then what it covers may go.
//
// - It is saved in place, in room that was taken before: a full disk cannot keep it from freeing
//   the buffer. Where that room could not be taken yet, the reserve makes room for it.
// - A stored receipt that is another chain's, or none of a trusted vault's, counts as lost: the
//   vault gives another one.

import {
  maxReceiptLength,
  openReceipt,
  parseCheckpoint,
  type Receipt,
  type VaultKeys,
} from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { isShortage } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import type { Diag } from "../host/diag.ts";
import { failpoint } from "../host/failpoint.ts";
import type { Files } from "../host/files.ts";
import { readSlots, SlotFile } from "../host/slot-file.ts";
import type { ReceiptStore } from "../ship/contract.ts";
import type { Reserve } from "./reserve.ts";

export interface ReceiptReading {
  readonly files: Files;
  readonly suite: Suite;
  readonly diag: Diag;
  readonly vaults: readonly VaultKeys[];
}

/** A receipt, what says that it is whole, and pages to spare. */
const slotBytes: number = maxReceiptLength + 4096;

/**
 * The note in the file; undefined if there is none, or none that can be believed. `chain`: whose it
 * must be, where blocks say so.
 */
export async function readReceipt(
  { files, suite, diag, vaults }: ReceiptReading,
  path: string,
  chain: string | undefined,
): Promise<Uint8Array | undefined> {
  try {
    const { content: note, damaged } = await readSlots({ files, suite, path, slotBytes });
    if (note !== undefined) {
      const receipt = openReceipt(suite, note, vaults);
      const ours = chain === undefined || receipt?.chainId === chain;
      if (receipt === undefined || !ours) {
        throw new Fault("RECEIPT_MISMATCH", "receipt is another chain's or vault's");
      }
    }
    if (damaged) {
      const next = note === undefined ? "the vault is asked for another" : "the older one is used";
      diag.warn(`the kept receipt is damaged, ${next}`, { place: path });
    }
    return note;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    diag.warn("the kept receipt is damaged, the vault is asked for another", { place: path });
    return undefined;
  }
}

export class ReceiptFile implements ReceiptStore {
  readonly #slots: SlotFile;
  readonly #reserve: Reserve | undefined;
  #newest: { readonly note: Uint8Array; readonly size: number } | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(
    { files, suite }: Pick<ReceiptReading, "files" | "suite">,
    path: string,
    note: Uint8Array | undefined,
    reserve?: Reserve | undefined,
  ) {
    this.#slots = new SlotFile({ files, suite, path, slotBytes });
    this.#reserve = reserve;
    this.#newest = note === undefined ? undefined : { note, size: parseCheckpoint(note).size };
  }

  get newest(): { readonly note: Uint8Array; readonly size: number } | undefined {
    return this.#newest;
  }

  /** Takes the room that receipts need, while there is some; without it save() tries again. */
  prepare(): Promise<void> {
    return this.#queued(async () => {
      await this.#slots.prepare().catch((error: unknown) => {
        if (!isShortage(error)) throw error;
      });
    });
  }

  save(note: Uint8Array, receipt: Receipt): Promise<void> {
    return this.#queued(async () => {
      try {
        await this.#slots.write(note);
      } catch (error) {
        if (!isShortage(error)) throw error;
        if (error.code !== "disk-full" || this.#reserve === undefined) throw error;
        await this.#reserve.give();
        await this.#slots.write(note);
      }
      failpoint("receipt-after-write");
      this.#newest = { note, size: receipt.size };
    });
  }

  #queued(work: () => Promise<void>): Promise<void> {
    const done = this.#work.then(work);
    this.#work = done.catch(() => undefined);
    return done;
  }
}
