// `sealtail verify`: walks chains and says what they are worth.
//
// - The verdict comes first, then what was found and where, then what is certain and what is not.
// - A place that cannot be read is INDETERMINATE, never a crash.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { systemClock } from "../host/clock.ts";
import { nativeSuite } from "../host/native-suite.ts";
import { type SourceReport, verifySource } from "../verify/all.ts";
import { verdictExitCodes } from "../verify/finding.ts";
import {
  chooseChains,
  type OpenedSource,
  openSource,
  type SourceOptions,
  sourceWords,
} from "./chains-source.ts";
import { timeOf } from "./times.ts";
import { addKeyOptions, type KeyOptions, requiredKeys, type TrustedKeys } from "./trusted-keys.ts";
import { errorText, type Ui } from "./ui.ts";
import { reportJson, reportLines } from "./verify-text.ts";
import { watched, watchedChain } from "./watched-chain.ts";

interface VerifyCommandOptions extends KeyOptions, SourceOptions {
  readonly data?: string;
  readonly json?: boolean;
  readonly headersOnly?: boolean;
  readonly at?: string;
}

export interface Judged {
  readonly report: SourceReport;
  /** Unix microseconds at which the age of heads was judged. */
  readonly at: number | undefined;
  readonly trusted: TrustedKeys;
  /** Payloads were not read. */
  readonly headersOnly: boolean;
}

const examples = `
SOURCE is a vault's address, a store directory or a bundle file. CHAIN is an id, a unique prefix of
at least 6 digits, or a subject: all its chains. Left out, all chains are verified. Where a word
is both, id:DIGITS and subject:NAME say which.

Examples:
  $ sealtail verify --data ./sealtail-data
  $ sealtail verify https://vault.example:8443 payments-api \\
      --root root.pub --vault-key vault.pub --vault-key vault-time.pub
  $ sealtail verify evidence.tar --json \\
      --root root.pub --vault-key vault.pub --vault-key vault-time.pub

Without the vault's keys its receipts are not believed, and a cut-off end cannot be noticed.
Exit codes: 0 VALID, 3 VALID_WITH_FINDINGS, 4 INCOMPLETE, 5 INVALID, 6 INDETERMINATE.`;

export function register(program: Command, ui: Ui): void {
  const command = program
    .command("verify")
    .description("check chains: who wrote them, that nothing was changed, what is missing")
    .argument("[source]", "vault address, store directory or bundle file")
    .argument("[chain]", "id, prefix of it, or subject; all chains if left out");
  addKeyOptions(command)
    .option("--ca <file>", "PEM file: who may have signed the vault's certificate")
    .option("--at <time>", "judge the age of chains at this time (a vault's: now)")
    .option(
      "--headers-only",
      "check signatures and links, do not read the lines: INDETERMINATE at best",
    )
    .option("--json", "print one JSON document")
    .addHelpText("after", examples)
    .action((source: string | undefined, chain: string | undefined, options) =>
      run(ui, [source, chain], options as VerifyCommandOptions),
    );
}

async function run(
  ui: Ui,
  words: readonly (string | undefined)[],
  options: VerifyCommandOptions,
): Promise<void> {
  const { source: place, rest } = sourceWords(ui, options, words);
  const keys = await requiredKeys(ui, options);
  const now = systemClock.now();
  const asked = options.at === undefined ? undefined : timeOf(options.at, "--at", now, -1);
  const source = told(ui, await openToJudge(ui, place, options));
  try {
    const at = asked ?? (source.live ? now : undefined);
    const part = rest[0] === undefined ? {} : await partOf(source, rest[0], keys);
    const judged = await judge(ui, source, part, { keys, at, options });
    if (options.json === true) ui.print(reportJson(judged));
    else for (const line of reportLines(ui, judged)) ui.print(line);
    ui.exitCode = verdictExitCodes[judged.report.verdict];
  } finally {
    await source.close();
  }
}

// Where the chains cannot be listed, the walk says so, and the verdict with it.
async function partOf(source: OpenedSource, word: string, keys: TrustedKeys): Promise<Part> {
  try {
    const { chains, doubts } = await chooseChains(source, word, keys);
    return { only: new Set(chains.map(({ id }) => id)), doubts };
  } catch (error) {
    const listed = !(error instanceof SealtailError) || /^(chain|file)-/.test(error.code);
    if (listed) throw error;
    return {};
  }
}

/** Verifies what `up` keeps under `dir`, prints the report and sets the exit code. */
export async function verifyStore(ui: Ui, dir: string): Promise<void> {
  await run(ui, [undefined, undefined], { data: dir });
}

/** The part of the place that is asked for; without one, all of it. */
type Part = Pick<Parameters<typeof verifySource>[1], "only" | "doubts">;

interface Asked {
  readonly keys: TrustedKeys;
  readonly at: number | undefined;
  readonly options: Pick<VerifyCommandOptions, "headersOnly">;
}

async function judge(
  ui: Ui,
  source: OpenedSource,
  part: Part,
  { keys, at, options }: Asked,
): Promise<Judged> {
  let bytes = 0;
  const report = await verifySource(source, {
    ...{ suite: nativeSuite, roots: keys.roots, vaults: keys.vaults, at },
    ...{ headersOnly: options.headersOnly === true, copies: true },
    ...part,
    onBlock: (id, length) => {
      const before = bytes;
      bytes += length;
      if (Math.floor(before / 4e6) === Math.floor(bytes / 4e6)) return;
      ui.progress(`chain ${id.slice(0, 16)}: ${Math.floor(bytes / 1e6)} MB read`);
    },
  });
  return { report, at, trusted: keys, headersOnly: options.headersOnly === true };
}

/** The same source; whoever watches is told why something of it cannot be read. */
function told(ui: Ui, source: OpenedSource): OpenedSource {
  const tell = (error: unknown): void => ui.warn(errorText(error));
  return {
    ...source,
    contents: async () => {
      const { chains, unread } = await watched(source.contents(), tell);
      return { chains: chains.map((chain) => watchedChain(chain, tell)), unread };
    },
  };
}

/** Opens SOURCE; a place that is there but cannot be read is one that cannot be judged. */
async function openToJudge(
  ui: Ui,
  place: string,
  options: VerifyCommandOptions,
): Promise<OpenedSource> {
  try {
    return await openSource(ui, place, options);
  } catch (error) {
    const known = error instanceof SealtailError && error.kind !== "usage";
    if (!known || ["unsafe", "config"].includes(error.kind)) throw error;
    if (error.code === "file-missing") throw error;
    const contents = async (): Promise<never> => {
      throw error;
    };
    return { name: place, live: false, contents, close: async () => {} };
  }
}
