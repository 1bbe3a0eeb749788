// Strangers: how long agents wait for receipts while strangers do what they can to the vault.
//
// - Each kind has a vault of its own, and its ratio is to that vault's receipts without strangers.

import type { Socket } from "node:net";
import { join } from "node:path";
import { formatVerifierKey } from "../src/core/note.ts";
import { testRoot } from "../test/fakes/chain-builder.ts";
import { Beleaguered, patienceMs } from "../test/resources/strangers.ts";
import { Deployment } from "./deployment.ts";
import { MachineUse } from "./machine-use.ts";
import { originLines, table } from "./page.ts";
import type { Bench } from "./scenario.ts";

type Kind = (site: Beleaguered) => Promise<Socket[]>;

const kinds: Readonly<Record<string, Kind>> = {
  "60 bodies that stall": (site) => site.stalledBodies(60),
  "25 readers that never read a million lines": (site) => site.readers(25),
  "3,000 idle connections": (site) => site.idle(3000),
  "300 that ask for proofs and lists": (site) => site.asking(300),
  "all of it at once": (site) => site.allAtOnce(),
};

export async function strangers({ dir, program, command }: Bench): Promise<string[]> {
  const rows: string[][] = [];
  const use = new MachineUse(() => 0);
  for (const [kind, come] of Object.entries(kinds)) {
    const setup = new Deployment(join(dir, String(rows.length)), program);
    rows.push([kind, ...(await measured(setup, come))]);
  }
  return [
    ...originLines(command),
    use.line(),
    "- load: 10 agents, 20 heartbeats each, two of them on new connections",
    "- vaults, each with 256 MiB of heap, count as others",
    "",
    ...table([["strangers", "p99 without, ms", "with, ms", "ratio", "vault's peak MiB"], ...rows]),
  ];
}

async function measured(setup: Deployment, come: Kind): Promise<string[]> {
  const env = { NODE_OPTIONS: "--max-old-space-size=256" };
  await using vault = setup.startVault({ root: formatVerifierKey(testRoot.key), env });
  const site = await Beleaguered.begin(String((await vault.said("vault started"))["url"]));
  const quiet = site.quiet.toFixed(0);
  try {
    const ms = await site.besides(() => come(site));
    const peak = vault.usage().peakMiB.toFixed(0);
    return [quiet, ms.toFixed(0), (ms / site.quiet).toFixed(1), peak];
  } catch {
    // A vault that shuts agents out is a result, too.
    const least = (patienceMs / site.quiet).toFixed(1);
    return [quiet, `over ${patienceMs}`, `over ${least}`, vault.usage().peakMiB.toFixed(0)];
  } finally {
    site.close();
  }
}
