// `sealtail key`: makes private keys and shows their public halves.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { formatVerifierKey, isName } from "../core/note.ts";
import { systemFiles } from "../host/files.ts";
import { createDurably, createKey, destroyKey, loadPublicHalf } from "../host/keys.ts";
import { systemRandom } from "../host/random.ts";
import { newPassphrase, type PassphraseOptions } from "./passphrase.ts";
import { pathOf } from "./paths.ts";
import { publicKey } from "./trusted-keys.ts";
import { type Ui, usage } from "./ui.ts";

interface NewOptions extends PassphraseOptions {
  readonly output: string;
  readonly passphrase: boolean;
}

const examples = `
Examples:
  $ sealtail key new acme-root -o root.key                        asks for a passphrase
  $ sealtail key new vault.example -o vault.key --no-passphrase   for a vault, which starts alone
  $ sealtail key new vault.example/time -o vault-time.key --no-passphrase

A name that ends in /time makes a key that signs the time of receipts; all others sign grants and
receipts. FILE is created with mode 0600 and never overwritten; FILE.pub holds the public line.
A passphrase may also come from SEALTAIL_PASSPHRASE or --passphrase-file.`;

export function register(program: Command, ui: Ui): void {
  const key = program.command("key").description("make private keys, show their public halves");
  key
    .command("new")
    .description("make a private key: FILE, and FILE.pub with its public line")
    .argument("<name>", "name of the key: a root, a vault, or a vault's name with /time")
    .requiredOption("-o, --output <file>", "where to keep the private key")
    .option("--no-passphrase", "keep the key unencrypted, for programs that start alone")
    .option("--passphrase-file <file>", "take the passphrase from the first line of a file")
    .addHelpText("after", examples)
    .action((name: string, options: NewOptions) => newKey(ui, name, options));
  key
    .command("show")
    .description("print the public line of a key file; asks for no passphrase")
    .argument("<file>", "private key file, or file with a public line")
    .addHelpText("after", "\nExample:\n  $ sealtail key show root.key")
    .action((file: string) => showKey(ui, file));
}

async function newKey(ui: Ui, name: string, options: NewOptions): Promise<void> {
  if (!isName(name)) {
    const want = "1 to 200 printable ASCII characters without space and +";
    throw usage("argument-invalid", `the key's name is not one: want ${want}`);
  }
  const path = pathOf(ui, options.output);
  await refuseExisting(path);
  await refuseExisting(`${path}.pub`);
  const passphrase = options.passphrase ? await newPassphrase(ui, options) : undefined;
  const type = name.endsWith("/time") ? 4 : 1;
  const made = { files: systemFiles, random: systemRandom, path, name, type, passphrase } as const;
  const { key } = await createKey(made);
  const line = formatVerifierKey(key);
  try {
    await createDurably(systemFiles, `${path}.pub`, Buffer.from(`${line}\n`), 0o644);
  } catch (error) {
    await destroyKey(systemFiles, path);
    throw error;
  }
  ui.print(line);
}

async function showKey(ui: Ui, file: string): Promise<void> {
  const key = await loadPublicHalf(systemFiles, pathOf(ui, file)).catch(async (error) => {
    if (!(error instanceof SealtailError) || error.code !== "key-file-invalid") throw error;
    // The public line itself will do as well.
    return await publicKey(ui, file).catch(() => Promise.reject(error));
  });
  ui.print(formatVerifierKey(key));
}

/** Throws file-exists: better before a passphrase was typed twice. */
export async function refuseExisting(path: string): Promise<void> {
  if ((await systemFiles.stat(path)) === undefined) return;
  throw new SealtailError("file-exists", "the file is there already", { place: path });
}
