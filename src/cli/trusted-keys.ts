// The public keys that someone trusts: --root and --vault-key, each a file or the key itself.
//
// - A key in text is a C2SP verifier key, name+id+base64; a key file holds one line of it.
// - Explicit keys replace those of --data as a whole, and every output names what was trusted.
// - A private key file will do as well: its public half is taken, no passphrase is asked for.

import type { Command } from "commander";
import { sharedKey } from "../core/authority.ts";
import { pairVaultKeys, type VaultKeys } from "../core/checkpoint.ts";
import { SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { formatVerifierKey, parseVerifierKey, type VerifierKey } from "../core/note.ts";
import { printable } from "../core/printable.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { keyFileBytesMax } from "../host/key-file.ts";
import { loadPublicHalf } from "../host/keys.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { dataDir, pathOf } from "./paths.ts";
import { type Ui, usage } from "./ui.ts";

export interface KeyOptions {
  readonly root?: readonly string[];
  readonly vaultKey?: readonly string[];
  readonly data?: string;
}

/** A key that was trusted, as it is told. */
export interface NamedKey {
  readonly use: "root" | "vault" | "vault-time";
  /** name+id+base64 */
  readonly key: string;
  /** The file it was read from, or `command line`. */
  readonly from: string;
}

export interface TrustedKeys {
  readonly roots: readonly VerifierKey[];
  readonly vaults: readonly VaultKeys[];
  /** All of them, and where each came from. */
  readonly named: readonly NamedKey[];
}

const collect = (value: string, before: readonly string[] | undefined): string[] => [
  ...(before ?? []),
  value,
];

/** Adds --root, --vault-key and --data. */
export function addKeyOptions(command: Command): Command {
  return command
    .option("--root <key>", "trusted root key: file or name+id+base64 (repeatable)", collect)
    .option("--vault-key <key>", "trusted vault key, receipt or time (repeatable)", collect)
    .option("--data <dir>", "directory that `sealtail up` made: stands for SOURCE and all keys");
}

/**
 * The keys that were given. Those of the --data directory count only where none was given: who
 * brings keys of their own does not trust any that lie beside what is judged.
 */
export async function trustedKeys(ui: Ui, options: KeyOptions): Promise<TrustedKeys> {
  const given = options.root !== undefined || options.vaultKey !== undefined;
  const data = given || options.data === undefined ? undefined : dataDir(pathOf(ui, options.data));
  const rootTexts = data === undefined ? (options.root ?? []) : [data.root];
  const vaultTexts = data?.vaultKeys ?? options.vaultKey ?? [];
  const roots = await Promise.all(rootTexts.map((text) => publicKey(ui, text)));
  const keys = await Promise.all(vaultTexts.map((text) => publicKey(ui, text)));
  const wrong = roots.find(({ type }) => type !== 1);
  if (wrong !== undefined) {
    throw new SealtailError("public-key-invalid", `key ${wrong.name} is no root key`);
  }
  const named = [
    ...roots.map((key, at) => nameOf("root", key, placeOf(ui, rootTexts[at] as string))),
    ...keys.map((key, at) => {
      const use = key.type === 1 ? "vault" : "vault-time";
      return nameOf(use, key, placeOf(ui, vaultTexts[at] as string));
    }),
  ];
  let vaults: VaultKeys[];
  try {
    vaults = pairVaultKeys(keys);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    const hint = "give --vault-key twice: the vault's key and its /time key";
    throw new SealtailError("public-key-invalid", cause.message, { hint });
  }
  const shared = sharedKey(roots, vaults);
  if (shared === undefined) return { roots, vaults, named };
  const hint = "give the key of whoever issued the grants with --root, and no vault's key";
  const message = `root key ${shared.name} is a vault's key, too`;
  throw new SealtailError("public-key-invalid", message, { hint });
}

function nameOf(use: NamedKey["use"], key: VerifierKey, from: string): NamedKey {
  return { use, key: formatVerifierKey(key), from };
}

function placeOf(ui: Ui, text: string): string {
  return isKeyText(text) ? "command line" : String(pathOf(ui, text));
}

/** One line for each key that was trusted. */
export function* trustedLines({ named }: TrustedKeys): Generator<string> {
  for (const { use, key, from } of named)
    yield `trusted ${use} key ${key}, from ${printable(from)}`;
}

/** The same, where a root key must be among them. */
export async function requiredKeys(ui: Ui, options: KeyOptions): Promise<TrustedKeys> {
  const keys = await trustedKeys(ui, options);
  if (keys.roots.length === 0) {
    const hint =
      "give --root FILE, the public key of whoever issued the grants, or --data DIR; " +
      "a copy that brings its own root proves nothing";
    throw usage("argument-missing", "there is no root key to trust", hint);
  }
  return keys;
}

function isKeyText(text: string): boolean {
  return /^[^/+\s]\S*\+[0-9a-f]{8}\+\S+$/.test(text);
}

/** The key that the text names: a file of either half, or the key itself. */
export async function publicKey(ui: Ui, text: string): Promise<VerifierKey> {
  if (isKeyText(text)) return parse(text, "on the command line");
  if (/^sealtail\/1 key\s|\bseed [0-9a-f]/.test(text)) {
    const message = "what should be a public key is a private key's text";
    throw new SealtailError("public-key-invalid", message);
  }
  const path = pathOf(ui, text);
  const bytes = await readWhole(systemFiles, path, keyFileBytesMax);
  if (bytes === undefined) {
    throw new SealtailError("file-missing", "couldn't find the public key", { place: path });
  }
  const content = Buffer.from(bytes.subarray(0, 14)).toString("latin1");
  if (content === "sealtail/1 key") return await loadPublicHalf(systemFiles, path);
  return parse(
    Buffer.from(bytes)
      .toString("utf8")
      .replace(/\r?\n$/, ""),
    path,
  );
}

function parse(text: string, place: string): VerifierKey {
  try {
    return parseVerifierKey(nativeSuite, text);
  } catch (cause) {
    if (!(cause instanceof Fault)) throw cause;
    const message = `couldn't read the public key: ${cause.message}`;
    throw new SealtailError("public-key-invalid", message, { place });
  }
}
