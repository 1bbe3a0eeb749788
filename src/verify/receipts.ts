// Judges receipts: those recorded in the chain and the newest one in the store.
//
// - A receipt counts only with both signatures of a configured vault; of any other vault it is
//   unchecked. The vault is never believed about its own keys or name.
//
// Spec: docs/spec/receipt.md.

import { hex, utf8 } from "../core/bytes.ts";
import { openReceipt, parseCheckpoint, type Receipt, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Header } from "../core/header.ts";
import { isName } from "../core/note.ts";

export interface ReceiptContext {
  readonly suite: Suite;
  readonly vaults: readonly VaultKeys[];
  /** In hex. */
  readonly chain: () => string;
  /** Root over the chain's first `size` blocks, in hex, if it is known. */
  readonly rootAt: (size: number) => string | undefined;
  /** A receipt of this chain that is genuine, and that nothing known contradicts. */
  readonly onGenuine: (receipt: Receipt) => void;
  /** Such a one, and its root is that of the walk. */
  readonly onVerified: (receipt: Receipt) => void;
  readonly unchecked: (what: string) => void;
}

export interface JudgedReceipt {
  readonly hash: Uint8Array;
  /** Blocks it claims to cover; undefined where it does not say. */
  readonly size: number | undefined;
  readonly fault: Fault | undefined;
}

/** Judges the note of a `receipt` record in the block of `header`; an earlier one covered `sizeBefore`. */
export function judgeReceiptRecord(
  context: ReceiptContext,
  header: Header,
  note: string,
  sizeBefore: number,
): JudgedReceipt {
  const bytes = utf8(note);
  const hash = context.suite.sha256(bytes);
  let size: number | undefined;
  try {
    size = parseCheckpoint(bytes).size;
    const receipt = readReceipt(context, bytes);
    if (size > header.blockNo) {
      throw new Fault(
        "RECEIPT_MISMATCH",
        `receipt covers ${size} blocks in block ${header.blockNo}`,
      );
    }
    if (size < sizeBefore) {
      throw new Fault("RECEIPT_REGRESSION", "receipt covers less than an earlier one");
    }
    if (receipt !== undefined) compareRoot(context, receipt);
    return { hash, size, fault: undefined };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return { hash, size, fault: caught };
  }
}

/** Opens a receipt of this chain; undefined if its vault is not configured. Throws Fault. */
export function readReceipt(context: ReceiptContext, bytes: Uint8Array): Receipt | undefined {
  const receipt = openReceipt(context.suite, bytes, context.vaults);
  const { chainId, vault } = parseCheckpoint(bytes);
  if (chainId !== context.chain()) {
    throw new Fault("RECEIPT_MISMATCH", "receipt is for another chain");
  }
  if (receipt === undefined)
    context.unchecked(`receipts of vault ${shown(vault)}: its keys were not given`);
  return receipt;
}

function shown(vault: string): string {
  return isName(vault) ? vault : "with a name that is none";
}

/** Compares a genuine receipt with the walked tree. Throws RECEIPT_MISMATCH. */
export function compareRoot(context: ReceiptContext, receipt: Receipt): void {
  const root = context.rootAt(receipt.size);
  if (root !== undefined && root !== hex(receipt.root)) {
    throw new Fault("RECEIPT_MISMATCH", "receipt's root is not that of the blocks it covers");
  }
  context.onGenuine(receipt);
  if (root !== undefined) context.onVerified(receipt);
  else context.unchecked("receipts over blocks whose tree is not known any more");
}
