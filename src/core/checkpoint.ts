// Receipts: C2SP checkpoints of a chain's tree, signed by a vault and by its time key.
//
// - A receipt says: as of that time, this vault durably stores the first `size` blocks of the
//   chain, and their RFC 6962 root is `root`.
// - Valid only with both signatures, type 1 by the vault and type 4 by `<vault>/time`.
//
// Spec: docs/spec/receipt.md.

import {
  base64,
  concat,
  equalBytes,
  fromBase64,
  fromDecimal,
  hex,
  readU64,
  writeU64,
} from "./bytes.ts";
import type { Suite } from "./digest.ts";
import { Fault, orUndefined } from "./fault.ts";
import {
  checkSignature,
  cosignedBytes,
  type Note,
  parseNote,
  signaturesBy,
  type VerifierKey,
} from "./note.ts";

export const maxReceiptLength = 16_384;

/** The two keys of one vault. */
export interface VaultKeys {
  readonly receipt: VerifierKey;
  readonly time: VerifierKey;
}

export interface Receipt {
  readonly vault: string;
  readonly chainId: string;
  /** Number of blocks stored. */
  readonly size: number;
  readonly root: Uint8Array;
  /** Unix seconds at which the vault's time key signed. */
  readonly time: number;
}

/** The signed text of a receipt. */
export function checkpointText(
  vault: string,
  chain: Uint8Array,
  size: number,
  root: Uint8Array,
): string {
  return `${vault}/${hex(chain)}\n${size}\n${base64(root)}\n`;
}

/** A type 4 signature: the time in front of the Ed25519 signature over `cosignedBytes`. */
export function timestamped(time: number, signature: Uint8Array): Uint8Array {
  const stamp = new Uint8Array(8);
  writeU64(stamp, 0, time);
  return concat(stamp, signature);
}

/** What a receipt claims, before any signature is judged. Throws MALFORMED or NON_CANONICAL. */
export function parseCheckpoint(bytes: Uint8Array): Omit<Receipt, "time"> {
  const { text } = parseNote(bytes, maxReceiptLength);
  const [origin = "", size = "", root = "", end, ...rest] = text.split("\n");
  const slash = origin.lastIndexOf("/");
  const chainId = origin.slice(slash + 1);
  if (end !== "" || rest.length > 0 || slash < 1 || !/^[0-9a-f]{64}$/.test(chainId)) {
    throw new Fault("MALFORMED", "receipt is not a checkpoint of a chain");
  }
  const rootBytes = fromBase64(root);
  if (rootBytes.length !== 32) throw new Fault("MALFORMED", "receipt's root is not 32 bytes");
  return { vault: origin.slice(0, slash), chainId, size: fromDecimal(size), root: rootBytes };
}

/** How many blocks a receipt says it covers; undefined for what is no receipt. */
export function claimedSize(bytes: Uint8Array): number | undefined {
  return orUndefined(() => parseCheckpoint(bytes).size);
}

/**
 * Reads a receipt and judges both signatures. Returns undefined if its vault is none of `vaults`
 * (then it is unchecked). Throws RECEIPT_BAD_SIGNATURE, MALFORMED or NON_CANONICAL.
 */
export function openReceipt(
  suite: Suite,
  bytes: Uint8Array,
  vaults: readonly VaultKeys[],
): Receipt | undefined {
  const claim = parseCheckpoint(bytes);
  const note = parseNote(bytes, maxReceiptLength);
  const keys = vaults.filter(({ receipt }) => receipt.name === claim.vault);
  if (keys.length === 0) return undefined;
  for (const { receipt, time } of keys) {
    if (checkSignature(suite, note, receipt) !== "valid") continue;
    const seconds = cosignatureTime(suite, signaturesBy(note, time), note.text, time);
    if (seconds !== undefined) return { ...claim, time: seconds };
  }
  throw new Fault("RECEIPT_BAD_SIGNATURE", whoSigned(note, keys));
}

/** Says whether the receipt may be genuine, by keys that were not given. */
function whoSigned({ signatures }: Note, keys: readonly VaultKeys[]): string {
  const given = keys.flatMap(({ receipt, time }) => [receipt, time]);
  const named = signatures.filter(({ name }) => given.some((key) => key.name === name));
  const other = named.find(({ keyId }) => !given.some((key) => equalBytes(key.keyId, keyId)));
  if (other === undefined) return "receipt is not signed by its vault and its time key";
  const key = given.find(({ name }) => name === other.name) as VerifierKey;
  const shown = (name: string, id: Uint8Array): string => `${name}+${hex(id)}`;
  const made = `receipt is signed in the name of key ${shown(other.name, other.keyId)}`;
  return `${made}, and ${shown(key.name, key.keyId)} was given`;
}

function cosignatureTime(
  suite: Suite,
  signatures: readonly Uint8Array[],
  text: string,
  key: VerifierKey,
): number | undefined {
  let earliest: number | undefined;
  for (const each of signatures) {
    if (each.length !== 72) return undefined;
    const time = readU64(each, 0);
    const good = suite.verifyEd25519(key.publicKey, cosignedBytes(time, text), each.subarray(8));
    if (!good) return undefined;
    earliest = Math.min(time, earliest ?? time);
  }
  return earliest;
}

/**
 * Pairs `<vault>` keys of type 1 with `<vault>/time` keys of type 4. Throws BAD_KEY for one left
 * over, and where both are the same key: then one theft would be enough.
 */
export function pairVaultKeys(keys: readonly VerifierKey[]): VaultKeys[] {
  const pairs: VaultKeys[] = [];
  for (const receipt of keys.filter(({ type }) => type === 1)) {
    const times = keys.filter(({ name, type }) => type === 4 && name === `${receipt.name}/time`);
    for (const time of times) {
      if (equalBytes(receipt.publicKey, time.publicKey)) {
        throw new Fault("BAD_KEY", `vault ${receipt.name} has one key for receipts and for time`);
      }
      pairs.push({ receipt, time });
    }
  }
  const lonely = keys.find((key) => !pairs.some((p) => p.receipt === key || p.time === key));
  if (lonely !== undefined) {
    throw new Fault(
      "BAD_KEY",
      `key ${lonely.name} has no partner: a vault has a key and a /time key`,
    );
  }
  return pairs;
}
