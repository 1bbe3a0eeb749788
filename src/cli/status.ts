// `sealtail status`: what a running agent or vault is doing, for people, once or all the time.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { systemClock } from "../host/clock.ts";
import { onStopSignals } from "./running.ts";
import { statusLines } from "./status-text.ts";
import type { Ui } from "./ui.ts";
import { metricsUrl, VaultClient } from "./vault-client.ts";

interface StatusOptions {
  readonly watch?: boolean;
  readonly json?: boolean;
}

const answerBytesMax = 64 * 1024 * 1024;
const watchMs = 1000;

const examples = `
URL is the metrics address of an agent (usually port 9464) or a vault (9465); HOST:PORT will do.

Examples:
  $ sealtail status
  $ sealtail status http://127.0.0.1:9465
  $ sealtail status --watch

Exit codes: 0 ready, 1 not ready or not there.`;

export function register(program: Command, ui: Ui): void {
  program
    .command("status")
    .description("show what a running agent or vault is doing")
    .argument("[url]", "its metrics address", "http://127.0.0.1:9464")
    .option("--watch", "show it anew every second, until Ctrl-C")
    .option("--json", "print it as JSON")
    .addHelpText("after", examples)
    .action((url: string, options: StatusOptions) => run(ui, url, options));
}

async function run(ui: Ui, url: string, options: StatusOptions): Promise<void> {
  const limits = { idleMs: 5000, answerMs: 10_000, tries: 1, waitMsMax: 0 };
  const client = await VaultClient.open(metricsUrl(url), undefined, limits, "agent or vault");
  try {
    if (options.watch === true) await watch(ui, client);
    else await show(ui, client, options.json === true);
  } finally {
    await client.close();
  }
}

async function show(ui: Ui, client: VaultClient, json: boolean): Promise<void> {
  const status = await client.json("/status", answerBytesMax);
  if (status === undefined) throw client.invalid("/status", "there is no status");
  const unready = await readiness(client);
  if (unready !== undefined) ui.exitCode = 1;
  if (json) ui.print(JSON.stringify(status, undefined, 2));
  else for (const line of page(ui, status, unready)) ui.print(line);
}

// One screen, drawn over the one before; what cannot be reached is said and asked again.
async function watch(ui: Ui, client: VaultClient): Promise<void> {
  const ended = new AbortController();
  using _ = onStopSignals({ stop: () => ended.abort() });
  while (!ended.signal.aborted && !ui.closed) {
    let lines: string[];
    try {
      const status = await client.json("/status", answerBytesMax);
      lines = page(ui, status, await readiness(client));
    } catch (error) {
      if (!(error instanceof SealtailError)) throw error;
      lines = [ui.paint("red", printable(error.message))];
    }
    const top = ui.terminal.stdout.isTTY === true ? "\x1b[H\x1b[J" : "";
    ui.write(`${top}${client.url}  ${new Date(systemClock.now() / 1000).toISOString()}\n`);
    for (const line of lines) ui.print(line);
    await systemClock.sleep(watchMs, ended.signal);
  }
}

function page(ui: Ui, status: unknown, unready: string | undefined): string[] {
  const ready =
    unready === undefined ? ui.paint("green", "ready") : ui.paint("yellow", "not ready");
  const why = unready === undefined ? [] : [`  ${printable(unready)}`];
  return [ready, ...why, ...statusLines(status, systemClock.now())];
}

/** Why it is not ready; undefined if it is. */
async function readiness(client: VaultClient): Promise<string | undefined> {
  try {
    await client.bytes("/readyz", answerBytesMax);
    return undefined;
  } catch (error) {
    if (error instanceof SealtailError && error.code === "vault-refused")
      return "its /readyz says why";
    throw error;
  }
}
