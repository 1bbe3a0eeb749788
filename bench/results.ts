// Writes results: a table per run, everything in proportion to the limit loop of the same run.

import { execFileSync } from "node:child_process";
import { cpus, release, totalmem } from "node:os";
import type { LogFile, Measured } from "./parts.ts";

/** A part, and the two runs of the limit loop around it. */
export interface Compared {
  readonly part: Measured;
  readonly around: readonly [Measured, Measured];
}

/** The text of bench/results.md. */
export function resultsText(
  command: string,
  log: LogFile,
  limits: readonly Measured[],
  parts: readonly Compared[],
): string {
  const slowest = Math.max(...limits.map(({ seconds }) => seconds));
  const quickest = Math.min(...limits.map(({ seconds }) => seconds));
  const rows = [limitRow(limits), ...parts.map(row)];
  return `${[
    "# Results of the newest run",
    "",
    "Written by `npm run bench`; what it means is in [docs/performance.md](../docs/performance.md).",
    "",
    `- command: \`${command}\``,
    `- date: ${new Date().toISOString().slice(0, 16)}Z, commit ${commit()}`,
    `- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${mib(totalmem())} MiB, ` +
      `Linux ${release()}`,
    `- node: ${process.version}`,
    `- log: ${log.lines} lines, ${(log.bytes / log.lines).toFixed(0)} bytes a line`,
    `- noise: the limit loop took ${quickest.toFixed(2)} to ${slowest.toFixed(2)} s in this run`,
    "",
    ...table([heading, ...rows]),
    "",
    "Speed and CPU in brackets: in proportion to the two runs of the limit loop around the part.",
    "Memory of agent and vault: one number each.",
  ].join("\n")}\n`;
}

/** Columns of one width, as the formatter wants them; numbers stand to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths = heading.map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const padded = rows.map((cells) =>
    line(
      widths.map((width, column) =>
        column === 0 ? (cells[column] ?? "").padEnd(width) : (cells[column] ?? "").padStart(width),
      ),
    ),
  );
  const rule = widths.map((width, column) =>
    column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [padded[0] ?? "", line(rule), ...padded.slice(1)];
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
  return ["limit loop (median)", thousands(speed), cpu.toFixed(2), peak.toFixed(0), "", "", ""];
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
    `${thousands(lines / seconds)} (${speed.toFixed(2)})`,
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

const thousands = (value: number): string => `${Math.round(value / 1000)},000`;

const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);

function commit(): string {
  try {
    const cwd = import.meta.dirname;
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
}
