// Pure. Judges what claims to be a receipt, before anything is believed or freed.
//
// - Only the keys of the vault that the chain's grant names count, and only for the chain that we
//   ship: whoever makes the shipper gives it no others (core/authority.ts, keysOf).
// - What a genuine receipt means for us (progress, rollback, fork) is the shipper's to decide.

import { openReceipt, type Receipt, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";

export type ReceiptCheck =
  | { readonly genuine: true; readonly receipt: Receipt }
  | { readonly genuine: false; readonly code: string };

const bad = (code: string): ReceiptCheck => ({ genuine: false, code });

/** Codes: receipt-malformed, receipt-forged, receipt-untrusted (another vault's), receipt-foreign. */
export function checkReceipt(
  suite: Suite,
  vaults: readonly VaultKeys[],
  chainId: string,
  note: Uint8Array,
): ReceiptCheck {
  try {
    const receipt = openReceipt(suite, note, vaults);
    if (receipt === undefined) return bad("receipt-untrusted");
    return receipt.chainId === chainId ? { genuine: true, receipt } : bad("receipt-foreign");
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return bad(error.code === "RECEIPT_BAD_SIGNATURE" ? "receipt-forged" : "receipt-malformed");
  }
}

/** Unix seconds at which a saved receipt was signed; undefined when its keys are not configured now. */
export function signedTime(
  suite: Suite,
  note: Uint8Array,
  vaults: readonly VaultKeys[],
): number | undefined {
  try {
    return openReceipt(suite, note, vaults)?.time;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return undefined;
  }
}
