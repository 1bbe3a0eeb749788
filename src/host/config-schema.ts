// The words in which a configuration's shape is written down, and what each of them accepts.
//
// - Only here is the `zod` package imported; agent/config.ts and vault/config.ts get these words.
// - Every refusal is a phrase that follows "want"; the loader adds the place and what was found.
// - Whole numbers and booleans may also come as text: that is what the environment gives.
// - Relative paths are taken from the directory of the configuration file.

import { resolve } from "node:path";
import { z } from "zod";
import type { ErrorCode } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { isName, type KeyType, parseVerifierKey } from "../core/note.ts";
import type { Files } from "./files.ts";
import { listenWant, parseListenAddress } from "./listen-address.ts";
import { nativeSuite } from "./native-suite.ts";
import { formatDuration, formatSize, type Reading, readDuration, readSize } from "./units.ts";

/** One value: how it is checked, and what it becomes. */
export type Field<T> = z.ZodType<T>;

/** A field for every key of T, no more and no less. */
export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

export interface Range {
  readonly min: number;
  readonly max: number;
}

/** Reports that the value at `path`, below the one checked, does not go with the others. */
export type Refuse = (path: readonly (string | number)[], sentence: string) => void;

/** What the loader finds in an issue that was raised here. */
export interface IssueMarks {
  readonly code?: ErrorCode;
  /** The message is a whole clause, to stand behind the path. */
  readonly clause?: boolean;
}

type JsonPart = Readonly<Record<string, unknown>>;

class Unfit {
  readonly want: string;
  readonly marks: IssueMarks;

  constructor(want: string, marks: IssueMarks = {}) {
    this.want = want;
    this.marks = marks;
  }
}

const expandable = "|\\$\\{";

export class ConfigWords {
  readonly #dir: string;
  readonly #files: Pick<Files, "stat"> | undefined;

  /** Without `files`, nothing is looked up on disk. */
  constructor(dir: string, files?: Pick<Files, "stat">) {
    this.#dir = dir;
    this.#files = files;
  }

  object<T extends object>(fields: Fields<T>): Field<T> {
    const known = Object.keys(fields).join(" ");
    // The keys that are known travel in the message: the loader names the nearest one.
    const error = (issue: { code?: string }): string | undefined =>
      issue.code === "unrecognized_keys" ? known : undefined;
    return z.strictObject(fields as unknown as z.ZodRawShape, { error }) as unknown as Field<T>;
  }

  list<T>(item: Field<T>, { min, max }: Range): Field<readonly T[]> {
    return z.array(item).min(min).max(max);
  }

  /** Any keys, all with text: at most 64, short and without control characters. */
  labels(): Field<Readonly<Record<string, string>>> {
    const labels = z.record(z.string(), this.text({ min: 0, max: 1024 }));
    return this.check(labels, (value, refuse) => {
      const keys = Object.keys(value);
      if (keys.length > 64) refuse([], `has ${keys.length} labels, want at most 64`);
      for (const key of keys) {
        if (!/^[\x21-\x7e]{1,100}$/.test(key)) {
          refuse([key], "is not a label, want 1 to 100 printable characters without space");
        }
      }
    });
  }

  /** The value that stands for an absent key, written as in a file. */
  withDefault<T>(field: Field<T>, value: unknown): Field<T> {
    return (field as z.ZodType<T, unknown>).prefault(value);
  }

  optional<T>(field: Field<T>): Field<T | undefined> {
    return field.optional();
  }

  described<T>(field: Field<T>, description: string): Field<T> {
    return field.meta({ description });
  }

  /** Runs once the value itself is sound. */
  check<T>(field: Field<T>, judge: (value: T, refuse: Refuse) => void): Field<T> {
    return field.superRefine((value, context) => {
      judge(value, (path, message) => {
        const params: IssueMarks = { clause: true };
        context.addIssue({ code: "custom", path: [...path], message, params: { ...params } });
      });
    });
  }

