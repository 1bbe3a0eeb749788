// The text form of a private key file, plain or under a passphrase.
//
//     sealtail/1 key
//     public acme-root+67b2ae4c+AX…                    the public key, as it is handed out
//     encryption none                                  or: encryption scrypt 17 8 1 <salt, 32 hex>
//     seed <64 hex>                                    or: sealed <nonce, 24 hex> <96 hex>
//
// - Lines in this order, LF ended, nothing else: a file that deviates is refused.
// - `sealed` is AES-256-GCM of the seed and its tag, under scrypt(passphrase NFC, salt), with the
//   lines above it as associated data: neither name nor cost can be exchanged.
// - The seed never becomes a JavaScript string, which nobody could wipe.

import { createCipheriv, createDecipheriv, scrypt } from "node:crypto";
import { fromHex, hex, isZero } from "../core/bytes.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from "../core/note.ts";
import { nativeSuite } from "./native-suite.ts";
import type { Random } from "./random.ts";

export const keyFileBytesMax = 2048;
export const seedBytes = 32;

/** log2 of scrypt's N. 2^17 with r = 8 takes 128 MiB and about half a second. */
export const scryptCost = { usual: 17, min: 10, max: 20 } as const;

const header = "sealtail/1 key";
const tagBytes = 16;
const saltBytes = 16;
const nonceBytes = 12;

interface Encryption {
  readonly cost: number;
  readonly salt: Uint8Array;
  readonly nonce: Uint8Array;
  /** Encrypted seed ‖ tag. */
  readonly sealed: Uint8Array;
}

export interface KeyFile {
  readonly key: VerifierKey;
  /** Undefined where the seed stands in the file as it is. */
  readonly encryption: Encryption | undefined;
  /** Where the 64 hex digits of a plain seed begin. */
  readonly seedAt: number;
  /** The lines that are associated data. */
  readonly head: Uint8Array;
}

/** The file for a plain seed. The caller wipes the result. */
export function plainKeyFile(key: VerifierKey, seed: Uint8Array): Buffer {
  const head = Buffer.from(`${headText(key)}encryption none\nseed `);
  const bytes = Buffer.alloc(head.length + 2 * seedBytes + 1, 0x0a);
  bytes.set(head);
  writeHex(seed, bytes, head.length);
  return bytes;
}

/** The file for a seed under a passphrase. */
export async function encryptedKeyFile(
  key: VerifierKey,
  seed: Uint8Array,
  secret: { passphrase: string; random: Random; cost: number },
): Promise<Buffer> {
  const salt = secret.random.bytes(saltBytes);
  const nonce = secret.random.bytes(nonceBytes);
  const head = `${headText(key)}encryption scrypt ${secret.cost} 8 1 ${hex(salt)}\n`;
  const under = await derive(secret.passphrase, salt, secret.cost);
  const cipher = createCipheriv("aes-256-gcm", under, nonce).setAAD(Buffer.from(head));
  const sealed = Buffer.concat([cipher.update(seed), cipher.final(), cipher.getAuthTag()]);
  under.fill(0);
  return Buffer.from(`${head}sealed ${hex(nonce)} ${hex(sealed)}\n`);
}

/** Reads the file but not the seed. Throws key-file-invalid, never with content in its message. */
export function parseKeyFile(bytes: Uint8Array, place: string): KeyFile {
  try {
    return parse(bytes);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    throw invalid(place, cause.message);
  }
}

function parse(bytes: Uint8Array): KeyFile {
  if (isZero(bytes)) throw new Fault("MALFORMED", "it holds only zeros, its key was destroyed");
  // Of a plain seed, only the lines before it are made text.
  const cuts: number[] = [];
  for (let at = bytes.indexOf(0x0a); at !== -1 && cuts.length < 4; ) {
    cuts.push(at);
    at = bytes.indexOf(0x0a, at + 1);
  }
  const [, , third = 0, fourth] = cuts;
  const head = bytes.subarray(0, third + 1);
  const lines = Buffer.from(head).toString("latin1").split("\n");
  if (fourth !== bytes.length - 1 || lines[0] !== header) {
    throw new Fault("MALFORMED", "it is not four lines that begin with sealtail/1 key");
  }
  const key = parseVerifierKey(nativeSuite, fieldOf(lines[1], "public"));
  const method = fieldOf(lines[2], "encryption");
  const last = bytes.subarray(third + 1, fourth);
  const common = { key, head, seedAt: third + 1 + "seed ".length };
  if (method === "none") {
    const seed = last.subarray("seed ".length);
    if (!startsWith(last, "seed ") || seed.length !== 2 * seedBytes || !seed.every(isHexDigit)) {
      throw new Fault("MALFORMED", "its last line is not a seed");
    }
    return { ...common, encryption: undefined };
  }
  return { ...common, encryption: encryptionOf(method, Buffer.from(last).toString("latin1")) };
}

