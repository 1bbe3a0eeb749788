// Reads the project's own source for the meta tests: files, imports, code without its comments.

import { glob, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";

export const projectRoot: string = join(import.meta.dirname, "../..");

export interface SourceFile {
  /** From the project's root, with slashes: "src/core/bytes.ts". */
  readonly path: string;
  readonly text: string;
}

/** The files that match, sorted by path. */
export async function sourceFiles(...patterns: string[]): Promise<SourceFile[]> {
  const paths: string[] = [];
  for await (const path of glob(patterns, { cwd: projectRoot })) paths.push(path);
  return Promise.all(
    paths
      .map((path) => path.replaceAll("\\", "/"))
      .filter((path) => !/(?:^|\/)(?:node_modules|dist)\//.test(path))
      .sort()
      .map(async (path) => ({ path, text: await readFile(join(projectRoot, path), "utf8") })),
  );
}

export type ImportKind = "static" | "side-effect" | "dynamic" | "escape";

export interface Import {
  readonly kind: ImportKind;
  /** As written; for what is imported from a computed name, the code itself. */
  readonly from: string;
}

const quoted = `(?:"([^"\\n]*)"|'([^'\\n]*)'|\`([^\`]*)\`)`;

const patterns: readonly (readonly [ImportKind, RegExp])[] = [
  [
    "static",
    new RegExp(`(?:^|;|\\})\\s*(?:import|export)\\b[^;"'\`()]*?\\bfrom\\s*${quoted}`, "gm"),
  ],
  ["side-effect", new RegExp(`(?:^|;|\\})\\s*import\\s*${quoted}`, "gm")],
  ["dynamic", new RegExp(`\\bimport\\s*\\(\\s*(?:${quoted}|[^)]*)`, "g")],
  ["escape", /\b(?:require\s*\(|createRequire\b|getBuiltinModule\b|import\s+\w+\s*=)/g],
];

/**
 * Everything that `text` imports, types included. Errs on the side of too much: an import within a
 * string counts as one.
 */
export function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  return patterns.flatMap(([kind, pattern]) =>
    [...code.matchAll(pattern)].map((match) => ({
      kind,
      from: match[1] ?? match[2] ?? match[3] ?? match[0].trim(),
    })),
  );
}

/** The path from the root that a relative import of `path` means. */
export function importedPath(path: string, from: string): string {
  return normalize(join(dirname(path), from)).replaceAll("\\", "/");
}

/** Comments become spaces, line ends stay. Strings are kept as they are. */
export function withoutComments(text: string): string {
  const token =
    /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[\s\S]|[^`\\])*`|(?<![\\[])\/\/.*|\/\*[\s\S]*?\*\//g;
  return text.replace(token, (part) =>
    part.startsWith("//") || part.startsWith("/*") ? part.replace(/[^\n]/g, " ") : part,
  );
}
