// Fixed Ed25519 keys for tests: every key is made from its label, so whatever they sign is the
// same on every machine.

import { createHash, createPrivateKey, createPublicKey, hkdfSync, sign } from "node:crypto";
import type { VaultKeys } from "../../src/core/checkpoint.ts";
import { checkpointText, timestamped } from "../../src/core/checkpoint.ts";
import {
  cosignedBytes,
  formatNote,
  type KeyType,
  type NoteSignature,
  type VerifierKey,
  verifierKey,
} from "../../src/core/note.ts";
import { nativeSuite } from "../../src/host/native-suite.ts";

export interface Signer {
  readonly publicKey: Uint8Array;
  readonly sign: (message: Uint8Array) => Uint8Array;
}

const pkcs8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** 32 fixed bytes for a label. */
export function fixedBytes(label: string, length = 32): Uint8Array {
  const made = createHash("shake256", { outputLength: length }).update(`test ${label}`).digest();
  return Uint8Array.from(made);
}

export function signerOfSeed(seed: Uint8Array): Signer {
  const key = createPrivateKey({
    key: Buffer.concat([pkcs8, seed]),
    format: "der",
    type: "pkcs8",
  });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: Uint8Array.from(spki.subarray(-32)),
    sign: (message) => Uint8Array.from(sign(null, message, key)),
  };
}

export function signer(label: string): Signer {
  return signerOfSeed(fixedBytes(`key ${label}`));
}

/** One step of the agent's key evolution: HKDF with an empty salt. */
export function evolve(state: Uint8Array, info: "sign" | "next"): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", state, new Uint8Array(0), `sealtail/1 ${info}`, 32));
}

/** A key that signs notes: a root, a vault, a vault's clock. */
export class NoteSigner {
  readonly key: VerifierKey;
  readonly #signer: Signer;

  constructor(name: string, type: KeyType = 1, label: string = name) {
    this.#signer = signer(label);
    this.key = verifierKey(nativeSuite, name, type, this.#signer.publicKey);
  }

  sign(text: string): NoteSignature {
    const { name, keyId } = this.key;
    return { name, keyId, signature: this.#signer.sign(Buffer.from(text)) };
  }

  /** A timestamped cosignature; `time` in Unix seconds. */
  cosign(text: string, time: number): NoteSignature {
    const { name, keyId } = this.key;
    const signature = timestamped(time, this.#signer.sign(cosignedBytes(time, text)));
    return { name, keyId, signature };
  }
}

/** A vault's two keys, and what it signs with them. */
export class TestVault {
  readonly name: string;
  readonly receiptKey: NoteSigner;
  readonly timeKey: NoteSigner;

  constructor(name = "vault.example", label: string = name) {
    this.name = name;
    this.receiptKey = new NoteSigner(name, 1, label);
    this.timeKey = new NoteSigner(`${name}/time`, 4, `${label}/time`);
  }

  get keys(): VaultKeys {
    return { receipt: this.receiptKey.key, time: this.timeKey.key };
  }

  /** A receipt; `time` in Unix seconds. */
  receipt(chain: Uint8Array, size: number, root: Uint8Array, time: number): string {
    return this.signReceipt(checkpointText(this.name, chain, size, root), time);
  }

  signReceipt(text: string, time: number): string {
    return formatNote(text, [this.receiptKey.sign(text), this.timeKey.cosign(text, time)]);
  }
}
