// What the vault is bound by when it brings a chain back: the receipts that it gave.
//
// - The store's copy, the vault's own one and one not written yet: the largest says what must be
//   stored, each says what its root was, and the latest says before which time no receipt may be.
// - A receipt is believed by its signatures alone. One in the store that is none of ours is passed
//   over where our own copy shows that the keys are the same; else the keys were exchanged.

import { equalBytes, hex } from "../core/bytes.ts";
import { openReceipt, type VaultKeys } from "../core/checkpoint.ts";
import type { Suite } from "../core/digest.ts";
import { Fault } from "../core/fault.ts";
import { Damage, OtherKeys } from "./damage.ts";
import type { SignedReceipt } from "./signer.ts";

export interface Floor {
  /** The receipt over most blocks. */
  readonly receipt: SignedReceipt | undefined;
  /** No receipt may be dated before this, in Unix seconds. */
  readonly time: number;
  /** By size: the root, in hex, that the chain had then. */
  readonly roots: ReadonlyMap<number, string>;
  /** That many blocks were stored. */
  readonly size: number;
  /** Where the receipt lies: in both places, in one, or in one while the store holds none of ours. */
  readonly lay: "both" | "one" | "own";
}

export interface FloorSources {
  readonly suite: Suite;
  readonly keys: VaultKeys;
  readonly chain: string;
  /** The copy in the store. */
  readonly stored: Uint8Array | undefined;
  /** The vault's own copy. */
  readonly own: Uint8Array | undefined;
  /** One that is not written yet. */
  readonly pending: SignedReceipt | undefined;
  /** What memory held until now, where there is any. */
  readonly last: { readonly size: number; readonly root: Uint8Array } | undefined;
}

/** Throws Damage for receipts that contradict each other, OtherKeys where no key of ours fits. */
export function floorOf(sources: FloorSources): Floor {
  const { suite, keys, chain, pending, last } = sources;
  const same = sources.own && sources.stored && equalBytes(sources.own, sources.stored);
  const own = opened(suite, keys, chain, sources.own);
  const stored = same ? own : opened(suite, keys, chain, sources.stored);
  if (stored === "other-keys" && typeof own !== "object" && pending === undefined) {
    throw new OtherKeys("kept receipt is signed by other keys");
  }
  const receipts = [own, stored, pending].filter((each) => typeof each === "object");
  const roots = new Map<number, string>();
  for (const { size, root } of [...receipts, ...(last === undefined ? [] : [last])]) {
    const known = roots.get(size);
    if (known !== undefined && known !== hex(root)) {
      throw new Damage(`two receipts over ${size} blocks differ`);
    }
    roots.set(size, hex(root));
  }
  const receipt = receipts.reduce<SignedReceipt | undefined>(newer, undefined);
  const time = Math.max(0, ...receipts.map((each) => each.time));
  const isNewest = (each: typeof own): boolean =>
    typeof each === "object" && receipt !== undefined && equalBytes(each.bytes, receipt.bytes);
  const one = typeof stored === "object" ? "one" : "own";
  const lay = isNewest(own) && isNewest(stored) ? "both" : one;
  return { receipt, time, roots, size: Math.max(0, ...roots.keys()), lay };
}

function newer(a: SignedReceipt | undefined, b: SignedReceipt): SignedReceipt {
  if (a === undefined || b.size > a.size) return b;
  return b.size === a.size && b.time > a.time ? b : a;
}

/** Undefined for what is no receipt of this vault for the chain. */
function opened(
  suite: Suite,
  keys: VaultKeys,
  chain: string,
  bytes: Uint8Array | undefined,
): SignedReceipt | "other-keys" | undefined {
  if (bytes === undefined) return undefined;
  try {
    const receipt = openReceipt(suite, bytes, [keys]);
    if (receipt === undefined || receipt.chainId !== chain) return undefined;
    return { bytes, size: receipt.size, root: receipt.root, time: receipt.time };
  } catch (caught) {
    if (!(caught instanceof Fault)) throw caught;
    return caught.code === "RECEIPT_BAD_SIGNATURE" ? "other-keys" : undefined;
  }
}

/** The same where only one of keys that are known counts. */
export function ownReceipt(...of: Parameters<typeof opened>): SignedReceipt | undefined {
  const receipt = opened(...of);
  return receipt === "other-keys" ? undefined : receipt;
}
