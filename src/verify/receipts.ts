// Judges receipts: those recorded in the chain and the newest one in the store.
//
// - Whose receipts count is decided by core/authority.ts; here they are compared with the walk.
//
// Spec: docs/spec/receipt.md.

import {
  type Authority,
  type ReadReceipt,
  readReceipt as read,
  shownVault,
} from "../core/authority.ts";
import { hex, utf8 } from "../core/bytes.ts";
import { parseCheckpoint, type Receipt } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import type { Header } from "../core/header.ts";

export interface ReceiptContext {
  readonly suite: Suite;
  readonly authority: Authority;
  /** In hex. */
  readonly chain: () => string;
  /** Root over the chain's first `size` blocks, in hex, if it is known. */
  readonly rootAt: (size: number) => string | undefined;
  /** A receipt of this chain that is genuine, and that nothing known contradicts. */
  readonly onGenuine: (receipt: Receipt) => void;
  /** Such a one that counts, and its root is that of the walk. */
  readonly onVerified: (receipt: Receipt) => void;
  /** The chain records one that does not count. */
  readonly onFailed: () => void;
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
    if (receipt.genuine === undefined) context.onFailed();
    if (size > header.blockNo) {
      throw new Fault(
        "RECEIPT_MISMATCH",
        `receipt covers ${size} blocks in block ${header.blockNo}`,
      );
    }
    if (size < sizeBefore) {
      throw new Fault("RECEIPT_REGRESSION", "receipt covers less than an earlier one");
    }
    compareRoot(context, receipt);
    return { hash, size, fault: undefined };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    context.onFailed();
    return { hash, size, fault: caught };
  }
}

/** Opens a receipt of this chain. Throws Fault. */
export function readReceipt(context: ReceiptContext, bytes: Uint8Array): ReadReceipt {
  const receipt = read(context.suite, context.authority, context.chain(), bytes);
  if (receipt.genuine === undefined) {
    const vault = shownVault(receipt.claim.vault);
    context.unchecked(`receipts of vault ${vault}: its keys were not given`);
  }
  return receipt;
}

/** Compares a genuine receipt with the walked tree. Throws RECEIPT_MISMATCH. */
export function compareRoot(context: ReceiptContext, { genuine, counts }: ReadReceipt): void {
  if (genuine === undefined) return;
  const root = context.rootAt(genuine.size);
  if (root !== undefined && root !== hex(genuine.root)) {
    throw new Fault("RECEIPT_MISMATCH", "receipt's root is not that of the blocks it covers");
  }
  context.onGenuine(genuine);
  if (root === undefined) {
    context.unchecked("receipts over blocks whose tree is not known any more");
  } else if (counts) {
    context.onVerified(genuine);
  }
}
