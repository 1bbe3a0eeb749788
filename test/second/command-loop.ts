// Runs the command line many times in one process, for a program of another language that would
// otherwise start node for each store.
//
// - One JSON array of words per line of stdin; one { exitCode, stdout, stderr } per line of stdout.
// - Each is the whole command, from its words to its exit code.
// - "FAR" in a word stands for the address of a vault that serves what the link beside its state
//   leads to; { "serve": FOLDER } points that link elsewhere.

import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { main } from "../../src/cli/main.ts";
import { systemClock } from "../../src/host/clock.ts";
import { systemFiles } from "../../src/host/files.ts";
import { nativeSuite as suite } from "../../src/host/native-suite.ts";
import { type RunningVault, startVault } from "../../src/vault/vault.ts";
import { RecordingDiag } from "../fakes/diag.ts";
import { signers, vaultConfigOf } from "../vault/rig.ts";

async function runOnce(words: readonly string[]): Promise<object> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const exitCode = await main(words, { stdin, stdout, stderr, env: {}, cwd: process.cwd() });
  stdout.end();
  stderr.end();
  const [result, notes] = await said;
  return { exitCode, stdout: result, stderr: notes };
}

const dir = mkdtempSync(join(tmpdir(), "second-vault-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));
let vault: RunningVault | undefined;

/** The vault is real, and starts over the first store that it serves. */
async function serve(folder: string): Promise<void> {
  rmSync(join(dir, "store"), { force: true });
  symlinkSync(folder, join(dir, "store"));
  vault ??= await startVault(vaultConfigOf(dir), {
    ...{ suite, signers, clock: systemClock, diag: new RecordingDiag(), version: "0.0.0" },
    files: systemFiles,
  });
}

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as string[] | { readonly serve: string };
  if (!Array.isArray(asked)) await serve(asked.serve);
  const words = Array.isArray(asked) ? asked : [];
  const answer =
    words.length === 0
      ? {}
      : await runOnce(words.map((word) => (word === "FAR" ? (vault?.url ?? word) : word)));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

// Whoever asked is gone.
await vault?.close(1000);
