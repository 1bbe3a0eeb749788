// Loads a configuration: either all of it is sound, or nothing starts.
//
// - Every problem is reported at once, with file:line:column, what was found and what is wanted.
// - A loaded configuration is plain JSON: sizes are bytes, durations are milliseconds, paths are
//   absolute, and its keys are called what they are called in the file.
// - `yaml` and `zod` take 30 MB once loaded: they are imported only where a file is read.

import { dirname } from "node:path";
import { SealtailError } from "../core/errors.ts";
import { at, ConfigError, problemsOf, refuseProblems, spotOf } from "./config-problems.ts";
import type { ConfigWords, Field } from "./config-schema.ts";
import type { ConfigPath, Env } from "./config-yaml.ts";
import { readWhole } from "./durable.ts";
import type { Files } from "./files.ts";

/** What a program's configuration looks like. */
export interface ConfigSchema<T> {
  /** For editors: the name of the JSON Schema. */
  readonly title: string;
  readonly fields: (words: ConfigWords) => Field<T>;
  /** What is allowed but worth saying. */
  readonly warnings?: (config: T) => readonly ConfigAdvice[];
}

export interface ConfigAdvice {
  readonly path: ConfigPath;
  /** A clause that stands behind the path: "is accepted but not enforced". */
  readonly clause: string;
}

export interface ConfigWarning {
  /** file:line:column */
  readonly place: string;
  readonly message: string;
}

export interface LoadedConfig<T> {
  readonly config: T;
  /** To be shown; none stops the program. */
  readonly warnings: readonly ConfigWarning[];
}

export type Json = string | number | boolean | readonly Json[] | { readonly [key: string]: Json };

const configBytesMax = 262_144;

/**
 * The configuration in `text`, which came from `file` (the start of relative paths).
 * Files that it names must exist, unless `files` is left out. Throws ConfigError.
 */
export async function loadConfig<T>(
  schema: ConfigSchema<T>,
  text: string,
  file: string,
  env: Env,
  files?: Pick<Files, "stat">,
): Promise<LoadedConfig<T>> {
  if (text.length > configBytesMax) throw tooLarge(file);
  const [{ readYaml, pathText }, { ConfigWords }] = await Promise.all([
    import("./config-yaml.ts"),
    import("./config-schema.ts"),
  ]);
  const tree = readYaml(text, env);
  const unreadable = tree.problems.filter(({ code }) => code === "config-syntax");
  refuseProblems(file, unreadable);
  const field = schema.fields(new ConfigWords(dirname(file), files));
  const outcome = await field.safeParseAsync(tree.value ?? undefined);
  const issues = outcome.success ? [] : outcome.error.issues;
  refuseProblems(file, [...tree.problems, ...problemsOf(tree, issues)]);
  if (!outcome.success) throw new TypeError("a refused configuration left no problem");
  const config = outcome.data;
  const warnings = (schema.warnings?.(config) ?? []).map(({ path, clause }) => ({
    place: at(file, spotOf(tree, path)),
    message: `${pathText(path)} ${clause}`,
  }));
  return { config, warnings };
}

/** Reads `file` and loads it. Throws ConfigError, for a file that cannot be read too. */
export async function loadConfigFile<T>(
  schema: ConfigSchema<T>,
  file: string,
  env: Env,
  files: Files,
): Promise<LoadedConfig<T>> {
  const bytes = await readConfig(file, files);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    const message = "couldn't read the configuration: it is not UTF-8";
    throw alone(file, new SealtailError("config-syntax", message, { place: file, cause }));
  }
  return loadConfig(schema, text, file, env, files);
}

/** The JSON Schema of a configuration, for editors. */
export async function configJsonSchema(
  schema: Pick<ConfigSchema<unknown>, "title" | "fields">,
): Promise<Record<string, unknown>> {
  const { ConfigWords, jsonSchemaOf } = await import("./config-schema.ts");
  const { $schema, ...rest } = jsonSchemaOf(schema.fields(new ConfigWords("/")));
  return { $schema, title: schema.title, ...rest };
}

/**
 * The effective configuration as it goes into the chain's `config` record: bytes and milliseconds
 * as integers, absent values left out, anything that could be a secret replaced by "***".
 */
export function maskedConfig(config: object): { readonly [key: string]: Json } {
  const masked: Record<string, Json> = {};
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined || value === null) continue;
    const secret = /(?:password|passphrase|secret|token)$/i.test(key);
    masked[key] = secret ? "***" : maskedValue(value, key);
  }
  return masked;
}

function maskedValue(value: unknown, key: string): Json {
  if (typeof value === "string") return value.replace(/(:\/\/)[^/@\s]*@/, "$1***@");
  if (typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  if (Array.isArray(value)) return value.map((item) => maskedValue(item, key));
  if (typeof value === "object" && value !== null) return maskedConfig(value);
  throw new TypeError(`configuration key ${key} holds no plain value`);
}

async function readConfig(file: string, files: Files): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readWhole(files, file, configBytesMax);
  } catch (cause) {
    if (cause instanceof SealtailError && cause.code === "file-too-large") throw tooLarge(file);
    const message = `couldn't read the configuration (${causeText(cause)})`;
    const detail = { place: file, cause };
    throw alone(file, new SealtailError("config-file-unreadable", message, detail));
  }
  if (bytes !== undefined) return bytes;
  const message = "couldn't find the configuration";
  throw alone(file, new SealtailError("config-file-unreadable", message, { place: file }));
}

function causeText(cause: unknown): string {
  return cause instanceof SealtailError ? cause.code : "unknown reason";
}

function tooLarge(file: string): ConfigError {
  const message = `the configuration is too large, want at most ${configBytesMax} bytes`;
  return alone(file, new SealtailError("config-too-large", message, { place: file }));
}

function alone(file: string, problem: SealtailError): ConfigError {
  return new ConfigError(file, [problem]);
}
