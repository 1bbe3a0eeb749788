// Diagnostics: what the program says about itself, one JSON object a line on stderr.
//
// - A constant lower-case phrase and fields, never text put together. error: lines may be lost or
//   a human must act. warn: surprising, handled. info: lifecycle. debug: per block, never per line.
// - Fields never hold log content or key material: that is the caller's duty.
// - Writes are synchronous: the last words before a crash are on stderr.

import { pino } from "pino";
import { SealtailError } from "../core/errors.ts";

export type DiagLevel = "error" | "warn" | "info" | "debug" | "silent";

export type DiagValue =
  | string
  | number
  | bigint
  | boolean
  | Error
  | readonly (string | number)[]
  | undefined;

export type DiagFields = Readonly<Record<string, DiagValue>>;

export interface Diag {
  error(phrase: string, fields?: DiagFields): void;
  warn(phrase: string, fields?: DiagFields): void;
  info(phrase: string, fields?: DiagFields): void;
  debug(phrase: string, fields?: DiagFields): void;
  /** A Diag whose every line carries `fields` as well. */
  child(fields: DiagFields): Diag;
}

export interface DiagOptions {
  readonly level: DiagLevel;
  /** Takes each line, LF included, instead of stderr. */
  readonly write?: (line: string) => void;
}

/** What of an error may be shown: no stack, and of causes only the code and text. */
function plainError(error: Error): Record<string, string> {
  const shown: Record<string, string> = { message: error.message };
  if ("code" in error && typeof error.code === "string") shown.code = error.code;
  if (error instanceof SealtailError && error.place !== undefined) shown.place = error.place;
  if (error.cause instanceof Error) shown.cause = error.cause.message;
  return shown;
}

function plain(fields: DiagFields | undefined): Record<string, unknown> {
  const out: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (value instanceof Error) out[key] = plainError(value);
    else if (typeof value === "bigint") out[key] = String(value);
    else if (value !== undefined) out[key] = value;
  }
  return out;
}

type Logger = pino.Logger;

function wrap(logger: Logger): Diag {
  return {
    error: (phrase, fields) => logger.error(plain(fields), phrase),
    warn: (phrase, fields) => logger.warn(plain(fields), phrase),
    info: (phrase, fields) => logger.info(plain(fields), phrase),
    debug: (phrase, fields) => {
      if (logger.isLevelEnabled("debug")) logger.debug(plain(fields), phrase);
    },
    child: (fields) => wrap(logger.child(plain(fields))),
  };
}

export function createDiag(options: DiagOptions): Diag {
  const { level, write } = options;
  const settings = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const target = write === undefined ? pino.destination({ dest: 2, sync: true }) : { write };
  return wrap(pino(settings, target));
}

const nothing = (): void => {};

/** Says nothing. */
export const silentDiag: Diag = {
  error: nothing,
  warn: nothing,
  info: nothing,
  debug: nothing,
  child: () => silentDiag,
};
