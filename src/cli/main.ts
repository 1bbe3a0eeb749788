// The command line of sealtail: what each word means and which exit code it ends in.
//
// - Commands are listed in commands.ts; what is printed, and how, is decided in ui.ts.

import process from "node:process";
import { Command, CommanderError } from "commander";
import { registerCommands } from "./commands.ts";
import { packageVersion } from "./package-version.ts";
import { startDir } from "./paths.ts";
import { type Terminal, Ui } from "./ui.ts";

/** Runs one command; `args` are the words after the program's name. Resolves to the exit code. */
export async function main(
  args: readonly string[],
  terminal: Terminal = ownTerminal(),
): Promise<number> {
  const ui = new Ui(terminal);
  const program = new Command("sealtail")
    .description("Ships audit logs as signed, hash-linked envelopes that anyone can verify")
    .version(await packageVersion())
    .helpCommand(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => ui.write(text),
      writeErr: (text) => void ui.terminal.stderr.write(text),
      outputError: (text, write) => write(`sealtail: ${text}`),
    })
    .addHelpText("after", overview);
  try {
    await registerCommands(program, ui, args[0]);
    inherit(program);
    await program.parseAsync(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) ui.fail(error);
    else if (error.exitCode !== 0) usageError(ui, error, args);
  }
  return ui.exitCode;
}

const overview = `
Examples:
  $ sealtail verify https://vault.example:8443 \\
      --root root.pub --vault-key vault.pub --vault-key vault-time.pub
  $ sealtail verify --data ./sealtail-data
  $ sealtail lines --data ./sealtail-data sealtail-up --grep refund

Exit codes: 0 fine, 1 failed, 2 usage, 74 stopped after a failed sync, 78 bad configuration;
verify: 3 valid with findings, 4 incomplete, 5 invalid, 6 cannot be judged.`;

function ownTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  return { stdin, stdout, stderr, env, cwd: startDir(env, process.cwd()) };
}

// Sub-commands made with command() copy these settings only from a parent that had them before.
function inherit(parent: Command): void {
  for (const child of parent.commands) {
    child.copyInheritedSettings(parent);
    inherit(child);
  }
}

function usageError(ui: Ui, error: CommanderError, args: readonly string[]): void {
  ui.exitCode = 2;
  // Commander printed the error, or the help that stands for it.
  if (error.code === "commander.help") return;
  const word = args[0]?.startsWith("-") === false ? ` ${args[0]}` : "";
  const known = error.code !== "commander.unknownCommand";
  ui.note(`sealtail: hint: \`sealtail${known ? word : ""} --help\` shows what can be said`);
}
