// The short comparison: each part of the program against the limit loop of the same run.

import { join } from "node:path";
import { writeAuditLog } from "./audit-log.ts";
import { type Compared, comparisonLines } from "./comparison-table.ts";
import { Deployment } from "./deployment.ts";
import {
  agentPart,
  type LogFile,
  limitPart,
  type Measured,
  vaultPart,
  verifyPart,
} from "./parts.ts";
import type { Bench } from "./scenario.ts";

const seed = 20_260_101;

export async function comparison({ dir, program, options, command }: Bench): Promise<string[]> {
  const { lines } = options;
  const path = join(dir, "audit.log");
  console.log(`writing ${lines} lines`);
  const log: LogFile = { path, lines, bytes: writeAuditLog(path, lines, seed) };
  const setup = new Deployment(join(dir, "setup"), program);
  const limits = [await limitPart(log)];
  const parts: Compared[] = [];
  for (const measure of [agentPart, vaultPart, verifyPart]) {
    const part = await measure(setup, log);
    const before = limits.at(-1) as Measured;
    const after = await limitPart(log);
    limits.push(after);
    parts.push({ part, around: [before, after] });
    console.log(`${part.part}: ${part.seconds.toFixed(1)} s`);
  }
  return comparisonLines(command, log, limits, parts);
}
