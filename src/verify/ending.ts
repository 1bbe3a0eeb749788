// Judges where a chain ends: against the newest receipt, and by age (step F).
//
// - Without a receipt nobody can tell whether newer blocks were cut off: TAIL_UNCONFIRMED, and
//   never plain VALID.
//
// Spec: docs/spec/verification.md, "F: head".

import { judgeGrantDates } from "../core/authority.ts";
import { Fault } from "../core/fault.ts";
import { compareRoot, readReceipt } from "./receipts.ts";
import type { ChainWalk } from "./walk.ts";

/** Compares the walked chain with the newest receipt of the place where it is stored. */
export function judgeReceipt(walk: ChainWalk, receipt: Uint8Array | undefined): void {
  const length = walk.length;
  try {
    if (receipt !== undefined) compareReceipt(walk, receipt, length);
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    walk.report(caught.code, caught.message, { object: "receipt" });
    return;
  }
  const covered = walk.totals.coveredSize;
  const blocks = walk.thread.blockNo - covered;
  if (blocks <= 0) return;
  const newest = blocks === 1 ? "block" : `${blocks} blocks`;
  walk.report("TAIL_UNCONFIRMED", `no receipt covers the newest ${newest}`, {
    block: covered,
    blocks,
  });
}

function compareReceipt(walk: ChainWalk, bytes: Uint8Array, length: number): void {
  const receipt = readReceipt(walk.receipts, bytes);
  const { genuine } = receipt;
  if (genuine === undefined) return;
  if (genuine.size > length) {
    const blocks = genuine.size - length;
    const more = blocks === 1 ? "1 more block" : `${blocks} more blocks`;
    walk.report("TAIL_TRUNCATED", `receipt covers ${more} than are there`, {
      block: length,
      blocks,
    });
    walk.receipts.onGenuine(genuine);
    return;
  }
  if (genuine.size <= walk.thread.blockNo) compareRoot(walk.receipts, receipt);
  // Else the receipt covers a last block that could not be used: that is a finding already.
  else walk.receipts.onGenuine(genuine);
}

/** Judges the grant's dates by the first receipt that is known; false where they are wrong. */
export function judgeDates(walk: ChainWalk): boolean {
  const time = walk.totals.firstReceiptTime;
  const grant = walk.authority.terms;
  if (grant === undefined) return true;
  if (time === undefined) {
    walk.unchecked.add("the grant's dates: no receipt says when the chain began");
    return true;
  }
  const fault = judgeGrantDates(grant, time);
  if (fault?.code === "GRANT_EXPIRED" && !walk.totals.firstReceiptKnown) {
    walk.unchecked.add("the grant's not-after: the chain's first receipt was not read");
    return true;
  }
  // In whole seconds, as receipts are: the second of not-after is in time to its end.
  const begun = Math.floor((walk.begunAt ?? 0) / 1e6);
  if (fault?.code === "GRANT_EXPIRED" && begun <= grant.notAfter) {
    // The vault's first answer may have been lost: only a later receipt came to be recorded.
    const text =
      "the first receipt that is known is after the grant's not-after, and the genesis is dated before";
    walk.report("TIME_SKEW", text, { block: 0 });
    return true;
  }
  if (fault !== undefined) walk.report(fault.code, fault.message, { object: "grant" });
  return fault === undefined;
}

/** Judges the age of the head at time `at`, Unix microseconds. */
export function judgeAge(walk: ChainWalk, at: number): void {
  const { lastHeader: head, headTime } = walk.totals;
  if (head === undefined || headTime === undefined || head.kind === "final") return;
  const age = at - headTime;
  if (age <= head.maxSilenceMs * 1000) return;
  const seconds = Math.round(age / 1e6);
  const place = { block: head.blockNo };
  if (walk.thread.stopped === true) {
    walk.report("STOPPED", `agent was stopped ${seconds} s ago`, place);
  } else {
    walk.report(
      "CHAIN_STALLED",
      `newest block is ${seconds} s old, promised ${head.maxSilenceMs / 1000} s`,
      place,
    );
  }
}
