// `sealtail export`: one chain as a bundle, for auditors without a network.
//
// - Objects are copied as they are stored, damage and all: a bundle is evidence, not a judgement.

import type { Command } from "commander";
import { limited } from "../core/chain-source.ts";
import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { unlinkIfPresent } from "../host/durable.ts";
import { parentOf } from "../host/file-error.ts";
import { systemFiles } from "../host/files.ts";
import { writeBundle } from "../store/bundle.ts";
import {
  chooseChains,
  type OpenedChain,
  openSource,
  type SourceOptions,
  sourceWords,
} from "./chains-source.ts";
import { refuseExisting } from "./key.ts";
import { pathOf } from "./paths.ts";
import type { Ui } from "./ui.ts";

interface ExportOptions extends SourceOptions {
  readonly output: string;
}

const examples = `
The bundle is a tar of the store's layout. It is copied as it is, not judged: verify it, and give
auditors the public keys by another way than the bundle. Where something may be of the subject and
can't be told, nothing is written. Chains of other subjects, as their grants say, are named.

Examples:
  $ sealtail export --data ./sealtail-data sealtail-up -o evidence.tar
  $ sealtail verify evidence.tar --root root.pub --vault-key vault.pub --vault-key vault-time.pub`;

export function register(program: Command, ui: Ui): void {
  const command = program
    .command("export")
    .description(
      "write a chain, or all chains of a subject, into a bundle file, for offline auditors",
    )
    .argument("[source]", "vault address, store directory or bundle file")
    .argument("[chain]", "id, prefix of it, or subject")
    .option("--data <dir>", "directory that `sealtail up` made: stands for SOURCE")
    .option("--ca <file>", "PEM file: who may have signed the vault's certificate")
    .requiredOption("-o, --output <file>", "the bundle to create")
    .addHelpText("after", examples);
  command.action((source?: string, chain?: string) =>
    run(ui, [source, chain], command.opts<ExportOptions>()),
  );
}

async function run(
  ui: Ui,
  words: readonly (string | undefined)[],
  options: ExportOptions,
): Promise<void> {
  const { source: place, rest } = sourceWords(ui, options, words);
  const [word] = rest;
  const path = pathOf(ui, options.output);
  await refuseExisting(path);
  const source = await openSource(ui, place, options);
  try {
    const { chains, doubts, others: leftOut } = await chooseChains(source, word);
    refuse(doubts);
    for (const chain of chains) refuse(await chain.unread());
    const bytes = (await writeChains(ui, chains, path)).toLocaleString("en-US");
    const [{ id }, ...others] = chains as [OpenedChain, ...OpenedChain[]];
    const what = others.length === 0 ? `chain ${id}` : `${chains.length} chains`;
    ui.note(`wrote ${what} to ${path}: ${bytes} bytes, copied and not judged`);
    if (leftOut.length === 0) return;
    ui.note("left out as other subjects', by grants that nobody judged:");
    for (const each of limited(leftOut)) ui.note(`  ${each}`);
  } finally {
    await source.close();
  }
}

// The bundle would say less than the place does, and could be VALID where that is not.
function refuse([first, ...others]: readonly string[]): void {
  if (first === undefined) return;
  const more = others.length === 0 ? "" : `, and ${others.length} more`;
  const message = `couldn't export all that was asked for: ${printable(first)}${more}`;
  throw new SealtailError("store-damaged", message);
}

async function writeChains(ui: Ui, chains: readonly OpenedChain[], path: string): Promise<number> {
  const file = await systemFiles.open(path, "create", 0o644);
  let at = 0;
  try {
    for await (const piece of writeBundle(chains)) {
      await file.write(piece, at);
      if (Math.floor(at / 4e6) !== Math.floor((at + piece.length) / 4e6)) {
        ui.progress(`${Math.floor(at / 1e6)} MB written`);
      }
      at += piece.length;
    }
    await file.sync();
  } catch (error) {
    // Half a bundle would look like a chain that was cut off.
    await file.close();
    await unlinkIfPresent(systemFiles, path);
    throw error;
  }
  await file.close();
  await systemFiles.syncDir(parentOf(path));
  return at;
}
