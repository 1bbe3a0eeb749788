// Signs receipts: the vault's key for what it stores, its time key for when.
//
// - Nothing is signed that is not durable: whoever calls sign() has seen to that.
// - A chain's receipts never go back in time, even if the clock does.
//
// Spec: docs/spec/receipt.md.

import { fromHex, utf8 } from "../core/bytes.ts";
import { checkpointText, type VaultKeys } from "../core/checkpoint.ts";
import { formatNote } from "../core/note.ts";
import type { NoteSigner } from "../host/keys.ts";

/** The vault's two private keys. */
export interface VaultSigners {
  /** Type 1, named as the vault. */
  readonly receipt: Pick<NoteSigner, "key" | "signNote">;
  /** Type 4, named `<vault>/time`. */
  readonly time: Pick<NoteSigner, "key" | "cosign">;
}

export interface SignedReceipt {
  readonly bytes: Uint8Array;
  readonly size: number;
  readonly root: Uint8Array;
  /** Unix seconds. */
  readonly time: number;
}

export class ReceiptSigner {
  readonly keys: VaultKeys;
  readonly #vault: string;
  readonly signers: VaultSigners;

  /** The keys are those of vault `name`: startable.ts. */
  constructor(name: string, signers: VaultSigners) {
    this.#vault = name;
    this.signers = signers;
    this.keys = { receipt: signers.receipt.key, time: signers.time.key };
  }

  /**
   * A receipt over a chain's first `size` blocks, dated `at`, in Unix microseconds, but not before
   * `notBefore`, in seconds.
   */
  sign(
    chain: string,
    size: number,
    root: Uint8Array,
    notBefore: number,
    at: number,
  ): SignedReceipt {
    const { receipt, time } = this.signers;
    const seconds = Math.max(notBefore, Math.floor(at / 1_000_000));
    const text = checkpointText(this.#vault, fromHex(chain, 32), size, root);
    const note = formatNote(text, [receipt.signNote(text), time.cosign(seconds, text)]);
    return { bytes: utf8(note), size, root, time: seconds };
  }
}
