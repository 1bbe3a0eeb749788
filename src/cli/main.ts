// The command line of sealtail: what each word means and which exit code it ends in.

import { readFile } from "node:fs/promises";
import { Command } from "commander";

/** Runs one command; `args` are the words after the program's name. Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const program = new Command("sealtail")
    .description("Ships audit logs as signed, hash-linked envelopes that anyone can verify")
    .version(await packageVersion());
  await program.parseAsync(args, { from: "user" });
  return 0;
}

async function packageVersion(): Promise<string> {
  const text = await readFile(new URL("../../package.json", import.meta.url), "utf8");
  const { version } = JSON.parse(text) as { version: string };
  return version;
}
