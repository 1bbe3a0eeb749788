// Where passphrases come from: a file, the environment, or a person at a terminal.
//
// - What is typed is not shown; the question goes to stderr.
// - A passphrase is never taken from the command line, where every user of the machine can see it.

import { SealtailError } from "../core/errors.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { pathOf } from "./paths.ts";
import { type Ui, usage } from "./ui.ts";

export interface PassphraseOptions {
  readonly passphraseFile?: string;
}

const fileBytesMax = 4096;

/** The passphrase of the key at `path`. */
export async function askPassphrase(
  ui: Ui,
  options: PassphraseOptions,
  path: string,
): Promise<string> {
  const given = await givenPassphrase(ui, options);
  return given ?? (await prompt(ui, `passphrase of ${path}: `));
}

/** A new passphrase: typed twice, or given once. Never empty. */
export async function newPassphrase(ui: Ui, options: PassphraseOptions): Promise<string> {
  const given = await givenPassphrase(ui, options);
  const first = given ?? (await prompt(ui, "new passphrase: "));
  if (first === "") throw usage("argument-invalid", "the passphrase is empty");
  if (given === undefined && (await prompt(ui, "once more: ")) !== first) {
    throw new SealtailError("passphrase-wrong", "the two passphrases are not the same", {
      hint: "try again; no key was made",
    });
  }
  return first;
}

async function givenPassphrase(ui: Ui, options: PassphraseOptions): Promise<string | undefined> {
  if (options.passphraseFile === undefined) return ui.terminal.env["SEALTAIL_PASSPHRASE"];
  const path = pathOf(ui, options.passphraseFile);
  const bytes = await readWhole(systemFiles, path, fileBytesMax);
  if (bytes === undefined) {
    throw new SealtailError("file-missing", "couldn't find the passphrase file", { place: path });
  }
  const [line = ""] = Buffer.from(bytes).toString("utf8").split(/\r?\n/, 1);
  return line;
}

async function prompt(ui: Ui, question: string): Promise<string> {
  const { stdin, stderr } = ui.terminal;
  if (stdin.isTTY !== true || stdin.setRawMode === undefined || stderr.isTTY !== true) {
    throw new SealtailError("passphrase-missing", "there is no terminal to ask for a passphrase");
  }
  // First, so that not even a fast typist's first letter is shown.
  stdin.setRawMode(true);
  stderr.write(question);
  try {
    return await typed(ui);
  } finally {
    stdin.setRawMode(false);
    stdin.pause();
    stderr.write("\n");
  }
}

const key = { interrupt: 3, end: 4, backspace: 8, lineFeed: 10, enter: 13, kill: 21, del: 127 };

async function typed({ terminal: { stdin } }: Ui): Promise<string> {
  const bytes: number[] = [];
  return await new Promise((resolve, reject) => {
    const stop = (): void => {
      stdin.off("data", take);
      stdin.off("end", done);
    };
    const done = (): void => {
      stop();
      const text = Buffer.from(bytes).toString("utf8");
      bytes.fill(0);
      resolve(text);
    };
    const take = (chunk: Buffer): void => {
      for (const byte of chunk) {
        if (byte === key.enter || byte === key.lineFeed || byte === key.end) return done();
        if (byte === key.interrupt) {
          stop();
          return reject(new SealtailError("passphrase-missing", "no passphrase was given"));
        }
        if (byte === key.kill) bytes.length = 0;
        else if (byte === key.del || byte === key.backspace) dropCharacter(bytes);
        else bytes.push(byte);
      }
    };
    stdin.on("data", take);
    stdin.on("end", done);
    stdin.resume();
  });
}

/** A character of UTF-8 is its last byte that does not begin with the bits 10, and what follows. */
function dropCharacter(bytes: number[]): void {
  while (bytes.length > 0 && ((bytes.pop() as number) & 0xc0) === 0x80);
}
