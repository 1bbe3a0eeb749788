// `sealtail prove`: writes the proof of one line, which anyone can check offline.

import type { Command } from "commander";
import { trusting } from "../core/authority.ts";
import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { formatProof, maxProofHeads } from "../core/proof.ts";
import { systemFiles } from "../host/files.ts";
import { createDurably } from "../host/keys.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { beganOutsideDates, reusedGrants } from "../verify/grant-limits.ts";
import { chooseChain, openSource, type SourceOptions, sourceWords } from "./chains-source.ts";
import { pathOf } from "./paths.ts";
import { proveLine } from "./proof-maker.ts";
import { addKeyOptions, type KeyOptions, trustedKeys, trustedLines } from "./trusted-keys.ts";
import { type Ui, usage, wholeNumber } from "./ui.ts";

interface ProveOptions extends KeyOptions, SourceOptions {
  readonly data?: string;
  readonly full?: boolean;
  readonly output?: string;
}

const examples = `
SEQ is the number of the line in its chain: \`sealtail lines\` shows it.
The proof holds grant, signatures, hashes, the one line and the receipt: nothing of other lines.
It takes the vault's word for the blocks between the first one and the line's. With --full it holds
the heads of all of them, about 600 bytes each, at most ${maxProofHeads}: then it takes no vault's
word and needs no receipt.
The proof is checked before it is written: with --root and --vault-key (or --data) against these.

Examples:
  $ sealtail prove --data ./sealtail-data sealtail-up 3417 -o line-3417.proof
  $ sealtail verify-proof line-3417.proof \\
      --root root.pub --vault-key vault.pub --vault-key vault-time.pub
  $ sealtail prove --data ./sealtail-data sealtail-up 3417 --full -o line-3417.full.proof
  $ sealtail verify-proof line-3417.full.proof --root root.pub`;

export function register(program: Command, ui: Ui): void {
  const command = program
    .command("prove")
    .description("write the proof of one line: a file that anyone can check offline")
    .argument("[source]", "vault address, store directory or bundle file")
    .argument("[chain]", "id, prefix of it, or subject")
    .argument("[seq]", "number of the line");
  addKeyOptions(command)
    .option("--ca <file>", "PEM file: who may have signed the vault's certificate")
    .option("--full", "prove it from the grant on: take no vault's word, need no receipt")
    .option("-o, --output <file>", "write to a new file instead of stdout")
    .addHelpText("after", examples)
    .action((source?: string, chain?: string, seq?: string) =>
      run(ui, [source, chain, seq], command.opts<ProveOptions>()),
    );
}

async function run(
  ui: Ui,
  words: readonly (string | undefined)[],
  options: ProveOptions,
): Promise<void> {
  const { source: place, rest } = sourceWords(ui, options, words);
  const [word, text] = rest;
  if (word === undefined || text === undefined) {
    throw usage("argument-missing", `there is no ${word === undefined ? "CHAIN" : "SEQ"}`);
  }
  const seq = wholeNumber("SEQ", text);
  const trusted = await trustedKeys(ui, options);
  const { roots, vaults } = trusted;
  for (const text of trustedLines(trusted)) ui.note(`sealtail: ${text}`);
  const keys = trusting(roots, vaults);
  if (keys.roots === undefined) ui.note("sealtail: no root key was given: nobody judged the grant");
  const kind = options.full === true ? "full" : "short";
  const source = await openSource(ui, place, options);
  try {
    const chain = await chooseChain(source, word, trusted);
    const by = { suite: nativeSuite, roots, vaults };
    const uses = await reusedGrants(source, [chain.id], by);
    for (const doubt of uses.doubts) ui.warn(printable(doubt));
    const refused = uses.refused.get(chain.id) ?? (await beganOutsideDates(chain, by));
    if (refused !== undefined) {
      const why = `${refused.message} (${refused.code})`;
      throw new SealtailError("proof-impossible", `couldn't prove the line: ${why}`);
    }
    const proof = formatProof(await proveLine(chain, { kind, seq, keys }));
    if (options.output === undefined) return ui.write(proof);
    await createDurably(systemFiles, pathOf(ui, options.output), Buffer.from(proof), 0o644);
  } finally {
    await source.close();
  }
}
