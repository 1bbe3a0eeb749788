// Private keys: made, kept in files, used to sign, destroyed.
//
// - A key file is created, never overwritten: a lost key cannot be made again.
// - A seed lives in one buffer, which is wiped as soon as node:crypto holds the key. Node keeps its
//   own copy until the key object is collected; nothing here can wipe that one.
// - No error and no warning ever holds a part of a private key.
//
// The file's text is host/key-file.ts.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { equalBytes, utf8 } from "../core/bytes.ts";
import { timestamped } from "../core/checkpoint.ts";
import { SealtailError } from "../core/errors.ts";
import {
  cosignedBytes,
  type KeyType,
  type NoteSignature,
  type VerifierKey,
  verifierKey,
} from "../core/note.ts";
import { readWhole, unlinkIfPresent } from "./durable.ts";
import { parentOf, showPath } from "./file-error.ts";
import type { Files, OpenFile, Path } from "./files.ts";
import {
  decryptSeed,
  encryptedKeyFile,
  invalid,
  type KeyFile,
  keyFileBytesMax,
  parseKeyFile,
  plainKeyFile,
  readPlainSeed,
  scryptCost,
  seedBytes,
} from "./key-file.ts";
import { nativeSuite } from "./native-suite.ts";
import type { Random } from "./random.ts";

/** Ed25519 from a seed. */
export interface SeedSigner {
  readonly publicKey: Uint8Array;
  /** The 64 bytes of the signature, in memory of their own. About 28 µs. */
  sign(message: Uint8Array): Uint8Array;
}

/** A named key that signs notes and checkpoints. */
export interface NoteSigner {
  readonly key: VerifierKey;
  /** The plain Ed25519 signature of any bytes: blocks, when the key is a grant's. */
  sign(bytes: Uint8Array): Uint8Array;
  /** Signs a note's text; the key must be of type 1. */
  signNote(text: string): NoteSignature;
  /** Signs a checkpoint with the time, in Unix seconds; the key must be of type 4. */
  cosign(time: number, text: string): NoteSignature;
}

/** PKCS #8 of an Ed25519 key, up to the 32 bytes of the seed itself. */
const pkcs8Prefix = Uint8Array.from([
  0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
]);

