// `sealtail check`: says whether a configuration would be accepted, and all that is wrong with it.

import type { Command } from "commander";
import { agentConfig } from "../agent/config.ts";
import { loadConfigFile } from "../host/config.ts";
import { readWhole } from "../host/durable.ts";
import { systemFiles } from "../host/files.ts";
import { vaultConfig } from "../vault/config.ts";
import { pathOf } from "./paths.ts";
import type { Ui } from "./ui.ts";

const examples = `
A file with a key \`store\` or \`keys\` at its top is taken for a vault's, any other for an agent's.
Files that it names must exist; nothing is started, written or connected to.

Examples:
  $ sealtail check --config /etc/sealtail/agent.yaml
  $ sealtail check --config vault.yaml

Exit codes: 0 fine, 78 bad configuration.`;

export function register(program: Command, ui: Ui): void {
  program
    .command("check")
    .description("check an agent's or vault's configuration")
    .requiredOption("--config <file>", "agent.yaml or vault.yaml")
    .addHelpText("after", examples)
    .action(({ config }: { config: string }) => run(ui, config));
}

async function run(ui: Ui, file: string): Promise<void> {
  const path = pathOf(ui, file);
  const isVault = await looksLikeVault(path);
  const { env } = ui.terminal;
  const { warnings } = isVault
    ? await loadConfigFile(vaultConfig, path, env, systemFiles)
    : await loadConfigFile(agentConfig, path, env, systemFiles);
  for (const { place, message } of warnings) ui.warn(`${message}: ${place}`);
  ui.print(`OK: ${path} is ${isVault ? "a vault" : "an agent"} configuration`);
}

// By its top-level keys, read as loosely as possible: what is wrong is for the loader to say.
async function looksLikeVault(path: string): Promise<boolean> {
  const bytes = await readWhole(systemFiles, path, 262_144).catch(() => undefined);
  if (bytes === undefined) return /vault[^/]*$/.test(path);
  const text = Buffer.from(bytes).toString("utf8");
  const has = (...keys: string[]): boolean =>
    keys.some((key) => new RegExp(`^["']?${key}["']?\\s*:`, "m").test(text));
  return has("store", "keys", "listen") && !has("sources", "sink");
}