function encryptionOf(method: string, last: string): Encryption {
  const [, cost, salt] = /^scrypt ([1-9][0-9]) 8 1 ([0-9a-f]{32})$/.exec(method) ?? [];
  if (cost === undefined || salt === undefined) {
    throw new Fault("UNSUPPORTED", "its encryption is none that this version knows");
  }
  const [, nonce, sealed] = /^sealed ([0-9a-f]{24}) ([0-9a-f]{96})$/.exec(last) ?? [];
  if (nonce === undefined || sealed === undefined) {
    throw new Fault("MALFORMED", "its last line is not a sealed seed");
  }
  if (Number(cost) < scryptCost.min || Number(cost) > scryptCost.max) {
    throw new Fault("LIMIT_EXCEEDED", `its scrypt cost is ${cost}, want 10 to 20`);
  }
  return {
    cost: Number(cost),
    salt: fromHex(salt, saltBytes),
    nonce: fromHex(nonce, nonceBytes),
    sealed: fromHex(sealed, seedBytes + tagBytes),
  };
}

/** Copies a plain seed out of the file. */
export function readPlainSeed(file: KeyFile, bytes: Uint8Array): Buffer {
  const seed = Buffer.alloc(seedBytes);
  for (let i = 0; i < seedBytes; i++) {
    const at = file.seedAt + 2 * i;
    seed[i] = 16 * digitOf(bytes[at] as number) + digitOf(bytes[at + 1] as number);
  }
  return seed;
}

/** Decrypts the seed; undefined if the passphrase, or anything in the file, is not the right one. */
export async function decryptSeed(
  file: KeyFile,
  { cost, salt, nonce, sealed }: Encryption,
  passphrase: string,
): Promise<Buffer | undefined> {
  const under = await derive(passphrase, salt, cost);
  const cipher = createDecipheriv("aes-256-gcm", under, nonce, { authTagLength: tagBytes });
  cipher.setAAD(file.head).setAuthTag(sealed.subarray(seedBytes));
  const seed = cipher.update(sealed.subarray(0, seedBytes));
  under.fill(0);
  try {
    cipher.final();
    return seed;
  } catch {
    seed.fill(0);
    return undefined;
  }
}

export function invalid(place: string, why: string): SealtailError {
  return new SealtailError("key-file-invalid", `couldn't read the key file: ${why}`, { place });
}

function headText(key: VerifierKey): string {
  return `${header}\npublic ${formatVerifierKey(key)}\n`;
}

function fieldOf(line: string | undefined, name: string): string {
  if (line?.startsWith(`${name} `)) return line.slice(name.length + 1);
  throw new Fault("MALFORMED", `it has no line "${name}" at its place`);
}

function derive(passphrase: string, salt: Uint8Array, cost: number): Promise<Buffer> {
  const options = { N: 2 ** cost, r: 8, p: 1, maxmem: 2 ** (cost + 10) + 2 ** 22 };
  return new Promise((resolve, reject) => {
    scrypt(passphrase.normalize("NFC"), salt, 32, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

const digits = Buffer.from("0123456789abcdef");

function writeHex(bytes: Uint8Array, into: Uint8Array, at: number): void {
  bytes.forEach((byte, i) => {
    into[at + 2 * i] = digits[byte >> 4] as number;
    into[at + 2 * i + 1] = digits[byte & 15] as number;
  });
}

function isHexDigit(byte: number): boolean {
  return digits.includes(byte);
}

function digitOf(byte: number): number {
  return byte - (byte < 0x3a ? 0x30 : 0x57);
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return Buffer.from(text).equals(bytes.subarray(0, text.length));
}