/** A signer from a 32-byte seed. The seed stays the caller's, to keep or to wipe. */
export function signer(seed: Uint8Array): SeedSigner {
  if (seed.length !== seedBytes) throw new RangeError(`seed is ${seed.length} bytes, want 32`);
  const der = Buffer.alloc(pkcs8Prefix.length + seedBytes);
  der.set(pkcs8Prefix);
  der.set(seed, pkcs8Prefix.length);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return {
    publicKey: publicKeyOf(key),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}

function publicKeyOf(key: KeyObject): Uint8Array {
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return new Uint8Array(spki.subarray(-32));
}

/** A note signer from a seed, which stays the caller's. */
export function noteSigner(seed: Uint8Array, name: string, type: KeyType): NoteSigner {
  const { publicKey, sign: signBytes } = signer(seed);
  const key = verifierKey(nativeSuite, name, type, publicKey);
  const { keyId } = key;
  const only = (want: KeyType): void => {
    if (type !== want) throw new TypeError(`key ${name} is of type ${type}, want ${want}`);
  };
  return {
    key,
    sign: signBytes,
    signNote(text) {
      only(1);
      return { name, keyId, signature: signBytes(utf8(text)) };
    },
    cosign(time, text) {
      only(4);
      const signature = timestamped(time, signBytes(cosignedBytes(time, text)));
      return { name, keyId, signature };
    },
  };
}

export interface CreateKeyOptions {
  readonly files: Files;
  readonly random: Random;
  readonly path: Path;
  readonly name: string;
  readonly type: KeyType;
  /** Absent: the seed stands in the file as it is. */
  readonly passphrase?: string | undefined;
  /** log2 of scrypt's N, 10 to 20. */
  readonly cost?: number;
}

/**
 * Makes a key and returns when its file (mode 0600) is durable. An existing file is file-exists and
 * stays as it is.
 */
export async function createKey(options: CreateKeyOptions): Promise<NoteSigner> {
  const { files, random, path, name, type, passphrase, cost = scryptCost.usual } = options;
  const seed = random.bytes(seedBytes);
  let text: Buffer | undefined;
  try {
    const made = noteSigner(seed, name, type);
    text =
      passphrase === undefined
        ? plainKeyFile(made.key, seed)
        : await encryptedKeyFile(made.key, seed, { passphrase, random, cost });
    await createDurably(files, path, text, 0o600);
    return made;
  } finally {
    seed.fill(0);
    text?.fill(0);
  }
}

/** Creates a file that must not exist yet. What could not be written whole is removed again. */
export async function createDurably(
  files: Files,
  path: Path,
  bytes: Uint8Array,
  perm: number,
): Promise<void> {
  const file = await files.open(path, "create", perm);
  try {
    await file.write(bytes, 0);
    await file.sync();
  } catch (error) {
    await file.close();
    await unlinkIfPresent(files, path);
    throw error;
  }
  await file.close();
  await files.syncDir(parentOf(path));
}

export interface LoadKeyOptions {
  readonly files: Files;
  readonly path: Path;
  /** Asked only when the file is encrypted; without it such a file is passphrase-missing. */
  readonly passphrase?: (() => Promise<string>) | undefined;
  /** Told when others may read the file. */
  readonly warn?: ((message: string) => void) | undefined;
}

/** Throws file-missing, key-file-invalid, passphrase-missing or passphrase-wrong. */
export async function loadSigningKey(options: LoadKeyOptions): Promise<NoteSigner> {
  const { files, path } = options;
  const place = showPath(path);
  const bytes = await readKeyFile(files, path);
  let seed: Buffer | undefined;
  try {
    const file = parseKeyFile(bytes, place);
    await warnIfOpen(options, file);
    seed = await seedOf(file, bytes, options);
    const loaded = noteSigner(seed, file.key.name, file.key.type);
    if (!equalBytes(loaded.key.publicKey, file.key.publicKey)) {
      throw invalid(place, "its seed does not belong to its public key");
    }
    return loaded;
  } finally {
    bytes.fill(0);
    seed?.fill(0);
  }
}

/** The public half of a private key file; needs no passphrase. */
export async function loadPublicHalf(files: Files, path: Path): Promise<VerifierKey> {
  const bytes = await readKeyFile(files, path);
  try {
    return parseKeyFile(bytes, showPath(path)).key;
  } finally {
    bytes.fill(0);
  }
}

async function readKeyFile(files: Files, path: Path): Promise<Uint8Array> {
  const bytes = await readWhole(files, path, keyFileBytesMax);
  if (bytes !== undefined) return bytes;
  throw new SealtailError("file-missing", "couldn't find the key file", { place: showPath(path) });
}

async function warnIfOpen({ files, path, warn }: LoadKeyOptions, file: KeyFile): Promise<void> {
  const mode = (await files.stat(path))?.mode ?? 0;
  if (file.encryption !== undefined || (mode & 0o077) === 0) return;
  const octal = mode.toString(8).padStart(4, "0");
  warn?.(`key file ${showPath(path)} has mode ${octal}, want 0600: others may read the key`);
}

async function seedOf(
  file: KeyFile,
  bytes: Uint8Array,
  { path, passphrase }: LoadKeyOptions,
): Promise<Buffer> {
  if (file.encryption === undefined) return readPlainSeed(file, bytes);
  const place = showPath(path);
  if (passphrase === undefined) {
    throw new SealtailError("passphrase-missing", "the key file is encrypted", { place });
  }
  const seed = await decryptSeed(file, file.encryption, await passphrase());
  if (seed !== undefined) return seed;
  throw new SealtailError("passphrase-wrong", "couldn't decrypt the key file", { place });
}

/**
 * Overwrites a key file with zeros in place, syncs, unlinks it and syncs its directory. Follows
 * links. Fine if it is not there: a crash at any point is repaired by calling it again.
 * What was copied elsewhere (snapshots, backups, flash blocks) is beyond its reach.
 */
export async function destroyKey(files: Files, path: Path): Promise<void> {
  const real = await files.realPath(path);
  if (real === undefined) {
    await files.syncDir(parentOf(path));
    return;
  }
  const file = await files.open(real, "write");
  try {
    await overwrite(file);
  } finally {
    await file.close();
  }
  await files.unlink(real);
  await files.syncDir(parentOf(real));
}

async function overwrite(file: OpenFile): Promise<void> {
  const { size } = await file.stat();
  const zeros = new Uint8Array(Math.min(size, 65_536));
  for (let at = 0; at < size; at += zeros.length) {
    await file.write(zeros.subarray(0, Math.min(zeros.length, size - at)), at);
  }
  await file.sync();
}
