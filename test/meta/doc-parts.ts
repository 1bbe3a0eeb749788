// How parts that are made from the code stand in a page, and how a table is written.
//
// - A part lies between `<!-- made: NAME -->` and `<!-- end of NAME -->`; `npm run docs` writes it.
// - Tables are padded as the formatter wants them, so that both agree.

import { type SourceFile, sourceFiles } from "./source-text.ts";

const marked = /(<!-- made: ([a-z0-9-]+) -->\n)([\s\S]*?)(<!-- end of \2 -->)/g;

/** Every page that people read, but for the spec, which has its own examples. */
export function docPages(): Promise<SourceFile[]> {
  return sourceFiles(
    "*.md",
    "docs/*.md",
    "docs/{reference,decisions,operating}/**/*.md",
    "helm/**/*.md",
  );
}

/** Names of the parts that a page has. */
export function partsOn(text: string): string[] {
  return [...text.matchAll(/<!-- made: ([a-z0-9-]+) -->/g)].map(([, name]) => name as string);
}

/** The page with every part as the code makes it. Throws for a name that is none. */
export function withParts(text: string, parts: ReadonlyMap<string, string>): string {
  return text.replace(marked, (_, head: string, name: string, _old: string, end: string) => {
    const part = parts.get(name);
    if (part === undefined) throw new Error(`there is no part called ${name}`);
    return `${head}\n${part.trim()}\n\n${end}`;
  });
}

/** A table; `rows` without the head. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => cell.replaceAll("|", "\\|")));
  const widths = head.map((_, column) =>
    Math.max(3, ...cells.map((row) => [...(row[column] ?? "")].length)),
  );
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  const rule = widths.map((width) => "-".repeat(width));
  const [top = [], ...rest] = cells;
  return [line(top), line(rule), ...rest.map(line)].join("\n");
}
