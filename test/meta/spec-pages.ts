// The pages of docs/spec, and the examples in them, which are made by our code.
//
// - An example is a fenced block behind the line `<!-- example: NAME -->`.

import { specExamples } from "../spec-examples.ts";
import { type SourceFile, sourceFiles } from "./source-text.ts";

const marked = /(<!-- example: ([a-z0-9-]+) -->\n```text\n)([\s\S]*?)(```\n)/g;

export function specPages(): Promise<SourceFile[]> {
  return sourceFiles("docs/spec/*.md");
}

/** Names of the examples that a page shows. */
export function examplesOn(text: string): string[] {
  return [...text.matchAll(/<!-- example: (.*?) -->/g)].map(([, name]) => name as string);
}

/** The page with every example as our code makes it. Throws for a name that is none. */
export function withExamples(text: string): string {
  const examples = specExamples();
  return text.replace(marked, (_, head: string, name: string, _old: string, end: string) => {
    const example = examples.get(name);
    if (example === undefined) throw new Error(`there is no example called ${name}`);
    return `${head}${example}\n${end}`;
  });
}

/** The cells of all table rows of a page, code marks removed. */
export function tableRows(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.startsWith("| --"))
    .map((line) =>
      line
        .slice(1, line.lastIndexOf("|"))
        .split("|")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

/** What stands under a heading, up to the next one of the same or a higher level. */
export function sectionOf(text: string, heading: string): string {
  const start = text.indexOf(`\n${heading}\n`);
  if (start < 0) return "";
  const level = heading.indexOf(" ");
  const rest = text.slice(start + heading.length + 2);
  const end = rest.search(new RegExp(`^#{1,${level}} `, "m"));
  return end < 0 ? rest : rest.slice(0, end);
}
