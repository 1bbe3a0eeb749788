// The values that configurations are made of: what is accepted, what it becomes, how it is called.
//
// - A message that begins with "want" completes "‹key› is ‹what was found›, …"; any other follows
//   the key alone.
// - `title` is the value's type in a word or two, for the JSON Schema and the reference.
// - Whole numbers and booleans may also come as text: that is what the environment gives.

import { resolve } from "node:path";
import { z } from "zod";
import type { ErrorCode } from "../core/errors.ts";
import { Fault } from "../core/fault.ts";
import { type KeyType, parseVerifierKey } from "../core/note.ts";
import type { Files } from "./files.ts";
import { listenWant, parseListenAddress } from "./listen-address.ts";
import { nativeSuite } from "./native-suite.ts";
import { durationHint, readDuration, readSize, sizeHint } from "./units.ts";

type Text = z.ZodType<string, string>;
type Message = string | ((issue: { readonly input: unknown }) => string);

/** A name of the sealed format: of a subject, a vault. */
export const name: Text = matching(
  "name",
  /^[!-*,-~]{1,200}$/,
  "want 1 to 200 printable ASCII characters without space and +",
);

/** A name that also stands in metrics and on the command line. */
export const word: Text = matching(
  "word",
  /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/,
  "want a letter or digit, then up to 62 letters, digits, dots, dashes or underscores",
);

export const flag: z.ZodType<boolean> = z.union(
  [z.boolean(), z.enum(["true", "false"]).transform((given) => given === "true")],
  "want true or false",
);

export function oneOf<const T extends string>(...values: readonly T[]): z.ZodType<T, T> {
  return z.enum(values, `want ${values.join(" or ")}`);
}

/** The one value that there is so far. Those that `later` knows are for a version to come. */
export function only<const T extends string | number>(
  value: T,
  later: (given: unknown) => boolean,
): z.ZodType<T> {
  const inner = z.literal(value, `want ${value}`);
  return z.preprocess((given, context) => {
    if (given === String(value)) return value;
    if (given !== value && later(given)) {
      const params = { code: "config-unsupported" satisfies ErrorCode };
      context.addIssue({ code: "custom", message: `want ${value} in this version`, params });
    }
    return given;
  }, inner);
}

export function list<T extends z.ZodType>(item: T, min: number, max: number): z.ZodArray<T> {
  return z
    .array(item, "want a list")
    .min(min, `has too few items, want at least ${min}`)
    .max(max, `has too many items, want at most ${max}`);
}

/** A block that may be absent, because every one of its keys may. */
export function section<T extends z.ZodRawShape>(shape: T) {
  const block = z.strictObject(shape);
  return block.prefault({} as z.input<typeof block>);
}

export function integer(min: number, max: number): z.ZodType<number, number | string> {
  const error = `want a whole number from ${min} to ${max}`;
  const title = `whole number, ${grouped(min)} to ${grouped(max)}`;
  const number = within(min, max, error);
  const digits = z.string().regex(/^[0-9]+$/);
  return z.union([number, digits.transform(Number).pipe(number)], error).meta({ title });
}

/** Becomes bytes. */
export function size(min: string, max: string): z.ZodType<number, number | string> {
  const error = wanted(`a size from ${min} to ${max}`, readSize, sizeHint);
  const bytes = within(readSize(min), readSize(max), error);
  const written = z.string().regex(/^[0-9]+(B|KiB|MiB|GiB)?$/);
  const either = z.union([bytes, written.transform(readSize).pipe(bytes)], { error });
  return either.meta({ title: `size, ${min} to ${max}` });
}

/** Becomes milliseconds. */
export function duration(min: string, max: string): z.ZodType<number, string> {
  const range = `a duration from ${min} to ${max}`;
  const error = wanted(range, readDuration, durationHint);
  const written = z.string({ error }).regex(/^[0-9]+(ms|s|m|h|d)$/, { error, abort: true });
  const ms = within(readDuration(min), readDuration(max), `want ${range}`);
  return written
    .transform(readDuration)
    .pipe(ms)
    .meta({ title: `duration, ${min} to ${max}` });
}

export const listen: Text = judged(
  "host:port",
  `want ${listenWant}`,
  (given) => parseListenAddress(given) !== undefined,
);

