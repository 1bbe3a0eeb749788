// The metrics of agent and vault as their own registries expose them, before anything happened.

import type { AgentConfig } from "../../src/agent/config.ts";
import { Gauge } from "../../src/agent/gauge.ts";
import { AgentMetrics } from "../../src/agent/metrics.ts";
import { chainStates } from "../../src/vault/chain-entry.ts";
import { VaultMetrics, type VaultReading } from "../../src/vault/metrics.ts";
import { watchedKinds } from "../../src/vault/open-findings.ts";
import type { Watched } from "../../src/vault/watch.ts";
import { apiTable } from "./api-table.ts";

export function agentMetricsText(): Promise<string> {
  const config = { sources: [{ name: "app" }] } as unknown as AgentConfig;
  const metrics = new AgentMetrics(new Gauge(), "0.0.0", () => undefined, config);
  metrics.page.addProcess();
  return metrics.page.text();
}

export function vaultMetricsText(): Promise<string> {
  const reading: VaultReading = {
    watched: {
      chains: Object.fromEntries(chainStates.map((state) => [state, 0])) as Watched["chains"],
      ...{ silent: 0, stopped: 0, forks: 0, oldestHeartbeat: 0, pending: 0 },
      open: watchedKinds.map((kind) => ({ kind, count: 0 })),
      missing: [{ subject: "app", count: 0 }],
    },
    ...{ damaged: { count: 0, chains: [] }, unkept: { count: 0, chains: [] }, wholeChecks: 0 },
    ...{ connections: 0, readers: 0, requestBytes: 0 },
    ...{ headsOpen: 0, replays: 0, receiptsPending: 0, freeBytes: 0, certificateNotAfter: 0 },
  };
  const metrics = new VaultMetrics({
    ...{ version: "0.0.0", now: () => 0 },
    read: async () => reading,
  });
  metrics.page.addProcess();
  metrics.expect(apiTable());
  return metrics.page.text();
}
