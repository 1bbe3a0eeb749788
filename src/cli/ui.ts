// What the command line prints, and where.
//
// - Results go to stdout and nothing else does; notes, warnings, errors and progress to stderr.
// - An error is one lower-case sentence without a full stop, then its place, then its code in
//   brackets; a hint says what to do.
// - Colours only on a terminal and without NO_COLOR; progress only where stderr is a terminal.
// - Text that came from outside is shown with its control characters made visible: what someone
//   wrote into a log must not move the cursor of whoever reads it.
//
// Exit codes: 0 fine · 1 failed · 2 usage · 3 to 6 verdicts · 74 unsafe · 78 configuration.

import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { type ErrorKind, SealtailError } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { printable } from "../core/printable.ts";
import { ConfigError } from "../host/config-error.ts";

export interface Terminal {
  readonly stdin: Readable & { isTTY?: boolean; setRawMode?: (raw: boolean) => unknown };
  readonly stdout: Writable & { isTTY?: boolean };
  readonly stderr: Writable & { isTTY?: boolean; columns?: number };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where relative paths begin. */
  readonly cwd: string;
}

const exitCodes: Readonly<Record<ErrorKind, number>> = {
  usage: 2,
  config: 78,
  format: 1,
  operating: 1,
  unsafe: 74,
};

export type Colour = "red" | "green" | "yellow" | "dim" | "bold";
const escapes: Readonly<Record<Colour, number>> = {
  red: 31,
  green: 32,
  yellow: 33,
  dim: 2,
  bold: 1,
};

export class Ui {
  /** What the command ends with. */
  exitCode = 0;
  readonly terminal: Terminal;
  #progressShown = false;
  #closed = false;

  constructor(terminal: Terminal) {
    this.terminal = terminal;
    // A reader that has seen enough (`| head`) is no error.
    terminal.stdout.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      this.#closed = true;
    });
  }

  /** Whether nobody reads the results any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Writes results. Bytes are written as they are, text needs its own line ends. */
  write(result: string | Uint8Array): void {
    if (this.#closed) return;
    this.#clearProgress();
    this.terminal.stdout.write(result);
  }

  /** Resolves when results may be written again without piling up in memory. */
  async drained(): Promise<void> {
    const { stdout } = this.terminal;
    if (this.#closed || !stdout.writableNeedDrain) return;
    const over = new AbortController();
    const [drain, close] = ["drain", "close"].map((event) =>
      once(stdout, event, { signal: over.signal }).catch(() => undefined),
    );
    await Promise.race([drain, close]);
    // The one that did not come would be listened for forever.
    over.abort();
  }

  /** A line of results. */
  print(line = ""): void {
    this.write(`${line}\n`);
  }

  /** A line for whoever is watching, on stderr. */
  note(line: string): void {
    this.#clearProgress();
    this.terminal.stderr.write(`${line}\n`);
  }

  warn(text: string): void {
    this.note(`sealtail: ${this.#paint("yellow", "warning", "stderr")}: ${text}`);
  }

  /** Shows progress on one line that the next line replaces. */
  progress(text: string): void {
    const { stderr } = this.terminal;
    if (stderr.isTTY !== true) return;
    const width = Math.max(20, (stderr.columns ?? 80) - 1);
    stderr.write(`\r\x1b[K${text.slice(0, width)}`);
    this.#progressShown = true;
  }

  /** Shows an error and sets the exit code that goes with it. */
  fail(error: unknown): void {
    if (error instanceof ConfigError) for (const each of error.problems) this.#error(each);
    else this.#error(error);
    for (const hint of hintsOf(error)) this.note(`sealtail: hint: ${hint}`);
    this.exitCode = error instanceof SealtailError ? exitCodes[error.kind] : 1;
  }

  /** `text` in a colour, where colours are wanted on stdout. */
  paint(colour: Colour, text: string): string {
    return this.#paint(colour, text, "stdout");
  }

  #paint(colour: Colour, text: string, stream: "stdout" | "stderr"): string {
    const wanted =
      this.terminal[stream].isTTY === true &&
      !this.terminal.env["NO_COLOR"] &&
      this.terminal.env["TERM"] !== "dumb";
    return wanted ? `\x1b[${escapes[colour]}m${text}\x1b[0m` : text;
  }

  #error(error: unknown): void {
    const label = this.#paint("red", "error", "stderr");
    this.note(`sealtail: ${label}: ${errorText(error)}`);
    const deeper = this.terminal.env["SEALTAIL_DEBUG"] ? stackOf(error) : undefined;
    if (deeper !== undefined) this.note(deeper);
  }

  #clearProgress(): void {
    if (!this.#progressShown) return;
    this.terminal.stderr.write("\r\x1b[K");
    this.#progressShown = false;
  }
}

/** `message: place [code]`. */
export function errorText(error: unknown): string {
  if (error instanceof SealtailError) {
    const place = error.place === undefined ? "" : `: ${error.place}`;
    return printable(`${error.message}${place} [${error.code}]`);
  }
  if (error instanceof Fault) return printable(`${error.message} [${error.code}]`);
  const text = error instanceof Error ? error.message : String(error);
  return printable(`unexpected: ${text} [internal]`);
}

function hintsOf(error: unknown): string[] {
  if (error instanceof ConfigError) return [...new Set(error.problems.map(({ hint }) => hint))];
  if (error instanceof SealtailError) return [error.hint];
  if (error instanceof Fault) return [];
  return ["this is a mistake in sealtail; SEALTAIL_DEBUG=1 shows where"];
}

function stackOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const cause = stackOf(error.cause);
  return cause === undefined ? error.stack : `${error.stack}\ncaused by ${cause}`;
}

/** The number that a word is; without `most`: any that a chain counts. */
export function wholeNumber(what: string, text: string, least = 0, most?: number): number {
  const value = /^(0|[1-9][0-9]{0,14})$/.test(text) ? Number(text) : -1;
  if (value >= least && value <= (most ?? value)) return value;
  const range = most === undefined ? "a whole number" : `${least} to ${most}`;
  throw usage("argument-invalid", `${what} is ${text}, want ${range}`);
}

/** A usage error. */
export function usage(
  code: "argument-invalid" | "argument-missing",
  message: string,
  hint?: string,
): SealtailError {
  return new SealtailError(code, message, hint === undefined ? {} : { hint });
}
