// `sealtail status`: what a running agent or vault is doing, for people.
//
// - Reads the metrics listener that the program has anyway; nothing is asked that changes anything.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { printable, type Ui } from "./ui.ts";
import { VaultClient } from "./vault-client.ts";

const examples = `
URL is the metrics address of an agent (usually port 9464) or a vault (9465).

Examples:
  $ sealtail status
  $ sealtail status http://127.0.0.1:9465

Exit codes: 0 ready, 1 not ready or not there.`;

const metricsBytesMax = 8 * 1024 * 1024;

export function register(program: Command, ui: Ui): void {
  program
    .command("status")
    .description("show what a running agent or vault is doing")
    .argument("[url]", "its metrics address", "http://127.0.0.1:9464")
    .addHelpText("after", examples)
    .action((url: string) => run(ui, url));
}

async function run(ui: Ui, url: string): Promise<void> {
  const client = await VaultClient.open(url, undefined, {
    ...{ idleMs: 5000, answerMs: 10_000 },
    ...{ tries: 1, waitMsMax: 0 },
  });
  try {
    const bytes = await client.bytes("/metrics", metricsBytesMax);
    if (bytes === undefined) throw client.invalid("/metrics", "there are no metrics");
    const ready = await readiness(client);
    ui.print(ready === undefined ? ui.paint("green", "ready") : ui.paint("yellow", "not ready"));
    if (ready !== undefined) {
      ui.note(`sealtail: ${printable(ready)}`);
      ui.exitCode = 1;
    }
    for (const line of readings(Buffer.from(bytes).toString("utf8"))) ui.print(line);
  } finally {
    client.close();
  }
}

/** Why it is not ready; undefined if it is. */
async function readiness(client: VaultClient): Promise<string | undefined> {
  try {
    await client.bytes("/readyz", metricsBytesMax);
    return undefined;
  } catch (error) {
    if (error instanceof SealtailError && error.code === "vault-refused") return error.message;
    throw error;
  }
}

/** Our own series, aligned; without histograms' buckets, and of labelled ones those that count. */
function readings(text: string): string[] {
  const rows = text.split("\n").flatMap((line) => {
    const [, name = "", labels = "", value = ""] =
      /^sealtail_([a-z0-9_]+)(\{.*\})? (\S+)$/.exec(line) ?? [];
    const nothing = labels !== "" && value === "0";
    const shown = name !== "" && !name.endsWith("_bucket") && !nothing;
    return shown ? [[printable(name + labels), value] as const] : [];
  });
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}
