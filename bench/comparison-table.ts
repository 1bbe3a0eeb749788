// The comparison's section: a table per run, everything in proportion to the limit loop of the
// same run.

import { originLines, table } from "./page.ts";
import type { LogFile, Measured } from "./parts.ts";

/** A part, and the two runs of the limit loop around it. */
export interface Compared {
  readonly part: Measured;
  readonly around: readonly [Measured, Measured];
}

export function comparisonLines(
  command: string,
  log: LogFile,
  limits: readonly Measured[],
  parts: readonly Compared[],
): string[] {
  const slowest = Math.max(...limits.map(({ seconds }) => seconds));
  const quickest = Math.min(...limits.map(({ seconds }) => seconds));
  return [
    ...originLines(command),
    `- log: ${log.lines} lines, ${(log.bytes / log.lines).toFixed(0)} bytes a line`,
    `- noise: the limit loop took ${quickest.toFixed(2)} to ${slowest.toFixed(2)} s in this run`,
    "",
    ...table([heading, limitRow(limits), ...parts.map(row)]),
    "",
    "Speed and CPU in brackets: in proportion to the two runs of the limit loop around the part.",
    "Memory of agent and vault: one number each.",
  ];
}

const heading = [
  "part",
  "lines/s",
  "CPU µs/line",
  "peak MiB",
  "idle MiB",
  "settled MiB",
  "stored/log byte",
];

function limitRow(limits: readonly Measured[]): string[] {
  const speed = median(limits.map(({ lines, seconds }) => lines / seconds));
  const cpu = median(limits.map(({ lines, cpuSeconds }) => (cpuSeconds / lines) * 1e6));
  const peak = median(limits.map((each) => each.peak[0] ?? 0));
  return ["limit loop (median)", rounded(speed), cpu.toFixed(2), peak.toFixed(0), "", "", ""];
}

function row({ part, around }: Compared): string[] {
  const mean = (of: (each: Measured) => number): number => (of(around[0]) + of(around[1])) / 2;
  const { seconds, cpuSeconds, lines } = part;
  const speed = mean((limit) => limit.seconds) / seconds;
  const cpu = cpuSeconds / mean((limit) => limit.cpuSeconds);
  const sizes = (values: readonly number[] = []): string =>
    values.map((value) => value.toFixed(0)).join(" + ");
  return [
    part.part,
    `${rounded(lines / seconds)} (${speed.toFixed(2)})`,
    `${((cpuSeconds / lines) * 1e6).toFixed(2)} (${cpu.toFixed(2)})`,
    sizes(part.peak),
    sizes(part.idle),
    sizes(part.settled),
    part.stored?.toFixed(3) ?? "",
  ];
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** To the thousand: more digits would claim more than is known. */
const rounded = (value: number): string => `${Math.round(value / 1000)},000`;
