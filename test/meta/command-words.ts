// Every command with its words and options, as the program itself describes them.

import { PassThrough } from "node:stream";
import { Command } from "commander";
import { registerCommands } from "../../src/cli/commands.ts";
import { type Terminal, Ui } from "../../src/cli/ui.ts";

/** A command without commands below it: `key new`. */
export interface CommandWords {
  readonly name: string;
  readonly about: string;
  /** What `--help` prints. */
  readonly help: string;
  /** Every spelling of every option, and whether a value follows it. */
  readonly options: ReadonlyMap<string, boolean>;
  /** How many words may follow; Infinity where the last may be repeated. */
  readonly wordsMax: number;
}

const helpColumns = 100;

/** All commands, in the order of `sealtail --help`. */
export async function allCommands(): Promise<CommandWords[]> {
  let written = "";
  const program = new Command("sealtail").exitOverride().configureOutput({
    writeOut: (text) => {
      written += text;
    },
    getOutHelpWidth: () => helpColumns,
    getOutHasColors: () => false,
  });
  await registerCommands(program, new Ui(silentTerminal()), undefined);
  const helpOf = (command: Command): string => {
    written = "";
    command.outputHelp();
    return written.trimEnd();
  };
  return [...leaves(program, "")].map(([name, command]) => ({
    name,
    about: command.description(),
    help: helpOf(command),
    options: optionsOf(command),
    wordsMax: command.registeredArguments.some(({ variadic }) => variadic)
      ? Number.POSITIVE_INFINITY
      : command.registeredArguments.length,
  }));
}

function* leaves(parent: Command, before: string): Generator<[string, Command]> {
  for (const command of parent.commands) {
    command.copyInheritedSettings(parent);
    const name = `${before}${command.name()}`;
    if (command.commands.length === 0) yield [name, command];
    else yield* leaves(command, `${name} `);
  }
}

function optionsOf(command: Command): Map<string, boolean> {
  const found = new Map([
    ["-h", false],
    ["--help", false],
  ]);
  for (const option of command.options) {
    const takes = option.required || option.optional;
    for (const spelling of [option.short, option.long]) {
      if (spelling !== undefined && spelling !== null) found.set(spelling, takes);
    }
  }
  return found;
}

function silentTerminal(): Terminal {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  return { stdin, stdout, stderr, env: {}, cwd: "/" };
}
