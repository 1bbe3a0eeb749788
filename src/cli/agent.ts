// `sealtail agent`: tails, seals, buffers and ships, until told to stop.

import type { Command } from "commander";
import { Agent } from "../agent/agent.ts";
import { agentConfig } from "../agent/config.ts";
import { loadConfigFile } from "../host/config.ts";
import { ServiceManager } from "../host/service-manager.ts";
import { packageVersion } from "./package-version.ts";
import { pathOf } from "./paths.ts";
import { onStopSignals, ownDiag, ownMachine, ownOutputs, sayHangUp } from "./running.ts";
import type { Ui } from "./ui.ts";

const about = `
SIGTERM or SIGINT: reads every file to its end, seals, ships within drain.deadline, states the stop.
A second one skips to the sync. Whatever is not shipped goes on at the next start.
SIGHUP changes nothing.

Example:
  $ sealtail agent --config /etc/sealtail/agent.yaml`;

export function register(program: Command, ui: Ui): void {
  program
    .command("agent")
    .description("tail, seal, buffer and ship")
    .requiredOption("--config <file>", "agent.yaml")
    .addHelpText("after", about)
    .action((options: { config: string }) => runAgent(ui, options.config));
}

async function runAgent(ui: Ui, file: string): Promise<void> {
  const machine = ownMachine();
  const path = pathOf(ui, file);
  const { config, warnings } = await loadConfigFile(agentConfig, path, machine.env, machine.files);
  const diag = ownDiag(config.diagnostics.level, warnings);
  const version = await packageVersion();
  const refuse = [path, ...ownOutputs()];
  const agent = await Agent.start({ ...machine, config, diag, version, refuse });
  const manager = new ServiceManager({ ...machine, diag });
  using _ = onStopSignals({
    stop: (reason) => {
      void manager.stopping();
      agent.stop(reason);
    },
    hangUp: () => sayHangUp(diag),
  });
  diag.info("agent started", { version, operations: agent.operationsUrl });
  try {
    void manager.ready(() => agent.alive);
    const { unsent } = await agent.run();
    diag.info("agent stopped", { unsent });
  } finally {
    manager.close();
  }
}