  text({ min, max }: Range): Field<string> {
    const want = `text of ${min} to ${max} characters without control characters`;
    return leaf({ type: "string", minLength: min }, (value) => {
      const text = textOf(value, want);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused.
      const sound = !/[\x00-\x1f\x7f]/.test(text) && text.isWellFormed();
      if (text.length < min || text.length > max || !sound) throw new Unfit(want);
      return text;
    });
  }

  /** A name of the sealed format: of a subject, a vault. */
  name(): Field<string> {
    const want = "1 to 200 printable ASCII characters without space and +";
    return leaf({ type: "string", minLength: 1, maxLength: 200 }, (value) => {
      const text = textOf(value, want);
      if (!isName(text)) throw new Unfit(want);
      return text;
    });
  }

  /** A name that also stands in metrics and on the command line. */
  word(): Field<string> {
    const want = "a letter or digit, then up to 62 letters, digits, dots, dashes or underscores";
    return leaf({ type: "string", minLength: 1 }, (value) => {
      const text = textOf(value, want);
      if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)) throw new Unfit(want);
      return text;
    });
  }

  /** `later` are values that a coming version takes. */
  oneOf<const T extends string | number>(values: readonly T[], later: readonly T[] = []): Field<T> {
    const want = values.join(" or ");
    return leaf({ enum: values }, (value) => {
      const given = typeof value === "number" ? value : textOf(value, want);
      const found = values.find((one) => String(one) === String(given));
      if (found !== undefined) return found;
      const code = later.some((one) => String(one) === String(given))
        ? "config-unsupported"
        : undefined;
      throw new Unfit(code ? `${want} in this version` : want, code ? { code } : {});
    });
  }

  /** The version of the configuration's own shape: nothing else is judged when it is another. */
  version(): Field<1> {
    return leaf({ const: 1 }, (value) => {
      if (value === 1 || value === "1") return 1;
      throw new Unfit("1", typeof value === "number" ? { code: "config-unsupported" } : {});
    });
  }

  flag(): Field<boolean> {
    const json = { anyOf: [{ type: "boolean" }, { type: "string", pattern: "\\$\\{" }] };
    return leaf(json, (value) => {
      if (value === true || value === "true") return true;
      if (value === false || value === "false") return false;
      throw new Unfit("true or false");
    });
  }

  integer({ min, max }: Range): Field<number> {
    const want = `a whole number from ${min} to ${max}`;
    const json = {
      type: ["integer", "string"],
      minimum: min,
      maximum: max,
      pattern: `^[0-9]+$${expandable}`,
    };
    return leaf(json, (value) => {
      const number = typeof value === "string" && /^[0-9]+$/.test(value) ? Number(value) : value;
      return within(Number.isSafeInteger(number) ? Number(number) : undefined, { min, max }, want);
    });
  }

  /** Bytes. */
  size(range: Range): Field<number> {
    const want = `a size from ${formatSize(range.min)} to ${formatSize(range.max)}`;
    const json = {
      type: ["integer", "string"],
      pattern: `^[0-9]+(B|KiB|MiB|GiB)?$${expandable}`,
    };
    return leaf(json, (value) => {
      if (typeof value === "number" && !Number.isSafeInteger(value)) throw new Unfit(want);
      const text = typeof value === "number" ? String(value) : textOf(value, want);
      return within(amountOf(readSize(text)), range, want);
    });
  }

  /** Milliseconds. */
  duration(range: Range): Field<number> {
    const want = `a duration from ${formatDuration(range.min)} to ${formatDuration(range.max)}`;
    const json = { type: "string", pattern: `^[0-9]+(ms|s|m|h|d)$${expandable}` };
    return leaf(json, (value) => {
      const text = typeof value === "number" ? String(value) : textOf(value, want);
      return within(amountOf(readDuration(text)), range, want);
    });
  }

  listen(): Field<string> {
    return leaf({ type: "string" }, (value) => {
      const text = textOf(value, listenWant);
      if (parseListenAddress(text) === undefined) throw new Unfit(listenWant);
      return text;
    });
  }

  /** A base address, without a slash at its end. Credentials, queries and fragments are refused. */
  httpUrl(): Field<string> {
    const want = "an address such as https://vault.example:8443";
    return leaf({ type: "string" }, (value) => {
      const text = textOf(value, want);
      const url = URL.canParse(text) ? new URL(text) : undefined;
      if (url === undefined || !/^https?:$/.test(url.protocol)) throw new Unfit(want);
      if (url.username !== "" || url.password !== "") throw new Unfit(`${want}, without a user`);
      if (url.search !== "" || url.hash !== "") throw new Unfit(`${want}, without ? and #`);
      return url.href.replace(/\/+$/, "");
    });
  }

  /** A path; it need not exist. */
  path(): Field<string> {
    return leaf({ type: "string", minLength: 1 }, (value) => resolve(this.#dir, pathOf(value)));
  }

  /** The path of a file that must exist. */
  file(): Field<string> {
    return this.path().superRefine(async (path, context) => {
      if (this.#files === undefined) return;
      const found = await this.#files.stat(path).catch(() => undefined);
      if (found?.kind === "file") return;
      const params = { code: "config-file-missing" } satisfies IssueMarks;
      const message = found === undefined ? "a file that exists" : "a file, not a directory";
      context.addIssue({ code: "custom", message, params });
    });
  }

  /** A glob over whole paths. */
  glob(): Field<string> {
    return leaf({ type: "string", minLength: 1 }, (value) => this.#wholeGlob(pathOf(value)));
  }

  /** A glob over whole paths, or over the last name of a path when it holds no slash. */
  nameGlob(): Field<string> {
    return leaf({ type: "string", minLength: 1 }, (value) => {
      const glob = pathOf(value);
      return glob.includes("/") ? this.#wholeGlob(glob) : glob;
    });
  }

  /** A C2SP verifier key, `name+hash+base64`; stays text. */
  verifierKey(types: readonly KeyType[]): Field<string> {
    const want = "a verifier key such as vault.example+1234abcd+AZ…";
    return leaf({ type: "string", minLength: 1 }, (value) => {
      const text = textOf(value, want);
      try {
        const { type } = parseVerifierKey(nativeSuite, text);
        if (types.includes(type)) return text;
        throw new Unfit(`a verifier key of type ${types.join(" or ")}, not of type ${type}`);
      } catch (cause) {
        if (!(cause instanceof Fault)) throw cause;
        throw new Unfit(`${want} (${cause.message})`);
      }
    });
  }

  #wholeGlob(glob: string): string {
    if (glob.startsWith("/")) return resolve(glob);
    // The directory is a name, not a pattern, whatever characters it holds.
    const dir = resolve(this.#dir).replace(/[\\*?[\]{}()!+@|]/g, "\\$&");
    return resolve(dir, glob);
  }
}

/** The JSON Schema of what may be written, for editors. */
export function jsonSchemaOf(field: Field<unknown>): Record<string, unknown> {
  return z.toJSONSchema(field, { io: "input" }) as Record<string, unknown>;
}

function leaf<T>(json: JsonPart, read: (value: unknown) => T): Field<T> {
  return z
    .any()
    .meta(json)
    .transform((value, context): T => {
      try {
        return read(value);
      } catch (cause) {
        if (!(cause instanceof Unfit)) throw cause;
        const { want: message, marks } = cause;
        context.issues.push({ code: "custom", input: value, message, params: { ...marks } });
        return z.NEVER;
      }
    });
}

function textOf(value: unknown, want: string): string {
  if (typeof value !== "string") throw new Unfit(want);
  return value;
}

function pathOf(value: unknown): string {
  const text = textOf(value, "a path");
  if (text === "" || text.includes("\0") || !text.isWellFormed()) throw new Unfit("a path");
  return text;
}

function amountOf(reading: Reading): number {
  if ("want" in reading) throw new Unfit(reading.want);
  return reading.value;
}

function within(value: number | undefined, { min, max }: Range, want: string): number {
  if (value === undefined || value < min || value > max) throw new Unfit(want);
  return value;
}
