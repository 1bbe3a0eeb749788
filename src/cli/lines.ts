// `sealtail lines`: prints the lines of a chain, as far as someone vouches for them.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { systemClock } from "../host/clock.ts";
import {
  chooseChain,
  type OpenedChain,
  openSource,
  type SourceOptions,
  sourceWords,
} from "./chains-source.ts";
import { type FilterOptions, LineFilter, type SourceName } from "./line-filter.ts";
import { type ReadLinesOptions, type ReadOutcome, readLines } from "./line-reader.ts";
import { type LineFormat, LineWriter } from "./line-writer.ts";
import { addKeyOptions, type KeyOptions, type TrustedKeys, trustedKeys } from "./trusted-keys.ts";
import { printable, type Ui, usage } from "./ui.ts";

interface LinesOptions extends KeyOptions, SourceOptions, FilterOptions {
  readonly data?: string;
  readonly raw?: boolean;
  readonly json?: boolean;
  readonly unauthenticated?: boolean;
}

const examples = `
Sources are chosen by their path (a glob: ? * **), or as name:NAME or id:DIGITS. Times are a date,
a date and time, @UNIX-SECONDS, or a duration back from now; numbers and times are inclusive.
--grep looks at each envelope by itself: a line longer than 262,144 bytes is several of them.
--raw writes the exact bytes of one file, line ends included; a file that was rotated or started
again is several sources, so choose one with --source id:DIGITS.
Lines that nobody vouches for are left out; then, and where lines are missing, the exit code is 1.
With --root and --vault-key (or --data), the grant and receipts are judged by these keys.

Examples:
  $ sealtail lines --data ./sealtail-data payments-api --since 2h --grep refund
  $ sealtail lines evidence.tar payments-api --source '/var/log/app/*.log' --json
  $ sealtail lines https://vault.example:8443 87ed958e --source id:3f9a22 --raw > app.log`;

export function register(program: Command, ui: Ui): void {
  const command = program
    .command("lines")
    .description("print the lines of a chain, as far as someone vouches for them")
    .argument("[source]", "vault address, store directory or bundle file")
    .argument("[chain]", "id, prefix of it, or subject");
  addKeyOptions(command)
    .option("--from-seq <n>", "first line, by its number in the chain")
    .option("--to-seq <n>", "last line, by its number in the chain")
    .option("--since <time>", "read by the agent at or after this time")
    .option("--until <time>", "read by the agent at or before this time")
    .option("--source <glob>", "lines of these files: a glob, name:NAME or id:DIGITS")
    .option("--grep <text>", "lines that hold this text")
    .option("--records", "show what the agent itself stated, too")
    .option("--raw", "write the exact bytes of one file")
    .option("--json", "print one envelope a line, as JSON")
    .option("--unauthenticated", "print lines that nobody vouches for, too")
    .option("--ca <file>", "PEM file: who may have signed the vault's certificate")
    .addHelpText("after", examples)
    .action((source?: string, chain?: string) =>
      run(ui, [source, chain], command.opts<LinesOptions>()),
    );
}

async function run(
  ui: Ui,
  words: readonly (string | undefined)[],
  options: LinesOptions,
): Promise<void> {
  const { source: place, rest } = sourceWords(ui, options, words);
  const [word] = rest;
  const format = formatOf(options);
  const filter = new LineFilter(options, systemClock.now());
  const keys = await trustedKeys(ui, options);
  const source = await openSource(ui, place, options);
  try {
    const chain = await chooseChain(source, word);
    const asked = { chain, filter, keys, unauthenticated: options.unauthenticated === true };
    if (format === "raw") await refuseSeveral(asked);
    await print(ui, asked, format);
  } finally {
    await source.close();
  }
}

interface Asked {
  readonly chain: OpenedChain;
  readonly filter: LineFilter;
  readonly keys: TrustedKeys;
  readonly unauthenticated: boolean;
}

function formatOf({ raw, json, records }: LinesOptions): LineFormat {
  if (raw === true && json === true) {
    throw usage("argument-invalid", "--raw and --json do not go together");
  }
  if (raw === true && records === true) {
    throw usage("argument-invalid", "--raw and --records do not go together");
  }
  if (raw === true) return "raw";
  return json === true ? "json" : "text";
}

async function print(ui: Ui, asked: Asked, format: LineFormat): Promise<void> {
  const writer = new LineWriter(ui, format, asked.chain.id);
  let written = 0;
  const reading = read(asked, {
    onLine: (line) => {
      written += 1;
      writer.write(line);
    },
    ready: () => {
      writer.flush();
      return ui.drained();
    },
    stopped: () => ui.closed,
  });
  const { leftOut } = await reading.finally(() => writer.flush());
  writer.end();
  writer.flush();
  const [first, ...others] = leftOut;
  if (written === 0 && first === undefined) ui.note("sealtail: no line of this chain fits");
  if (first === undefined || ui.closed) return;
  for (const each of others) ui.warn(printable(each));
  throw new SealtailError("lines-left-out", first);
}

type Handling = Pick<ReadLinesOptions, "onLine" | "ready" | "stopped">;

function read(asked: Asked, handling: Handling): Promise<ReadOutcome> {
  return readLines({ ...asked, ...handling });
}

/** More sources than these are not listed. */
const sourcesMax = 12;

// Before a byte is written: bytes of two files in one stream would be evidence of nothing.
async function refuseSeveral(asked: Asked): Promise<void> {
  const sources = new Map<string, SourceName>();
  await read(asked, {
    onLine: ({ source }) => {
      if (source !== undefined) sources.set(source.id, source);
    },
    ready: async () => {},
    stopped: () => sources.size > sourcesMax,
  });
  if (sources.size < 2) return;
  const list = [...sources.values()]
    .slice(0, sourcesMax)
    .map(({ id, path }) => `id:${id.slice(0, 12)} (${printable(path)})`);
  const more = sources.size > sourcesMax ? " …" : "";
  const message = "these lines come from several sources, and --raw writes one";
  const hint = `give --source with one of ${list.join(", ")}${more}`;
  throw usage("argument-invalid", message, hint);
}
