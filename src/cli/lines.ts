// `sealtail lines`: prints the lines of a chain, or of all chains of a subject, as far as someone
// vouches for them.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { systemClock } from "../host/clock.ts";
import { nativeSuite } from "../host/native-suite.ts";
import type { Finding } from "../verify/finding.ts";
import { reusedGrants } from "../verify/grant-limits.ts";
import { allLines, type LineFilter, type SourceName } from "../verify/line-filter.ts";
import type { FoundLine } from "../verify/lines.ts";
import { inOrder, Links, namedBefore } from "../verify/links.ts";
import {
  type Absent,
  type VouchedChain,
  type VouchedLinesOptions,
  type VouchOptions,
  vouchedLines,
  vouchFor,
} from "../verify/vouched-lines.ts";
import {
  chooseChains,
  type OpenedChain,
  openSource,
  type SourceOptions,
  sourceWords,
  theOne,
} from "./chains-source.ts";
import { type FilterOptions, filterOf } from "./line-filter.ts";
import { type LineFormat, LineWriter } from "./line-writer.ts";
import { addKeyOptions, type KeyOptions, trustedKeys, trustedLines } from "./trusted-keys.ts";
import { type Ui, usage } from "./ui.ts";
import { watchedChain } from "./watched-chain.ts";

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
A subject names all its chains: they are printed in the order in which they began.
Grant and receipts are judged by --root and --vault-key (or --data), as verify does: under a grant
that no given root signed no line is printed. What is left out is said with its finding, and the
exit code is 1; so it is where --raw leaves bytes of the file out, or has nothing at all to write.
A chain that disagrees with the one that it goes on for is left out, where both are read: ask for
the subject. With a chain's id only that one is read, and nobody compares the two.

Examples:
  $ sealtail lines --data ./sealtail-data sealtail-up --since 2h --grep refund
  $ sealtail lines evidence.tar payments-api --source '/var/log/app/*.log' --json
  $ sealtail lines https://vault.example:8443 87ed958e --source id:3f9a22 --raw > app.log`;

export function register(program: Command, ui: Ui): void {
  const command = program
    .command("lines")
    .description("print the lines of a chain, as far as someone vouches for them")
    .argument("[source]", "vault address, store directory or bundle file")
    .argument("[chain]", "id, prefix of it, or subject: all its chains in order");
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
  const filter = filterOf(options, systemClock.now());
  const keys = await trustedKeys(ui, options);
  for (const text of trustedLines(keys)) ui.note(`sealtail: ${text}`);
  if (keys.roots.length === 0) {
    ui.note("sealtail: no key was given: nobody judged who wrote these lines; give --root");
  }
  const unauthenticated = options.unauthenticated === true;
  if (unauthenticated) ui.note("sealtail: lines that nobody vouches for are printed, too");
  const source = await openSource(ui, place, options);
  try {
    const judging = unauthenticated ? { ...keys, roots: [] } : keys;
    const chosen = await chooseChains(source, word, judging);
    const chains = await inOrder(nativeSuite, chosen.chains);
    const { fromSeq, toSeq } = options;
    // Numbers are those of one chain.
    if (fromSeq !== undefined || toSeq !== undefined) theOne(chains, word ?? "");
    const uses = { suite: nativeSuite, ...judging };
    const ids = chains.map(({ id }) => id);
    const { refused, doubts } = await reusedGrants(source, ids, uses);
    const vouch = { suite: nativeSuite, ...keys, unauthenticated };
    const { chains: place } = await source.contents();
    const links = await Links.among(place, chains, uses);
    const read = chains.map((chain) => new Chain(chain, vouch, links));
    if (unauthenticated) await sayWhatIsNotCompared(ui, chains);
    const asked = {
      chains: read,
      refused,
      filter,
      // Of a chain that was asked for by its id, nothing is missing where an earlier one is.
      bySubject: chosen.as === "subject",
      onNote: (text: string) => ui.note(`sealtail: ${printable(text)}`),
      doubts: [...new Set([...chosen.doubts, ...doubts])],
    };
    const file = format === "raw" ? await theOnlySource(asked) : undefined;
    await print(ui, asked, format, file);
  } finally {
    await source.close();
  }
}

