// bench/results.md: one section a scenario, each replaced alone by the newest run of it.
//
// - Every section says by which command, when, from which commit and on which machine it was made,
//   and how much of that machine others used meanwhile.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";

const title = "# Results of the newest runs";
const intro =
  "Written by `npm run bench`, a section at a time; what it means is in " +
  "[docs/performance.md](../docs/performance.md).";

/** Of the program that is built: looked up before anything runs. */
const commit = ((): string => {
  try {
    const cwd = import.meta.dirname;
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], { cwd, encoding: "utf8" }).trim();
  } catch {
    return "unknown";
  }
})();

/** In the order in which they stand. */
export const headings = [
  "Comparison",
  "Steady load",
  "Latency",
  "Recovery",
  "Many agents",
  "Heartbeats",
  "Strangers",
] as const;
export type Heading = (typeof headings)[number];

/** Puts a section into the page at `path`, in place of the one with the same heading. */
export function replaceSection(path: string, heading: Heading, lines: readonly string[]): void {
  const sections = existsSync(path) ? sectionsOf(readFileSync(path, "utf8")) : new Map();
  sections.set(heading, lines.join("\n").trim());
  const texts = headings
    .filter((each) => sections.has(each))
    .map((each) => `## ${each}\n\n${sections.get(each)}`);
  writeFileSync(path, `${[title, intro, ...texts].join("\n\n")}\n`);
}

function sectionsOf(page: string): Map<string, string> {
  const [, ...sections] = page.split(/^## /m);
  return new Map(
    sections.map((text) => {
      const end = text.indexOf("\n");
      return [text.slice(0, end).trim(), text.slice(end).trim()];
    }),
  );
}

/** Where and when a section's numbers come from. */
export function originLines(command: string): string[] {
  return [
    `- command: \`${command}\``,
    `- date: ${new Date().toISOString().slice(0, 16)}Z, commit ${commit}`,
    `- machine: ${cpus().length} × ${cpus()[0]?.model.trim()}, ${mib(totalmem())} MiB, ` +
      `Linux ${release()}`,
    `- node: ${process.version}`,
  ];
}

/** Columns of one width, as the formatter wants them; all but the first stand to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const heading = rows[0] ?? [];
  const widths = heading.map((_, column) =>
    Math.max(3, ...rows.map((cells) => (cells[column] ?? "").length)),
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

export const thousands = (value: number): string =>
  value < 1000 ? value.toFixed(0) : `${Math.floor(value / 1000)},${rest(value)}`;

const rest = (value: number): string => String(Math.floor(value) % 1000).padStart(3, "0");

const mib = (bytes: number): number => Math.round(bytes / 1024 / 1024);