/** A base address, without a slash at its end. Credentials, queries and fragments are refused. */
export const httpUrl: Text = z
  .string("want an address such as https://vault.example:8443")
  .meta({ title: "http or https address" })
  .transform((given, context) => {
    const url = URL.canParse(given) ? new URL(given) : undefined;
    const refuse = (more: string): never => {
      context.addIssue(`want an address such as https://vault.example:8443${more}`);
      return z.NEVER;
    };
    if (url === undefined || !/^https?:$/.test(url.protocol)) return refuse("");
    if (url.username !== "" || url.password !== "") return refuse(", without a user");
    if (url.search !== "" || url.hash !== "") return refuse(", without ? and #");
    return url.href.replace(/\/+$/, "");
  });

/** A C2SP verifier key, `name+hash+base64`; stays text. */
export function verifierKey(...types: readonly KeyType[]): Text {
  const want = "want a verifier key such as vault.example+1234abcd+AZ…";
  const title = `verifier key of type ${types.join(" or ")}`;
  const read = z.string(want).transform((given, context) => {
    try {
      const { type } = parseVerifierKey(nativeSuite, given);
      if (!types.includes(type)) context.addIssue(`want a ${title}, not of type ${type}`);
    } catch (cause) {
      if (!(cause instanceof Fault)) throw cause;
      context.addIssue(`${want} (${cause.message})`);
    }
    return given;
  });
  return read.meta({ title });
}

/** Values that are taken from the directory of the configuration file, when they are relative. */
export type Paths = ReturnType<typeof pathsFrom>;

/** Without `files`, nothing is looked up on disk. */
export function pathsFrom(dir: string, files?: Pick<Files, "stat">) {
  const given = (title: string): Text =>
    judged(title, "want a path", (path) => !/^$|\0/.test(path) && path.isWellFormed());
  // The directory is a name, not a pattern, whatever characters it holds.
  const plainDir = resolve(dir).replace(/[\\*?[\]{}()!+@|]/g, "\\$&");
  const whole = (glob: string): string => resolve(plainDir, glob);
  const exists = async (path: string, context: z.RefinementCtx): Promise<void> => {
    const found = await files?.stat(path).catch(() => undefined);
    if (files === undefined || found?.kind === "file") return;
    const message = `want a file${found === undefined ? " that exists" : ", not a directory"}`;
    const params = { code: "config-file-missing" satisfies ErrorCode };
    context.addIssue({ code: "custom", message, params });
  };
  const path = (title: string): Text => given(title).transform((one) => resolve(dir, one));
  return {
    /** It need not exist. */
    path: path("path"),
    /** Of a file that must exist. */
    file: path("path of a file").superRefine(exists),
    /** Over whole paths. */
    glob: given("glob").transform(whole),
    /** Over whole paths, or over the last name of a path when it holds no slash. */
    nameGlob: given("glob").transform((glob) => (glob.includes("/") ? whole(glob) : glob)),
  };
}

// Keys that both programs have.

export const version = only(1, (given) => typeof given === "number").describe(
  "The version of this file's shape.",
);

export const level = oneOf("error", "warn", "info", "debug")
  .prefault("info")
  .describe("The least that is told on stderr, one JSON object a line. Never any line content.");

export function metrics(preset: string) {
  const about = "Where /metrics, /livez, /readyz and /startupz are served.";
  return section({ listen: listen.prefault(preset).describe(about) });
}

// Number formats of the platform would load its tables of all languages: 8 MiB of an agent.
function grouped(value: number): string {
  return String(value).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

function matching(title: string, pattern: RegExp, error: string): Text {
  return z.string(error).regex(pattern, { error, abort: true }).meta({ title });
}

function judged(title: string, error: string, fits: (given: string) => boolean): Text {
  return z.string(error).refine(fits, { error, abort: true }).meta({ title, minLength: 1 });
}

function within(min: number, max: number, error: Message): z.ZodInt {
  return z.int({ error }).min(min, { error, abort: true }).max(max, { error, abort: true });
}

/** Says what to write instead of what cannot be read, and the range to whatever else is refused. */
function wanted(
  range: string,
  read: (text: string) => number,
  hint: (text: string) => string,
): (issue: { readonly input: unknown }) => string {
  return ({ input }) => {
    const scalar = input !== undefined && typeof input !== "object";
    return `want ${scalar && Number.isNaN(read(String(input))) ? hint(String(input)) : range}`;
  };
}
