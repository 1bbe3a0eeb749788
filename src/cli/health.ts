// `sealtail health`: says whether the agent or vault beside it is alive, for a container's check.
//
// - Asks /livez only: a vault that is away is no reason to restart an agent.

import type { Command } from "commander";
import { SealtailError } from "../core/errors.ts";
import { type Ui, usage } from "./ui.ts";
import { metricsUrl, VaultClient } from "./vault-client.ts";

const examples = `
ADDRESS is a metrics address, HOST:PORT or a URL. Without any: those in SEALTAIL_HEALTH, or else
127.0.0.1:9464 and 127.0.0.1:9465, where an agent and a vault listen unless told otherwise.
The first that answers decides.

Examples:
  $ sealtail health
  $ sealtail health 127.0.0.1:9465

Exit codes: 0 alive, 1 not alive or not there.`;

const usualAddresses = "127.0.0.1:9464 127.0.0.1:9465";
const answerBytesMax = 65_536;

export function register(program: Command, ui: Ui): void {
  program
    .command("health")
    .description("say whether the agent or vault beside it is alive")
    .argument("[address...]", "metrics addresses")
    .addHelpText("after", examples)
    .action((addresses: string[]) => run(ui, addresses));
}

async function run(ui: Ui, words: readonly string[]): Promise<void> {
  const usual = ui.terminal.env["SEALTAIL_HEALTH"] ?? usualAddresses;
  const addresses = words.length > 0 ? words : usual.split(/\s+/).filter((word) => word !== "");
  let away: unknown = usage("argument-missing", "no address to ask");
  for (const address of addresses) {
    try {
      await ask(address);
      ui.print(`alive: ${address}`);
      return;
    } catch (error) {
      if (!(error instanceof SealtailError) || error.code !== "vault-unreachable") throw error;
      away = error;
    }
  }
  throw away;
}

/** Throws vault-refused for one that is not alive, vault-unreachable where nobody answers. */
async function ask(address: string): Promise<void> {
  const limits = { idleMs: 3000, answerMs: 3000, tries: 1, waitMsMax: 0 };
  const client = await VaultClient.open(metricsUrl(address), undefined, limits, "agent or vault");
  try {
    const answer = await client.bytes("/livez", answerBytesMax);
    if (answer === undefined) throw client.invalid("/livez", "there is no such page");
  } finally {
    await client.close();
  }
}