/** Where nobody is asked who vouches, nobody judges links either. */
async function sayWhatIsNotCompared(ui: Ui, chains: readonly OpenedChain[]): Promise<void> {
  for (const chain of chains) {
    const before = await namedBefore(nativeSuite, chain);
    if (before === undefined) continue;
    ui.note(`sealtail: chain ${chain.id} goes on for ${printable(before)};`);
    ui.note("sealtail: only `sealtail verify` says whether the two fit together");
  }
}

/** A chain that is looked at once, however often its lines are read. */
class Chain {
  readonly id: string;
  readonly #place: OpenedChain;
  readonly #failures: unknown[] = [];
  readonly #options: VouchOptions;
  readonly #links: Links;
  #vouched: VouchedChain | undefined;
  #link: Link | undefined;

  constructor(chain: OpenedChain, options: VouchOptions, links: Links) {
    this.id = chain.id;
    this.#place = watchedChain(chain, (error) => this.#failures.push(error));
    this.#options = options;
    this.#links = links;
  }

  /**
   * What is to be said of it and of the chain that it goes on for: all of those among the chains
   * that are read were asked before. Throws what the place threw.
   */
  async link(): Promise<Link> {
    if (this.#link !== undefined) return this.#link;
    const { report } = await this.#look();
    const unchecked: string[] = [];
    if (report !== undefined) this.#links.add(report);
    const judge = report && this.#links.judge(report, (what) => unchecked.push(what));
    this.#link = { found: (await judge) ?? [], unchecked };
    return this.#link;
  }

  /** Throws what the place threw. */
  async *lines(options: VouchedLinesOptions): ReturnType<typeof vouchedLines> {
    const lines = vouchedLines(await this.#look(), options);
    try {
      for (;;) {
        const next = await lines.next();
        if (this.#failures.length > 0) throw this.#failures[0];
        if (next.done === true) return next.value;
        yield next.value;
      }
    } finally {
      await lines.return(undefined as never);
    }
  }

  async #look(): Promise<VouchedChain> {
    this.#vouched ??= await vouchFor(this.#place, this.#options, this.#links.kept(this.id));
    if (this.#failures.length > 0) throw this.#failures[0];
    return this.#vouched;
  }
}

/** How a chain fits the one that it goes on for. */
interface Link {
  readonly found: readonly Finding[];
  /** What could not be compared. */
  readonly unchecked: readonly string[];
}

interface Asked {
  /** In the order in which they began. */
  readonly chains: readonly Chain[];
  /** By id: chains of which no line is given, and why. */
  readonly refused: ReadonlyMap<string, Finding>;
  /** What else of the place may be asked for, and nobody can tell. */
  readonly doubts: readonly string[];
  readonly filter: LineFilter;
  /** All chains of a subject are asked for, not one by its id. */
  readonly bySubject: boolean;
  /** Called with what is to be said and leaves out no line. */
  readonly onNote?: (text: string) => void;
  readonly onAbsent?: (bytes: Absent) => void;
  /** Called before the chain that has this id and place among `chains` is read. */
  readonly onChain?: (id: string, at: number) => void;
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

/** `file`: id of the source whose bytes are written, where that is asked for. */
async function print(
  ui: Ui,
  asked: Asked,
  format: LineFormat,
  file: string | undefined,
): Promise<void> {
  const writer = new LineWriter(ui, format);
  let written = 0;
  const onLines = async (lines: Iterable<FoundLine>): Promise<boolean> => {
    for (const line of lines) {
      written += 1;
      if (!writer.write(line)) continue;
      await ui.drained();
      if (ui.closed) return false;
    }
    writer.flush();
    await ui.drained();
    return !ui.closed;
  };
  const onAbsent = (bytes: Absent): void => {
    if (bytes.source === file) writer.absent(bytes);
  };
  const told = file === undefined ? {} : { onAbsent };
  const onChain = (id: string, at: number): void => {
    writer.chain = id;
    const { length } = asked.chains;
    if (length > 1) ui.note(`sealtail: chain ${id} (${at + 1} of ${length})`);
  };
  const whole = { ...asked, ...told, onChain };
  const leftOut = await read(whole, onLines).finally(() => writer.flush());
  writer.end();
  writer.flush();
  if (ui.closed) return;
  const [first, ...others] = [...asked.doubts, ...leftOut, ...writer.leftOut()];
  if (written === 0 && first === undefined) {
    if (format === "raw") throw await noneFits(asked);
    ui.note(`sealtail: no line of ${namedText(asked.chains)} fits`);
  }
  if (first === undefined) return;
  for (const each of others) ui.warn(printable(each));
  throw new SealtailError(
    "lines-left-out",
    `not all lines are here and vouched for: ${printable(first)}`,
  );
}

function namedText(chains: readonly Chain[]): string {
  return chains.length === 1 ? "this chain" : `these ${chains.length} chains`;
}

/** Hands out blocks' lines until `onLines` has seen enough; returns what is left out, and why. */
async function read(
  { chains, onChain, ...asked }: Asked,
  onLines: (lines: Iterable<FoundLine>) => Promise<boolean>,
): Promise<readonly string[]> {
  const all: string[] = [];
  let enough = false;
  const onEach = async (lines: Iterable<FoundLine>): Promise<boolean> => {
    enough = !(await onLines(lines));
    return !enough;
  };
  for (const [at, chain] of chains.entries()) {
    onChain?.(chain.id, at);
    const leftOut = await readLinked(chain, asked, onEach);
    const where = chains.length === 1 ? "" : `chain ${chain.id.slice(0, 16)}: `;
    all.push(...leftOut.map((each) => where + each));
    if (enough) return [];
  }
  return all;
}

// No line counts of a chain that disagrees with the one that it says it goes on for.
async function readLinked(
  chain: Chain,
  { refused, bySubject, onNote = () => {}, ...asked }: Omit<Asked, "chains">,
  onLines: (lines: Iterable<FoundLine>) => Promise<boolean>,
): Promise<readonly string[]> {
  const { found, unchecked } = await chain.link();
  const worst = refused.get(chain.id) ?? found.find((each) => each.class === "authority");
  if (worst !== undefined) return [said(worst)];
  for (const each of unchecked) onNote(`not compared: ${each}`);
  const noted = (each: Finding): boolean => each.code === "CHAIN_MISSING" && !bySubject;
  for (const each of found.filter(noted)) onNote(said(each));
  const leftOut = found.filter((each) => !noted(each)).map(said);
  return [...(await readChain(chain, asked, onLines)), ...leftOut];
}

function said({ message, code, chain }: Finding): string {
  const whose = code === "CHAIN_MISSING" ? `${chain}: ` : "";
  return `${whose}${message} [${code}]`;
}

async function readChain(
  chain: Chain,
  options: VouchedLinesOptions,
  onLines: (lines: Iterable<FoundLine>) => Promise<boolean>,
): Promise<readonly string[]> {
  const lines = chain.lines(options);
  try {
    for (let next = await lines.next(); ; next = await lines.next()) {
      if (next.done === true) {
        const { changed, leftOut } = next.value;
        if (changed !== undefined) throw new SealtailError("source-changed", changed);
        return leftOut;
      }
      if (!(await onLines(next.value))) return [];
    }
  } finally {
    await lines.return(undefined as never);
  }
}

/** More sources than these are not listed. */
const sourcesMax = 12;

// Before a byte is written: bytes of two files in one stream would be evidence of nothing.
async function theOnlySource(asked: Asked): Promise<string | undefined> {
  const sources = await sourcesOf(asked);
  if (sources.size < 2) return [...sources.keys()][0];
  const message = "these lines come from several sources, and --raw writes one";
  throw usage("argument-invalid", message, `give --source with one of ${listed(sources)}`);
}

// An empty file would say that the source is there, and empty.
async function noneFits(asked: Asked): Promise<SealtailError> {
  const sources = await sourcesOf({ ...asked, filter: { ...allLines, records: false } });
  const hint =
    sources.size === 0
      ? `there is no line in ${namedText(asked.chains)}`
      : `there are ${listed(sources)}`;
  return new SealtailError("lines-none", `no line of ${namedText(asked.chains)} fits`, { hint });
}

function listed(sources: ReadonlyMap<string, SourceName>): string {
  const shown = [...sources.values()].slice(0, sourcesMax);
  const names = shown.map(({ id, path }) => `id:${id.slice(0, 12)} (${printable(path)})`);
  return names.join(", ") + (sources.size > sourcesMax ? " …" : "");
}

/** The sources of the lines that are asked for; enough of them to say that there are too many. */
async function sourcesOf(asked: Asked): Promise<ReadonlyMap<string, SourceName>> {
  const sources = new Map<string, SourceName>();
  const { onNote: _, ...quiet } = asked;
  await read(quiet, async (lines) => {
    for (const { source } of lines) if (source !== undefined) sources.set(source.id, source);
    return sources.size <= sourcesMax;
  });
  return sources;
}
