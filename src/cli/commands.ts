// Every command, in the order in which `sealtail --help` lists them.
//
// - A command's file registers itself: it describes its words and says what they do.
// - Only the file of the command that was called is loaded; all of them for the overview.

import type { Command } from "commander";
import type { Ui } from "./ui.ts";

interface CommandFile {
  /** Adds the command to the program. Its action may throw; what it prints goes through `ui`. */
  readonly register: (program: Command, ui: Ui) => void;
}

/** The first word after `sealtail`, and the file that knows it. */
const commands: readonly (readonly [name: string, load: () => Promise<CommandFile>])[] = [
  ["up", () => import("./up.ts")],
  ["agent", () => import("./agent.ts")],
  ["vault", () => import("./vault.ts")],
  ["verify", () => import("./verify.ts")],
  ["lines", () => import("./lines.ts")],
  ["prove", () => import("./prove.ts")],
  ["verify-proof", () => import("./verify-proof.ts")],
  ["export", () => import("./export.ts")],
  ["key", () => import("./key.ts")],
  ["grant", () => import("./grant.ts")],
  ["check", () => import("./check.ts")],
  ["status", () => import("./status.ts")],
  ["ack", () => import("./ack.ts")],
  ["health", () => import("./health.ts")],
  ["k8s", () => import("./k8s.ts")],
];

/** Registers the command called `name`, or all of them if there is none of that name. */
export async function registerCommands(
  program: Command,
  ui: Ui,
  name: string | undefined,
): Promise<void> {
  const called = commands.filter(([each]) => each === name);
  for (const [, load] of called.length > 0 ? called : commands) {
    (await load()).register(program, ui);
  }
}
