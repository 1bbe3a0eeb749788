// Loads a configuration: either all of it is sound, or nothing starts.
//
// - Every problem is reported at once, with file:line:column, what was found and what is wanted.
// - A loaded configuration is plain JSON: sizes are bytes, durations are milliseconds, paths are
//   absolute, and its keys are called what they are called in the file.
// - `yaml` and `zod` take 30 MB once loaded: only what reads a file imports this one.

import { isUtf8 } from "node:buffer";
import { dirname } from "node:path";
import { z } from "zod";
import { type ErrorCode, SealtailError } from "../core/errors.ts";
import { at, ConfigError, type ConfigPath, pathText, refuseProblems } from "./config-error.ts";
import { blockMessage, problemsOf } from "./config-problems.ts";
import { type Paths, pathsFrom } from "./config-values.ts";
import { ConfigText, type Env } from "./config-yaml.ts";
import { readWhole } from "./durable.ts";
import type { Files } from "./files.ts";

/** What a program's configuration looks like. */
export interface ConfigKind<S extends z.ZodType> {
  /** Of the JSON Schema. */
  readonly title: string;
  readonly schema: (paths: Paths) => S;
  /** What is allowed but worth saying. */
  readonly warnings: (config: ConfigOf<S>) => readonly ConfigAdvice[];
}

/** What is loaded: nothing in it is changed afterwards. */
export type ConfigOf<S extends z.ZodType> = Frozen<z.output<S>>;

type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T;

/** The clause stands behind the path: "is accepted but not enforced". */
export type ConfigAdvice = readonly [path: ConfigPath, clause: string];

export interface ConfigWarning {
  /** file:line:column */
  readonly place: string;
  readonly message: string;
}

export interface LoadedConfig<T> {
  readonly config: T;
  /** To be shown; none stops the program. */
  readonly warnings: readonly ConfigWarning[];
  /** file:line:column of a key, or of the next one above it that is written. */
  readonly placeOf: (path: ConfigPath) => string;
}

const configBytesMax = 262_144;

/**
 * The configuration in `written`, which came from `file` (the start of relative paths).
 * Files that it names must exist, unless `files` is left out. Throws ConfigError.
 */
export async function loadConfig<S extends z.ZodType>(
  { schema, warnings }: ConfigKind<S>,
  written: string,
  file: string,
  env: Env,
  files?: Pick<Files, "stat">,
): Promise<LoadedConfig<ConfigOf<S>>> {
  if (written.length > configBytesMax) throw tooLarge(file);
  const text = new ConfigText(written, env);
  const unreadable = text.problems.filter(({ code }) => code === "config-syntax");
  refuseProblems(file, unreadable);
  const judge = schema(pathsFrom(dirname(file), files));
  const { data, error } = await judge.safeParseAsync(text.value, { error: blockMessage });
  refuseProblems(file, [...text.problems, ...problemsOf(text, error?.issues ?? [])]);
  if (error !== undefined) throw error;
  const config = data as ConfigOf<S>;
  const placeOf = (path: ConfigPath): string => at(file, text.spotOf(path));
  const told = warnings(config).map(([path, clause]) => ({
    place: placeOf(path),
    message: `${pathText(path)} ${clause}`,
  }));
  return { config, warnings: told, placeOf };
}

/** Reads `file` and loads it. Throws ConfigError, for a file that cannot be read too. */
export async function loadConfigFile<S extends z.ZodType>(
  kind: ConfigKind<S>,
  file: string,
  env: Env,
  files: Files,
): Promise<LoadedConfig<ConfigOf<S>>> {
  const bytes = await readWhole(files, file, configBytesMax).catch((cause: unknown) => {
    const why = cause instanceof SealtailError ? cause.code : "unknown reason";
    if (why === "file-too-large") throw tooLarge(file);
    throw unusable(
      file,
      "config-file-unreadable",
      `couldn't read the configuration (${why})`,
      cause,
    );
  });
  if (bytes === undefined) {
    throw unusable(file, "config-file-unreadable", "couldn't find the configuration");
  }
  if (!isUtf8(bytes)) {
    throw unusable(file, "config-syntax", "couldn't read the configuration: it is not UTF-8");
  }
  return loadConfig(kind, new TextDecoder().decode(bytes), file, env, files);
}

/** The JSON Schema of what may be written, for editors. */
export function configJsonSchema({
  title,
  schema,
}: Pick<ConfigKind<z.ZodType>, "title" | "schema">): Readonly<Record<string, unknown>> {
  const variable = "\\$\\{";
  const { $schema, ...rest } = z.toJSONSchema(schema(pathsFrom("/")), {
    io: "input",
    // The environment may stand for any value.
    override({ jsonSchema: part }) {
      if (part.pattern?.endsWith(variable) === false) part.pattern += `|${variable}`;
      const values = part.const === undefined ? part.enum : [part.const];
      if (values === undefined) return;
      part.anyOf = [{ enum: values }, { type: "string", pattern: variable }];
      for (const word of ["type", "const", "enum"] as const) delete part[word];
    },
  });
  return { $schema, title, ...rest };
}

function tooLarge(file: string): ConfigError {
  const message = `the configuration is too large, want at most ${configBytesMax} bytes`;
  return unusable(file, "config-too-large", message);
}

function unusable(file: string, code: ErrorCode, message: string, cause?: unknown): ConfigError {
  return new ConfigError(file, [new SealtailError(code, message, { place: file, cause })]);
}
