// How much of the machine was used by others than those who are measured: the honesty of a number.

import { readFileSync } from "node:fs";
import { cpus } from "node:os";

const ticksPerSecond = 100;

export class MachineUse {
  readonly #busy: number = busySeconds();
  readonly #own: () => number;
  readonly #ownBefore: number;
  readonly #began: bigint = process.hrtime.bigint();

  /** `own`: CPU seconds that those who are measured used so far. This process counts as one. */
  constructor(own: () => number) {
    this.#own = own;
    this.#ownBefore = own() + ownSeconds();
  }

  /** A line for the section. */
  line(): string {
    const seconds = Number(process.hrtime.bigint() - this.#began) / 1e9;
    const own = this.#own() + ownSeconds() - this.#ownBefore;
    const others = Math.max(0, busySeconds() - this.#busy - own);
    const share = (100 * others) / (seconds * cpus().length);
    return `- noise: others used ${share.toFixed(0)} % of the machine's CPU meanwhile`;
  }
}

function ownSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

// user, nice, system, idle, iowait, irq, softirq, steal: all but the two idle ones.
function busySeconds(): number {
  const line = readFileSync("/proc/stat", "latin1").split("\n")[0] ?? "";
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
  return (ticks.reduce((sum, each) => sum + each, 0) - idle) / ticksPerSecond;
}
