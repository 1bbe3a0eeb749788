// A configuration that cannot be used: all its problems, each with its place.
//
// - Every command knows this error, so neither `yaml` nor `zod` is loaded for it.

import { type ErrorCode, SealtailError } from "../core/errors.ts";

export type ConfigPath = readonly (string | number)[];

/** A line and a column in UTF-16 units, both from 1. */
export interface Spot {
  readonly line: number;
  readonly column: number;
}

/** What is wrong, before its place is put in words. */
export interface Problem {
  readonly code: ErrorCode;
  readonly spot: Spot;
  readonly message: string;
}

/** Why what a configuration asks for is not started, although all of its values can be read. */
export interface ConfigRefusal {
  readonly code: ErrorCode;
  readonly path: ConfigPath;
  readonly message: string;
  /** What to do, where the table of errors does not know it. */
  readonly hint?: string | undefined;
}

/** `place`: of the path in the file, where the file is known. */
export function refusalError(
  { code, path, message, hint }: ConfigRefusal,
  place: string = pathText(path),
): SealtailError {
  return new SealtailError(code, message, hint === undefined ? { place } : { place, hint });
}

/** A configuration that cannot be used. Show every one of `problems`, not this error's own message. */
export class ConfigError extends SealtailError {
  /** At least one. */
  readonly problems: readonly SealtailError[];

  constructor(file: string, problems: readonly [SealtailError, ...SealtailError[]]) {
    const [first] = problems;
    const alone = problems.length === 1;
    const same = problems.every(({ code, kind }) => code === first.code && kind === "config");
    const code = same ? first.code : "config-invalid";
    super(code, alone ? first.message : `the configuration has ${problems.length} problems`, {
      place: (alone ? first.place : undefined) ?? file,
      hint: first.hint,
    });
    this.problems = problems;
  }
}

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

/** "sources[0].include", as people say it. The top is "the configuration". */
export function pathText(path: ConfigPath): string {
  if (path.length === 0) return "the configuration";
  return path
    .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
    .join("")
    .replace(/^\./, "");
}
