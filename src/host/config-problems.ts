// Turns what is wrong with a configuration into sentences with places.
//
// - One sentence per problem, in the order of the file.
// - A part that asks for what this version does not do is not judged any further.

import { type ErrorCode, SealtailError } from "../core/errors.ts";
import type { Field, IssueMarks } from "./config-schema.ts";
import { type ConfigPath, pathText, type Spot, type YamlTree } from "./config-yaml.ts";

/** A configuration that cannot be used. Show every one of `problems`, not this error's own message. */
export class ConfigError extends SealtailError {
  /** At least one. */
  readonly problems: readonly SealtailError[];

  constructor(file: string, problems: readonly [SealtailError, ...SealtailError[]]) {
    const [first] = problems;
    const alone = problems.length === 1;
    const code = problems.every((one) => one.code === first.code) ? first.code : "config-invalid";
    super(code, alone ? first.message : `the configuration has ${problems.length} problems`, {
      place: (alone ? first.place : undefined) ?? file,
      hint: first.hint,
    });
    this.problems = problems;
  }
}

/** A problem before it has its place in words. */
export interface Problem {
  readonly code: ErrorCode;
  readonly spot: Spot;
  readonly message: string;
}

type Outcome = Awaited<ReturnType<Field<unknown>["safeParseAsync"]>>;
type Issue = NonNullable<Outcome["error"]>["issues"][number];

/** More are of no help to anyone. */
const problemsMax = 50;

/** Throws the ConfigError for `problems`, or does nothing when there are none. */
export function refuseProblems(file: string, problems: readonly Problem[]): void {
  const [first, ...rest] = [...problems]
    .sort((a, b) => a.spot.line - b.spot.line || a.spot.column - b.spot.column)
    .slice(0, problemsMax)
    .map(({ code, spot, message }) => new SealtailError(code, message, { place: at(file, spot) }));
  if (first !== undefined) throw new ConfigError(file, [first, ...rest]);
}

export function at(file: string, { line, column }: Spot): string {
  return `${file}:${line}:${column}`;
}

/** The place of `path`, or of the nearest thing above it that was written. */
export function spotOf(tree: YamlTree, path: ConfigPath): Spot {
  for (let length = path.length; length >= 0; length -= 1) {
    const written = tree.find(path.slice(0, length));
    if (written !== undefined) return length === path.length ? written.spot : written.keySpot;
  }
  return { line: 1, column: 1 };
}

export function problemsOf(tree: YamlTree, issues: readonly Issue[]): Problem[] {
  const later = issues.filter((issue) => marksOf(issue).code === "config-unsupported");
  return issues
    .filter((issue) => !brokenAbove(tree, pathOf(issue)))
    .filter((issue) => later.includes(issue) || !later.some((one) => besides(one, issue)))
    .flatMap((issue) => [...sentences(tree, issue)]);
}

function* sentences(tree: YamlTree, issue: Issue): Generator<Problem> {
  const path = pathOf(issue);
  if (issue.code === "unrecognized_keys") {
    const known = issue.message.split(" ");
    for (const key of issue.keys) yield unknownKey(tree, [...path, key], key, known);
    return;
  }
  const { code, clause } = marksOf(issue);
  const written = tree.find(path);
  const spot = spotOf(tree, path);
  const name = pathText(path);
  if (clause === true) {
    yield { code: "config-invalid", spot, message: `${name} ${issue.message}` };
  } else if (written === undefined || (path.length === 0 && written.source === "empty")) {
    yield { code: "config-missing", spot, message: `${name} is missing, want ${wantOf(issue)}` };
  } else {
    const message = `${name} ${countOf(issue, written.source)}, want ${wantOf(issue)}`;
    yield { code: code ?? "config-invalid", spot, message };
  }
}

function unknownKey(
  tree: YamlTree,
  path: ConfigPath,
  key: string,
  known: readonly string[],
): Problem {
  const near = nearest(key, known);
  const want = near ?? `one of ${known.join(", ")}`;
  const spot = tree.find(path)?.keySpot ?? spotOf(tree, path);
  const message = `${pathText(path)} is no known key, want ${want}`;
  return { code: "config-unknown-key", spot, message };
}

function wantOf(issue: Issue): string {
  if (issue.code === "invalid_type") return issue.expected === "array" ? "a list" : "a mapping";
  if (issue.code === "too_small") return `at least ${issue.minimum}`;
  if (issue.code === "too_big") return `at most ${issue.maximum}`;
  return issue.message;
}

function countOf(issue: Issue, source: string): string {
  if (issue.code === "too_small") return "has too few items";
  if (issue.code === "too_big") return "has too many items";
  return `is ${source}`;
}

function pathOf(issue: Issue): (string | number)[] {
  return issue.path.map((step) => (typeof step === "number" ? step : String(step)));
}

function marksOf(issue: Issue): IssueMarks {
  return issue.code === "custom" ? ((issue.params ?? {}) as IssueMarks) : {};
}

function brokenAbove(tree: YamlTree, path: ConfigPath): boolean {
  return path.some((_, index) => tree.find(path.slice(0, index + 1))?.broken === true);
}

function besides(later: Issue, issue: Issue): boolean {
  const above = pathOf(later).slice(0, -1);
  return above.every((step, index) => pathOf(issue)[index] === step);
}

/** The known key that differs by a slip or two, if any. */
function nearest(key: string, known: readonly string[]): string | undefined {
  const far = Math.max(2, Math.floor(key.length / 3));
  const plain = (text: string): string => text.toLowerCase().replaceAll("-", "_");
  return known
    .map((name) => ({ name, slips: distance(plain(key), plain(name)) }))
    .filter(({ slips }) => slips <= far)
    .sort((a, b) => a.slips - b.slips)[0]?.name;
}

/** Levenshtein distance. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[to.length] ?? 0;
}
