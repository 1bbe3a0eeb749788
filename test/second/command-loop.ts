// Runs the command line many times in one process, for a program of another language that would
// otherwise start node for each store.
//
// - One JSON array of words per line of stdin; one { exitCode, stdout, stderr } per line of stdout.
// - Each is the whole command, from its words to its exit code.

import process from "node:process";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { main } from "../../src/cli/main.ts";

async function runOnce(words: readonly string[]): Promise<object> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const exitCode = await main(words, { stdin, stdout, stderr, env: {}, cwd: process.cwd() });
  stdout.end();
  stderr.end();
  const [result, notes] = await said;
  return { exitCode, stdout: result, stderr: notes };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await runOnce(JSON.parse(line) as string[]);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
