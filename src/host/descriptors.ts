// How many descriptors this process may hold.

import { readFileSync } from "node:fs";

/** What systems give at least. */
const usual = 256;

/** The limit that the system tells; where it tells none, what is usual. */
export function descriptorLimit(): number {
  try {
    const limits = readFileSync("/proc/self/limits", "latin1");
    const [, limit = ""] = /^Max open files +([0-9]+)/m.exec(limits) ?? [];
    return Number.parseInt(limit, 10) || usual;
  } catch {
    return usual;
  }
}
