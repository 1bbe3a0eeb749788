// How long an agent asks a vault again that gives no answer.

import type { Clock } from "../host/clock.ts";
import type { AgentConfig } from "./config.ts";

/** How long a silent vault is waited for where the agent may go on without its word, in ms. */
export const silentMsMax = 30_000;

/** Whether a vault that gives no answer is asked again: as it is configured, from the first on. */
export function insistence(
  { when_silent, patience }: AgentConfig["sink"],
  clock: Clock,
): () => boolean {
  let silentSince: number | undefined;
  return () => {
    silentSince ??= clock.mono();
    const silentMs = (clock.mono() - silentSince) / 1000;
    return when_silent === "wait" || silentMs < Math.min(patience, silentMsMax);
  };
}
