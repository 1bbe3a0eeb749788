// `sealtail vault`: receives, checks, stores write-once and signs receipts, until told to stop.

import type { Command } from "commander";
import { loadConfigFile } from "../host/config.ts";
import { ServiceManager } from "../host/service-manager.ts";
import { vaultConfig } from "../vault/config.ts";
import { startVault } from "../vault/vault.ts";
import { packageVersion } from "./package-version.ts";
import { pathOf } from "./paths.ts";
import { onStopSignals, ownDiag, ownMachine, sayHangUp } from "./running.ts";
import type { Ui } from "./ui.ts";

const about = `
SIGTERM or SIGINT: finishes the requests under way, writes the newest receipts, stops.
SIGHUP changes nothing.

Example:
  $ sealtail vault --config /etc/sealtail/vault.yaml`;

const closeMs = 10_000;

export function register(program: Command, ui: Ui): void {
  program
    .command("vault")
    .description("receive, verify, store write-once and sign receipts")
    .requiredOption("--config <file>", "vault.yaml")
    .addHelpText("after", about)
    .action((options: { config: string }) => runVault(ui, options.config));
}

async function runVault(ui: Ui, file: string): Promise<void> {
  const machine = ownMachine();
  const path = pathOf(ui, file);
  const { config, warnings } = await loadConfigFile(vaultConfig, path, machine.env, machine.files);
  const diag = ownDiag(config.diagnostics.level, warnings);
  const version = await packageVersion();
  const vault = await startVault(config, { ...machine, diag, version });
  const manager = new ServiceManager({ ...machine, diag });
  const stopped = new Promise<void>((resolve) => {
    onStopSignals({ stop: () => resolve(), hangUp: () => sayHangUp(diag) });
  });
  diag.info("vault started", { version, url: vault.url, operations: vault.operationsUrl });
  try {
    void manager.ready(() => true);
    await Promise.race([stopped, vault.failed]);
    void manager.stopping();
    await vault.close(closeMs);
    // A sync may have failed while it closed.
    await Promise.race([vault.failed, Promise.resolve()]);
    diag.info("vault stopped");
  } finally {
    manager.close();
  }
}
